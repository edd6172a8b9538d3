"""Every figure of the course. Each function draws one figure from arrays or records and returns it.

Colours are those of M. Okabe and K. Ito, *Color Universal Design*, 2008, told apart by the colour-blind as well;
letters are large enough for a projector.
"""

import contextlib

import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#666666"
)  # fmt: skip

STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 2,
}


def figure(rows=1, columns=1, size=(9, 4.5), **options):
    """Return ``plt.subplots`` in the style of the course; ``size`` is in inches."""
    with plt.rc_context(STYLE):
        return plt.subplots(rows, columns, figsize=size, **options)


# Notebook 01: the data --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def styled():
    """Draw in the style of the course, letters and ticks that are added later included."""
    plt.draw_if_interactive()  # loads the notebook's backend now; inside rc_context its settings would be undone
    with plt.rc_context(STYLE):
        yield


@styled()
def image_rows(images, row_names, column_names=None):
    """Draw a grid of images, ``(rows, columns, 32, 32, 3) uint8``, with a name at each row and over each column."""
    rows, columns, side = images.shape[:3]
    gap = 3
    step = side + gap
    canvas = np.full((rows * step - gap, columns * step - gap, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            canvas[row * step :, column * step :][:side, :side] = images[row, column]
    drawn, axis = figure(size=(11, 0.3 + rows * (0.95 if columns > 8 else 1.2)))
    axis.imshow(canvas, interpolation="nearest")
    axis.set_yticks(step * np.arange(rows) + side / 2, row_names)
    axis.set_xticks(step * np.arange(columns) + side / 2, column_names or [""] * columns)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return drawn


@styled()
def pixels_as_numbers(image, top, left, size=5):
    """Draw an image ``(32, 32, 3) uint8`` and, as numbers, ``size``×``size`` of its pixels, channel by channel."""
    drawn, axes = figure(1, 4, size=(12, 3.3))
    axes[0].imshow(image, interpolation="nearest")
    axes[0].add_patch(plt.Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor="white", linewidth=2.5))
    axes[0].set(title="32×32 pixels", xlabel="column (pixels)", ylabel="row (pixels)")
    for channel, (axis, name) in enumerate(zip(axes[1:], ("red", "green", "blue"), strict=True)):
        patch = image[top : top + size, left : left + size, channel]
        axis.imshow(patch, cmap="gray", vmin=0, vmax=255)
        axis.set(title=name, xlabel="column (pixels)")
        axis.set_xticks(range(size), range(left, left + size))
        axis.set_yticks(range(size), range(top, top + size))
        for row, column in np.ndindex(size, size):
            value = patch[row, column]
            axis.text(column, row, value, ha="center", va="center", color="black" if value > 127 else "white")
    for axis in axes:
        axis.grid(False)
    return drawn


@styled()
def channel_histograms(shares, mean, std):
    """Draw how often each value occurs, ``shares (3, 256)``, before and after normalisation by ``mean`` and ``std``."""
    drawn, (before, after) = figure(1, 2, size=(12, 4.2), sharey=True)
    values = np.arange(256)
    looks = (("red", RED, "-"), ("green", GREEN, "--"), ("blue", BLUE, ":"))
    for channel, (name, colour, line) in enumerate(looks):
        percent = 100 * shares[channel]
        before.plot(values, percent, color=colour, linestyle=line, label=name)
        after.plot((values / 255 - mean[channel]) / std[channel], percent, color=colour, linestyle=line, label=name)
    before.set(title="bytes", xlabel="value (0 to 255)", ylabel="pixels (%)", ylim=(0, None))
    after.set(title="normalised", xlabel="value (deviations from the mean)")
    before.legend(frameon=False, loc="upper center")
    return drawn


# Notebook 02: the convolutions -------------------------------------------------------------------------------------


EMPTY = "#E4E4E4"  # a cell that nothing reaches


def _bare(axis, title=None):
    """Take ticks, frame and grid away: what is drawn speaks for itself."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.grid(False)
    axis.set_title(title)


def _numbers(axis, values, title, colours=None, fontsize=15):
    """Draw a matrix as numbers in cells; ``colours`` maps ``(row, column)`` to the colour of a cell."""
    rows, columns = values.shape
    for row, column in np.ndindex(rows, columns):
        colour = (colours or {}).get((row, column), "white")
        axis.add_patch(plt.Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=1))
        number = f"{values[row, column]:.0f}".replace("-", "−")
        axis.text(column + 0.5, row + 0.5, number, ha="center", va="center", fontsize=fontsize)
    axis.set(xlim=(-0.05, columns + 0.05), ylim=(rows + 0.05, -0.05), aspect="equal")
    _bare(axis, title)


@styled()
def convolution_by_numbers(image, kernel, output, row, column):
    """Draw ``image (H, W)``, ``kernel (k, k)`` and ``output`` as numbers; mark one output and its window."""
    size = len(kernel)
    window = {(row + i, column + j): YELLOW for i, j in np.ndindex(size, size)}
    widths = [image.shape[1], size, output.shape[1]]
    drawn, axes = figure(1, 3, size=(6.8, 3.1), width_ratios=widths)
    _numbers(axes[0], image, "input", window)
    _numbers(axes[1], kernel, "kernel", {place: SKY for place in np.ndindex(size, size)})
    _numbers(axes[2], output, "output", {(row, column): ORANGE})
    return drawn


@styled()
def product_by_numbers(weights, columns, product, column):
    """Draw ``weights (out, n) @ columns (n, m) = product (out, m)`` as numbers, the columns above the product."""
    drawn, axes = figure(2, 2, size=(7.6, 5.5), width_ratios=[len(columns), product.shape[1]], height_ratios=[9, 3.4])
    _bare(axes[0, 0])
    marked = {(i, column): YELLOW for i in range(len(columns))}
    _numbers(axes[0, 1], columns, "one column a window", marked, fontsize=13)
    blue = {place: SKY for place in np.ndindex(*weights.shape)}
    _numbers(axes[1, 0], weights, "one row a filter", blue, fontsize=13)
    orange = {(i, column): ORANGE for i in range(len(weights))}
    _numbers(axes[1, 1], product, "one row an output channel", orange, fontsize=13)
    return drawn


@styled()
def pictures(images, titles, columns=4):
    """Draw images, ``(H, W, 3)`` or ``(H, W)`` (grey, from its smallest to its largest value), with titles."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    drawn, axes = figure(rows, columns, size=(1.6 * columns, 1.95 * rows), squeeze=False)
    for axis in axes.flat:
        _bare(axis)
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap="gray", interpolation="nearest")
        axis.set_title(title)
    return drawn


