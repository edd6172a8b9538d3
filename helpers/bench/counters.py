"""Side by side: ``network_cost`` and four public counters, on small networks of which the right count is a formula.

``python -m helpers.bench.counters`` makes notebooks/COUNTERS.md, an appendix to notebook 03. It needs the four
packages, which the course does not: ``pip install ptflops thop fvcore torchinfo``.
"""

import contextlib
import datetime
import importlib
import importlib.metadata
import io
import logging
import os
import warnings

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from helpers.cost import network_cost
from helpers.records import REPOSITORY

PAGE = REPOSITORY / "notebooks" / "COUNTERS.md"
PACKAGES = ("ptflops", "thop", "fvcore", "torchinfo")
IMAGE = (4, 12, 12)
INTRODUCTION = """# Counters: the course's tool and others, side by side

Each line is a small network on one image of 4 channels and 12×12 pixels, and what the course's `network_cost` and four
public programs (one of them in both of its ways) say that it costs, in multiply-accumulates (MACs). The convention is
that of notebook 03: what convolutions and matrix products multiply, with nothing for biases, normalisation,
activations, pooling and additions. The right number is a formula in the script `helpers/bench/counters.py`, and a
program is right where it gives that very number. Some count by another convention, such as a few operations for each
element of an activation; that is why the networks have no biases and few other layers.
"error" is a count that ended in one.

The cases were picked because they are tricky, not because they are common: of a plain chain of layers all say nearly
the same. Made on {date} with {versions}, each program with its standard settings;
`python -m helpers.bench.counters` makes the page anew.
"""


