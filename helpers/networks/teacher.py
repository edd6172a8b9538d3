"""The large network that teaches the better one (notebook 09): few layers, many channels, quickly trained.

Its ideas are K. Jordan's, *94% on CIFAR-10 in 3.29 Seconds on a Single GPU*, 2024.
"""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.data import SAMPLE, load_cifar10, to_device


def whitening():
    """Return a fixed 2×2 convolution of 24 channels whose answers to ordinary images are uncorrelated, of variance 1.

    Its filters are the twelve principal components of the sample's 2×2 patches, each divided by its standard
    deviation, and their negatives. Neighbouring pixels and colours say nearly the same; with this first layer, the
    layers after it need not learn that first. Only its bias is trained.
    """
    images, labels = load_cifar10(True, SAMPLE)
    pixels, _ = to_device(torch.from_numpy(images), torch.from_numpy(labels), torch.device("cpu"))
    patches = F.unfold(pixels, 2).transpose(1, 2).reshape(-1, 12).double()
    variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (components / (variances + 5e-4).sqrt()).T.reshape(12, 3, 2, 2).float()
    layer = with_fixed_weight(nn.Conv2d(3, 24, 2), torch.cat([filters, -filters]))
    nn.init.zeros_(layer.bias)
    return layer


def normalized(channels):
    """Return a BatchNorm of ``channels`` maps whose scale stays at one: only its shift is trained.

    Weight decay would shrink the scale, and GELU of small numbers is nearly linear.
    """
    return with_fixed_weight(nn.BatchNorm2d(channels), torch.ones(channels))


def with_fixed_weight(layer, weight):
    """Return ``layer`` with ``weight``, of the same shape, in place of its own, as a buffer: no optimizer sees it."""
    del layer.weight
    layer.register_buffer("weight", weight)
    return layer


class Ninth(nn.Module):
    """A ninth of the input, of any shape: logits that begin small let a large network begin with large steps."""

    def forward(self, x):
        return x / 9


class Bypassed(nn.Sequential):
    """Layers with a way round them: what comes in, of any shape, is added to what they make of it."""

    def forward(self, x):
        return x + super().forward(x)


def passing_on(channels, width, count):
    """Return ``count`` 3×3 convolutions to ``width`` channels, the first of them from ``channels``.

    Each begins by passing on what comes in; the channels that are new begin at random.
    """
    layers = [nn.Conv2d(c, width, 3, padding=1, bias=False) for c in (channels, *[width] * (count - 1))]
    for layer in layers:
        nn.init.dirac_(layer.weight.data[: layer.in_channels])
    return layers


def logits_of(channels):
    """Return the layers from the last maps, of ``channels``, to small logits."""
    return nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10), Ninth()


def teacher_net():
    """Return the teacher: a whitening layer and six ordinary 3×3 convolutions, 4,460,514 parameters.

    Nothing about it is small. Its convolutions come in pairs of one width, with maximum pooling after the first:
    few layers with many channels are what machines multiply fastest. They begin by passing on what comes in, as far
    as their channels go.
    """
    layers, channels = [whitening(), nn.GELU()], 24
    for width in (96, 256, 512):
        widening, keeping = passing_on(channels, width, 2)
        layers += [widening, nn.MaxPool2d(2), normalized(width), nn.GELU()]
        layers += [keeping, normalized(width), nn.GELU()]
        channels = width
    return nn.Sequential(*layers, *logits_of(channels))


def deep_teacher_net():
    """Return a deeper teacher: nine 3×3 convolutions, three of each width, 4,878,834 parameters.

    The third of a width, and a way round the last two, are what the same source's largest network adds. Its 128, 384
    and 512 channels would make weights of 20 MB; with these they are 10.
    """
    layers, channels = [whitening(), nn.GELU()], 24
    for width in (96, 256, 368):
        widening, second, third = passing_on(channels, width, 3)
        layers += [widening, nn.MaxPool2d(2), normalized(width), nn.GELU()]
        layers += [Bypassed(second, normalized(width), nn.GELU(), third, normalized(width)), nn.GELU()]
        channels = width
    return nn.Sequential(*layers, *logits_of(channels))
