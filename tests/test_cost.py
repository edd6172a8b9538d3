"""The cost tool against PyTorch's layers and counter, torchvision's published counts and published receptive fields."""

import math
import random
import sys
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from helpers.cost import conv_cost, cost_table, network_cost
from helpers.networks import less_weighted_net, session_net, tutorial_net

MANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)
CONVOLUTIONS = ("standard", "pointwise", "depthwise", "grouped", "dilated", "transposed")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The tensors are small: several threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def one_or_pair(*values):
    """Return a strategy of numbers and of pairs (height, width) of them."""
    number = st.sampled_from(values)
    return st.one_of(number, st.tuples(number, number))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def counted_macs(module, image):
    """Return PyTorch's own count, which is in FLOPs."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(image)
    return counter.get_total_flops() / 2


# One convolution ------------------------------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    """Draw the arguments of a convolution that fits its input."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 4, 8]))
    arguments = {
        "in_channels": groups * draw(st.integers(1, 4)),
        "out_channels": groups * draw(st.integers(1, 4)),
        "kernel_size": draw(one_or_pair(1, 2, 3, 5, 7)),
        "stride": draw(one_or_pair(1, 2, 3)),
        "padding": draw(st.one_of(one_or_pair(0, 1, 2, 5), st.sampled_from(["same", "valid"]))),
        "dilation": draw(one_or_pair(1, 2, 3)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if arguments["padding"] == "same":
        arguments["stride"] = 1
    added = (0, 0) if isinstance(arguments["padding"], str) else pair(arguments["padding"])
    spans = [d * (k - 1) + 1 for k, d in zip(pair(arguments["kernel_size"]), pair(arguments["dilation"]), strict=True)]
    least = [1 if arguments["padding"] == "same" else max(1, s - 2 * p) for s, p in zip(spans, added, strict=True)]
    return arguments, tuple(n + draw(st.integers(0, 12)) for n in least)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@MANY
@given(convolutions(), st.integers(1, 3))
def test_conv_cost_is_what_the_layer_does(drawn, batch_size):
    arguments, size = drawn
    layer = nn.Conv2d(**arguments, device="meta")
    image = torch.empty(batch_size, arguments["in_channels"], *size, device="meta")
    cost = conv_cost(**arguments, input_size=size, batch_size=batch_size)
    output = layer(image)
    assert cost.params == sum(p.numel() for p in layer.parameters())
    assert cost.macs == counted_macs(layer, image)
    assert cost.output_shape == output.shape[1:]
    assert cost.activations == output.numel()
    assert cost.bytes == 4 * (image.numel() + cost.params + output.numel())
    assert cost.arithmetic_intensity == 2 * cost.macs / cost.bytes
    spans = [d * (k - 1) + 1 for k, d in zip(pair(arguments["kernel_size"]), pair(arguments["dilation"]), strict=True)]
    assert pair(cost.receptive_field) == tuple(spans)
    assert pair(cost.jump) == pair(arguments["stride"])

    network = network_cost(layer, (arguments["in_channels"], *size), batch_size=batch_size)
    (row,) = network.layers
    for name in ("kind", "params", "macs", "activations", "output_shape", "receptive_field", "jump"):
        assert getattr(row, name) == getattr(cost, name), name
    if arguments["padding"] != "same" or all(s % 2 for s in spans):  # an odd pixel is padded by an operation of its own
        assert row.bytes == cost.bytes


FAULTS = {
    "in_channels": [-1],
    "out_channels": [0, -2],
    "kernel_size": [0, -1, (3, 0), (3, -1), (3, 3, 3)],
    "stride": [0, -1, (1, 0), (1, 1, 1)],
    "padding": [-1, (0, -1), "full", (1, 1, 1)],
    "dilation": [0, -1, (1, 0), (1, 1, 1)],
    "groups": [0, -1, 5],
    "input_size": [(0, 5), (5, 0)],
}
FAULTY = st.sampled_from([(name, value) for name, values in FAULTS.items() for value in values])


@MANY
@given(
    st.fixed_dictionaries(
        {
            "in_channels": st.sampled_from([2, 4, 6, 12]),
            "out_channels": st.sampled_from([2, 4, 6, 8]),
            "kernel_size": one_or_pair(1, 2, 3, 4, 5),
            "stride": one_or_pair(1, 1, 2, 3),
            "padding": st.one_of(one_or_pair(0, 1, 2), st.sampled_from(["same", "valid"])),
            "dilation": one_or_pair(1, 1, 2, 3),
            "groups": st.sampled_from([1, 1, 2, 2, 3, 4]),
            "input_size": st.tuples(st.integers(1, 8), st.integers(1, 8)),
        }
    ),
    st.one_of(st.none(), FAULTY),
)
def test_conv_cost_refuses_what_torch_refuses(arguments, fault):
    if fault:
        arguments = arguments | {fault[0]: fault[1]}
    input_size = arguments.pop("input_size")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of weights without elements
            output = nn.Conv2d(**arguments)(torch.zeros(1, abs(arguments["in_channels"]), *input_size))
    except Exception:
        with pytest.raises(ValueError):
            conv_cost(**arguments, input_size=input_size)
    else:
        assert conv_cost(**arguments, input_size=input_size).output_shape == output.shape[1:]


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"in_channels": 0}, "in_channels must be at least 1, not 0"),  # torch takes it, and gives out zeros
        ({"out_channels": -8}, "out_channels must be at least 1, not -8"),
        ({"kernel_size": (3, 0)}, "kernel_size must be at least 1, not 0"),
        ({"input_size": (32, -1)}, "input_size must be at least 1, not -1"),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"padding": -2}, "padding must be at least 0, not -2"),
        ({"dilation": 0}, "dilation must be at least 1, not 0"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"groups": 3}, "groups must divide in_channels: 3 groups cannot share 16 channels evenly"),
        ({"groups": 16}, "groups must divide out_channels: 16 groups cannot share 8 channels evenly"),
        ({"padding": "same", "stride": 2}, "padding 'same' needs a stride of 1, not 2×2"),
        ({"padding": "full"}, "not 'full'"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size must be a number or a pair \(height, width\), not \(3, 3, 3\)"),
        ({"kernel_size": 5, "dilation": 2, "input_size": (8, 32)}, "5×5 with dilation 2×2 spans 9×9 .* input of 8×32"),
        ({"kernel_size": 9, "padding": 1, "input_size": 6}, "spans 9×9 .* input of 6×6, which is 8×8 with its padding"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"element_size": 0}, "element_size must be at least 1, not 0"),
    ],
)
def test_the_refusal_names_the_value(wrong, words):
    with pytest.raises(ValueError, match=words):
        conv_cost(**{"in_channels": 16, "out_channels": 8, "kernel_size": 3, "input_size": 32} | wrong)


