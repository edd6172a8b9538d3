"""How far every operation sees: published receptive fields, and those that the gradient reaches."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from modules import MANY, from_torchvision, one_or_pair, pair
from torch import nn
from torchvision import models

from helpers.bench.counters import Function
from helpers.cost import network_cost

pytestmark = pytest.mark.usefixtures("one_thread")


# Published receptive fields -------------------------------------------------------------------------------------------
# Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019; layer by layer in
# RECEPTIVE_FIELD_TABLE.md of github.com/google-research/receptive_field, as (receptive field, effective stride).


INCEPTION_V3 = {
    "Conv2d_1a_3x3": (3, 2), "Conv2d_2a_3x3": (7, 2), "Conv2d_2b_3x3": (11, 2), "maxpool1": (15, 4),
    "Conv2d_3b_1x1": (15, 4), "Conv2d_4a_3x3": (23, 4), "maxpool2": (31, 8),
    "Mixed_5b": (63, 8), "Mixed_5c": (95, 8), "Mixed_5d": (127, 8), "Mixed_6a": (159, 16), "Mixed_6b": (351, 16),
    "Mixed_6c": (543, 16), "Mixed_6d": (735, 16), "Mixed_6e": (927, 16), "Mixed_7a": (1055, 32),
    "Mixed_7b": (1183, 32), "Mixed_7c": (1311, 32),
}  # fmt: skip
ALEXNET = [
    (11, 4),
    (19, 8),
    (51, 8),
    (99, 16),
    (131, 16),
    (163, 16),
    (195, 32),
]  # convolutions and pooling but the second
VGG_A_POOLS = [(4, 2), (10, 4), (30, 8), (70, 16), (150, 32)]
VGG_16_POOLS = [(6, 2), (16, 4), (44, 8), (100, 16), (212, 32)]
MOBILENET_V1 = [(3, 2), (7, 2), (11, 4), (19, 4), (27, 8), (43, 8), (59, 16), (91, 16), (123, 16), (155, 16), (187, 16)]
MOBILENET_V1 += [(219, 16), (251, 32), (315, 32)]
RESNET_V1 = {50: ((3, 4, 6, 3), [35, 99, 291, 483]), 101: ((3, 4, 23, 3), [35, 99, 835, 1027])}
RESNET_V1 |= {152: ((3, 8, 36, 3), [35, 163, 1315, 1507]), 200: ((3, 24, 36, 3), [35, 419, 1571, 1763])}


def sight(row):
    return row.receptive_field, row.jump


def test_receptive_fields_of_alexnet_and_vgg():
    rows = network_cost(from_torchvision("alexnet").features, (3, 224, 224)).layers
    seen = [sight(row) for row in rows if row.kind != "activation"]
    assert (
        seen == ALEXNET[:3] + [(67, 16)] + ALEXNET[3:]
    )  # the second pooling is not in the published table: 51 + 2 · 8
    for name, published in (("vgg11", VGG_A_POOLS), ("vgg16", VGG_16_POOLS)):
        rows = network_cost(from_torchvision(name).features, (3, 224, 224)).layers
        assert [sight(row) for row in rows if row.kind == "pooling"] == published


def test_receptive_fields_of_inception_v3():
    rows = network_cost(from_torchvision("inception_v3", init_weights=False), (3, 299, 299)).layers
    for name, published in INCEPTION_V3.items():
        inside = [row for row in rows if row.name.split(".")[0] == name]
        seen = [
            tuple(map(max, zip(*(pair(size) for size in sizes), strict=True)))
            for sizes in zip(*map(sight, inside), strict=True)
        ]
        assert seen == [(number, number) for number in published], name


def test_receptive_fields_of_mobilenet_v1():
    """Not in torchvision; 13 blocks of a depthwise 3×3 and a pointwise convolution, these with a stride of 2."""
    layers = [nn.Conv2d(3, 4, 3, 2, 1)]
    for block in range(1, 14):
        stride = 2 if block in (2, 4, 6, 12) else 1
        layers.append(nn.Sequential(nn.Conv2d(4, 4, 3, stride, 1, groups=4), nn.Conv2d(4, 4, 1)))
    rows = network_cost(nn.Sequential(*layers), (3, 224, 224)).layers
    assert [sight(row) for row in rows if row.kind != "depthwise"] == MOBILENET_V1


@pytest.mark.parametrize("depth", RESNET_V1)
def test_receptive_fields_of_resnet_v1(depth):
    """The published ones are of an implementation that strides in the last unit of a block, not in the next block."""
    units, published = RESNET_V1[depth]
    unit = models.resnet.Bottleneck
    network = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
    for block, count in enumerate(units):
        strides = [1] * (count - 1) + [1 if block == 3 else 2]
        shortcuts = [nn.MaxPool2d(1, stride) if stride > 1 else None for stride in strides]
        network.append(
            nn.Sequential(*(unit(4, 1, s, shortcut) for s, shortcut in zip(strides, shortcuts, strict=True)))
        )
    ends = [network_cost(network[: 3 + block], (3, 224, 224)).total for block in range(4)]
    assert [sight(end) for end in ends] == list(zip(published, (8, 16, 32, 32), strict=True))


@pytest.mark.parametrize(
    "name, field", [("resnet18", 435), ("resnet34", 899), ("resnet50", 427), ("resnet101", 971), ("resnet152", 1451)]
)
def test_receptive_fields_of_torchvisions_resnets(name, field):
    """By hand: 11 after the stem; then 2 · jump more for every 3×3 convolution, whose jump doubles after the first."""
    network = from_torchvision(name)
    expected, jump = 11, 4
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in layer:
            for conv in (block.conv1, block.conv2):
                expected += (conv.kernel_size[0] - 1) * jump
                jump *= conv.stride[0]
    last = network_cost(nn.Sequential(*list(network.children())[:-2]), (3, 224, 224)).total
    assert sight(last) == (expected, jump) == (field, 32)


# Receptive fields measured by gradient --------------------------------------------------------------------------------


class Parallel(nn.Module):
    """Two paths, added or joined."""

    def __init__(self, first, second, join):
        super().__init__()
        self.first, self.second = first, second
        self.join = nn.Conv2d(4, 2, 1) if join else None

    def forward(self, x):
        a, b = self.first(x), self.second(x)
        return self.join(torch.cat((a, b), 1)) if self.join else a + b


def measured(network, side):
    """Return the height and width of the region of a ``side``² image that the middle pixel of the output depends on."""
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.1)  # all positive: nothing cancels
    image = torch.ones(1, 2, side, side, dtype=torch.double, requires_grad=True)
    output = network(image)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    rows, columns = (image.grad[0].sum(0) > 0).nonzero(as_tuple=True)
    assert 0 < rows.min() and rows.max() < side - 1 and 0 < columns.min() and columns.max() < side - 1
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def conv(kernel, dilation=1, stride=1, groups=1):
    """Return a convolution centred on its pixel, of 2 channels."""
    padding = [d * (k - 1) // 2 for k, d in zip(pair(kernel), pair(dilation), strict=True)]
    return nn.Conv2d(2, 2, kernel, stride, padding, dilation, groups)


kernels, dilations = one_or_pair(1, 3, 3, 5), one_or_pair(1, 1, 2, 3)
plain = st.builds(conv, kernels, dilations, st.sampled_from([1, 1, 2]), st.sampled_from([1, 2]))
path = st.lists(st.builds(conv, kernels, dilations), max_size=2).map(lambda layers: nn.Sequential(*layers))
block = st.one_of(plain, st.builds(Parallel, path, path, st.booleans()), st.just(nn.AvgPool2d(3, 2, 1)))


@settings(MANY, max_examples=50)
@given(st.lists(block, min_size=1, max_size=3))
def test_receptive_field_is_what_the_gradient_reaches(blocks):
    network = nn.Sequential(*blocks)
    total = network_cost(network, (2, 64, 64)).total
    side = max(pair(total.receptive_field)) + 6 * max(pair(total.jump))
    assert measured(network, side) == pair(total.receptive_field)


def test_a_residual_block_with_a_dilated_branch():
    block = Parallel(nn.Sequential(conv(3), conv(3, dilation=4)), nn.Sequential(conv(1), conv(3, groups=2)), join=False)
    network = nn.Sequential(conv(3, stride=2), block, conv(3))
    field = 3 + 2 * (2 + 8) + 2 * 2  # the stem, the larger branch at jump 2, the last convolution
    assert network_cost(network, (2, 64, 64)).total.receptive_field == field == 27
    assert measured(network, 63) == (27, 27)


def written_in_parts(net, x):
    out = torch.zeros_like(x)
    out[:, :1], out[:, 1:] = x[:, :1], net.conv(x)[:, 1:]
    return out


def changed_in_place(net, x):
    x = net.conv(x)
    first = x[:, :1]
    x[:, 1:] += net.conv(x)[:, 1:]
    return first + x.relu_().sum(1, keepdim=True)


def shortcut_without_weights(net, x):
    return F.relu(net.strided(x)) + F.pad(x[:, :1, ::2, ::2], (0, 0, 0, 0, 0, 1))


@pytest.mark.parametrize(
    "function, field, jump",
    [
        (lambda net, x: F.relu(net.conv(x)).flatten(1).view(x.shape) + x, 5, 1),
        (lambda net, x: torch.cat((x, net.conv(x)), 1).mean(1, keepdim=True), 5, 1),
        (lambda net, x: torch.stack((x, net.conv(x))).sum(0), 5, 1),
        (lambda net, x: net.conv(x).permute(0, 2, 3, 1).contiguous() @ torch.ones(2, 7), 5, 1),  # pixel by pixel
        (lambda net, x: torch.einsum("nchw,cd->ndhw", net.conv(x), torch.ones(2, 3)), 5, 1),
        (lambda net, x: (torch.ones(18) @ F.unfold(x, 3, padding=2, dilation=2)).view(1, 1, 16, 16), 5, 1),
        (lambda net, x: (torch.ones(4, 18) @ F.unfold(x, 3, padding=1)).view(1, 4, 16, 16), 3, 1),
        (lambda net, x: net.conv(x) * net.conv(x).mean((2, 3), keepdim=True).sigmoid(), 5 + 15, 1),
        (lambda net, x: net.conv(x).mean((2, 3)), 5 + 15, 16),
        (lambda net, x: net.conv(x).amax(3), (5, 20), (1, 16)),
        (lambda net, x: F.adaptive_avg_pool2d(net.conv(x), 4), 5 + 3, 4),
        (lambda net, x: F.adaptive_max_pool2d(net.conv(x), (1, 16)), (20, 5), (16, 1)),
        (lambda net, x: net.conv(x).flatten(1) @ torch.ones(512, 3), 20, 16),
        (lambda net, x: F.avg_pool2d(x, 2).repeat(1, 2, 1, 1), 2, 2),
        (lambda net, x: F.interpolate(net.conv(F.max_pool2d(x, 2)), scale_factor=2), 2 + 4 * 2, 1),
        (lambda net, x: F.conv_transpose2d(F.max_pool2d(x, 2), torch.ones(2, 2, 2, 2), stride=2), 2, 1),
        (lambda net, x: F.conv_transpose2d(F.max_pool2d(x, 2), torch.ones(2, 2, 4, 4), stride=2), 4, 1),
        (lambda net, x: F.conv2d(F.pixel_unshuffle(x, 2), torch.ones(1, 8, 1, 1)), 2, 2),
        (lambda net, x: F.max_pool2d(x, (2,)), 2, 2),
        (lambda net, x: F.avg_pool2d(x, (3,), stride=(2,)), 3, 2),
        (lambda net, x: F.conv2d(x, torch.ones(2, 2, 3, 3), stride=(2,)), 3, 2),
        (lambda net, x: F.conv2d(x, torch.ones(2, 2, 3, 3), dilation=(2,)), 5, 1),
        (written_in_parts, 5, 1),
        (changed_in_place, 9, 1),
        (shortcut_without_weights, 3, 2),
        (lambda net, x: F.avg_pool2d(net.conv(x).copy_(x), 3, 1), 3, 1),  # what was there before is gone
        (lambda net, x: F.bilinear(x[0, 0], x[0, 1], torch.ones(5, 16, 16)), (1, 16), (1, 16)),  # row by row
        (lambda net, x: (x[0, 0] @ x[0, 1].T) @ torch.ones(16, 2), 16, 16),  # every row with every other
        (lambda net, x: F.scaled_dot_product_attention(x, x, x), (16, 1), (16, 1)),  # the columns of the values stay
    ],
)  # fmt: skip
def test_receptive_field_through_functions(function, field, jump):
    net = Function(function, conv=conv(3, dilation=2), strided=conv(3, stride=2))
    assert sight(network_cost(net, (2, 16, 16)).total) == (field, jump)


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: F.conv2d(x, x[:, :, :3, :3].repeat(2, 1, 1, 1)),  # the weights see, too
        lambda net, x: F.embedding(x[0, 0].long(), x[0, 1]),  # and the table in which the image looks things up
        lambda net, x: net.conv(torch.cat((x, x), 2)),  # rows in another order, columns where they were
    ],
)
def test_what_is_not_certain_is_said_to_be_unknown(function):
    total = network_cost(Function(function, conv=conv(3, dilation=2)), (2, 16, 16)).total
    assert total.receptive_field is None and total.jump is None


def test_root_mean_squares_see_what_their_input_sees():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.RMSNorm([4, 30, 30]))
    assert [(row.kind, row.receptive_field) for row in network_cost(net).layers] == [("standard", 3), ("other", 3)]
