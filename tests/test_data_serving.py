"""Serving CIFAR-10: every image once an epoch, workers that run ahead and end, batches on the device."""

import contextlib
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from unittest import mock

import numpy as np
import pytest
import torch

from helpers import data
from helpers.data import load_cifar10, serving
from helpers.records import REPOSITORY


def test_normalised_training_set_has_mean_0_and_deviation_1():
    assert (data.MEAN, data.STD) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))  # of the whole set, published
    images, labels = load_cifar10(True, data.SAMPLE)
    x, y = data.to_device(torch.from_numpy(images), torch.from_numpy(labels), torch.device("cpu"))
    assert x.shape == (2000, 3, 32, 32) and x.dtype == torch.float32 and y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.mean((0, 2, 3)).abs().max() < 0.05 and (x.std((0, 2, 3)) - 1).abs().max() < 0.05
    pixel = (images[5, 7, 9] / 255 - np.array(data.MEAN)) / np.array(data.STD)
    assert np.allclose(x[5, :, 7, 9], pixel, atol=1e-5)


def test_every_image_once_an_epoch_in_an_order_of_its_own():
    """One epoch's batches after the other's, never mixed; the order is what (seed, epoch) always gave."""
    batches = data.ShuffledBatches(1000, 128, seed=1, epochs=(3, 1, 2))
    listed = list(batches)
    assert len(listed) == len(batches) == 24 and [len(batch) for batch in listed] == ([128] * 7 + [104]) * 3
    for number, epoch in enumerate((3, 1, 2)):
        keys = [key for batch in listed[8 * number : 8 * number + 8] for key in batch]
        order = np.random.default_rng((1, epoch)).permutation(1000).tolist()
        assert sorted(order) == list(range(1000)) and keys == [(epoch, index) for index in order]
    assert len({tuple(index for _, index in batch) for batch in listed}) == 24


class Watched(data.Cifar10):
    """Keeps the epoch of the last batch that any worker has prepared, where every process can read it."""

    def __init__(self, images):
        super().__init__(images, np.zeros(len(images), np.int64))
        self.seen = (data.start_method() or multiprocessing).Value("i", 0)

    def __getitems__(self, keys):
        self.seen.value = max(self.seen.value, keys[0][0])
        return super().__getitems__(keys)


def wait_until(true, seconds=600):
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    return true()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_run_ahead_over_the_end_of_an_epoch(workers):
    """While an epoch is evaluated they work on the next, but not on the whole run."""
    dataset = Watched(np.zeros((2048, 32, 32, 3), np.uint8))
    batches = iter(data.train_loader(dataset, 128, workers=workers, epochs=range(1, 30)))
    assert len(list(itertools.islice(batches, 16))) == 16
    assert wait_until(lambda: dataset.seen.value >= 2)  # nothing more was asked for
    time.sleep(0.3)
    assert dataset.seen.value <= 1 + serving.AHEAD // len(dataset)