def _grid(axis, shape):
    """Draw white lines between the cells of a matrix."""
    rows, columns = shape
    axis.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="white", linewidth=1.5)
    axis.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="white", linewidth=1.5)


def _connections(axis, connections, title):
    """Draw ``connections (out, in)``: a filled cell where an input channel reaches an output channel."""
    axis.imshow(np.where(np.asarray(connections)[..., None], _rgb(GREEN), _rgb(EMPTY)))
    _grid(axis, connections.shape)
    _bare(axis, title)
    axis.set(xlabel="input channel", ylabel="output channel")


def _rgb(colour):
    return np.array(plt.matplotlib.colors.to_rgb(colour))


@styled()
def footprint(counts, title):
    """Draw what one output pixel sees, from ``counts (out, in, H, W)``, the paths to it from each input pixel.

    Left the pixels that reach it, in any channel; right which input channel reaches which output channel.
    """
    counts = np.asarray(counts)
    drawn, (space, channels) = figure(1, 2, size=(6, 3.9))
    drawn.suptitle(title, fontsize=14)
    taps = counts.sum(axis=(0, 1)) > 0
    space.imshow(np.where(taps[..., None], _rgb(BLUE), _rgb(EMPTY)))
    _grid(space, taps.shape)
    middle = taps.shape[1] // 2, taps.shape[0] // 2
    space.add_patch(plt.Circle(middle, 0.25, facecolor="white", edgecolor=RED, linewidth=2.5))
    _bare(space, "pixels")
    _connections(channels, counts.sum(axis=(2, 3)) > 0, "channels")
    return drawn


@styled()
def channel_maps(connections, titles):
    """Draw matrices ``(out, in)`` side by side: a filled cell where an input channel reaches an output channel."""
    drawn, axes = figure(1, len(titles), size=(2.2 * len(titles), 2.8))
    for axis, matrix, title in zip(axes, connections, titles, strict=True):
        _connections(axis, matrix, title)
    return drawn


@styled()
def path_maps(maps, titles, label="ways from a pixel to the output (grey: none)"):
    """Draw heat maps of counts ``(H, W)`` side by side: how often a pixel is used; one never used is grey."""
    drawn, axes = figure(1, len(maps), size=(2.2 * len(maps), 3.2 if max(m.max() for m in maps) > 1 else 2.5))
    most = int(max(counts.max() for counts in maps))
    scale = plt.matplotlib.colors.LogNorm(1, max(most, 2))
    colours = plt.colormaps["viridis_r"] if most > 1 else plt.matplotlib.colors.ListedColormap([BLUE])
    colours = colours.with_extremes(bad=EMPTY)
    for axis, counts, title in zip(axes, maps, titles, strict=True):
        shown = axis.imshow(np.where(counts > 0, counts, np.nan), cmap=colours, norm=scale)
        _grid(axis, counts.shape)
        _bare(axis, title)
    if most > 1:
        bar = drawn.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.8, aspect=30, pad=0.03)
        ticks = [2**i for i in range(most.bit_length())]
        bar.set_ticks(ticks, labels=ticks, minor=False)
        bar.ax.minorticks_off()
        bar.set_label(label)
    return drawn


@styled()
def separable_ratio(widths, ratios):
    """Draw the cost of a depthwise separable convolution in percent of a standard one; ``ratios`` is ``{k: list}``."""
    drawn, axis = figure(size=(6.4, 4))
    looks = ((BLUE, "-"), (ORANGE, "--"), (GREEN, ":"))
    for (size, values), (colour, style) in zip(ratios.items(), looks, strict=True):
        axis.plot(widths, [100 * value for value in values], style, color=colour, label=f"{size}×{size}", linewidth=3)
        axis.axhline(100 / size**2, color=colour, linewidth=1, alpha=0.6)
    axis.set_xscale("log", base=2)
    axis.set_xticks(widths, widths)
    axis.minorticks_off()
    axis.set(xlabel="output channels", ylabel="cost (% of standard)", ylim=(0, None))
    axis.legend(title="kernel", frameon=False)
    return drawn


