"""The exercises on layers to write: written otherwise, written nearly right, nonsense; and the sums of notebook 09."""

import torch
import torch.nn.functional as F
from answers import NONSENSE, NOT_LAYERS, assert_right, assert_waits, assert_wrong, forms
from torch import nn

from helpers.networks import conv_bn_relu, session_net


def rows(**changes):
    """Return block 3 as a list of layers, with changes to its convolutions: ``c7={"groups": 1}``."""
    seven, eight, nine = (changes.get(name, {}) for name in ("c7", "c8", "c9"))
    return nn.Sequential(
        *conv_bn_relu(32, 128, **({"groups": 32} | seven)),
        *conv_bn_relu(128, 256, **({"kernel_size": 1, "groups": 16} | eight)),
        *conv_bn_relu(256, 32, **nine),
    )


class Functional(nn.Module):
    """The same block, its layers named in another order, its activations functions."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (128, 256, 32))
        self.c9 = nn.Conv2d(256, 32, 3, bias=False)
        self.c8 = nn.Conv2d(128, 256, 1, groups=16, bias=False)
        self.c7 = nn.Conv2d(32, 128, 3, groups=32, bias=False)

    def forward(self, x):
        for convolve, norm in zip((self.c7, self.c8, self.c9), self.norms, strict=True):
            x = F.relu(norm(convolve(x)))
        return x


def test_block_from_its_table():
    def without_last_activation():
        return rows()[:-1]

    def with_a_bias():
        block = rows()
        block[0] = nn.Conv2d(32, 128, 3, groups=32)
        return block

    def norm_without_weights():
        block = rows()
        block[1] = nn.BatchNorm2d(128, affine=False)
        return block

    near = [lambda: rows(c7={"groups": 1}), lambda: rows(c8={"groups": 8}), lambda: rows(c7={"padding": 1})]
    near += [lambda: rows(c9={"dilation": 2}), lambda: rows(c9={"stride": 2}), without_last_activation, with_a_bias]
    near += [norm_without_weights, lambda: session_net().block4, lambda: nn.Identity()]
    assert_right("04.4", [rows, Functional, lambda: session_net().block3])
    assert_wrong("04.4", [*near, rows(), *NOT_LAYERS[:-1], *NONSENSE])
    assert_waits("04.4", [lambda: ...])


def test_spend_what_is_left():
    assert_right("09.1", [{"units": (4, 3, 3, 2)}, {"units": [4, 3, 3, 2]}])
    near = [{}, {"units": (2, 3, 3, 3)}, {"units": (9, 3, 3, 2)}, {"units": (2, 3, 3)}, {"unit": 3}, {"widths": 3}]
    assert_wrong("09.1", [{"unit": 3}], "network({'unit': 3}) stops with TypeError")
    assert_wrong("09.1", [*near, *[value for value in NONSENSE if value != {}]])


def test_price_of_a_gate():
    assert_right("09.2", forms(96.0))
    assert_wrong("09.2", [64, 95, 97, 128, 192, 12_288, *NONSENSE])


def test_without_the_mixture():
    assert_right("09.3", forms(53.0))
    assert_wrong("09.3", [44, 45, 51, 52, 55, 85, *NONSENSE])


class Unit(nn.Module):
    def __init__(self, channels, zero=True, last_activation=False, added=True, half=False):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        self.last_activation, self.added, self.half = last_activation, added, half
        if zero:
            nn.init.zeros_(self.norms[1].weight)

    def forward(self, x):
        y = self.norms[0](self.first(x))
        y = self.norms[1](self.second(y if self.half else y.relu()))
        y = x + y if self.added else y
        return y.relu() if self.last_activation else y


class Unfinished(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return ...


def test_residual_unit():
    def one_convolution(channels):
        unit = Unit(channels)
        unit.second = nn.Identity()
        return unit

    near = [lambda c: Unit(c, zero=False), lambda c: Unit(c, last_activation=True), lambda c: Unit(c, added=False)]
    near += [lambda c: Unit(c, half=True), one_convolution, lambda c: nn.Identity()]
    assert_right("09.4", [Unit, lambda channels: Unit(channels).double().float()])
    assert_wrong("09.4", [*near, *NOT_LAYERS[:-1], *NONSENSE])
    assert_waits("09.4", [Unfinished])
    assert torch.equal(Unit(3)(x := torch.randn(1, 3, 4, 4)), x)
