"""The formula of one convolution, against the layer itself, on many random ones."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modules import MANY, counted_macs, one_or_pair, pair
from torch import nn

from helpers.cost import conv_cost, network_cost

pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.mark.parametrize("bias", ["no", 0, None, torch.zeros(4)], ids=repr)
def test_a_bias_is_there_or_not(bias):
    with pytest.raises(TypeError, match="bias must be True or False, not "):
        conv_cost(3, 4, 3, 32, bias=bias)
    assert conv_cost(3, 4, 3, 32, bias=np.bool_(False)).params == 108


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