def _reach_frames(dilations, steps):
    """Yield ``(layer, dilation, sources, pixels reached)`` from one output back to the input of stacked 3×3 kernels.

    Pixels are sets of ``(row, column)`` from the output; ``steps`` frames a layer, the pixels reached growing in each.
    """
    reached = {(0, 0)}
    for layer in range(len(dilations), 0, -1):
        dilation, sources, seen = dilations[layer - 1], sorted(reached), set()
        for step in range(1, steps + 1):
            done = sources[: -(-len(sources) * step // steps)]
            seen |= {(r + i * dilation, c + j * dilation) for r, c in done for i in (-1, 0, 1) for j in (-1, 0, 1)}
            yield layer, dilation, set(sources) - set(done), set(seen)
        reached = seen


@styled()
def dilation_gif(path, stacks, steps=8, hold=10):
    """Write an animated GIF of which inputs reach one output of stacks of dilated 3×3 convolutions, layer by layer.

    ``stacks`` holds lists of dilations, of equal length, first layer first; the walk goes back from the output.
    """
    from matplotlib.animation import FuncAnimation, PillowWriter

    half = max(sum(dilations) for dilations in stacks)
    frames = list(zip(*(_reach_frames(dilations, steps) for dilations in stacks), strict=True))
    order = []
    for last in range(steps - 1, len(frames), steps):
        order += [*range(last - steps + 1, last), *[last] * hold]
    order += [order[-1]] * hold  # the result stays longest
    drawn, axes = figure(1, len(stacks), size=(3.4 * len(stacks), 4.6), dpi=80)
    drawn.suptitle("Which inputs reach one output (the ring)?", fontsize=15)

    def draw(number):
        for axis, dilations, (layer, dilation, waiting, seen) in zip(axes, stacks, frames[number], strict=True):
            axis.clear()
            shown = np.full((2 * half + 1, 2 * half + 1, 3), _rgb(EMPTY))
            for colour, pixels in ((BLUE, seen), (YELLOW, waiting)):
                for row, column in pixels:
                    shown[row + half, column + half] = _rgb(colour)
            axis.imshow(shown)
            _grid(axis, shown.shape[:2])
            axis.add_patch(plt.Circle((half, half), 0.3, facecolor="white", edgecolor=RED, linewidth=2))
            _bare(axis, "dilations " + ", ".join(map(str, dilations)))
            axis.set_xlabel(f"back through layer {layer} (dilation {dilation}):\n{len(seen)} pixels reach the output")

    animation = FuncAnimation(drawn, draw, frames=order)
    animation.save(path, writer=PillowWriter(fps=6))
    plt.close(drawn)


# Notebook 03: the costs ------------------------------------------------------------------------------------------


def _rows(axis, names, xlabel):
    """Make ``axis`` one of horizontal bars, the first of ``names`` at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_axisbelow(True)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(xlabel)


@styled()
def bars(values, label, format="{:.1f}"):
    """Draw ``{name: value}`` as horizontal bars with the value beside each; ``label`` says what and in which unit."""
    drawn, axis = figure(size=(9, 0.9 + 0.5 * len(values)))
    shown = axis.barh(range(len(values)), list(values.values()), color=BLUE)
    axis.bar_label(shown, [format.format(value) for value in values.values()], padding=4)
    axis.set_xlim(0, 1.15 * max(values.values()))
    _rows(axis, list(values), label)
    return drawn


@styled()
def kind_costs(costs):
    """Draw parameters and MACs of ``{kind: Cost}`` side by side, as horizontal bars."""
    drawn, axes = figure(1, 2, size=(11, 0.9 + 0.45 * len(costs)), sharey=True)
    parameters, macs = [c.params / 1e3 for c in costs.values()], [c.macs / 1e6 for c in costs.values()]
    looks = ((parameters, "parameters (thousands)", BLUE), (macs, "MACs (millions)", ORANGE))
    for axis, (values, label, colour) in zip(axes, looks, strict=True):
        axis.bar_label(axis.barh(range(len(values)), values, color=colour), fmt="%.1f", padding=4)
        axis.set_xlim(0, 1.2 * max(values))
        _rows(axis, list(costs), label)
    axes[0].invert_yaxis()  # shared: the second axis turned it back
    return drawn


@styled()
def parameter_budget(spent, limit):
    """Draw ``{layer: parameters}`` as a staircase, each bar from where the last one ended, against ``limit``."""
    drawn, axis = figure(size=(10, 0.9 + 0.4 * len(spent)))
    begun = 0
    for row, count in enumerate(spent.values()):
        axis.barh(row, count, left=begun, color=BLUE)
        begun += count
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axis.text(begun + 2000, row, f"{count:,}", va="center", bbox=paper)
    axis.axvline(limit, color=RED, linestyle="--", zorder=1)
    axis.text(limit - 2000, 0, f"the limit, {limit:,}", color=RED, ha="right", va="center")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_xlim(0, 1.14 * limit)
    _rows(axis, list(spent), "parameters, added up")
    return drawn


@styled()
def kind_times(times, promised):
    """Draw ``{precision: {kind: milliseconds}}`` as bars, and ``promised {kind: milliseconds}`` as marks on them."""
    kinds, height = list(promised), 0.8 / len(times)
    drawn, axis = figure(size=(10, 1.2 + 0.6 * len(kinds)))
    for i, ((precision, values), colour) in enumerate(zip(times.items(), (BLUE, SKY), strict=False)):
        rows = np.arange(len(kinds)) + (i - (len(times) - 1) / 2) * height
        axis.barh(rows, [values[kind] for kind in kinds], height * 0.9, color=colour, label=f"measured, {precision}")
    rows = np.arange(len(kinds))
    axis.vlines(list(promised.values()), rows - 0.45, rows + 0.45, color=RED, linewidth=4, label="promised by its MACs")
    axis.set_xlim(0, None)
    _rows(axis, kinds, "milliseconds a batch, forward")
    axis.legend()
    return drawn


@styled()
def roofline(device, others):
    """Draw the roofline of ``device`` with the layers timed on it, and behind it, hollow and dashed, ``{name: other}``.

    A device is ``{"bandwidth": GB/s, "peak": GFLOP/s, "layers": {kind: (FLOPs a byte, GFLOP/s)}}``.
    Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model", CACM 2009,
    doi:10.1145/1498765.1498785.
    """
    drawn, axis = figure(size=(11, 5.6))
    looks = list(zip((BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY), "osD^vPX", strict=True))
    everyone = [device, *others.values()]
    points = [point for one in everyone for point in one["layers"].values()]
    low, corner = min(x for x, _ in points) / 2, device["peak"] / device["bandwidth"]
    high = max(x for x, _ in points) * 3
    bottom = min([y for _, y in points] + [one["bandwidth"] * low for one in everyone]) / 1.5
    axis.axvspan(low, corner, color=SKY, alpha=0.15, linewidth=0)
    along = np.geomspace(low, high, 200)
    for name, other in others.items():
        axis.plot(along, np.minimum(other["bandwidth"] * along, other["peak"]), "--", color=GREY, linewidth=1.5)
        axis.text(high / 1.05, other["peak"] / 1.06, name, color=GREY, fontsize=11, ha="right", va="top")
        for (x, y), (colour, mark) in zip(other["layers"].values(), looks, strict=True):
            axis.plot(x, y, mark, markersize=8, markerfacecolor="white", markeredgecolor=colour)
    axis.plot(along, np.minimum(device["bandwidth"] * along, device["peak"]), color="black", linewidth=3)
    for (kind, (x, y)), (colour, mark) in zip(device["layers"].items(), looks, strict=True):
        axis.plot(x, y, mark, color=colour, markersize=12, markeredgecolor="white", label=kind, zorder=3)
    axis.set(xscale="log", yscale="log", xlabel="FLOPs a byte (arithmetic intensity)", ylabel="GFLOP/s")
    axis.set(xlim=(low, high), ylim=(bottom, max(one["peak"] for one in everyone) * 4))
    for direction in (axis.xaxis, axis.yaxis):
        direction.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 3)))
        direction.set_major_formatter("{x:,.0f}")
        direction.set_minor_formatter("")
    middle = {"ha": "center", "va": "top", "transform": axis.get_xaxis_transform()}
    axis.text((low * corner) ** 0.5, 0.98, f"waits for memory\n{device['bandwidth']:,.0f} GB/s", **middle)
    axis.text((corner * high) ** 0.5, 0.98, f"waits for the multipliers\n{device['peak']:,.0f} GFLOP/s", **middle)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return drawn


@styled()
def accuracy_against_cost(accuracy, costs, steps):
    """Draw test accuracy, mean and deviation over seeds, against parameters, MACs and milliseconds a training step.

    ``accuracy`` is ``{network: [percent, …]}``, ``costs`` ``{network: Cost}``, ``steps`` ``{network: milliseconds}``.
    """
    drawn, axes = figure(1, 3, size=(14, 5.6), sharey=True)
    prices = (
        ("parameters (thousands)", {name: cost.params / 1e3 for name, cost in costs.items()}),
        ("MACs an image (millions)", {name: cost.macs / 1e6 for name, cost in costs.items()}),
        ("milliseconds a step, measured here", steps),
    )
    looks = dict(zip(accuracy, zip((BLUE, RED, ORANGE, ORANGE, GREEN, GREEN), "oXsDvP", strict=True), strict=True))
    for axis, (label, price) in zip(axes, prices, strict=True):
        for name, values in accuracy.items():
            colour, mark = looks[name]
            style = {"color": colour, "marker": mark, "markersize": 11, "capsize": 5, "linestyle": "none"}
            axis.errorbar(price[name], np.mean(values), np.std(values, ddof=1), label=name, **style)
        axis.set(xlabel=label, xlim=(0, 1.1 * max(price.values())))
    axes[0].set_ylabel("test accuracy (%)")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return drawn


# Notebook 04: the network ------------------------------------------------------------------------------------------

BLOCK_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def _by_block(axis, heights, blocks, labels, format="{:,}"):
    """Draw one bar a layer, coloured by its block (1 to 4), with its value written above."""
    layers = range(1, len(heights) + 1)
    axis.bar(layers, heights, color=[BLOCK_COLOURS[block - 1] for block in blocks])
    axis.set_xticks(layers)
    axis.set_ylabel(labels)
    axis.set_ylim(0, 1.18 * max(heights))
    axis.grid(axis="x", visible=False)
    axis.set_axisbelow(True)
    above = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "va": "bottom"}
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    for layer, height in zip(layers, heights, strict=True):
        axis.annotate(format.format(height), (layer, height), bbox=paper, **above)


def _block_legend(axis, blocks, **options):
    """Name the colours of the blocks."""
    handles = [plt.Rectangle((0, 0), 1, 1, color=BLOCK_COLOURS[block - 1]) for block in sorted(set(blocks))]
    axis.legend(handles, [f"block {block}" for block in sorted(set(blocks))], frameon=False, **options)


@styled()
def layer_shapes(sizes, channels, blocks):
    """Draw side, channels and values of each layer's output, layer by layer, coloured by block; lists of ints."""
    thousands = [size * size * width / 1000 for size, width in zip(sizes, channels, strict=True)]
    drawn, axes = figure(3, size=(10, 8.5), sharex=True)
    _by_block(axes[0], sizes, blocks, "side (pixels)")
    _by_block(axes[1], channels, blocks, "channels")
    _by_block(axes[2], thousands, blocks, "values (thousands)", "{:.1f}")
    _block_legend(axes[0], blocks, ncols=4, loc="upper right")
    axes[2].set_xlabel("convolution")
    return drawn


@styled()
def parameters_and_macs(parameters, macs, blocks):
    """Draw the parameters and the MACs of each convolution side by side, coloured by block; lists of ints."""
    drawn, axes = figure(2, size=(10, 7.5), sharex=True)
    _by_block(axes[0], [count / 1000 for count in parameters], blocks, "parameters (thousands)", "{:.2f}")
    _by_block(axes[1], [count / 1e6 for count in macs], blocks, "MACs (millions)", "{:.2f}")
    _block_legend(axes[0], blocks, loc="upper left")
    axes[1].set_xlabel("convolution")
    return drawn


@styled()
def reckoning(steps, totals, limit):
    """Draw a total that falls step by step: horizontal bars, what each step took in orange, ``limit`` as a line."""
    drawn, axis = figure(size=(10, 4.6))
    rows = range(len(steps))
    axis.barh(rows, totals, color=[GREY] * (len(totals) - 1) + [BLUE])
    axis.axvline(limit, color=RED, linestyle="--", zorder=1)
    axis.text(limit, -0.75, f"the limit, {limit:,}", ha="center", color=RED)
    for row, total in enumerate(totals):
        taken = totals[row - 1] - total if row else 0
        axis.barh(row, taken, left=total, color=ORANGE, alpha=0.6)
        axis.text(4000, row, f"{total:,}", va="center", color="white", weight="bold", fontsize=14)
        if taken:
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axis.text(total + taken + 3000, row, f"−{taken:,}", va="center", fontsize=14, bbox=paper)
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_axisbelow(True)
    axis.set_yticks(rows, steps)
    axis.set_ylim(len(steps) - 0.4, -0.6)
    axis.set_xlabel("parameters of the whole network")
    axis.grid(axis="y", visible=False)
    return drawn


@styled()
def receptive_field_growth(fields, blocks, image_side, asked):
    """Draw the receptive field after each convolution against the image's side and the side asked for, in pixels."""
    drawn, axis = figure(size=(10, 4.4))
    _by_block(axis, fields, blocks, "receptive field (pixels)")
    for side, name, colour in ((image_side, "side of an image:", GREY), (asked, "asked for: more than", RED)):
        axis.axhline(side, color=colour, linestyle="--")
        axis.text(0.45, side + 0.5, f"{name} {side}", color=colour)
    axis.set_ylim(0, asked + 6)
    axis.set_xlabel("convolution")
    return drawn


@styled()
def seen_squares(image, masks, titles):
    """Draw ``image (32, 32, 3) uint8`` once for each of ``masks (32, 32) bool``, and darken what a mask leaves out."""
    drawn, axes = figure(1, len(masks), size=(2.6 * len(masks), 3.2))
    for axis, mask, title in zip(axes, masks, titles, strict=True):
        axis.imshow((image * (0.25 + 0.75 * mask[..., None])).astype("uint8"))
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        place = (columns[0] - 0.5, rows[0] - 0.5), len(columns), len(rows)
        axis.add_patch(plt.Rectangle(*place, fill=False, edgecolor=YELLOW, linewidth=4, clip_on=False))
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
    return drawn


# Notebooks 05 to 07: training ---------------------------------------------------------------------------------------


@styled()
def schedule(rates, epochs):
    """Draw the learning rate of each step of a run of ``epochs`` epochs."""
    drawn, axis = figure(size=(9, 3.6))
    axis.plot(np.linspace(0, epochs, len(rates)), rates, color=BLUE)
    axis.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None), xlim=(0, epochs))
    return drawn


