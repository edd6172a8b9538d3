"""The exercises on layers, of notebooks 04 and 09: a block from its table, a residual unit, and the sums of 09."""

import copy

import torch
from torch import nn

from helpers.cost import network_cost
from helpers.exercises.checking import Wrong, as_tensor, called, exercise, hint, number, shown, whole
from helpers.networks import NEAR, SeparableUnit, better_net, build, count_parameters, residual_net, session_net


def in_order(network, image):
    """Return the convolutions and BatchNorms of ``network`` in the order in which they run on ``image``."""
    found = []
    looked_at = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: found.append(layer)) for layer in looked_at]
    try:
        called(network, image, shown_as=f"a map of shape {tuple(image.shape)}")
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _shape(layer):
    return None if layer.weight is None else tuple(layer.weight.shape)


def assert_same(network, reference, image, words):
    """``Wrong`` unless ``network``, given the weights of ``reference`` layer by layer, computes the same."""
    ours, theirs = in_order(reference, image), in_order(network, image)
    kinds = [[(type(layer), _shape(layer)) for layer in layers] for layers in (theirs, ours)]
    for number_, (given, wanted) in enumerate(zip(*kinds, strict=False), 1):
        hint(given == wanted, f"layer {number_} that runs is a {given[0].__name__} with weights {given[1]}: {words}")
    hint(len(theirs) == len(ours), f"{len(theirs)} convolutions and BatchNorms run: {words}")
    hint(
        [layer.bias is None for layer in theirs] == [layer.bias is None for layer in ours],
        "no bias where a BatchNorm follows",
    )
    for given, wanted in zip(theirs, ours, strict=True):
        try:
            given.load_state_dict(wanted.state_dict())
        except RuntimeError as error:
            raise Wrong(f"{given} has other parts than {wanted}") from error
    for training in (False, True):
        expected = reference.train(training)(image)
        result = as_tensor(network.train(training)(image), expected.shape, "what it returns")
        hint(torch.allclose(result, expected.double(), atol=1e-4), words)


@exercise("04.4")
def block_from_its_table(answer):
    block = called(answer)
    hint(isinstance(block, nn.Module), f"third_block() returns an nn.Module, not {shown(block)}")
    reference = copy.deepcopy(session_net().block3)
    for layer in reference.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2), nn.init.uniform_(layer.bias, -1, 1)
    for side in (11, 8):
        assert_same(
            block,
            reference,
            torch.randn(2, 32, side, side),
            "compare it with rows 7 to 9, each with BatchNorm and ReLU",
        )


@exercise("09.1")
def spend_what_is_left(answer):
    hint(isinstance(answer, dict), f"the answer is a dictionary of options, not {shown(answer)}")

    def network():
        return network_cost(residual_net(**answer)).total

    larger = called(network, shown_as=shown(answer))
    there = network_cost(better_net()).total
    reached = f"{larger.params:,} parameters, {larger.macs / 1e6:.1f} million MACs"
    hint(larger.params <= 187_418, f"{reached}: too many parameters")
    hint(larger.params >= there.params + 4_000, f"{reached}: there is more to spend")
    hint(larger.macs >= there.macs + 5e6, f"{reached}: on which maps does a parameter work most?")


@exercise("09.2")
def price_of_a_gate(answer):
    width = whole(answer, "a number of channels")
    unit = SeparableUnit(64, NEAR)
    with_gate = count_parameters(unit.widen) + count_parameters(unit.narrow)
    hint(64 * width + width * 64 == with_gate, "64 → 128, then 64 → 64: how many weights is that?")


@exercise("09.3")
def without_the_mixture(answer):
    seen = network_cost(build("better_gated")[:4]).total.receptive_field
    hint(number(answer) == seen, "add (3 − 1) · jump for each 3×3")


@exercise("09.4")
def residual_unit(answer):
    for channels in (3, 8):
        unit = called(answer, channels)
        hint(isinstance(unit, nn.Module), f"Unit({channels}) is an nn.Module, not {shown(unit)}")
        x = torch.randn(2, channels, 7, 5)
        for training in (True, False):
            result = as_tensor(called(unit.train(training), x, shown_as="a map"), x.shape, "what the unit returns")
            hint(
                torch.allclose(result, x.double(), atol=1e-5),
                "a new unit should return what it is given: where is a zero?",
            )
        reference = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        for layer in (reference[1], reference[4]):
            nn.init.uniform_(layer.weight, 0.5, 2), nn.init.uniform_(layer.bias, -1, 1)
        assert_same(
            unit, _Residual(reference), x, "convolution, BatchNorm, ReLU, convolution, BatchNorm, and then x is added"
        )


class _Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)
