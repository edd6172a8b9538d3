"""The staircase of notebook 09: each step changes one thing, at the same price in parameters."""

import pytest
import torch
from torch import nn

from helpers.cost import network_cost
from helpers.networks import build, count_parameters, mixed_net
from helpers.networks.better import BoundedSiLU, SeparableUnit
from helpers.networks.staircase import STAIRCASE

STEPS = [f"staircase_{step}" for step in STAIRCASE]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_costs_what_the_last_one_costs(step):
    """Within 5 % of mixed_net's parameters and MACs: what it gains is not a larger network's."""
    here, there = network_cost(build(step)).total, network_cost(mixed_net()).total
    assert 0.95 < here.params / there.params <= 1 and 0.95 < here.macs / there.macs < 1.05
    assert here.params == count_parameters(build(step))


def changes(before, after):
    """Return what differs between the units of two networks, which are as many and as wide."""
    pairs = list(
        zip(*([m for m in net.modules() if isinstance(m, SeparableUnit)] for net in (before, after)), strict=True)
    )
    assert len(pairs) == 8
    looks = {
        "way round": lambda unit: unit.residual,
        "activation": lambda unit: type(unit.activation),
        "gate": lambda unit: unit.gate,
        "kernels": lambda unit: [(c.kernel_size, c.dilation) for c in unit.depthwise if isinstance(c, nn.Conv2d)],
        "width": lambda unit: unit.norm.num_features,
    }
    return {name for name, look in looks.items() if any(look(a) != look(b) for a, b in pairs)}


def test_each_step_from_separable_on_changes_one_thing():
    networks = [build(step) for step in STEPS[1:]] + [mixed_net()]
    changed = [changes(*pair) for pair in zip(networks, networks[1:], strict=False)]
    assert changed == [{"way round"}, {"activation"}, {"gate"}, {"kernels"}]
    assert isinstance(networks[2][0][2].activation, BoundedSiLU) and type(networks[1][0][2].activation) is nn.ReLU


def test_the_deep_step_is_plain_and_its_maps_are_as_large_as_mixed_nets():
    deep = build("staircase_deep")
    convolutions = [layer for layer in deep.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 17
    for layer in convolutions:
        assert (layer.kernel_size, layer.groups, layer.dilation, layer.padding) == ((3, 3), 1, (1, 1), (1, 1))
    x, y = (net[:4](torch.zeros(2, 3, 32, 32)) for net in (deep, mixed_net()))
    assert x.shape[2:] == y.shape[2:] == (16, 16)


def test_a_unit_without_its_way_round_begins_with_an_answer_of_its_own():
    unit = SeparableUnit(8, residual=False)
    x = torch.randn(4, 8, 6, 6)
    y = unit(x)
    assert not torch.allclose(y, x, atol=0.1) and 0.5 < y.std() < 1.5  # its last norm starts at one
