"""The better networks: the assignment's conditions, and their units by hand."""

import pytest
import torch
from modules import reached_by_gradient
from torch import nn

from helpers import data
from helpers.networks import (
    STEPS,
    SeparableUnit,
    better_net,
    build,
    count_parameters,
    load_pretrained,
    mixed_net,
    residual_net,
)


@pytest.mark.parametrize("build, field", [(better_net, 85), (mixed_net, 61)])
def test_better_nets_meet_every_condition_of_the_assignment(build, field):
    network = build()
    assert count_parameters(network) <= 187_418
    assert [name for name, _ in network.named_children()] == ["block1", "block2", "block3", "block4", "output"]
    layers = list(network.modules())
    assert not any(isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) for layer in layers)
    assert [isinstance(layer, nn.AdaptiveAvgPool2d) for layer in network.output] == [True, False, False]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert any(layer.dilation != (1, 1) for layer in convolutions)
    pairs = zip(convolutions, convolutions[1:], strict=False)
    assert any(a.groups == a.in_channels > 1 and b.kernel_size == (1, 1) and b.groups == 1 for a, b in pairs)
    assert reached_by_gradient(network[:4], 257) == field > 44


def test_bounded_gates_keep_an_unusual_image_from_ending_as_no_number():
    """Three times the contrast: with plain SiLU some answers are no number. On ordinary images both say the same."""
    network = load_pretrained("better_62")
    images, labels = (torch.from_numpy(part[:20]) for part in data.load_cifar10(False, data.SAMPLE))
    ordinary, _ = data.to_device(images, labels, torch.device("cpu"))
    with torch.no_grad():
        bounded = network(ordinary), network(3 * ordinary)
        for unit in network.modules():
            if isinstance(unit, SeparableUnit):
                unit.activation = nn.SiLU()
        plain = network(ordinary), network(3 * ordinary)
    assert torch.equal(bounded[0], plain[0])
    assert bounded[1].isfinite().all() and not plain[1].isfinite().all()


def test_a_network_that_halves_its_first_maps_still_begins_at_the_image():
    network = residual_net(strides=(2, 1, 1, 2)).eval()
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert network.block1(torch.zeros(1, 3, 32, 32)).shape == (1, 32, 16, 16)


def test_the_steps_towards_better_net_have_about_the_same_parameters():
    """What a step gains, its change gained, and not a larger network."""
    steps = [build(f"better_{step}") for step in STEPS] + [better_net()]
    assert all(0.95 < count_parameters(step) / count_parameters(better_net()) <= 1 for step in steps)


def test_separable_unit_by_hand():
    """On one pixel a depthwise kernel is its middle tap, so the whole unit is a few products of matrices."""
    torch.manual_seed(0)
    unit = SeparableUnit(8).eval()
    x = torch.randn(2, 8, 1, 1)
    assert torch.equal(unit(x), x)  # its last BatchNorm starts at zero
    nn.init.ones_(unit.last_norm.weight)
    taps = [torch.ones(2)] + [
        layer.weight[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[0] // 2] for layer in unit.depthwise[1:]
    ]
    scale = (1 + 1e-5) ** -0.5  # a fresh BatchNorm in evaluation
    y = scale * torch.cat(taps) * x.flatten(1)
    gate, value = (y @ unit.widen.weight.flatten(1).T).chunk(2, dim=1)
    y = scale * (gate * torch.sigmoid(gate) * value) @ unit.narrow.weight.flatten(1).T
    assert torch.allclose(unit(x).flatten(1), x.flatten(1) + y, atol=1e-6)