@pytest.mark.skipif(sys.platform != "linux", reason="where workers would be forked without our doing")
def test_workers_are_not_forked_from_a_process_with_threads():
    """Whatever the Python: before 3.14 they would be; and without a warning, which 3.12 has for that."""
    loader = data.train_loader(Watched(np.zeros((32, 32, 32, 3), np.uint8)), 16, workers=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = iter(loader)
        assert len(list(batches)) == 2 and loader.multiprocessing_context.get_start_method() == "forkserver"


def test_as_many_images_are_prepared_as_memory_allows_and_batches_as_the_workers_pipe_does():
    dataset = Watched(np.zeros((9, 32, 32, 3), np.uint8))
    ahead = {size: data.train_loader(dataset, size, workers=2).prefetch_factor for size in (16, 128, 512, 8192)}
    assert ahead == {16: 32, 128: 32, 512: 8, 8192: 2}


@pytest.mark.filterwarnings("ignore:This DataLoader will create 16")
@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no such memory here")
def test_too_little_shared_memory_is_refused_before_a_worker_dies_of_it(monkeypatch):
    """Docker grants 64 MB: enough for what is usual, and not for 16 workers with batches of 1,024."""
    images = np.zeros((20_000, 32, 32, 3), np.uint8)
    dataset = data.Cifar10(images, np.zeros(20_000, np.int64))
    usage = shutil.disk_usage("/dev/shm")
    monkeypatch.setattr(data.serving.shutil, "disk_usage", lambda _: usage._replace(free=64_000_000))
    data.train_loader(dataset, 128, workers=16)
    data.train_loader(dataset, 1024, workers=0)
    with pytest.raises(ValueError, match="16 workers prepare 101 MB of images in /dev/shm, .* 64 MB free: lower"):
        data.train_loader(dataset, 1024, workers=16)


@pytest.mark.parametrize("taken", [3, 16, 32])
def test_workers_end_with_the_iterator_wherever_it_is_left(taken):
    """In the middle of an epoch, at its end, at the end of all; also where a traceback still holds the iterator."""
    loader = data.train_loader(Watched(np.zeros((256, 32, 32, 3), np.uint8)), 16, workers=2, epochs=range(1, 3))
    batches = iter(loader)
    assert len(list(itertools.islice(batches, taken))) == taken and len(multiprocessing.active_children()) == 2
    del batches
    assert wait_until(lambda: not multiprocessing.active_children())

    def train(batches):
        for _ in itertools.islice(batches, taken):
            pass
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped") as held, contextlib.closing(batch for batch in loader) as batches:
        train(batches)
    assert held.tb is not None and wait_until(lambda: not multiprocessing.active_children())


STOPPED = """
import sys
import time
import numpy as np
from helpers import data
from helpers.data import serving

dataset = data.Cifar10(np.zeros((256, 32, 32, 3), np.uint8), np.zeros(256, np.int64))
batches = iter(data.train_loader(dataset, 16, workers=2, epochs=range(1, 100_000)))
try:
    for number, _ in enumerate(batches):
        if number == 20:
            print("running", flush=True)
            if sys.argv[1] == "error":
                raise RuntimeError("stopped")
            if sys.argv[1] == "end":
                break
            if sys.argv[1] == "kill":
                time.sleep(60)  # the workers prepare all that they may
finally:
    data.end(batches)
"""


def listen_to_ctrl_c():
    """Undo what a shell does to a command in the background, and so to its children: it has them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("how", ["error", "end", "kill", "Ctrl-C"])
def test_stopping_early_is_quick_and_quiet(how):
    """An error, an end with the iterator still there, a kill, and Ctrl-C, which reaches the workers, too.

    The pipes to here are closed when the last worker is gone.
    """
    if how == "Ctrl-C" and os.name != "posix":
        pytest.skip("Windows has no signal for a group of processes alone")
    command = [sys.executable, "-c", STOPPED, how]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONWARNINGS": "ignore::UserWarning"},  # Python's, of what a killed process leaves
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_ctrl_c if os.name == "posix" else None,
    )
    try:
        assert process.stdout.readline() == "running\n"
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        if how == "kill":
            time.sleep(2)
            process.kill()
        _, noise = process.communicate(timeout=600)
    finally:
        process.kill()
        if os.name == "posix":  # workers that are left, where this fails
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    last = {"error": ["RuntimeError: stopped"], "Ctrl-C": ["KeyboardInterrupt"]}.get(how, [])
    assert noise.splitlines()[-1:] == last and noise.count("Traceback") == len(last), noise


def test_memory_is_pinned_for_a_gpu_alone(monkeypatch):
    """Not where there is a GPU, but where the batches go to it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    dataset = data.Cifar10(*load_cifar10(False, data.SAMPLE))
    for loader in (data.train_loader, data.test_loader):
        devices = {"cuda:1": True, "cpu": False, "mps": False}
        assert {name: loader(dataset, device=torch.device(name)).pin_memory for name in devices} == devices
        assert not loader(dataset).pin_memory


def test_test_images_come_in_order_and_untouched():
    images, labels = load_cifar10(False, data.SAMPLE)
    served = list(data.test_loader(data.Cifar10(images, labels), 300))
    assert torch.equal(torch.cat([x for x, _ in served]), torch.from_numpy(images))
    assert torch.equal(torch.cat([y for _, y in served]), torch.from_numpy(labels))


@pytest.mark.parametrize("images", [np.zeros((2, 3, 32, 32), np.uint8), np.zeros((2, 32, 32, 3), np.float32)])
def test_wrong_image_shape_or_type(images):
    with pytest.raises(ValueError, match="must be .N, 32, 32, 3. uint8, not"):
        data.Cifar10(images, np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="2 images and 3 labels"):
        data.Cifar10(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(3, np.int64))


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_only_an_nvidia_gpu_copies_a_batch_while_the_program_goes_on(monkeypatch, device):
    """An Apple GPU was seen to read memory that had long been freed (pytorch/pytorch, issue 189690)."""
    monkeypatch.setattr(serving, "_mean_and_std", lambda device: (0, 1))
    batch = mock.MagicMock(), mock.MagicMock()
    data.to_device(*batch, torch.device(device))
    assert all(part.to.call_args.kwargs == {"non_blocking": device == "cuda"} for part in batch)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_named_before_a_gpu_stops_at_it(label):
    with pytest.raises(ValueError, match=f"label {label} is not from 0 to 9"):
        data.Cifar10(np.zeros((3, 32, 32, 3), np.uint8), [1, label, 2])


@pytest.mark.skipif(sys.platform != "linux", reason="where there is no fork server")
def test_the_fork_server_that_imports_albumentations_does_not_ask_for_news(monkeypatch):
    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE")
    serving.start_method()
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


def test_split_keeps_every_image_once():
    images, labels = load_cifar10(True, data.SAMPLE)
    labels = np.arange(2000)
    kept, held = data.split(images, labels, 300)
    assert len(held[1]) == 300 and sorted([*kept[1], *held[1]]) == list(range(2000))
    assert np.array_equal(held[0][0], images[held[1][0]])
    with pytest.raises(ValueError, match="not 2000"):
        data.split(images, labels, 2000)


def test_shares_of_a_batch_are_disjoint_and_whole():
    alone = data.ShuffledBatches(95, 20, seed=5, epochs=[2])
    shares = [data.ShuffledBatches(95, 20, seed=5, share=(i, 3), epochs=[2]) for i in range(3)]
    assert len(alone) == len(shares[0]) == 5
    for batch, *parts in zip(alone, *shares, strict=True):
        assert sorted(batch) == sorted(key for part in parts for key in part)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_batch_too_small_to_share_is_refused():
    with pytest.raises(ValueError, match="16 processes cannot share a batch of 15 images"):
        data.ShuffledBatches(95, 20, share=(0, 16))