@pytest.mark.parametrize(
    "value", [3.0, 2.5, "3", None, np.float64(3), [1.0, 1], (1, True), True, np.bool_(True)], ids=repr
)
@pytest.mark.parametrize(
    "name", ["in_channels", "out_channels", "kernel_size", "input_size", "stride", "dilation", "groups", "padding"]
)
def test_what_is_no_integer_is_refused(name, value):
    arguments = {"in_channels": 6, "out_channels": 6, "kernel_size": 3, "input_size": 32} | {name: value}
    error = ValueError if name == "padding" and value == "3" else TypeError
    with pytest.raises(error, match=f"{name} must be a"):
        conv_cost(**arguments)
    size = arguments.pop("input_size")
    if isinstance(value, float) and name != "input_size":  # True is an integer to Python, and to torch in some places
        with pytest.raises((TypeError, ValueError)):
            nn.Conv2d(**arguments)(torch.zeros(1, 6, size, size))


def test_numpy_integers_are_integers():
    assert conv_cost(np.int64(3), 16, np.int32(3), (32, np.int64(32))) == conv_cost(3, 16, 3, 32)


@pytest.mark.parametrize(
    "kind, arguments",
    [
        ("standard", {}),
        ("standard", {"in_channels": 1}),
        ("standard", {"kernel_size": (1, 3)}),
        ("pointwise", {"kernel_size": 1}),
        ("pointwise", {"kernel_size": 1, "dilation": 2}),
        ("dilated", {"dilation": 2}),
        ("dilated", {"kernel_size": (1, 3), "dilation": (1, 2)}),
        ("standard", {"kernel_size": (1, 3), "dilation": (2, 1)}),
        ("grouped", {"groups": 4}),
        ("grouped pointwise", {"groups": 4, "kernel_size": 1}),
        ("depthwise", {"groups": 8}),
        ("depthwise", {"groups": 8, "out_channels": 32}),
        ("dilated depthwise", {"groups": 8, "dilation": 3}),
        ("dilated grouped", {"groups": 2, "dilation": 3}),
        ("depthwise pointwise", {"groups": 8, "kernel_size": 1}),
    ],
)
def test_kinds(kind, arguments):
    assert (
        conv_cost(**{"in_channels": 8, "out_channels": 16, "kernel_size": 3, "input_size": 32} | arguments).kind == kind
    )


