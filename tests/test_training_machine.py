"""The machine: the precision, the workers, a GPU that is idle."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from gpu import CPU, batch
from torch import nn

from helpers import training
from helpers.bench import measuring
from helpers.records import REPOSITORY
from helpers.training import Speed, machine

FRESH = """
import sys, torch
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from helpers.training import Speed
torch.cuda.is_bf16_supported = lambda **_: False
for triton in (SimpleNamespace(__spec__=ModuleSpec("triton", None)), None):
    sys.modules["triton"] = triton
    speeds = Speed.best(torch.device("cuda")), Speed.best(torch.device("cuda"), compile=False)
    print(*(word for speed in speeds for word in (speed.precision, speed.compile, speed.graphs)))
"""


def test_best_speed_of_a_gpu_in_a_fresh_process():
    """With Triton and without; what PyTorch imports only on demand is not there yet."""
    done = subprocess.run([sys.executable, "-c", FRESH], cwd=REPOSITORY, capture_output=True, text=True)
    plain = "float16 False False"
    assert done.stdout == f"float16 True True {plain}\n{plain} {plain}\n", done.stderr


def test_graphs_are_for_a_process_that_trains_alone(monkeypatch):
    """Several exchange their gradients in the middle of a step."""
    for processes, graphs in ((1, True), (2, False)):
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: name)
        assert Speed.best(torch.device("cuda")).graphs is graphs


def test_graphs_are_asked_of_the_compiler(monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: seen.append(options))
    for speed in (Speed(compile=True), Speed(compile=True, graphs=True), Speed(graphs=True)):
        speed.compiled(None)
    assert [options["mode"] for options in seen] == ["default", "reduce-overhead"]


@pytest.mark.parametrize(
    "device, cores, processes, workers",
    [("cuda", 2, 1, 1), ("cuda", 12, 1, 11), ("cuda", 64, 1, 16), ("cuda", 64, 8, 7), ("cuda", 8, 8, 1)]
    + [("cuda", 1, 1, 1), ("mps", 8, 1, 4), ("mps", 3, 1, 2), ("cpu", 64, 1, 1), ("cpu", 1, 1, 0)],
)
def test_workers_leave_a_core_of_those_granted(monkeypatch, device, cores, processes, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(100, 100 + cores)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(machine, "QUOTA", Path("none"))
    monkeypatch.setattr(machine, "reduced_precision", lambda device: None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert Speed.best(torch.device(device)).workers == workers


@pytest.mark.parametrize("quota, cores", [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("", 8)])
def test_a_container_grants_as_many_cores_as_its_quota_lasts(monkeypatch, tmp_path, quota, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    assert machine.available_cores() == 8
    machine.QUOTA.write_text(quota + "\n")
    assert machine.available_cores() == cores


@pytest.mark.parametrize(("half", "full"), [(1, 2), (2, 1)])
def test_a_busy_start_does_not_decide_on_bfloat16(monkeypatch, half, full):
    """Products that take (half, full) seconds, and ten times as long while something else runs: the first six."""

    class Matrix:
        now, products = 0, 0

        def __init__(self, *_, dtype):
            self.seconds = half if dtype == torch.bfloat16 else full

        def __matmul__(self, _):
            Matrix.now += self.seconds * (10 if Matrix.products < 6 else 1)
            Matrix.products += 1

    monkeypatch.setattr(machine.torch, "ones", Matrix)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: Matrix.now)
    assert machine._bfloat16_pays.__wrapped__() == (half < full)


@pytest.mark.parametrize("pays", [True, False])
def test_best_speed_takes_bfloat16_only_where_it_pays(monkeypatch, pays):
    """Some CPUs have the instructions and are slower with them than in float32."""
    monkeypatch.setattr(machine, "reduced_precision", lambda device: "bfloat16")
    monkeypatch.setattr(machine, "_bfloat16_pays", lambda: pays)
    assert Speed.best(CPU).precision == ("bfloat16" if pays else "float32")


@pytest.mark.parametrize("fails", [False, True])
def test_training_evaluation_and_the_roofline_are_in_real_float32(monkeypatch, fails):
    """By default convolutions on an NVIDIA GPU are in TF32; the switches are set back, after an error too."""
    places, seen = (torch.backends.cudnn.conv, torch.backends.cuda.matmul), []

    def note(*_):
        seen.append([place.fp32_precision for place in places])
        if fails:
            raise KeyboardInterrupt
        return [[1.0]]

    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    network.register_forward_pre_hook(lambda *_: note() and None)
    monkeypatch.setattr(measuring, "in_turns", note)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "tf32"
        for work in (
            lambda: training.train_epoch(network, [batch()], optimizer, constant, CPU),
            lambda: training.predict(network, [batch()], CPU),
            lambda: measuring.matmul_peak(CPU, sides=(8,)),
        ):
            with pytest.raises(KeyboardInterrupt) if fails else contextlib.nullcontext():
                work()
            assert seen.pop() == ["ieee", "ieee"] and [place.fp32_precision for place in places] == ["tf32", "tf32"]
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def test_a_gpu_that_pytorch_cannot_use_is_named_with_the_remedy(driver, monkeypatch):
    for built, reason in (("13.0", "needs a driver for CUDA 13.0"), (None, "was built without CUDA")):
        monkeypatch.setattr(torch.version, "cuda", built)
        assert reason in training.idle_gpu() and "https://pytorch.org/get-started" in training.idle_gpu()
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert training.idle_gpu() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with mock.patch("torch.cuda.is_available", lambda: True):
        assert training.idle_gpu() is None
    driver.unlink()
    assert training.idle_gpu() is None
