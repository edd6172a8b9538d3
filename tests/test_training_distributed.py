"""Several processes that train together end where one ends: the same weights, each test image counted once."""

import copy
import datetime
import os
import shutil
import signal
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from helpers import data
from helpers.augment import pipeline
from helpers.networks import build, load_pretrained
from helpers.records import REPOSITORY, read_record
from helpers.training import Recipe, Speed, TrainingError, fit
from helpers.training.distributed import World
from helpers.training.epoch import Average

CPU = torch.device("cpu")
TRAIN, TEST = 95, 41  # shares are never equal: the last of five batches of 20 has 15 images


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A folder with a data set of 95 training and 41 test images, and the two sets."""
    folder = tmp_path_factory.mktemp("few")
    for train, name, count in ((True, "data_batch_1", TRAIN), (False, "test_batch", TEST)):
        images, labels = data.load_cifar10(train, data.SAMPLE)
        chosen = np.arange(count) * len(labels) // count  # of all classes
        data.write_sheet(folder, name, images[chosen], labels[chosen], columns=10)
    return folder, data.load_cifar10(True, folder), data.load_cifar10(False, folder)


def torchrun(runs, folder, network, epochs, *more, processes=2):
    """Start training in two processes on the CPU; their output is one stream."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    line += ["-m", "helpers.training", "--network", network, "--epochs", str(epochs), "--name", "run", "--batch-size"]
    line += ["20", "--data", str(folder), "--runs", str(runs), "--device", "cpu", "--precision", "float32"]
    line += ["--no-compile", "--workers", "0", *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(line, cwd=REPOSITORY, env=environment, **pipes)


def finish(process):
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output
    return output


def running(text):
    """Return the ids of the processes whose command line holds ``text``."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if text in line]


def difference(network, other):
    """Return the largest difference between the weights and buffers of two networks."""
    pairs = zip(network.state_dict().values(), other.state_dict().values(), strict=True)
    return max((a.double() - b.double()).abs().max().item() for a, b in pairs)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_two_processes_interrupted_and_resumed_end_where_one_ends(few, tmp_path):
    """Ctrl-C ends all of them and leaves a checkpoint; resumed, they reach the weights and scores of one process.

    At a low learning rate: at a high one rounding alone drives two runs apart within a dozen epochs.
    """
    folder, train, test = few
    recipe = Recipe(network="tutorial_net", epochs=40, batch_size=20, lr=0.003)
    first = torchrun(tmp_path, folder, "tutorial_net", 40, "--lr", "0.003")
    lines = []
    while "EPOCH:  2/40" not in (line := first.stdout.readline()):
        lines.append(line)
        assert first.poll() is None, "".join(lines)
    first.send_signal(signal.SIGINT)  # to torchrun: it passes the signal on
    output, _ = first.communicate(timeout=600)
    assert first.returncode != 0 and "--resume goes on" in output
    assert running(str(tmp_path)) == [], "a process outlived Ctrl-C"
    shutil.copytree(tmp_path / "run", tmp_path / "copy")

    output = finish(torchrun(tmp_path, folder, "tutorial_net", 40, "--lr", "0.003", "--resume"))
    assert "EPOCH:  1/40" not in output and output.count("EPOCH: 40/40") == 1  # one process prints
    record = read_record("run", tmp_path)
    one, history = fit(recipe, train, test, CPU, Speed())
    torch.manual_seed(recipe.seed)
    way = difference(one, build("tutorial_net"))  # that a weight has come; with other threads, sums round otherwise
    assert difference(one, load_pretrained("run", tmp_path)) < way / 1000
    went_on, _ = fit(recipe, train, test, CPU, Speed(), checkpoint=tmp_path / "copy" / "checkpoint.pt", resume=True)
    assert difference(one, went_on) < way / 1000  # one process, from the checkpoint of two
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.05  # it has learned
    for ours, alone in zip(record["history"], history, strict=True):
        assert ours["test_images"] == TEST and abs(ours["test_correct"] - alone["test_correct"]) <= 1
        assert ours["train_loss"] == pytest.approx(alone["train_loss"], abs=1e-4)
        assert ours["test_loss"] == pytest.approx(alone["test_loss"], abs=1e-4)
    assert record["test"]["images"] == TEST and record["device"].startswith("2 × ")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["record.json", "weights.pt"]


def in_shares(recipe, images, labels, epochs, processes=2):
    """Train as ``processes`` would, in one: BatchNorm for each share by itself, gradients the mean over all images."""
    torch.manual_seed(recipe.seed)
    network = build(recipe.network)
    averages = [Average(network, recipe.ema) for _ in range(processes)]
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    steps = -(-len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.lr,
        total_steps=recipe.epochs * steps,
        pct_start=recipe.warmup,
        cycle_momentum=False,
    )
    served = data.Cifar10(images, labels, pipeline(recipe.augment, recipe.seed))
    for epoch in range(1, epochs + 1):
        statistics = [copy.deepcopy(list(network.buffers())) for _ in range(processes)]
        for batch in data.ShuffledBatches(len(labels), recipe.batch_size, recipe.seed, epochs=[epoch]):
            optimizer.zero_grad()
            for rank in range(processes):
                _set_buffers(network, statistics[rank])
                x, y = data.to_device(*served.__getitems__(batch[rank::processes]), CPU)
                (F.cross_entropy(network(x), y, reduction="sum") / len(batch)).backward()  # gradients add up
                statistics[rank] = copy.deepcopy(list(network.buffers()))
            optimizer.step()
            schedule.step()
            for average, values in zip(averages, statistics, strict=True):
                _set_buffers(network, values)
                average.update(network)
        _set_buffers(network, [sum(values) / processes for values in zip(*statistics, strict=True)])
        buffers = zip(*(average.module.buffers() for average in averages), strict=True)
        means = [sum(values) / processes for values in buffers]
        for average in averages:
            _set_buffers(average.module, means)
    return averages[0].module


def _set_buffers(network, values):
    for buffer, value in zip(network.buffers(), values, strict=True):
        buffer.copy_(value)


def test_batchnorm_takes_each_share_by_itself(few, tmp_path):
    """With BatchNorm: the weights of shares normalised one by one, and the mean of their running statistics.

    Kept is the moving average of all that, so that this is averaged over the processes too.
    """
    folder, train, test = few
    recipe = Recipe(network="separable_32", epochs=2, batch_size=20, lr=0.02, ema=0.8)
    finish(torchrun(tmp_path, folder, "separable_32", 2, "--lr", "0.02", "--ema", "0.8"))
    shared = load_pretrained("run", tmp_path)
    assert difference(shared, in_shares(recipe, *train, epochs=2)) < 1e-3
    whole, _ = fit(recipe, train, test, CPU, Speed())
    assert difference(shared, whole) > 1e-2  # one batch of 20 is something else


def test_processes_must_read_the_same_checkpoint(few, tmp_path, monkeypatch):
    _, train, test = few
    checkpoint, recipe = tmp_path / "checkpoint.pt", Recipe(network="tutorial_net", epochs=2, batch_size=20)
    fit(recipe, train, test, CPU, Speed(), checkpoint=checkpoint)
    monkeypatch.setattr(World, "of_first", lambda self, value: value + 1)  # the first process is an epoch ahead
    with pytest.raises(TrainingError, match="different checkpoints"):
        fit(recipe, train, test, CPU, Speed(), checkpoint=checkpoint, resume=True)


@pytest.mark.parametrize(
    "launcher, local_rank, visible, gpu",
    [("torchrun", 0, 2, 0), ("torchrun", 1, 8, 1), ("srun", 1, 2, 1), ("srun", 1, 1, 0)]
    + [("torchrun", 1, 1, None), ("torchrun", 0, 0, None), ("srun", 2, 2, None)],
)
def test_every_process_takes_its_own_gpu(monkeypatch, launcher, local_rank, visible, gpu):
    """srun may show each task one GPU, its own, as number 0; where there are too few, none begins."""
    for name, value in {"RANK": local_rank, "WORLD_SIZE": 4, "LOCAL_RANK": local_rank}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    if launcher == "torchrun":
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    asked = mock.Mock()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "set_device", asked.set_device)
    monkeypatch.setattr(dist, "init_process_group", asked.init_process_group)
    if gpu is None:
        with pytest.raises(ValueError, match=f"there are {visible} GPUs: lower --nproc-per-node"):
            World.join(torch.device("cuda"))
        assert not asked.mock_calls
    else:
        device = torch.device("cuda", gpu)
        assert World.join(torch.device("cuda")) == (World(local_rank, 4, local_rank), device)
        assert asked.mock_calls[0] == mock.call.set_device(device)  # before the group is made
        assert asked.mock_calls[1:] == [mock.call.init_process_group("nccl", device_id=device)]


@pytest.mark.parametrize("local_rank, order", [(0, ["block", "barrier"]), (1, ["barrier", "block"])])
def test_those_who_wait_for_the_download_are_patient(monkeypatch, local_rank, order):
    """They wait on the CPU and for hours: NCCL would give up after ten minutes."""
    done, new_group = [], mock.Mock(return_value="patient")
    monkeypatch.setattr(dist, "new_group", new_group)
    monkeypatch.setattr(dist, "barrier", lambda group=None: done.append("barrier" if group == "patient" else group))
    with World(local_rank, 2, local_rank).first_goes_first():
        done.append("block")
    assert done == order and new_group.call_args.kwargs["backend"] == "gloo"
    assert new_group.call_args.kwargs["timeout"] >= datetime.timedelta(hours=1)
