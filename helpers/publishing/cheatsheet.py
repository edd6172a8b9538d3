"""The page to print: kinds, formulas and rules on one sheet, its numbers from the functions that the notebooks use."""

from helpers.cost import conv_cost

CHANNELS, SIZE = 64, 32  # of the example: as many channels in as out, the size kept
KINDS = {  # one convolution or two, as (kernel, options); the formula of its weights; what it joins; when to take it
    "standard": ([(3, {})], "k² · in · out", "every pixel of the window, every channel", "where time is short"),
    "dilated": (
        [(3, {"dilation": 2, "padding": 2})],
        "k² · in · out",
        "a wider window, with holes",
        "to see further at the same cost; no gain on small maps",
    ),
    "grouped": (
        [(3, {"groups": 4})],
        "k² · in · out / g",
        "channels of the same group",
        "to save, where a layer after it mixes",
    ),
    "depthwise": ([(3, {"groups": CHANNELS})], "k² · channels", "pixels only", "with a pointwise layer after it"),
    "pointwise": ([(1, {"padding": 0})], "in · out", "channels only", "to mix, widen, narrow"),
    "depthwise separable": (
        [(3, {"groups": CHANNELS}), (1, {"padding": 0})],
        "k² · in + in · out",
        "pixels first, then channels",
        "where parameters or MACs are short; it seldom saves as much time",
    ),
}
FORMULAS = (
    ("output size", "`(n + 2p − d(k − 1) − 1) // s + 1`"),
    ("padding that keeps the size", "`d(k − 1) / 2`, stride 1, k odd"),
    ("span of a kernel", "`d(k − 1) + 1`"),
    ("receptive field, layer by layer", "`field += d(k − 1) · jump`, and then `jump *= s`; both begin at 1"),
    (
        "no holes in a stack, stride 1",
        "dilations from the smallest on: none larger than the width that those before it see",
    ),
    ("MACs", "`weights × output pixels`; 1 MAC = 2 FLOPs"),
    ("arithmetic intensity", "`FLOPs / bytes moved`; below `peak / bandwidth` a layer waits for memory"),
    ("BatchNorm", "two numbers for each channel, and no bias before it"),
    ("standard error of an accuracy", "`√(a(1 − a) / N)`, a the accuracy on N images"),
    ("Amdahl", "`1 / (1 − share + share / f)`, f times faster in that share"),
)


def cheat_sheet():
    """Return the sheet as Markdown."""
    example = f"{CHANNELS} → {CHANNELS} channels, {SIZE}×{SIZE} pixels, kernel 3×3, d = 2, g = 4"
    lines = [
        "# On one sheet",
        "",
        "Kernel k, stride s, padding p, dilation d, groups g, n pixels a side. "
        f"The example: {example}; one image, float32.",
        "",
        "| kind | weights | in the example | million MACs | FLOPs per byte | joins | take it |",
        "| --- | --- | ---: | ---: | ---: | --- | --- |",
    ]
    for kind, (layers, formula, joins, when) in KINDS.items():
        bills = [
            conv_cost(CHANNELS, CHANNELS, kernel, SIZE, **({"padding": kernel // 2, "bias": False} | options))
            for kernel, options in layers
        ]
        macs, moved = sum(bill.macs for bill in bills), sum(bill.bytes for bill in bills)
        weights = sum(bill.params for bill in bills)
        lines.append(
            f"| {kind} | {formula} | {weights:,} | {macs / 1e6:.1f} | {2 * macs / moved:.1f} | {joins} | {when} |"
        )
    lines += ["", "| what | how |", "| --- | --- |", *(f"| {what} | {how} |" for what, how in FORMULAS)]
    return "\n".join(lines) + "\n"
