"""The epoch and the evaluation: means over images, overflows, the moving average."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gpu import CUDA, pretended_gpu
from short_runs import CPU, small
from torch import nn

from helpers import data, training
from helpers.networks import build, load_pretrained
from helpers.training import Speed, TrainingError, evaluate
from helpers.training.distillation import cross_entropy
from helpers.training.epoch import Average
from helpers.training.run import Run


def test_accuracy_and_loss_are_means_over_images():
    """Batches of unequal size: 5 of 7 right is 71.4 %, not the mean of the batches' shares."""
    scores = torch.eye(10) * 5

    class Oracle(torch.nn.Module):
        def forward(self, images):  # the first pixel tells the class to answer
            return scores[(images[:, 0, 0, 0] * data.STD[0] * 255 + data.MEAN[0] * 255).round().long()]

    images = np.zeros((7, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = [0, 1, 2, 3, 4, 9, 9]
    labels = np.array([0, 1, 2, 3, 4, 5, 6])
    score = evaluate(Oracle(), data.test_loader(data.Cifar10(images, labels), batch_size=5), CPU)
    assert (score["correct"], score["images"]) == (5, 7) and score["accuracy"] == pytest.approx(500 / 7)
    right, wrong = np.log(np.exp(5) + 9) - 5, np.log(np.exp(5) + 9)
    assert score["loss"] == pytest.approx((5 * right + 2 * wrong) / 7, rel=1e-5)
    assert score["confusion"][5][9] == 1 and score["class_accuracy"]["dog"] == 0


def test_scores_of_a_training_epoch_are_means_over_images_too(few):
    """Batches of unequal size, and steps of length zero, so that the network is the same for all."""
    images, labels = (torch.from_numpy(part[:7]) for part in few[0])
    network = build("tutorial_net")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    batches = [(images[:5], labels[:5]), (images[5:], labels[5:])]
    loss, correct, count = training.train_epoch(network, batches, optimizer, constant, CPU)
    logits = network(data.to_device(images, labels, CPU)[0])
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert (correct, count) == ((logits.argmax(1) == labels).sum(), 7)


def test_faster_paths_compute_the_same_network(few):
    """bfloat16 and channels-last change the scores by rounding only."""
    network = load_pretrained("session_62")
    batches = data.test_loader(data.Cifar10(*few[1]))
    exact, _ = training.predict(network, batches, CPU, Speed())
    network = network.to(memory_format=torch.channels_last)
    last, _ = training.predict(network, batches, CPU, Speed())
    rounded, _ = training.predict(network, batches, CPU, Speed("bfloat16"))
    assert torch.allclose(exact, last, atol=1e-4)
    assert (exact.softmax(1) - rounded.softmax(1)).abs().max() < 0.05


def with_overflows(lost, steps=100, scaler=True):
    """Train a classifier of pixels for ``steps``, and as many more as are ``lost``: at these the loss overflows.

    Return its weights and what ``train_epoch`` returns.
    """
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    images, batches = torch.randint(0, 256, (steps, 2, 32, 32, 3), dtype=torch.uint8), []
    for number in range(steps):
        batches += [(images[number], torch.tensor([number % 10, 5]))] * (2 if len(batches) in lost else 1)
    numbers = iter(range(len(batches)))

    def criterion(images, logits, labels):
        return cross_entropy(images, logits, labels) * (torch.inf if next(numbers) in lost else 1)

    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)
    parts = optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0), CPU, Speed()
    scaler = torch.amp.GradScaler("cpu", enabled=scaler)
    return network, training.train_epoch(network, batches, *parts, scaler, criterion=criterion)


def test_a_step_whose_loss_overflows_is_left_out_of_weights_and_mean():
    """One in a hundred may; without a scaler, none."""
    (network, (loss, _, count)), (undisturbed, (its_loss, _, its_count)) = with_overflows({7}), with_overflows({})
    assert torch.equal(network[1].weight, undisturbed[1].weight) and loss == its_loss and count == its_count + 2
    for lost, steps, scaler in (({7, 9}, 100, True), ({2}, 4, True), ({7}, 100, False)):
        with pytest.raises(TrainingError, match="the training loss is (nan|inf).*use float32 .--precision"):
            with_overflows(lost, steps, scaler)


def test_the_average_is_one_kernel_for_all_weights():
    """None for BatchNorm's counts of batches, which evaluation does not need."""
    with pretended_gpu() as watch:
        network = build("better_net").to(CUDA)
        average = Average(network, 0.99)
        for _ in range(3):
            watch.kernels.clear(), watch.waits.clear()
            average.update(network)
            assert watch.kernels == ["_foreach_lerp_"] and not watch.waits


def test_average_of_the_weights_follows_its_formula(few):
    """After n steps the average is decay·average + (1 − decay)·weights, begun at those after the first step."""
    recipe = small(epochs=1, ema=0.5, batch_size=32)
    run = Run(recipe, 2 * 32, CPU, Speed())
    seen = []
    update = run.ema.update
    run.ema.update = lambda network: (seen.append(network[0].weight.detach().clone()), update(network))
    batches = data.train_loader(data.Cifar10(*few[0]), 32)
    run.train_epoch(batches)
    assert len(seen) == 2
    assert torch.allclose(run.ema.module[0].weight, 0.5 * seen[0] + 0.5 * seen[1])
