"""The staircase from ``session_net`` to ``mixed_net``: from its third step on, each changes one thing (notebook 09).

All have about the same number of parameters, so that what a step gains, its change gained.
"""

from functools import partial

from torch import nn

from helpers.networks.better import LARGE_MAPS, NEAR, residual_net
from helpers.networks.lesson import conv_bn_relu


def deep_net():
    """Return a plain deep network, the first step: 17 ordinary 3×3 convolutions in four blocks, with padding.

    Its maps are as large as ``mixed_net``'s and its blocks as deep, and nothing in it is grouped, dilated or residual.
    """
    blocks, channels = [], 3
    for width, count, stride in zip((28, 28, 42, 42), (5, 4, 4, 4), LARGE_MAPS["strides"], strict=True):
        layers = conv_bn_relu(channels, width, stride=stride, padding=1)
        for _ in range(count - 1):
            layers += conv_bn_relu(width, width, padding=1)
        blocks.append(nn.Sequential(*layers))
        channels = width
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


_gated = partial(residual_net, **LARGE_MAPS, kernels=(NEAR,) * 4)
STAIRCASE = {
    "deep": deep_net,
    "separable": partial(_gated, residual=False, gated=False, activation=nn.ReLU),
    "residual": partial(_gated, gated=False, activation=nn.ReLU),
    "smooth": partial(_gated, gated=False),
    "gated": _gated,
}
