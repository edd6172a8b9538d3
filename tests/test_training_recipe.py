"""The recipe: what makes no sense is refused, and the optimizers do what their papers say."""

import pytest
import torch
import torch.nn.functional as F
from short_runs import CPU, small

from helpers import data, training
from helpers.training import Recipe
from helpers.training.recipe import OPTIMIZERS
from helpers.training.run import Run


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": -1.0},
        {"ema": 1.0},
        {"warmup": 0.0},
        {"optimizer": "Adan"},
        {"clip": -1.0},
        {"decayed": "some"},
    ],
)
def test_recipe_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Recipe(**wrong)


def one_layer():
    """Return a linear classifier of pixels and a batch of random images and labels."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    return network, torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8), torch.arange(8)


def two_steps(network, images, labels, **recipe):
    recipe = small(**recipe)
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), recipe)
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    training.train_epoch(network, [(images, labels)] * 2, optimizer, constant, CPU, clip=recipe.clip)


def gradients(x, labels, weight, bias):
    slope = (F.softmax(x @ weight.T + bias, 1) - F.one_hot(labels, 10)) / len(x)
    return slope.T @ x, slope.sum(0)


@pytest.mark.parametrize("clip", [None, 0.1, 1e6])
def test_sgd_is_with_nesterov_momentum(clip):
    """Two steps on one batch, against the update written out (Sutskever et al., 2013, in PyTorch's form).

    ``clip`` scales a step's gradient, weights and bias as one vector, down to that length, and never up.
    """
    network, images, labels = one_layer()
    values = [parameter.detach().clone() for parameter in network.parameters()]
    two_steps(network, images, labels, optimizer="SGD", lr=0.01, weight_decay=0.1, clip=clip)
    x, velocities = data.to_device(images, labels, CPU)[0].flatten(1), [0, 0]
    for _ in range(2):
        slopes = gradients(x, labels, *values)
        length = torch.cat([slope.flatten() for slope in slopes]).norm()
        assert not clip or (length > clip) == (clip < 1)
        scale = min(1, clip / length) if clip else 1
        slopes = [scale * slope + 0.1 * value for slope, value in zip(slopes, values, strict=True)]
        velocities = [0.9 * velocity + slope for velocity, slope in zip(velocities, slopes, strict=True)]
        moves = zip(values, slopes, velocities, strict=True)
        values = [value - 0.01 * (slope + 0.9 * velocity) for value, slope, velocity in moves]
    assert torch.allclose(network[1].weight, values[0], atol=1e-5)


def test_adamw_decays_weights_apart_from_their_gradients():
    """Two steps on one batch, against the update written out (Loshchilov and Hutter, 2019)."""
    network, images, labels = one_layer()
    values = [parameter.detach().clone() for parameter in network.parameters()]
    two_steps(network, images, labels, optimizer="AdamW", lr=0.01, weight_decay=0.1, momentum=0.8)
    x, means, squares = data.to_device(images, labels, CPU)[0].flatten(1), [0, 0], [0, 0]
    for step in (1, 2):
        slopes = gradients(x, labels, *values)
        means = [0.8 * mean + 0.2 * slope for mean, slope in zip(means, slopes, strict=True)]
        squares = [0.999 * square + 0.001 * slope**2 for square, slope in zip(squares, slopes, strict=True)]
        for index, (mean, square) in enumerate(zip(means, squares, strict=True)):
            adaptive = mean / (1 - 0.8**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
            values[index] = values[index] * (1 - 0.01 * 0.1) - 0.01 * adaptive
    assert torch.allclose(network[1].weight, values[0], atol=1e-4)


@pytest.mark.parametrize(("decayed", "others"), [("all", 0.9), ("kernels", 1.0)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_pulls_at_what_the_recipe_says(optimizer, decayed, others):
    """A step without gradients shrinks kernels by a tenth; biases and BatchNorm too, unless spared."""
    recipe = small(network="session_net", optimizer=optimizer, lr=1.0, weight_decay=0.1, decayed=decayed)
    run = Run(recipe, 100, CPU, training.Speed())
    before = {name: parameter.detach().clone() for name, parameter in run.network.named_parameters()}
    for parameter in run.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for group in run.optimizer.param_groups:
        group |= {"lr": 1.0, "nesterov": False}  # whatever schedule and momentum make of a first step
    run.optimizer.step()
    for name, parameter in run.network.named_parameters():
        factor = 0.9 if before[name].dim() > 1 else others
        assert torch.allclose(parameter, factor * before[name]), name