def test_a_convolution_by_hand():
    """Convolution 4 of the course, 32 → 128 channels, 3×3 with dilation 2, without a bias, on 28×28 pixels."""
    cost = conv_cost(32, 128, 3, 28, dilation=2, bias=False)
    assert cost.params == 32 * 128 * 9 == 36_864
    assert cost.output_shape == (128, 24, 24)
    assert cost.macs == 36_864 * 24 * 24 == 21_233_664
    assert cost.activations == 128 * 24 * 24
    assert cost.bytes == 4 * (32 * 28 * 28 + 36_864 + 128 * 24 * 24)
    assert cost.receptive_field == 5
    half = conv_cost(32, 128, 3, 28, dilation=2, bias=False, batch_size=10, element_size=2)
    assert half.bytes == 2 * (10 * 32 * 28 * 28 + 36_864 + 10 * 128 * 24 * 24)
    assert (half.macs, half.activations, half.params) == (10 * cost.macs, 10 * cost.activations, cost.params)


# The networks of the course -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network, params, macs",
    [(session_net, 187_418, 57_033_056), (less_weighted_net, 191_514, 57_135_456), (tutorial_net, 62_006, 651_720)],
)
def test_the_networks_of_the_course(network, params, macs):
    cost = network_cost(network())
    assert cost.total.params == params
    assert cost.total.macs == macs == counted_macs(network(), torch.zeros(1, 3, 32, 32))
    assert cost.total.output_shape == (10,)
    for name in ("params", "macs", "activations", "bytes"):
        assert getattr(cost.total, name) == sum(getattr(row, name) for row in cost.layers), name


def test_session_net_layer_by_layer():
    rows = network_cost(session_net()).layers
    convolution = [row for row in rows if row.kind.split()[-1] in CONVOLUTIONS]
    assert [row.receptive_field for row in convolution] == [3, 5, 7, 11, 13, 15, 19, 19, 23, 27, 27, 31]
    assert [row.jump for row in convolution] == [1] * 5 + [2] * 7
    assert [row.output_shape[-1] for row in convolution] == [32, 30, 28, 24, 22, 11, 9, 9, 7, 5, 5, 3]
    kinds = ["standard"] * 3 + [
        "dilated",
        "grouped",
        "standard",
        "depthwise",
        "grouped pointwise",
        "standard",
        "grouped",
    ]
    assert [row.kind for row in convolution] == [*kinds, "pointwise", "standard"]
    assert [row.kind for row in rows].count("batchnorm") == [row.kind for row in rows].count("activation") == 11
    assert (rows[-1].kind, rows[-1].receptive_field, rows[-1].output_shape) == ("pooling", 35, (10, 1, 1))
    assert rows[0].name == "block1.0"