class Function(nn.Module):
    """A module of one function, and of the layers that it uses."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


class WithoutGradients(nn.Conv2d):
    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


class Twice(nn.Conv2d):
    def forward(self, x):
        return super().forward(super().forward(x))


def conv(inputs, outputs, *arguments, **options):
    return nn.Conv2d(inputs, outputs, *arguments, bias=False, **options)


def attention(tokens, width):
    """Four projections, queries by keys, and weights by values."""
    return 4 * tokens * width**2 + 2 * tokens**2 * width


def cases():
    """Return by name the network and its right count."""
    weight = nn.Parameter(torch.ones(6, 4, 3, 3))
    matrix = nn.Parameter(torch.ones(12, 5))
    shared = conv(4, 4, 1)
    tied = nn.Sequential(conv(4, 4, 1), conv(4, 4, 1))
    tied[1].weight = tied[0].weight
    heads = nn.MultiheadAttention(144, 4, bias=False, batch_first=True)
    layer = nn.TransformerEncoderLayer(144, 4, 32, batch_first=True, bias=False)
    flat = nn.Flatten(2)
    return {
        "a 3×3 convolution": (conv(4, 6, 3, padding=1), 6 * 4 * 9 * 144),
        "depthwise 5×5": (conv(4, 4, 5, padding=2, groups=4), 4 * 25 * 144),
        "dilated, grouped, 3×5, stride (1, 2)": (conv(4, 6, (3, 5), (1, 2), 0, (2, 1), 2), 6 * 2 * 15 * 8 * 4),
        "transposed, stride 2": (nn.ConvTranspose2d(4, 6, 2, 2, bias=False), 6 * 4 * 4 * 144),
        "transposed, in groups": (nn.ConvTranspose2d(4, 6, 3, 3, groups=2, bias=False), 3 * 4 * 9 * 144),
        "`F.conv2d` with a parameter": (Function(lambda n, x: F.conv2d(x, n.weight), weight=weight), 6 * 4 * 9 * 100),
        "`x @ parameter`": (Function(lambda n, x: x @ n.matrix, matrix=matrix), 4 * 12 * 12 * 5),
        "`torch.einsum`": (
            Function(lambda n, x: torch.einsum("nchw,wk->nchk", x, n.matrix), matrix=matrix),
            48 * 12 * 5,
        ),
        "a convolution by `F.unfold`": (
            Function(lambda n, x: n.weight.flatten(1) @ F.unfold(x, 3), weight=weight),
            6 * 4 * 9 * 100,
        ),
        "`nn.Linear` on each pixel": (
            Function(lambda n, x: n.layer(x.permute(0, 2, 3, 1)), layer=nn.Linear(4, 5, bias=False)),
            144 * 4 * 5,
        ),
        "a layer used twice": (nn.Sequential(shared, shared), 2 * 16 * 144),
        "two layers with one weight": (tied, 2 * 16 * 144),
        "a layer without a use": (Function(lambda n, x: n.a(x), a=conv(4, 4, 1), b=nn.Linear(9, 9)), 16 * 144),
        "`layer.forward(x)`": (Function(lambda n, x: n.layer.forward(x), layer=conv(4, 4, 1)), 16 * 144),
        "a subclass that runs twice": (Twice(4, 4, 1, bias=False), 2 * 16 * 144),
        "`@torch.inference_mode()`": (WithoutGradients(4, 4, 1, bias=False), 16 * 144),
        "weight normalisation": (nn.utils.parametrizations.weight_norm(conv(4, 6, 3)), 6 * 4 * 9 * 100),
        "1-d, over flattened pixels": (nn.Sequential(flat, nn.Conv1d(4, 6, 7, bias=False)), 6 * 4 * 7 * 138),
        "`nn.MultiheadAttention`": (
            Function(lambda n, x: n.heads(*[x.flatten(2)] * 3, need_weights=False)[0], heads=heads),
            attention(4, 144),
        ),
        "`F.scaled_dot_product_attention`": (
            Function(lambda n, x: F.scaled_dot_product_attention(x, x, x)),
            2 * 4 * 12 * 12 * 12,
        ),
        "a transformer's layer": (nn.Sequential(flat, layer), attention(4, 144) + 2 * 4 * 144 * 32),
        "pairs by `x @ x.mT`": (Function(lambda n, x: x.flatten(2) @ x.flatten(2).mT), 4 * 144 * 4),
        "`nn.Bilinear`": (
            Function(lambda n, x: n.pairs(x, x), pairs=nn.Bilinear(12, 12, 5, bias=False)),
            4 * 12 * 12 * 12 * 5,
        ),
        "`torchvision.ops.DeformConv2d`": (
            Function(
                lambda n, x: n.layer(x, x.new_zeros(1, 18, 10, 10)),
                layer=torchvision.ops.DeformConv2d(4, 6, 3, bias=False),
            ),
            6 * 4 * 9 * 100,
        ),
    }


def ours(module, image):
    return network_cost(module, tuple(image.shape[1:])).total.macs


def ptflops(module, image, backend="pytorch"):
    count = importlib.import_module("ptflops").get_model_complexity_info
    quiet = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    return count(module, tuple(image.shape[1:]), backend=backend, **quiet)[0]


def ptflops_by_operations(module, image):
    return ptflops(module, image, "aten")


def thop(module, image):
    return importlib.import_module("thop").profile(module, inputs=(image,), verbose=False)[0]


def fvcore(module, image):
    return importlib.import_module("fvcore.nn").FlopCountAnalysis(module, image).total()


def torchinfo(module, image):
    return importlib.import_module("torchinfo").summary(module, input_data=image, verbose=0).total_mult_adds


COUNTERS = {"the course": ours, "ptflops": ptflops, "ptflops (aten)": ptflops_by_operations}
COUNTERS |= {"thop": thop, "fvcore": fvcore, "torchinfo": torchinfo}


def count(counter, name):
    """Return what a counter says of a case, made anew: some leave something behind in a network. None for an error."""
    module, _ = cases()[name]
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1], torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            said = counter(module.eval(), torch.zeros(1, *IMAGE))
            return None if said is None else round(said)
        except Exception:  # whatever another package raises
            return None


def page(date):
    """Return the page, as text."""
    rows, tally = [], dict.fromkeys(COUNTERS, 0)
    for name, (_, right) in cases().items():
        said = {counter: count(function, name) for counter, function in COUNTERS.items()}
        rows.append([name, f"{right:,}", *("error" if n is None else f"{n:,}" for n in said.values())])
        for counter, number in said.items():
            tally[counter] += number == right
    rows.append([f"right, of {len(rows)}", "", *map(str, tally.values())])
    heading = ["network", "right", *COUNTERS]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    versions = [f"{package} {importlib.metadata.version(package)}" for package in ("torch", *PACKAGES)]
    introduction = INTRODUCTION.format(date=date, versions=", ".join(versions))
    return introduction + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main():
    missing = [package for package in PACKAGES if not importlib.util.find_spec(package)]
    if missing:
        raise SystemExit(f"the comparison needs {', '.join(missing)}: pip install {' '.join(missing)}")
    logging.disable(logging.WARNING)
    os.environ.setdefault("TQDM_DISABLE", "1")
    PAGE.write_text(page(datetime.date.today().isoformat()), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
