"""The networks of the lessons: facts of the course's table, layer by layer, and the field measured by gradient."""

import pytest
import torch
from modules import reached_by_gradient
from torch import nn

from helpers.networks import (
    KIND_WIDTHS,
    count_parameters,
    kind_net,
    less_weighted_net,
    session_net,
    tutorial_net,
)

# kernel, in → out, stride, padding, dilation, groups, side of the output
SESSION = [
    (3, 3, 16, 1, 1, 1, 1, 32),
    (3, 16, 32, 1, 0, 1, 1, 30),
    (3, 32, 32, 1, 0, 1, 1, 28),
    (3, 32, 128, 1, 0, 2, 1, 24),
    (3, 128, 64, 1, 0, 1, 2, 22),
    (3, 64, 32, 2, 1, 1, 1, 11),
    (3, 32, 128, 1, 0, 1, 32, 9),
    (1, 128, 256, 1, 0, 1, 16, 9),
    (3, 256, 32, 1, 0, 1, 1, 7),
    (3, 32, 32, 1, 0, 1, 16, 5),
    (1, 32, 16, 1, 0, 1, 1, 5),
    (3, 16, 10, 1, 0, 1, 1, 3),
]


def convolutions(network):
    """Return the table rows of a network's convolutions and their multiply-adds, in the order in which they run."""
    rows, macs = [], []

    def look(layer, inputs, output):
        c = layer
        square = {len(set(value)) for value in (c.kernel_size, c.stride, c.padding, c.dilation)}
        assert square == {1}
        rows.append(
            (
                c.kernel_size[0],
                c.in_channels,
                c.out_channels,
                c.stride[0],
                c.padding[0],
                c.dilation[0],
                c.groups,
                output.shape[-1],
            )
        )
        macs.append(c.weight.numel() * output.shape[-1] * output.shape[-2])

    handles = [layer.register_forward_hook(look) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    network.eval()(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return rows, macs


def test_session_net_is_the_table():
    rows, macs = convolutions(session_net())
    assert rows == SESSION
    assert 56.5e6 < sum(macs) < 57.5e6


def test_less_weighted_net_differs_in_convolution_11_alone():
    rows, _ = convolutions(less_weighted_net())
    expected = list(SESSION)
    expected[10] = (3, 32, 16, 1, 1, 1, 1, 5)
    assert rows == expected


@pytest.mark.parametrize(
    "network, parameters", [(session_net, 187_418), (less_weighted_net, 191_514), (tutorial_net, 62_006)]
)
def test_parameter_counts(network, parameters):
    assert count_parameters(network()) == parameters


def test_only_the_last_convolution_has_a_bias_and_no_batchnorm():
    for network in (session_net(), less_weighted_net()):
        layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU))]
        kinds = [type(layer) for layer in layers]
        assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 11 + [nn.Conv2d]
        assert [layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)] == [False] * 11 + [True]
        assert not any(isinstance(layer, (nn.MaxPool2d, nn.Dropout)) for layer in network.modules())


@pytest.mark.parametrize("pooled, field", [(False, 31), (True, 35)])
def test_receptive_field_by_gradient(pooled, field):
    """One output reaches 31×31 pixels, the pooled one 35×35."""
    assert reached_by_gradient(session_net()[:4], 97, 3 if pooled else 1) == field


def test_kind_nets_differ_in_the_four_inner_layers_alone():
    """Notebook 03's experiment: one kind of 3×3 convolution each, the rest equal."""
    inner = {"standard": (1, 1), "dilated": (2, 1), "grouped": (1, 4)}
    for kind, (dilation, groups) in inner.items():
        first, *layers = [layer for layer in kind_net(kind, 32).modules() if isinstance(layer, nn.Conv2d)]
        assert (first.groups, first.dilation, first.stride) == (1, (1, 1), (2, 2))
        assert [(layer.dilation, layer.groups) for layer in layers] == [((dilation, dilation), groups)] * 4
        assert [layer.stride[0] for layer in layers] == [1, 1, 2, 1]
    apart = [layer for layer in kind_net("dilated_apart", 32).modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.dilation[0], layer.stride[0]) for layer in apart] == [(1, 2), (2, 1), (2, 1), (1, 2), (2, 1)]
    layers = [layer for layer in kind_net("separable", 32).modules() if isinstance(layer, nn.Conv2d)][1:]
    assert [(layer.kernel_size[0], layer.groups) for layer in layers] == [(3, 32), (1, 1)] * 3 + [(3, 64), (1, 1)]


def test_kind_nets_have_nearly_equal_parameters_at_their_second_width():
    """The widths are those that come nearest to the standard network, among all that are allowed."""
    standard = count_parameters(kind_net("standard", 32))
    for kind, step in (("grouped", 4), ("separable", 1)):
        nearest = min(range(step, 129, step), key=lambda w: abs(count_parameters(kind_net(kind, w)) - standard))
        assert KIND_WIDTHS[kind] == (32, nearest)
    assert count_parameters(kind_net("dilated", 32)) == count_parameters(kind_net("dilated_apart", 32)) == standard


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="no kind 'round'"):
        kind_net("round", 32)
