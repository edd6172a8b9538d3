"""The networks of the course, each a function that returns a fresh ``nn.Module``.

Every network takes normalised images ``(N, 3, 32, 32)`` float32 and returns logits ``(N, 10)``: scores before
the softmax. Notebook 04 builds ``session_net`` layer by layer; the others are its points of comparison.
To add a network, write one function and name it in ``NETWORKS``.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import nn

from helpers.records import find_run, read_record, sha256


def conv_bn_relu(in_channels, out_channels, kernel_size=3, **options):
    """Return the three layers convolution (no bias: BatchNorm adds its own), BatchNorm and ReLU as a list."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **options),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def session_net():
    """Return the network of the course: 12 convolutions in 4 blocks, 187,418 parameters, 57 million MACs.

    Dilated, grouped, depthwise and pointwise convolutions, a stride in place of pooling, and global average
    pooling at the end. Its receptive field is 31 pixels (35 with the pooling).
    """
    return _four_blocks(nn.Conv2d(32, 16, 1, bias=False))


def less_weighted_net():
    """Return ``session_net`` with its 11th convolution as 3×3 instead of 1×1: 191,514 parameters (notebook 05)."""
    return _four_blocks(nn.Conv2d(32, 16, 3, padding=1, bias=False))


def _four_blocks(conv11):
    """Return the four blocks and the pooling around ``conv11``, the one layer in which the two networks differ."""
    block1 = nn.Sequential(
        *conv_bn_relu(3, 16, padding=1),  # (N, 16, 32, 32)
        *conv_bn_relu(16, 32),  # (N, 32, 30, 30)
        *conv_bn_relu(32, 32),  # (N, 32, 28, 28)
    )
    block2 = nn.Sequential(
        *conv_bn_relu(32, 128, dilation=2),  # (N, 128, 24, 24), dilated: 3×3 taps that span 5×5
        *conv_bn_relu(128, 64, groups=2),  # (N, 64, 22, 22), grouped
        *conv_bn_relu(64, 32, stride=2, padding=1),  # (N, 32, 11, 11), strided
    )
    block3 = nn.Sequential(
        *conv_bn_relu(32, 128, groups=32),  # (N, 128, 9, 9), depthwise, four filters a channel
        *conv_bn_relu(128, 256, kernel_size=1, groups=16),  # (N, 256, 9, 9), pointwise
        *conv_bn_relu(256, 32),  # (N, 32, 7, 7)
    )
    block4 = nn.Sequential(
        *conv_bn_relu(32, 32, groups=16),  # (N, 32, 5, 5)
        conv11,
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),  # (N, 16, 5, 5)
        nn.Conv2d(16, 10, 3),  # (N, 10, 3, 3), the only bias: nothing normalises after it
    )
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # (N, 10)
    return nn.Sequential(OrderedDict(block1=block1, block2=block2, block3=block3, block4=block4, pool=pool))


def tutorial_net():
    """Return the network of PyTorch's CIFAR-10 tutorial, 62,006 parameters: the baseline of the results table.

    Source: https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
    """
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


KINDS = ("standard", "dilated", "grouped", "separable")


