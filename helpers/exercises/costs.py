"""The exercises of notebooks 03 and 04: MACs, separable pairs, corners of the roofline, fields; the network changed."""

import copy
import random

import torch
from torch import nn

from helpers.cost import conv_cost, network_cost
from helpers.exercises.checking import called, exercise, hint, whole
from helpers.networks import count_parameters, session_net


@exercise("03.1")
def macs(answer):
    for _ in range(20):
        groups = random.choice((1, 2, 4))
        channels, out = (groups * random.randint(1, 40) for _ in range(2))
        kernel, size = random.choice((1, 3, 5)), random.randint(1, 40)
        layer = conv_cost(channels, out, kernel, size + kernel - 1, padding=0, groups=groups, bias=False)
        given = whole(called(answer, channels, out, kernel, size, groups), "a whole number of MACs")
        case = f"{channels} → {out} channels, {kernel}×{kernel}, {size}×{size} outputs, {groups} groups"
        hint(given == layer.macs, f"{case}: {layer.macs:,} MACs, and not {given:,}")


@exercise("03.2")
def block_for_less(answer):
    count = whole(answer)
    pairs = [(32, 128), (128, 64), (64, 32)]
    layers = [(nn.Conv2d(a, a, 3, groups=a, bias=False), nn.Conv2d(a, b, 1, bias=False)) for a, b in pairs]
    first, *_ = weights = [sum(map(count_parameters, pair)) for pair in layers]
    hint(count == sum(weights), f"the first pair has {first:,} weights. And the others?")


@exercise("03.3")
def over_the_corner(answer):
    channels = whole(answer, "a number of channels")
    hint(channels >= 1 and channels & (channels - 1) == 0, f"{channels} is no power of two")

    def offers(count):
        return conv_cost(count, count, 1, 32, bias=False).arithmetic_intensity

    hint(offers(channels) >= 40, f"that is {offers(channels):.0f} FLOPs a byte: it waits for memory")
    hint(offers(channels // 2) < 40, f"half as many do: {offers(channels // 2):.0f} FLOPs a byte")


@exercise("03.4")
def receptive_field(answer):
    for case in range(30):
        layers = [
            (random.choice((1, 2, 3, 5)), random.choice((1, 1, 2, 3)), random.choice((1, 1, 2)))
            for _ in range(case % 5)
        ]
        network = nn.Sequential(*[nn.Conv2d(1, 1, k, s, dilation=d) for k, s, d in layers], nn.Identity())
        side = network_cost(network, (1, 400, 400)).total.receptive_field
        given = whole(called(answer, layers), "a number of pixels")
        hint(given == side, f"receptive_field({layers}) is {side} pixels, and not {given}")


def convolution(network, index):
    """Return convolution ``index``, from 1, of a network."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][index - 1]


@exercise("04.1")
def sixteen_groups(answer):
    count = whole(answer, "a number of parameters")
    network = session_net()
    ninth = convolution(network, 9)
    ninth.weight = nn.Parameter(torch.zeros(32, 256 // 16, 3, 3))
    hint(count == count_parameters(network), "how many channels does a filter of convolution 9 see then?")


@exercise("04.2")
def without_the_stride(answer):
    hint(isinstance(answer, (tuple, list)) and len(answer) == 2, 'the answer is a pair, such as (1_000, "less")')
    hint(answer[1] in ("less", "half", "double"), 'the second part is "less", "half" or "double"')
    network = session_net()
    strided = network_cost(network).total.macs
    convolution(network, 6).stride = (1, 1)
    ratio = network_cost(network).total.macs / strided
    hint(whole(answer[0]) == count_parameters(network), "does a weight depend on the stride?")
    word = "less" if ratio < 1.4 else "half" if ratio < 1.6 else "double"
    hint(answer[1] == word, "convolutions 6 and 9 grow most. How many outputs do they get?")


@exercise("04.3")
def a_wider_field(answer):
    dilation = whole(answer, "a dilation")

    def field_with(dilation):
        wider = copy.deepcopy(session_net())
        for conv in (convolution(wider, 9), convolution(wider, 10)):
            conv.dilation, conv.padding = (dilation, dilation), (dilation - 1, dilation - 1)
        return network_cost(wider[:4]).total.receptive_field

    hint(1 <= dilation < 20, "a dilation is 1 or more, and this one is small")
    hint(
        field_with(dilation) > 44, f"with dilation {dilation} it is {field_with(dilation)} pixels. The jump there is 2."
    )
    hint(dilation == 1 or field_with(dilation - 1) <= 44, "there is a smaller one that does it")
