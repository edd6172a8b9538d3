"""The two pipelines: what is compared does the same."""

import contextlib
from unittest import mock

import numpy as np
import pytest
import torch
from gpu import CUDA, batch, pretended_gpu
from short_runs import CPU, layouts

from helpers import data
from helpers.augment import PIPELINES
from helpers.bench import pipelines
from helpers.training import Speed


@pytest.fixture(scope="module")
def few():
    images, labels = data.load_cifar10(True, data.SAMPLE)
    chosen = np.arange(24 * pipelines.BATCH) % len(labels)
    return images[chosen], labels[chosen]


def test_our_loader_stays_for_one_epoch_and_runs_ahead_by_a_sixth(few):
    """The first can be timed without the start of its workers; the second goes over the end of an epoch."""
    one, more = pipelines.our_loader(*few, 1), pipelines.our_loader(*few, 1, epochs=range(1, 4))
    assert (one.persistent_workers, more.persistent_workers) == (True, False)
    assert len(one) == 24 and len(more) == 72
    assert one.prefetch_factor == more.prefetch_factor == 24 // 6
    assert not one.pin_memory and pipelines.our_loader(*few, 1, torch.device("cuda")).pin_memory


def test_plain_seeding_keeps_the_same_promise(few):
    """What is compared does the same: one key, one picture, whatever was drawn before."""
    plain, image = pipelines.PlainlySeeded(PIPELINES["light"]()), few[0][0]
    one, again = ([plain(image, 1, index).tobytes() for index in indices] for indices in (range(9), range(8, -1, -1)))
    assert one == again[::-1] and len(set(one)) > 4


@pytest.mark.parametrize("channels_last", (True, False))
def test_every_convolution_has_the_layout_that_is_measured(few, channels_last):
    """A convolution keeps to channels-last if its images *or* its weights are so: compared are both and none."""
    train, network = pipelines.trainer(CPU, Speed(channels_last=channels_last))
    seen = layouts(network)
    train([tuple(map(torch.from_numpy, (few[0][:2], few[1][:2])))])
    assert seen == [channels_last] * 10


@pytest.mark.parametrize("works", [True, False])
def test_what_does_not_compile_is_measured_without(monkeypatch, works):
    """There is a compiler, and no Python.h: that shows at the first step."""
    failing = mock.Mock(side_effect=None if works else RuntimeError("no Python.h\nin 99 lines"))
    monkeypatch.setattr(pipelines.Speed, "best", lambda device, compile: Speed(compile=compile))
    monkeypatch.setattr(pipelines, "trainer", lambda device, speed: (failing, None))
    with contextlib.nullcontext() if works else pytest.warns(match=r"does not work here \(RuntimeError: no Python.h\)"):
        best = pipelines.best_speed(CPU)
    assert best.compile == works and any("compiled" in name for name in pipelines.choices(CPU, best)) == works
    assert not pipelines.best_speed(CPU, compile=False).compile and failing.call_count == 1


def test_the_benchmarks_trainers_on_a_gpu():
    """Ours waits once for all batches, the plain one after each."""
    with pretended_gpu() as watch:
        for speed in (Speed(channels_last=False), Speed("bfloat16"), Speed("float16")):
            train, network = pipelines.trainer(CUDA, speed)
            assert train([batch(), batch(5)]) == (1.0, 1, 1) and all(p.grad.is_cuda for p in network.parameters())
        train = pipelines.plain_trainer(CUDA)
        watch.waits.clear()
        train([(torch.zeros(8, 3, 32, 32), torch.zeros(8, dtype=torch.int64))] * 3)
        assert len([wait for wait in watch.waits if "a number is read" in wait]) == 3