def kind_net(kind, width):
    """Return the small network of notebook 03's experiment, its four inner 3×3 layers of one ``kind`` of convolution.

    ``kind`` is one of ``KINDS``: "standard"; "dilated" by 2; "grouped" in 4 groups; "separable", a depthwise
    convolution and a pointwise one. The first convolution (3 → ``width`` channels, stride 2) and the classifier are the
    same for all, as are the sizes of the maps: 16×16, then 8×8 with twice as many channels. "grouped" needs a
    ``width`` that 4 divides.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}: choose one of {', '.join(KINDS)}")

    def layer(in_channels, out_channels, stride=1):
        if kind == "separable":
            depthwise = conv_bn_relu(in_channels, in_channels, stride=stride, padding=1, groups=in_channels)
            return [*depthwise, *conv_bn_relu(in_channels, out_channels, kernel_size=1)]
        dilation, groups = 2 if kind == "dilated" else 1, 4 if kind == "grouped" else 1
        options = {"stride": stride, "padding": dilation, "dilation": dilation, "groups": groups}
        return conv_bn_relu(in_channels, out_channels, **options)

    return nn.Sequential(
        *conv_bn_relu(3, width, stride=2, padding=1),  # (N, width, 16, 16)
        *layer(width, width),
        *layer(width, width),
        *layer(width, 2 * width, stride=2),  # (N, 2 · width, 8, 8)
        *layer(2 * width, 2 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


# The better network -------------------------------------------------------------------------------------------------

# Kernel size and dilation for each equal part of the channels; a size of 1 leaves a part as it is.
NEAR = ((3, 1),)
MIXED = ((1, 1), (3, 1), (7, 1), (3, 3))


class BoundedSiLU(nn.SiLU):
    """SiLU, x · σ(x), of at most 16.

    As a gate, plain SiLU grows with its input, and the value that it multiplies grows too: an image that is unusual
    is squared by each unit, until it is no number any more. Ordinary images stay below the bound.
    """

    def forward(self, x):
        return super().forward(x).clamp(max=16)


class SeparableUnit(nn.Module):
    """A residual unit of depthwise and pointwise convolutions: ``(N, channels, H, W)`` in and out.

    The depthwise step gives each equal part of the channels its own of ``kernels``, pairs of (kernel size, dilation):
    some see far, some near (mixed kernels, Tan and Le 2019). A pointwise convolution then widens, and another narrows.
    ``gated``: between them one half of the widened channels, activated, multiplies the other (Shazeer 2020). Without
    a gate the unit is as wide as gives the same number of parameters. Its last BatchNorm starts at zero, so that a
    new network begins as a shallow one (Goyal et al. 2017). ``channels`` must be a multiple of ``len(kernels)``.
    """

    def __init__(self, channels, kernels=MIXED, gated=True, activation=BoundedSiLU):
        super().__init__()
        part, wide = channels // len(kernels), 2 * channels if gated else 3 * channels // 2
        self.depthwise = nn.ModuleList(
            nn.Conv2d(part, part, size, padding="same", dilation=dilation, groups=part, bias=False)
            if size > 1
            else nn.Identity()
            for size, dilation in kernels
        )
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, wide, 1, bias=False)
        self.gate = gated
        self.activation = activation()
        self.narrow = nn.Conv2d(channels if gated else wide, channels, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.last_norm.weight)

    def forward(self, x):
        parts = zip(self.depthwise, x.chunk(len(self.depthwise), dim=1), strict=True)
        y = self.widen(self.norm(torch.cat([convolve(part) for convolve, part in parts], dim=1)))
        if self.gate:
            gate, value = y.chunk(2, dim=1)
            y = self.activation(gate) * value
        else:
            y = self.activation(y)
        return x + self.last_norm(self.narrow(y))


def better_net():
    """Return the better network (notebook 09): ten residual units in 4 blocks, smaller than ``session_net``.

    Gated depthwise separable convolutions at 32×32, 16×16 and 8×8 pixels, with mixed kernels, dilated ones among them,
    in the fourth block. It meets every condition of the assignment, the receptive field of over 44 pixels included.
    """
    return residual_net()


def residual_net(
    widths=(32, 64, 64, 112), units=(2, 3, 3, 2), strides=(1, 2, 1, 2), kernels=(NEAR, NEAR, NEAR, MIXED), **options
):
    """Return four blocks of ``SeparableUnit(width, kernels, **options)`` and an output block.

    Each block has its own width, number of units, stride and kernels. Where width or size change, it begins with a
    depthwise separable convolution that changes them; the first block begins with a 3×3 convolution of the image. The
    stride is the pointwise convolution's: on CPUs a depthwise one with a stride takes ten times as long to train.
    """
    stem = [nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0])]
    blocks, channels = OrderedDict(), widths[0]
    for number, (width, count, stride, sizes) in enumerate(zip(widths, units, strides, kernels, strict=True), 1):
        layers = stem if number == 1 else []
        if (width, stride) != (channels, 1):
            layers = [
                nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                nn.BatchNorm2d(channels),
                nn.Conv2d(channels, width, 1, stride, bias=False),
                nn.BatchNorm2d(width),
            ]
        repeated = (SeparableUnit(width, sizes, **options) for _ in range(count))
        blocks[f"block{number}"] = nn.Sequential(*layers, *repeated)
        channels = width
    output = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    return nn.Sequential(blocks | OrderedDict(output=output))


# Equal widths: 32 channels. Equal parameters: as many channels as bring a kind nearest to the standard network's count.
KIND_WIDTHS = {"standard": (32,), "dilated": (32,), "grouped": (32, 64), "separable": (32, 90)}

# The way to better_net, one change at a time: notebook 09 trains each step for a few epochs. And one way not taken:
# "fine", which stays at 16×16 pixels to the end.
STEPS = {
    "separable": {"kernels": (NEAR,) * 4, "gated": False, "activation": nn.ReLU},
    "gated": {"kernels": (NEAR,) * 4},
}
FINE = {"widths": (32, 64, 64, 96), "units": (2, 3, 3, 3), "strides": (1, 2, 1, 1), "kernels": (NEAR,) * 4}

NETWORKS = {network.__name__: network for network in (session_net, less_weighted_net, tutorial_net, better_net)}
NETWORKS |= {f"better_{step}": partial(residual_net, **options) for step, options in STEPS.items()}
NETWORKS["better_fine"] = partial(residual_net, **FINE)
NETWORKS |= {f"{kind}_{width}": partial(kind_net, kind, width) for kind in KINDS for width in KIND_WIDTHS[kind]}


def build(name):
    """Return a freshly initialised network by its name in ``NETWORKS``; any other name is a ``ValueError``."""
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}: choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name]()


def load_pretrained(name, runs=None):
    """Return the trained network of the finished run ``name``, in evaluation mode, on the CPU.

    Looks in the folder ``runs``, or else among the reference runs (``notebooks/runs``) and the reader's own (``runs``).
    Raises ``FileNotFoundError`` that lists the runs there are when ``name`` is none of them, and ``ValueError`` for
    weights that are missing, damaged or of another run.
    """
    record, weights = read_record(name, runs), find_run(name, runs) / "weights.pt"
    network = build(record["network"])
    if not weights.is_file():
        raise ValueError(f"the run {name!r} kept no weights: there is no {weights}")
    if sha256(weights) != record["weights_sha256"]:
        raise ValueError(f"{weights} is damaged or of another run (its SHA-256 is not the record's): train it anew")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


def count_parameters(module):
    """Return how many numbers training adjusts in ``module``."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
