"""The teacher: its first layer whitens, its convolutions begin by passing on what comes in."""

import torch
from torch import nn

from helpers import data
from helpers.networks import count_parameters, deep_teacher_net, teacher_net
from helpers.networks.teacher import Bypassed, whitening


def test_teacher_net_is_large_and_plain():
    """Six 3×3 convolutions; in half precision its parameters take less than 10 MB."""
    network = teacher_net()
    kernels = [layer.kernel_size for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(2, 2)] + [(3, 3)] * 6
    assert count_parameters(network) == 4_460_514 and 2 * 4_460_514 < 10e6
    sizes = [tuple(network[:end](torch.zeros(2, 3, 32, 32)).shape[1:]) for end in (2, 9, 16, 23)]
    assert sizes == [(24, 31, 31), (96, 15, 15), (256, 7, 7), (512, 3, 3)]


def test_deep_teacher_net_has_three_convolutions_a_width_two_of_them_with_a_way_round():
    network = deep_teacher_net().eval()
    kernels = [layer.kernel_size for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(2, 2)] + [(3, 3)] * 9
    assert count_parameters(network) == 4_878_834 and 2 * 4_878_834 < 10e6
    ways = [layer for layer in network if isinstance(layer, Bypassed)]
    assert [way[0].in_channels for way in ways] == [96, 256, 368]
    x = torch.randn(2, 96, 15, 15)
    assert torch.equal(ways[0](x), x + nn.Sequential(*ways[0])(x))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_whitened_patches_are_uncorrelated_and_of_variance_one():
    """Of test images, from which it was not made; and what is not whitened is far from it."""
    images, labels = (torch.from_numpy(part) for part in data.load_cifar10(False, data.SAMPLE))
    pixels, _ = data.to_device(images, labels, torch.device("cpu"))
    layer = whitening()
    whitened = layer(pixels)
    assert torch.equal(whitened[:, :12], -whitened[:, 12:])
    spread = torch.cov(whitened[:, :12].transpose(0, 1).flatten(1))
    assert (spread.diagonal() > 0.5).all() and (spread.diagonal() < 1.3).all()
    assert (spread - spread.diagonal().diag()).abs().max() < 0.15
    plain = torch.cov(nn.functional.unfold(pixels, 2).transpose(0, 1).flatten(1))
    assert (plain - plain.diagonal().diag()).abs().max() > 0.8
    assert not layer.weight.requires_grad and layer.bias.requires_grad


def test_its_convolutions_begin_by_passing_on_what_comes_in():
    network = teacher_net().eval()
    widening, keeping = network[2], network[6]
    x = torch.randn(1, 24, 8, 8)
    y = widening(x)
    assert torch.allclose(y[:, :24], x, atol=1e-5)
    assert not torch.allclose(y[:, 24:48], x, atol=1e-5) and torch.allclose(keeping(y), y, atol=1e-5)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(network(x), network[:-1](x) / 9)


def test_weight_decay_leaves_the_scale_of_its_numbers():
    """It shrank BatchNorm's scales to a quarter in a first version, where GELU is nearly linear."""
    network = teacher_net()
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=1)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    assert len(norms) == 6 and all((norm.weight == 1).all() and (norm.bias != 0).any() for norm in norms)