def test_a_batch_multiplies_all_but_the_parameters():
    one, many = network_cost(session_net()).total, network_cost(session_net(), batch_size=128).total
    assert (many.params, many.macs, many.activations) == (one.params, 128 * one.macs, 128 * one.activations)
    read_once = sum(p.numel() for p in session_net().parameters()) + sum(
        b.numel() for name, b in session_net().named_buffers() if "running" in name
    )
    assert many.bytes - 4 * read_once == 128 * (one.bytes - 4 * read_once)
    assert network_cost(session_net(), element_size=2).total.bytes * 2 == one.bytes


def test_a_linear_layer_sees_the_whole_image():
    rows = {row.name: row for row in network_cost(tutorial_net()).layers}
    assert [rows[name].receptive_field for name in ("0", "2", "3", "5", "7")] == [5, 6, 14, 16, 32]
    assert rows["7"].bytes == 4 * (400 + 48_120 + 120)


# torchvision's published counts ---------------------------------------------------------------------------------------

# Left out to save time: the same code as their smaller sisters; and vit_h_14, built for other images than its weights.
LARGE = {f"efficientnet_{size}" for size in ("b4", "b5", "b6", "b7", "v2_m", "v2_l")}
LARGE |= {f"{name}_{size}" for name in ("swin", "swin_v2") for size in "sb"}
LARGE |= {
    "convnext_base",
    "convnext_large",
    "densenet161",
    "densenet169",
    "vit_b_32",
    "vit_l_16",
    "vit_l_32",
    "vit_h_14",
}


class WithoutWeights(TorchFunctionMode):
    """Makes layers without memory for their weights. RegNet computes its widths with tensors: they must be real."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"device": "meta"} if function is torch.empty else kwargs))


def from_torchvision(name, **options):
    with WithoutWeights():
        return models.get_model(name, **options).to("meta")


@pytest.mark.parametrize("name", sorted(set(models.list_models(module=models)) - LARGE))
def test_the_counts_that_torchvision_publishes(name):
    """Parameters to the last one; operations, published as GFLOPs with 1 MAC = 1 operation, to all three decimals."""
    weights = next(iter(models.get_model_weights(name)))
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name == "googlenet":
        options["aux_logits"] = False  # published without its two auxiliary classifiers
    side = weights.transforms.keywords["crop_size"]
    cost = network_cost(from_torchvision(name, **options), (3, side, side))
    assert cost.total.params == weights.meta["num_params"] == sum(row.params for row in cost.layers)
    assert cost.total.macs / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.000501)
    unused = {row.name.split(".")[0] for row in cost.layers if row.kind == "unused"}
    assert unused == (
        {"AuxLogits"} if name == "inception_v3" else set()
    )  # its auxiliary classifier serves training only


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


class Function(nn.Module):
    """A module of one function, and of the layers that it uses."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


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
        (lambda net, x: F.pixel_unshuffle(x, 2), 2, 2),
        (written_in_parts, 5, 1),
        (changed_in_place, 9, 1),
        (shortcut_without_weights, 3, 2),
    ],
)  # fmt: skip
def test_receptive_field_through_functions(function, field, jump):
    net = Function(function, conv=conv(3, dilation=2), strided=conv(3, stride=2))
    assert sight(network_cost(net, (2, 16, 16)).total) == (field, jump)


# Any module that runs forward -----------------------------------------------------------------------------------------


def test_a_module_used_twice():
    net = nn.Module()
    shared = nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    first, _, second = network_cost(net).layers
    assert (first.name, second.name) == ("0", "0")
    assert (first.params, second.params) == (84, 0)
    assert first.macs == second.macs == 81 * 32 * 32
    assert first.bytes == second.bytes  # the weights are read again
    assert (first.receptive_field, second.receptive_field) == (3, 5)
    assert network_cost(net).total.params == 84