@styled()
def learning_curves(record):
    """Draw accuracy and loss on training and test images over the epochs of a run's record."""
    drawn, axes = figure(columns=2, size=(12, 4.6))
    epochs = [row["epoch"] for row in record["history"]]
    for axis, what, unit in zip(axes, ("accuracy", "loss"), (" (%)", " (mean over the images)"), strict=True):
        for part, colour, style in (("train", ORANGE, "--"), ("test", BLUE, "-")):
            axis.plot(epochs, [row[f"{part}_{what}"] for row in record["history"]], style, color=colour, label=part)
        axis.set(xlabel="epoch", ylabel=what + unit, xlim=(0, epochs[-1] + 1))
        axis.legend()
    return drawn


@styled()
def test_accuracies(records):
    """Draw the test accuracy over the epochs of several runs, ``{label: record}``."""
    drawn, axis = figure(size=(10, 4.6))
    for (label, record), colour, style in zip(records.items(), (BLUE, RED, GREEN), ("-", "--", ":"), strict=False):
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        axis.plot(epochs, accuracy, style, color=colour, label=label)
    axis.set(xlabel="epoch", ylabel="test accuracy (%)")
    axis.legend()
    return drawn


@styled()
def class_accuracy(accuracies):
    """Draw a group of bars for each class from ``{label: {class: accuracy in percent}}``."""
    drawn, axis = figure(size=(12, 4.6))
    width = 0.8 / len(accuracies)
    for i, ((label, values), colour) in enumerate(zip(accuracies.items(), (GREY, BLUE, ORANGE), strict=False)):
        places = np.arange(len(values)) + (i - (len(accuracies) - 1) / 2) * width
        axis.bar(places, list(values.values()), width * 0.95, color=colour, label=label)
    axis.set_xticks(range(len(values)), list(values), rotation=20)
    axis.set(ylabel="accuracy (%)", ylim=(0, 119))
    axis.set_yticks(range(0, 101, 20))
    axis.grid(axis="x", visible=False)
    axis.legend(ncols=len(accuracies), loc="upper center")
    return drawn


