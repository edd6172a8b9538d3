"""How far an element sees, against what it is seen to depend on: each row and each column of the image is changed."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from modules import MANY, pair
from torch import nn

from helpers.bench.counters import Function
from helpers.cost import network_cost
from helpers.cost.fields import UNKNOWN, Branch, Run, checked, hull, mixed, of_image, reshaped, windowed

pytestmark = pytest.mark.usefixtures("one_thread")


@torch.no_grad()
def spans(network, channels, side):
    """Return (height, width): the most rows, and the most columns, of the image that an element of the output sees."""
    torch.manual_seed(0)
    network = network.double().eval()
    image = torch.randn(1, channels, side, side, dtype=torch.double)
    before, found = network(image), []
    for dim in (2, 3):
        first = torch.full(before.shape, side)
        last = torch.full(before.shape, -1)
        for i in range(side):
            changed = torch.zeros_like(before, dtype=torch.bool)
            for amount in (-20, 20):  # a maximum sees only what is large
                other = image.clone()
                other.narrow(dim, i, 1).add_(amount)
                changed |= network(other) != before
            first[changed & (first > i)], last[changed] = i, i
        found.append(int((last - first + 1).max()))
    return tuple(found)


def conv(kernel, stride=1, inputs=2, **options):
    torch.manual_seed(kernel)
    return nn.Conv2d(inputs, 2, kernel, stride, padding=kernel // 2, **options)


def up(x, times, mode="nearest", **options):
    return F.interpolate(x, scale_factor=times, mode=mode, **options)


def shuffled_by_hand(x, times=2):
    n, c, h, w = x.shape
    x = x.view(n, c // times**2, times, times, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // times**2, h * times, w * times)


def unshuffled_by_hand(x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, c * 4, h // 2, w // 2)


def windows_mixed(net, x):
    """The mean of windows of 4×4 pixels, as attention in windows has them."""
    n, c, h, w = x.shape
    return net.conv3(x).view(n, c, h // 4, 4, w // 4, 4).mean((3, 5))


def self_attention(net, x):
    tokens = net.conv4s4(x).flatten(2).transpose(1, 2)
    return (tokens @ tokens.transpose(1, 2)).softmax(-1) @ tokens


def filled(net, x):
    out = x.new_zeros(1, 4, *x.shape[2:])
    out[:, :2], out[:, 2:] = x, net.conv5(x)
    return out


def written_aside(net, x):
    out = torch.zeros_like(x)
    out[:, :, 4:] = net.conv3(x)[:, :, :-4]
    return out


def gapped(x):
    """Every second element sees nothing."""
    return F.conv_transpose2d(
        x[:, :, ::2, ::2], torch.eye(2, dtype=x.dtype)[:, :, None, None], stride=2, output_padding=1
    )


def two_levels(net, x):
    half = net.conv3s2(x)
    return net.conv3(up(net.conv3(up(net.conv3s2(half), 2) + half), 2) + x)


def halves_exchanged(net, x):
    out = torch.zeros_like(x)
    out[:, :, :12], out[:, :, 12:] = x[:, :, 12:], x[:, :, :12]
    return out


def corner_pasted(net, x):
    out = torch.zeros_like(x)
    out[:, :, :8, :8] = x[:, :, 16:, 16:]
    return out.mean((2, 3)) + x[:, :, :4, :4].mean((2, 3))


def row_copied(net, x):
    out = net.conv3(x).clone()
    out[:, :, 0] = x[:, :, 23]
    return out


def windows_beside_their_middle(net, x):
    windows = F.unfold(x, 3, padding=1).view(1, 2, 9, *x.shape[2:])
    return (windows * x[:, :, None]).sum(2)


def with_token(net, x):
    tokens = net.conv4s4(x).flatten(2).transpose(1, 2)
    return torch.cat((tokens.new_ones(1, 1, 2), tokens), 1)


KNOWN = {
    "conv": lambda net, x: net.conv3(net.conv5(x)),
    "strided": lambda net, x: net.conv3(net.conv3s2(x)),
    "mean of channels": lambda net, x: net.conv3(x).flatten(2).mean(1),
    "mean of pixels": lambda net, x: net.conv3(x).flatten(2).mean(2),
    "linear over columns": lambda net, x: x @ torch.ones(24, 3, dtype=x.dtype),
    "linear over pixels": lambda net, x: x.flatten(2) @ torch.ones(576, 3, dtype=x.dtype),
    "linear over rows and channels": lambda net, x: x.permute(0, 3, 1, 2).flatten(2) @ torch.ones(48, 3, dtype=x.dtype),
    "crop": lambda net, x: x[:, :, 4:12, 6:20].flatten(1).sum(1),
    "crop after conv": lambda net, x: net.conv3(x)[:, :, 6:12, 6:12].mean((2, 3)),
    "every second": lambda net, x: net.conv3(x[:, :, ::2, ::2]),
    "one pixel": lambda net, x: net.conv3(x)[:, :, 12, 12],
    "one row": lambda net, x: net.conv3(x)[:, :, 12].mean(2),
    "unfold": lambda net, x: x.unfold(2, 4, 2).unfold(3, 3, 1).sum((4, 5)),
    "unfold, not summed": lambda net, x: net.conv3(x).unfold(2, 4, 2),
    "im2col": lambda net, x: torch.ones(18, dtype=x.dtype) @ F.unfold(net.conv3(x), 3, dilation=2),
    "im2col, not summed": lambda net, x: F.unfold(net.conv3(x), 3),
    "unshuffle": lambda net, x: F.pixel_unshuffle(net.conv3(x), 2),
    "unshuffle, conv": lambda net, x: net.conv3x8(F.pixel_unshuffle(x, 2)),
    "by hand": lambda net, x: net.conv3x8(unshuffled_by_hand(x)),
    "and back": lambda net, x: net.conv3(F.pixel_shuffle(unshuffled_by_hand(x), 2)),
    "shuffle": lambda net, x: F.pixel_shuffle(net.conv4s4(x).repeat(1, 2, 1, 1), 2),
    "shuffle by hand, conv": lambda net, x: net.conv3x1(shuffled_by_hand(net.conv4s4(x).repeat(1, 2, 1, 1))),
    "windows": windows_mixed,
    "windows, conv": lambda net, x: net.conv3(windows_mixed(net, x)),
    "up": lambda net, x: up(net.conv4s4(x), 4),
    "up, conv": lambda net, x: net.conv3(up(net.conv4s4(x), 4)),
    "up, two convs": lambda net, x: net.conv5(net.conv3(up(net.conv4s4(x), 4))),
    "up, up, conv": lambda net, x: net.conv3(up(net.conv3(up(net.conv4s4(x), 2)), 2)),
    "bilinear": lambda net, x: up(net.conv4s4(x), 4, "bilinear"),
    "bilinear, conv": lambda net, x: net.conv5(up(net.conv4s4(x), 4, "bilinear")),
    "bilinear by 3": lambda net, x: up(net.conv4s4(x), 3, "bilinear"),
    "bilinear by 3, conv": lambda net, x: net.conv3(up(net.conv4s4(x), 3, "bilinear")),
    "bicubic by 2, conv": lambda net, x: net.conv3(up(net.conv4s4(x), 2, "bicubic")),
    "bilinear down": lambda net, x: up(net.conv3(x), 0.5, "bilinear"),
    "bilinear down by 3": lambda net, x: up(net.conv3(x), 1 / 3, "bilinear", recompute_scale_factor=True),
    "repeat_interleave, conv": lambda net, x: net.conv3(net.conv4s4(x).repeat_interleave(4, 2).repeat_interleave(4, 3)),
    "transposed 2": lambda net, x: net.conv3(net.up2(net.conv4s4(x))),
    "transposed 4": lambda net, x: net.conv5(net.up4(net.conv4s4(x))),
    "transposed 3": lambda net, x: net.up3(net.conv4s4(x)),
    "a U": lambda net, x: net.conv3(up(net.conv3(F.avg_pool2d(x, 2)), 2) + x),
    "a deep U": lambda net, x: net.conv3(up(net.conv3(F.avg_pool2d(x, 4)), 4) + net.conv5(net.conv5(x))),
    "adaptive": lambda net, x: F.adaptive_avg_pool2d(net.conv3(x), 5),
    "softmax over pixels": lambda net, x: net.conv3(x).flatten(2).softmax(2),
    "softmax over channels": lambda net, x: net.conv3(x).softmax(1),
    "attention": self_attention,
    "tokens": with_token,
    "tokens, attention": lambda net, x: net.attention(with_token(net, x))[:, 0],
    "attention over channels": lambda net, x: (x.flatten(2) @ x.flatten(2).transpose(1, 2)) @ net.conv3(x).flatten(2),
    "filled": lambda net, x: net.conv3x4(filled(net, x)),
    "flipped channels": lambda net, x: net.conv3(x).flip(1),
    "rms": lambda net, x: F.rms_norm(net.conv3(x).permute(0, 2, 3, 1), (2,)),
    "grouped": lambda net, x: net.depthwise(x),
    "depthwise after unshuffle": lambda net, x: F.conv2d(
        F.pixel_unshuffle(x, 2), torch.ones(8, 1, 3, 3, dtype=x.dtype), padding=1, groups=8
    ),
    "reflected": lambda net, x: F.conv2d(F.pad(x, (1,) * 4, "reflect"), torch.ones(2, 2, 3, 3, dtype=x.dtype)),
    "differences": lambda net, x: net.conv3(x[:, :, 1:] - x[:, :, :-1]),
    "a step apart": lambda net, x: net.conv3x4(torch.cat((x[:, :, :20], x[:, :, 4:]), 1)),
    "focus": lambda net, x: net.conv3x8(
        torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
    ),
    "shifted by padding": lambda net, x: net.conv3(x) + F.pad(x, (3, -3)),
    "cropped beside valid": lambda net, x: F.conv2d(x, torch.ones(2, 2, 5, 5, dtype=x.dtype)) + x[:, :, 2:-2, 2:-2],
    "two pixels": lambda net, x: x[:, :, 3, 3] + x[:, :, 7, 8],
    "even kernels": lambda net, x: F.avg_pool2d(x, 2, 1, 1)[:, :, 1:, 1:] + F.avg_pool2d(x, 2, 1, 1)[:, :, :-1, :-1],
    "written aside": lambda net, x: written_aside(net, x) + x,
    "columns alone": lambda net, x: net.conv3(x).mean(2),
    "up and down": lambda net, x: F.avg_pool2d(up(net.conv4s4(x), 2), 2),
    "up, down by a window across": lambda net, x: F.avg_pool2d(up(net.conv4s4(x), 2), 2, 2, 1),
    "up, rows of one": lambda net, x: up(net.conv4s4(x), 4)[:, :, 4:6].sum(2),
    "up, rows of two": lambda net, x: up(net.conv4s4(x), 4)[:, :, 3:5].sum(2),
    "up, every third": lambda net, x: net.conv3(up(net.conv4s4(x), 3)[:, :, ::3]),
    "up, every second, pooled": lambda net, x: F.avg_pool2d(up(net.conv4s4(x), 4)[:, :, 3::2, 3::2], 2),
    "up, every second, beside": lambda net, x: up(net.conv4s4(x), 4)[:, :, 3::2] + x[:, :, 3::2],
    "a U by strides": lambda net, x: net.conv3(up(net.conv3s2(x), 2) + x),
    "a U by strides, strided": lambda net, x: net.conv3s2(up(net.conv3s2(x), 2) + x),
    "a U by strides, transposed": lambda net, x: net.conv3(net.up4(net.conv3s2(x)) + x),
    "a U of two levels": two_levels,
    "bilinear, beside": lambda net, x: up(net.conv3s2(x), 2, "bilinear") + x,
    "bilinear, two rows": lambda net, x: up(net.conv4s4(x), 4, "bilinear")[:, :, 5:7].sum(2),
    "one of repeated rows": lambda net, x: net.conv4s4(x).repeat_interleave(4, 2)[:, :, 5],
    "bilinear by 3, wider conv": lambda net, x: net.conv5(up(net.conv4s4(x), 3, "bilinear")),
    "bilinear by 3, beside": lambda net, x: up(F.avg_pool2d(x, 3), 3, "bilinear") + x,
    "down, beside": lambda net, x: up(x, 0.5) + x[:, :, ::2, ::2],
    "bilinear down, beside": lambda net, x: up(x, 0.5, "bilinear") + x[:, :, ::2, ::2],
    "bilinear down by 4, beside": lambda net, x: up(x, 0.25, "bilinear") + x[:, :, ::4, ::4],
    "shuffled, beside": lambda net, x: net.conv3(shuffled_by_hand(net.conv3s2(x).repeat(1, 4, 1, 1)) + x),
    "shuffled channels": lambda net, x: net.depthwise(F.channel_shuffle(net.conv3(x), 2)),
    "sorted channels": lambda net, x: net.conv3(x).sort(1).values,
    "summed channels": lambda net, x: net.conv3(x).cumsum(1),
    "two channels": lambda net, x: net.conv3(x).topk(1, 1).values,
    "a mean, enlarged": lambda net, x: net.conv3x4(torch.cat((x, up(x.mean((2, 3), True), 24, "bilinear")), 1)),
    "gaps, filled": lambda net, x: gapped(x) + x,
    "parts of a split": lambda net, x: x.split(12, 2)[0] + x.split(12, 2)[1],
    "means of parts": lambda net, x: x.split((8, 16), 2)[0].mean(2) + x.split((8, 16), 2)[1].mean(2),
    "rows apart": lambda net, x: x.unbind(2)[2] + x.unbind(2)[20],
    "parts, halved": lambda net, x: net.conv3(torch.cat(x.chunk(2, 1)[::-1], 1)) + x,
    "up, a part": lambda net, x: up(net.conv4s4(x), 4).split(3, 2)[1].sum(2),
    "stacked and added": lambda net, x: torch.stack((x, net.conv3(x)), 1).sum(1),
    "copied over": lambda net, x: net.conv5(x).clone().copy_(net.conv3(x)),
}  # fmt: skip
UNSURE = {
    "against the first pixel": lambda net, x: x - x[:, :, :1, :1],
    "antialias": lambda net, x: up(net.conv3(x), 0.5, "bilinear", antialias=True),
    "unpool": lambda net, x: F.max_unpool2d(*F.max_pool2d(net.conv3(x), 2, return_indices=True), 2),
    "fold": lambda net, x: F.fold(F.unfold(net.conv3(x), 3), x.shape[2:], 3),
    "roll": lambda net, x: net.conv3(x.roll(5, 2)),
    "flip": lambda net, x: x + x.flip(3),
    "transposed image": lambda net, x: x + x.transpose(2, 3),
    "sampled": lambda net, x: F.grid_sample(x, torch.rand(1, 24, 24, 2, dtype=x.dtype), align_corners=False),
    "cumsum": lambda net, x: net.conv3(x).cumsum(3),
    "fft": lambda net, x: torch.fft.rfft2(x).abs(),
    "sorted": lambda net, x: x.sort(3).values,
    "tiled": lambda net, x: net.conv3(x.repeat(1, 1, 2, 2)),
    "cut unevenly": lambda net, x: x.reshape(1, 2, 9, 64).mean(3),
    "aligned corners": lambda net, x: net.conv3(up(net.conv4s4(x), 4, "bilinear", align_corners=True)),
    "adaptive, conv": lambda net, x: net.conv3(F.adaptive_avg_pool2d(x, 7)),
    "mosaic": lambda net, x: net.conv3(torch.cat((x, x), 2)),
    "index": lambda net, x: x[:, :, torch.arange(24).flip(0)],
    "rows interleaved": lambda net, x: net.conv3(x.view(1, 2, 6, 4, 24).transpose(2, 3).reshape(x.shape)),
    "one of all pixels": lambda net, x: x.flatten(2)[:, :, 30],
    "adaptive, windows": lambda net, x: F.adaptive_avg_pool2d(x, 7).unfold(2, 3, 2).sum(4),
    "adaptive, twice": lambda net, x: F.adaptive_avg_pool2d(x, 7) + F.adaptive_avg_pool2d(net.conv3(x), 7),
    "circular": lambda net, x: F.pad(x, (1,) * 4, "circular"),
    "halves exchanged": halves_exchanged,
    "a row copied": row_copied,
    "a corner pasted": corner_pasted,
    "stacked rows": lambda net, x: torch.stack((x[:, :, ::2], x[:, :, 1::2]), 3).view(x.shape),
    "windows beside their middle": windows_beside_their_middle,
    "against a part": lambda net, x: x - x.split(12, 2)[0].mean(2, keepdim=True),
    "against some": lambda net, x: x - x[:, :, :12].mean(2, keepdim=True),
    "up, cut": lambda net, x: up(net.conv4s4(x), 4).view(1, 2, 6, 4, 24).mean(3),
    "unshuffled, up": lambda net, x: up(F.pixel_unshuffle(x, 2), 2),
    "adaptive, up": lambda net, x: up(F.adaptive_avg_pool2d(x, 7), 2),
    "up by 3, every second": lambda net, x: up(net.conv4s4(x), 3)[:, :, ::2],
}


def build(function):
    layers = {f"conv{k}": conv(k) for k in (3, 5)} | {"conv3s2": conv(3, 2), "conv3x8": conv(3, inputs=8)}
    layers |= {"conv3x1": conv(3, inputs=1), "conv3x4": conv(3, inputs=4), "depthwise": conv(5, groups=2)}
    layers |= {"conv4s4": nn.Conv2d(2, 2, 4, 4), "up2": nn.ConvTranspose2d(2, 2, 2, 2)}
    layers |= {"up4": nn.ConvTranspose2d(2, 2, 4, 2, 1), "up3": nn.ConvTranspose2d(2, 2, 3, 4)}
    layers["attention"] = nn.TransformerEncoderLayer(2, 1, 4, batch_first=True)
    return Function(function, **layers)


@pytest.mark.parametrize("name", KNOWN)
def test_the_field_is_what_changes_the_output(name):
    network = build(KNOWN[name])
    field = pair(network_cost(network, (2, 24, 24)).total.receptive_field)
    assert tuple(min(size, 24) for size in field) == spans(network, 2, 24)  # padding is not cut off


@pytest.mark.parametrize("name", UNSURE)
def test_what_is_not_certain_is_unknown(name):
    cost = network_cost(build(UNSURE[name]), (2, 24, 24))
    assert (cost.total.receptive_field, cost.total.jump) == (None, None)
    assert str(cost).split()[-2:] == ["?", "?"]


def test_the_issues_enlargement():
    """A kernel of 7 with a stride of 4, enlarged four times, and a 3×3: its taps meet two of the elements before."""
    net = nn.Sequential(nn.Conv2d(2, 2, 7, 4, 3), nn.Upsample(scale_factor=4), nn.Conv2d(2, 2, 3, padding=1))
    assert network_cost(net, (2, 48, 48)).total.receptive_field == 7 + 4 == 11
    assert spans(net, 2, 48) == (11, 11)


def test_an_enlarged_map_is_no_larger_than_the_image():
    """All elements of it together see what all before it see, whatever stands for what."""
    for enlarged in (lambda net, x: up(net.conv4s4(x), 4), lambda net, x: net.up2(net.conv4s4(x))):
        whole = build(lambda net, x, enlarged=enlarged: enlarged(net, x).mean((2, 3)))
        assert network_cost(whole, (2, 24, 24)).total.receptive_field == 24


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("function", [F.pixel_shuffle, shuffled_by_hand])
def test_the_jump_of_a_shuffled_map(function, times):
    network = build(lambda net, x: function(net.conv3(x).repeat(1, 9, 1, 1)[:, : times**2], times))
    total = network_cost(network, (2, 24, 24)).total
    assert (total.receptive_field, total.jump) == (3, 1 / times)


@pytest.mark.parametrize(
    "function, field, jump",
    [
        (with_token, 4, None),  # of the tokens in a row one is none of the image
        (lambda net, x: F.pixel_unshuffle(x, 2), 1, None),  # two rows in a channel, two rows further on
        (lambda net, x: net.conv3(x)[:, :, :0].sum(2), None, None),  # of nothing
        (lambda net, x: net.conv3(x)[:, :, :0], (0, 3), 1),
        (lambda net, x: F.adaptive_avg_pool2d(x, 5), 6, 4.5),
        (lambda net, x: x.view(1, 2, 6, 4, 24).mean((2, 3)), (24, 1), (24, 1)),
        (lambda net, x: net.conv5(x).view(1, 2, 24, 6, 4).mean(3), (5, 25), 1),  # six columns, four apart
    ],
)
def test_fields_without_a_jump_and_other_edges(function, field, jump):
    total = network_cost(build(function), (2, 24, 24)).total
    assert (total.receptive_field, total.jump) == (field, jump)


STEPS = {
    "3×3": lambda net, x: net.conv3(x),
    "5×5": lambda net, x: net.conv5(x),
    "half": lambda net, x: net.conv3s2(x),
    "pool": lambda net, x: F.avg_pool2d(x, 2),
    "twice": lambda net, x: up(x, 2),
    "three times": lambda net, x: up(x, 3),
    "bilinear": lambda net, x: up(x, 2, "bilinear"),
    "transposed": lambda net, x: net.up2(x),
    "transposed 4": lambda net, x: net.up4(x),
    "shuffled": lambda net, x: F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2),
    "unshuffled": lambda net, x: F.pixel_unshuffle(x, 2)[:, ::4],
    "every second": lambda net, x: x[:, :, ::2, ::2],
    "turned": lambda net, x: x.transpose(2, 3),
    "gated": lambda net, x: x + net.conv3(x),
    "a U": lambda net, x: x + up(net.conv3s2(x), 2),
    "a shuffled U": lambda net, x: x + shuffled_by_hand(net.conv3s2(x).repeat(1, 4, 1, 1)),
}


@settings(MANY, max_examples=150)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=4))
def test_the_field_of_many_steps(names):
    def forward(net, x):
        for name in names:
            if x.shape[-1] % 2 and name in ("unshuffled", "pool", "a U", "a shuffled U") or not 4 < x.shape[-1] < 150:
                return x
            x = STEPS[name](net, x)
        return x

    network, side = build(forward), 48
    field = network_cost(network, (2, side, side)).total.receptive_field
    if field is not None and max(pair(field)) < side // 2:
        assert pair(field) == spans(network, 2, side)


def test_runs_are_cut_and_joined():
    field = of_image((1, 3, 8, 8))
    cut = reshaped(field, (3, 2, 4, 8))
    assert cut.dims[1:3] == ((Run(0, 2, 4),), (Run(0, 4, 1),))
    assert reshaped(cut, (1, 3, 64)).dims[2] == (Run(0, 8), Run(1, 8))
    assert reshaped(field, (1, 3, 3, 64)) == UNKNOWN
    assert reshaped(of_image((1, 1, 4, 6)), (1, 6, 4)) == UNKNOWN
    assert reshaped(of_image((1, 4, 8, 8)), (1, 2, 2, 8, 8)).dims[1] == (Run(None, 2),)
    assert mixed(field, [2, 3]).size == hull(field) == (8, 8)
    assert windowed(field, 3, 3, 2, 1, 4).jump == (1, 2)
    assert hull(UNKNOWN) is None
    assert checked(field, (1, 3, 8, 8)) == field and checked(field, (1, 3, 8, 4)) == UNKNOWN


def test_what_an_element_of_an_enlarged_map_sees():
    """Elements of 5 pixels, 4 apart, each for four; a window of three meets one or two of them."""
    branch = Branch(5, 4, repeat=4, taps=3, first=1)
    assert [branch.seen(i) for i in range(4)] == [(0, 4), (0, 8), (0, 8), (4, 8)]
    assert Branch(1, 2, repeat=2, taps=0, first=1).seen(1) is None  # between the taps of a wide stride
    assert branch.strided(2) == Branch(5, 4, repeat=2, taps=2) and branch.strided(3) is None
    assert branch.strided(8) == Branch(5, 8)