def test_two_layers_with_one_weight():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False))
    net[1].weight = net[0].weight
    assert [row.params for row in network_cost(net).layers] == [9, 0]


def test_functions_with_parameters_of_their_own():
    weight = nn.Parameter(torch.randn(4, 3, 3, 3))
    scale = nn.Parameter(torch.randn(4, 1, 1))
    net = Function(lambda net, x: F.relu(F.conv2d(x, net.weight)) * net.scale, weight=weight, scale=scale)
    rows = network_cost(net).layers
    assert [(row.name, row.kind, row.params, row.macs) for row in rows] == [
        ("Function", "standard", 108, 108 * 900),
        ("Function", "activation", 0, 0),
        ("Function", "other", 4, 0),
    ]
    assert network_cost(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))).layers[0].params == 4 + 4 + 108


def test_parameters_without_a_use_are_in_the_total():
    net = Function(lambda net, x: net.used(x), used=nn.Conv2d(3, 4, 1), unused=nn.Linear(5, 6))
    cost = network_cost(net)
    assert [(row.name, row.kind, row.params) for row in cost.layers] == [
        ("used", "pointwise", 16),
        ("unused", "unused", 36),
    ]
    assert cost.total.params == 52


def test_other_layers():
    """Those that the course does not use: counted, or refused, but never passed over in silence."""
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Flatten(2), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True))
    cost = network_cost(net)
    attention = 2 * 8 * 8 * 16  # queries · keys and weights · values, over 8 tokens of 16 numbers
    assert cost.total.macs == 8 * 192 * 16 + 8 * (3 * 16 * 16 + 16 * 16 + 2 * 16 * 32) + attention
    assert sum(row.macs for row in cost.layers if row.kind == "attention") == attention
    assert network_cost(nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2, bias=False))).total.macs == 48 * 32 * 32
    with pytest.raises(NotImplementedError, match="recurrent"):
        network_cost(nn.Sequential(nn.Flatten(2), nn.LSTM(1024, 4)))


def test_a_linear_layer_on_pixels_shows_the_shape_that_it_returns():
    net = Function(lambda net, x: net.linear(x.permute(0, 2, 3, 1).contiguous()), linear=nn.Linear(3, 5))
    (row,) = network_cost(net, (3, 6, 7)).layers
    assert (row.kind, row.output_shape, row.params, row.macs) == ("linear", (6, 7, 5), 20, 15 * 42)
    assert row.receptive_field == 1  # every pixel by itself