@styled()
def own_beside(reference, own):
    """Draw the test accuracy of a reader's own run beside the ``reference`` run's: over the epochs, and by class."""
    drawn, (curves, classes) = figure(columns=2, size=(12, 4.8))
    for record, label, colour, style, mark in (
        (reference, reference["name"], BLUE, "-", "o"),
        (own, "your run", PURPLE, "--", "D"),
    ):
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        only_one = mark if len(epochs) == 1 else None
        curves.plot(epochs, accuracy, style, color=colour, label=label, marker=only_one, markersize=9)
        by_class = record["test"]["class_accuracy"]
        classes.plot(list(by_class.values()), list(by_class), mark, color=colour, label=label, markersize=9)
    curves.set(xlabel="epoch", ylabel="test accuracy (%)")
    curves.legend()
    classes.set(xlabel="accuracy by class, last epoch (%)")
    classes.invert_yaxis()
    return drawn


# Notebook 08: the mistakes -------------------------------------------------------------------------------------------


@styled()
def class_intervals(names, groups):
    """Draw a share and its interval for each of ``names``, in percent, one mark a group.

    ``groups`` is ``{label: (shares, low, high)}``, each a list as long as ``names``, from 0 to 1.
    """
    drawn, axis = figure(size=(10, 0.9 + 0.5 * len(names)))
    looks = zip((GREY, BLUE, ORANGE), "Dos", strict=True)
    for i, ((label, parts), (colour, mark)) in enumerate(zip(groups.items(), looks, strict=False)):
        shares, low, high = (100 * np.asarray(part) for part in parts)
        rows = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * 0.3
        style = {"fmt": mark, "color": colour, "markersize": 9, "capsize": 5, "label": label}
        axis.errorbar(shares, rows, xerr=(shares - low, high - shares), **style)
    _rows(axis, names, "accuracy (%), with the 95 % interval")
    axis.legend(loc="lower left")
    return drawn