class Restless(nn.Module):
    """Does all that a forward pass could leave behind."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(4))

    def forward(self, x):
        self.calls += 1
        x = self.drop(self.norm(self.conv(x)))
        self.last = x.mean((0, 2, 3))
        return x + torch.rand_like(x) + torch.randn(1)


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_was(fails):
    net = Restless().train()
    net.norm.eval()  # frozen, as in fine-tuning
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    hooked = []
    net.conv.register_forward_hook(lambda *_: hooked.append(True))
    before = {
        name: (tensor, tensor.clone(), tensor._version) for name, tensor in net.state_dict(keep_vars=True).items()
    }
    gradients = [(p.grad, p.grad.clone()) for p in net.parameters()]
    flags = [(m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), dict(vars(m))) for m in net.modules()]
    global_hooks = len(nn.modules.module._global_forward_hooks), len(nn.modules.module._global_forward_pre_hooks)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    states = torch.get_rng_state(), random.getstate()

    if fails:
        with pytest.raises(RuntimeError):
            network_cost(net, (5, 8, 8))
    else:
        assert network_cost(net, (3, 8, 8)) == network_cost(net, (3, 8, 8))
        assert hooked == [True, True]

    after = net.state_dict(keep_vars=True)
    assert list(after) == list(before)
    for name, (tensor, copy, version) in before.items():
        assert after[name] is tensor and tensor.equal(copy) and tensor._version == version, name
        assert tensor.dtype == copy.dtype and tensor.device == copy.device
    assert all(p.grad is grad and grad.equal(copy) for p, (grad, copy) in zip(net.parameters(), gradients, strict=True))
    assert flags == [
        (m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), dict(vars(m))) for m in net.modules()
    ]
    assert global_hooks == (
        len(nn.modules.module._global_forward_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
    )
    assert torch.get_rng_state().equal(states[0]) and random.getstate() == states[1]
    assert torch.is_grad_enabled()
    net(torch.randn(2, 3, 8, 8)).sum().backward()  # and it still trains


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated:FutureWarning")  # by torch 2.14; it still works
def test_any_dtype_device_and_mode():
    expected = network_cost(session_net()).total
    assert network_cost(session_net().double()).total == expected
    assert network_cost(session_net().bfloat16()).total == expected
    assert network_cost(session_net().to("meta")).total == expected
    assert network_cost(session_net().to(memory_format=torch.channels_last)).total == expected
    with torch.inference_mode():
        assert network_cost(session_net()).total == expected
    with torch.autocast("cpu", torch.bfloat16):
        assert network_cost(session_net()).total.macs == expected.macs
    traced = torch.jit.trace(session_net().eval(), torch.zeros(1, 3, 32, 32))
    assert network_cost(traced).total == expected


def test_rectangular_images():
    total = network_cost(nn.Conv2d(3, 4, (3, 5), stride=(1, 2)), (3, 8, 20)).total
    assert (total.output_shape, total.receptive_field, total.jump) == ((4, 6, 8), (3, 5), (1, 2))


@pytest.mark.parametrize(
    "size, error, words",
    [
        ((32, 32), ValueError, r"\(channels, height, width\), not \(32, 32\)"),
        ((3, 0, 32), ValueError, "at least 1, not 0"),
        ((3, 32.0, 32), TypeError, "an integer, not 32.0"),
        ((3, True, 32), TypeError, "an integer, not True"),
    ],
)
def test_a_wrong_input_size_is_refused(size, error, words):
    with pytest.raises(error, match=f"input_size must be .*{words}"):
        network_cost(session_net(), size)


def test_lazy_layers_and_empty_answers_are_refused():
    with pytest.raises(ValueError, match="lazy"):
        network_cost(nn.LazyConv2d(3, 3))
    with pytest.raises(TypeError, match="forward must return tensors, not NoneType"):
        network_cost(Function(lambda net, x: None))


# What is shown --------------------------------------------------------------------------------------------------------


def test_the_table():
    net = nn.Sequential(nn.Conv2d(3, 16, (1, 3), bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 4 * 2, 1000))
    assert str(network_cost(net, (3, 4, 4))) == (
        "layer  kind        output   params     MACs  activations    bytes  FLOP/byte  field  jump\n"
        "0      standard    16×4×2      144    1,152          128    1,280        1.8    1×3     1\n"
        "1      activation  16×4×2        0        0          128    1,024        0.0    1×3     1\n"
        "3      linear      1000    129,000  128,000        1,000  520,512        0.5      4   4×2\n"
        "total              1000    129,144  129,152        1,256  522,816        0.5      4   4×2"
    )
    assert cost_table([conv_cost(3, 16, 3, 32)]).splitlines()[1].split() == [
        "standard", "16×30×30", "448", "388,800", "14,400", "71,680", "10.8", "3", "1",
    ]  # fmt: skip


def test_the_frame():
    pytest.importorskip("pandas")
    frame = network_cost(session_net()).to_frame()
    assert frame.macs.sum() == 57_033_056
    assert {"name", "kind", "params", "output_shape", "receptive_field", "arithmetic_intensity"} < set(frame.columns)


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        network_cost(tutorial_net()).to_frame()
    assert math.isclose(network_cost(tutorial_net()).total.arithmetic_intensity, 2 * 651_720 / 377_088)