@styled()
def confusions(matrix, names):
    """Draw a confusion matrix as numbers, the mistakes in colour, the right answers on the diagonal in grey."""
    drawn, axis = figure(size=(9.6, 8))
    matrix = np.asarray(matrix)
    mistakes = matrix * (1 - np.eye(len(names)))
    shown = axis.imshow(np.sqrt(mistakes), cmap="Blues", aspect="auto")
    for row, column in np.ndindex(*matrix.shape):
        right = row == column
        if right:
            axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=EMPTY))
        colour = "white" if mistakes[row, column] > 0.4 * mistakes.max() else GREY if right else "black"
        axis.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=colour)
    bar = drawn.colorbar(shown, ax=axis, shrink=0.6, label="mistakes")
    ticks = [count for count in (0, 5, 20, 50, 100) if count <= mistakes.max()]
    bar.set_ticks(np.sqrt(ticks), labels=ticks)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="the network's answer", ylabel="label")
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return drawn


@styled()
def answers(images, titles, columns=6, rows=2):
    """Draw ``rows`` times ``columns`` images with titles of a few lines; places without an image stay empty."""
    drawn, axes = figure(rows, columns, size=(2.1 * columns, 2.75 * rows))
    for axis in axes.flat:
        _bare(axis)
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(title, fontsize=12)
    return drawn


@styled()
def reliability_diagrams(networks):
    """Draw accuracy over confidence and, below, how often each confidence occurs, a column for each network.

    ``networks`` is ``{title: (count, confidence, accuracy)}``, as ``helpers.analysis.reliability`` returns them.
    """
    drawn, axes = figure(
        2, len(networks), size=(4.3 * len(networks), 5.6), height_ratios=[3, 1], sharex=True, sharey="row"
    )
    for (above, below), (title, (count, confidence, accuracy)) in zip(axes.T, networks.items(), strict=True):
        places = (np.arange(len(count)) + 0.5) / len(count)
        above.bar(places, 100 * accuracy, 0.9 / len(count), color=SKY, label="accuracy")
        above.plot([0, 1], [0, 100], "--", color="black", label="honest")
        above.plot(confidence, 100 * confidence, "o", color=RED, label="confidence")
        above.set_title(title)
        below.bar(places, 100 * count / count.sum(), 0.9 / len(count), color=GREY)
        below.set(xlabel="confidence", xlim=(0, 1))
    axes[0, 0].set_ylabel("right (%)")
    axes[1, 0].set_ylabel("images (%)")
    axes[0, 0].legend(loc="upper left", fontsize=11)
    return drawn


@styled()
def heat_rows(images, heats, titles, row_names):
    """Draw images ``(N, 32, 32, 3)`` in a row and, below, each row of ``heats (rows, N, 32, 32)`` laid over them."""
    drawn, axes = figure(1 + len(heats), len(images), size=(1.45 * len(images), 1.6 * (1 + len(heats)) + 0.3))
    for axis in axes.flat:
        _bare(axis)
    for column, (image, title) in enumerate(zip(images, titles, strict=True)):
        axes[0, column].imshow(image)
        axes[0, column].set_title(title, fontsize=12)
        for axis, heat in zip(axes[1:, column], heats, strict=True):
            axis.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
            axis.imshow(heat[column], cmap="inferno", alpha=0.65)
    for axis, name in zip(axes[:, 0], row_names, strict=True):
        axis.set_ylabel(name, fontsize=12)
    return drawn


@styled()
def effective_fields(maps, fields, titles):
    """Draw maps ``(32, 32)`` of how much each pixel matters, and the square of the theoretical field in each."""
    drawn, axes = figure(1, len(maps), size=(3 * len(maps), 3.6))
    for axis, values, side, title in zip(axes, maps, fields, titles, strict=True):
        shown = axis.imshow(values / values.max(), cmap="viridis", vmin=0, vmax=1)
        rows, columns = np.nonzero(values)
        corner = columns.min() - 0.5, rows.min() - 0.5
        axis.add_patch(plt.Rectangle(corner, side, side, fill=False, edgecolor="white", linewidth=2.5))
        _bare(axis, title)
    drawn.colorbar(shown, ax=axes, shrink=0.8, label="gradient (share of the largest)")
    return drawn


@styled()
def robustness(curves):
    """Draw accuracy over the strength of each corruption: ``{name: (unit, strengths, {network: [percent, …]})}``."""
    drawn, axes = figure(2, 3, size=(13, 7.6), sharey=True)
    looks = list(zip((BLUE, RED, GREY, GREEN, PURPLE), "os^Dv", ("-", "--", ":", "-.", "-"), strict=True))
    for axis, (name, (unit, strengths, accuracies)) in zip(axes.flat, curves.items(), strict=True):
        for (network, values), (colour, mark, line) in zip(accuracies.items(), looks, strict=False):
            axis.plot(range(len(strengths)), values, line, marker=mark, color=colour, markersize=8, label=network)
        axis.set_xticks(range(len(strengths)), strengths)
        axis.set(title=name, xlabel=unit, ylim=(0, 100))
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy (%)")
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return drawn


@styled()
def differences(points, low, high):
    """Draw how often each difference of two accuracies, in points, came up in resampling, and its interval."""
    drawn, axis = figure(size=(9, 3.8))
    axis.hist(points, bins=40, color=SKY)
    axis.axvspan(low, high, color=BLUE, alpha=0.2, label=f"95 %: {low:.1f} to {high:.1f}")
    axis.axvline(0, color=RED, linestyle="--", label="no difference")
    axis.set(xlabel="difference of the accuracies (points)", ylabel="resampled test sets")
    axis.legend()
    return drawn


# Notebook 09: the better network -----------------------------------------------------------------------------------


@styled()
def separable_unit(parts):
    """Draw a ``SeparableUnit``, from its input to its output; ``parts`` names what each part of the channels meets."""
    drawn, axis = figure(size=(11, 4.6))
    _bare(axis)
    middle, grey = (len(parts) - 1) / 2, {"color": GREY, "linewidth": 1.6}
    axis.set(xlim=(-0.4, 11), ylim=(-1.6, len(parts) - 0.4))

    def box(x, y, text, colour, width=1.5, height=0.7):
        axis.add_patch(plt.Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=0.35))
        axis.text(x, y, text, ha="center", va="center")

    def arrow(start, end):
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", **grey})

    axis.text(0, middle, "x", ha="center", va="center", fontsize=18)
    for y, part in enumerate(reversed(parts)):
        arrow((0.2, middle), (0.9, y))
        box(2, y, part, SKY, 2.2)
        arrow((3.1, y), (3.8, middle))
    box(4.5, middle, "BatchNorm", GREY, 1.4)
    for y, name, colour in ((middle + 0.6, "gate\n1×1, SiLU", ORANGE), (middle - 0.6, "value\n1×1", GREEN)):
        arrow((5.2, middle), (5.6, y))
        box(6.4, y, name, colour, 1.6, 0.95)
        arrow((7.2, y), (7.75, middle))
    axis.text(7.9, middle, "×", ha="center", va="center", fontsize=22)
    arrow((8.05, middle), (8.4, middle))
    box(9.15, middle, "narrow, 1×1\nBatchNorm", BLUE, 1.5, 0.95)
    arrow((9.9, middle), (10.3, middle))
    axis.text(10.5, middle, "+", ha="center", va="center", fontsize=22)
    axis.plot([0, 0, 10.5], [middle - 0.3, -1, -1], **grey)
    arrow((10.5, -1), (10.5, middle - 0.15))
    axis.text(5.2, -1.1, "x, as it came", ha="center", va="top", color=GREY)
    return drawn


@styled()
def waterfall(steps, label):
    """Draw ``steps``, pairs of (name, value), as bars from one value to the next; ``label`` is the axis'."""
    names, values = zip(*steps, strict=True)
    drawn, axis = figure(size=(11, 0.6 + 0.6 * len(steps)))
    low = min(values) - 0.15 * (max(values) - min(values))
    for row, value in enumerate(values):
        before = values[row - 1] if row else low
        colour = GREY if not row else BLUE if value >= before else ORANGE
        axis.barh(row, value - before, left=before, color=colour, hatch="" if value >= before else "//")
        text = f"{value:.1f}" if not row else f"{value - before:+.1f}"
        axis.text(max(value, before), row, f" {text}", va="center")
        if row + 1 < len(values):
            axis.plot([value, value], [row, row + 1], color=GREY, linewidth=1)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel=label, xlim=(low, max(values) + 0.12 * (max(values) - low)))
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    return drawn


@styled()
def accuracy_against_parameters(published, here, limit):
    """Draw networks, ``{name: (parameters, test accuracy in percent, side of the label)}``, as points with their names.

    ``published`` were trained by others, ``here`` in this course; ``limit`` is a number of parameters.
    """
    drawn, axis = figure(size=(11, 6))
    for networks, colour, marker, source in ((published, GREY, "o", "published"), (here, BLUE, "D", "this course")):
        for name, (parameters, accuracy, side) in networks.items():
            axis.plot(parameters, accuracy, marker, color=colour, markersize=9, label=source)
            place = {"ha": side, "va": "center", "textcoords": "offset points"}
            axis.annotate(name, (parameters, accuracy), (-9 if side == "right" else 9, 0), color=colour, **place)
            source = None  # one entry in the legend
    axis.axvline(limit, color=RED, linestyle="--", label=f"{limit:,} parameters")
    axis.set(xlabel="parameters", ylabel="test accuracy (%)", xlim=(0, None))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.legend(frameon=False, loc="lower left")
    return drawn


# Notebook 10: speed ------------------------------------------------------------------------------------------------

STAGE_LOOKS = ((SKY, ""), (YELLOW, "//"), (BLUE, ""), (ORANGE, ""), (GREEN, ""), (PURPLE, "\\\\"))


@styled()
def epoch_stages(profiles):
    """Draw ``{pipeline: {stage: seconds}}`` as stacked horizontal bars, one a pipeline, a colour a stage."""
    drawn, axis = figure(size=(11, 4.2))
    begun = np.zeros(len(profiles))
    for stage, (colour, hatch) in zip(next(iter(profiles.values())), STAGE_LOOKS, strict=True):
        seconds = np.array([profile[stage] for profile in profiles.values()])
        axis.barh(range(len(profiles)), seconds, left=begun, color=colour, hatch=hatch, edgecolor="white", label=stage)
        begun += seconds
    for row, seconds in enumerate(begun):
        axis.text(seconds, row, f" {seconds:,.1f} s" if seconds < 10 else f" {seconds:,.0f} s", va="center")
    axis.set_xlim(0, 1.12 * max(begun))
    _rows(axis, list(profiles), "seconds an epoch")
    drawn.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return drawn


@styled()
def paces(values, label, format="{:,.0f}", marked=None):
    """Draw ``{name: value}`` as horizontal bars in a picture of fixed size; ``marked`` is ``(value, its name)``."""
    drawn, axis = figure(size=(10, 4))
    shown = axis.barh(range(len(values)), list(values.values()), color=BLUE)
    axis.bar_label(shown, [format.format(value) for value in values.values()], padding=4)
    largest = max(values.values())
    if marked:
        largest = max(largest, marked[0])
        axis.axvline(marked[0], color=RED, linestyle="--", label=marked[1])
        drawn.legend(loc="outside upper center", frameon=False)
    axis.set_xlim(0, 1.18 * largest)
    _rows(axis, list(values), label)
    return drawn


@styled()
def amdahl(shares):
    """Draw how much faster the whole becomes as one part of it does, for ``{name: share of the time in that part}``.

    Source: G. Amdahl, "Validity of the single processor approach to achieving large scale computing", AFIPS 1967.
    """
    drawn, axis = figure(size=(9, 5))
    part = np.geomspace(1, 100, 200)
    for (name, share), colour, line in zip(
        shares.items(), (BLUE, ORANGE, GREEN, RED), ("-", "--", ":", "-."), strict=False
    ):
        axis.plot(part, 1 / (1 - share + share / part), line, color=colour, linewidth=3, label=f"{name}: {share:.0%}")
    axis.plot(part, part, color=GREY, linewidth=1, label="all of it")
    axis.set(xscale="log", yscale="log", ylim=(0.9, 60))
    axis.set(xlabel="how many times faster the part becomes", ylabel="how many times faster the whole becomes")
    for direction in (axis.xaxis, axis.yaxis):
        direction.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        direction.set_major_formatter("{x:g}")
        direction.set_minor_formatter("")
    axis.legend(title="share of the time in the part", frameon=False)
    return drawn


@styled()
def scaling(devices, lines):
    """Draw computed speed-ups ``{name: [one a number of devices]}`` over the numbers of ``devices``."""
    drawn, axis = figure(size=(9, 5))
    axis.plot(devices, devices, color=GREY, linewidth=1, label="as many times as devices")
    looks = zip((BLUE, ORANGE, GREEN, RED), ("-o", "--s", ":D", "-.^"), strict=True)
    for (name, speedups), (colour, look) in zip(lines.items(), looks, strict=False):
        axis.plot(devices, speedups, look, color=colour, markersize=9, label=name)
    axis.set_xticks(devices)
    axis.set(xlabel="devices", ylabel="times as fast as one (computed)", ylim=(0, None))
    axis.legend(frameon=False)
    return drawn
