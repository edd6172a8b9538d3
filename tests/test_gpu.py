"""The GPU's path, on a machine that has no GPU.

Most of it runs on tensors that claim to lie on a GPU: FakeTensorMode computes shapes, types and devices but no values,
and refuses to mix devices, as a GPU does. Above it stands ``Watch``, which notes what a GPU would be waited for, the
dearest thing that a training step can ask for. What needs real numbers (a loss that overflows in float16, a network
that cannot be compiled) is tested on the CPU, where the code is the same.
"""

import contextlib
import dataclasses
import datetime
import importlib.machinery
import os
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import bench, data, training
from helpers.cost import network_cost
from helpers.distillation import Distillation, cross_entropy
from helpers.distributed import World
from helpers.networks import NETWORKS, build, count_parameters
from helpers.training import Average, Recipe, Speed, TrainingError, fit

CPU, CUDA, aten = torch.device("cpu"), torch.device("cuda", 0), torch.ops.aten
PRECISIONS = ("float32", "bfloat16", "float16")


# A GPU that is not there --------------------------------------------------------------------------------------------


class Watch(TorchDispatchMode):
    """Notes in ``waits`` where a GPU would be waited for, and in ``kernels`` what is computed."""

    def __init__(self):
        super().__init__()
        self.waits, self.kernels, self.overflows = [], [], []

    def wait(self, what):
        frames = [f for f in traceback.extract_stack() if "/torch/_" not in f.filename and f.filename != __file__]
        self.waits.append(f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: {what}: {frames[-1].line}")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function.namespace == "aten" and not function.is_view:
            self.kernels.append(function.overloadpacket.__name__)
        if function is aten._amp_foreach_non_finite_check_and_unscale_.default:
            self.overflows.append(args[1])
        if function is aten._local_scalar_dense.default:
            if args[0].is_cuda:
                self.wait("a number is read")
            return 0 if any(args[0] is flag for flag in self.overflows) else 1  # nothing overflowed: take the step
        source = target = args[0].device if args and isinstance(args[0], torch.Tensor) else None
        if function is aten._to_copy.default and not kwargs.get("non_blocking"):
            target = torch.device(kwargs.get("device") or source)
        if function is aten.copy_.default and not kwargs.get("non_blocking", *args[2:]):
            source = args[1].device
        if source != target:
            self.wait(f"a copy from {source} to {target}")
        return function(*args, **kwargs)

    def listed(self, tensor):
        """FakeTensor.tolist, which would read number by number. On the GPU but one tensor is asked for it."""
        if not tensor.is_cuda:
            return np.zeros(tensor.shape).tolist()
        self.wait("numbers are read")
        return [1.0, 0.0, 1.0, 1.0]  # of an epoch: loss, images lost, correct, images


def backward(loss):
    """Tensor.backward, the latest node first: the engine in C++ asks for the streams of a real GPU."""
    arrived = {loss.grad_fn: {0: torch.ones_like(loss)}}
    while arrived:
        node = max(arrived, key=lambda node: node._sequence_nr())
        given = arrived.pop(node)
        with torch.no_grad():
            if hasattr(node, "variable"):
                leaf = node.variable
                leaf.grad = given[0] if leaf.grad is None else leaf.grad + given[0]
                continue
            results = node(*(given.get(slot) for slot in range(len(node._input_metadata))))
            results = results if isinstance(results, tuple) else (results,)
            for (after, slot), result in zip(node.next_functions, results, strict=True):
                if after is not None and result is not None:
                    wanted, slots = after._input_metadata[slot], arrived.setdefault(after, {})
                    assert result.device == wanted.device, f"{node} gives {after} a gradient on {result.device}"
                    result = result.to(wanted.dtype).sum_to_size(tuple(wanted.shape))  # as the engine does
                    slots[slot] = slots[slot] + result if slot in slots else result


def applied(module, function, recurse=True):
    """Module._apply, behind ``to``, with new parameters: it cannot exchange fake ones in place."""
    for part in module.modules():
        for store in (part._parameters, part._buffers):
            for name, old in store.items():
                if old is not None:
                    new = function(old.detach())
                    store[name] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
    return module


def deepcopied(tensor, memo):
    """Tensor.__deepcopy__, which would copy the bytes that fake tensors lack."""
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy


@contextlib.contextmanager
def pretended_gpu():
    """Have a GPU, and the ``Watch`` on it: in this context all tensors are fake."""
    watch = Watch()
    changes = {
        "torch.cuda.amp.common.amp_definitely_not_available": lambda: False,
        "torch.cuda.is_bf16_supported": lambda *_, **__: True,
        "torch.cuda.get_device_name": lambda device: "Pretended GPU",
        "torch.random.fork_rng": lambda devices: contextlib.nullcontext(),
        "torch.nn.Module._apply": applied,
        "torch.Tensor.__deepcopy__": deepcopied,
        "torch.Tensor.backward": backward,
        "torch._subclasses.fake_tensor.FakeTensor.tolist": lambda tensor: watch.listed(tensor),
        "torch.optim.optimizer._foreach_supported_types": [FakeTensor],  # as on a GPU: all weights in one kernel
        "helpers.training.load_pretrained": lambda name: build("better_net").eval(),
    }
    with contextlib.ExitStack() as stack:
        for name, change in changes.items():
            stack.enter_context(mock.patch(name, change))
        data._mean_and_std.cache_clear()
        stack.callback(data._mean_and_std.cache_clear)
        stack.enter_context(FakeTensorMode())
        stack.enter_context(watch)
        data._mean_and_std(CUDA)  # waits, once in a process
        yield watch


def batch(size=8):
    return torch.zeros(size, 32, 32, 3, dtype=torch.uint8), torch.zeros(size, dtype=torch.int64)


def a_run(precision="float32", device=CUDA, **recipe):
    return training._Run(Recipe(**{"network": "standard_32", "epochs": 9, **recipe}), 4, device, Speed(precision))


def assert_an_epoch_waits_once(watch, run, steps=3):
    """At its end, to read the scores; float16's scaler also at every step, to see whether something overflowed."""
    watch.waits.clear()
    run.train_epoch([batch()] * (steps - 1) + [batch(5)])
    scaler = [wait for wait in watch.waits if wait.startswith("grad_scaler.py")]
    others = [wait for wait in watch.waits if wait not in scaler]
    assert len(scaler) == (steps if run.speed.precision == "float16" else 0), scaler
    assert len(others) == 1 and others[0].startswith("training.py") and "numbers are read" in others[0], others


def test_the_pretended_gpu_notices_what_it_is_for():
    with pretended_gpu() as watch:
        here, there = torch.zeros(3), torch.zeros(3, device=CUDA)
        waiting = [lambda: there[0].item(), lambda: bool(there[0] > 0), lambda: there.tolist(), lambda: there.cpu()]
        waiting += [lambda: here.to(CUDA), lambda: there.copy_(here), lambda: torch.tensor([1.0], device=CUDA)]
        for work in waiting:
            watch.waits.clear()
            work()
            assert len(watch.waits) == 1
        watch.waits.clear()
        here.to(CUDA, non_blocking=True), there.copy_(here, non_blocking=True), torch.full_like(there, 3.0)
        here.sum().item(), here.tolist(), there.to(torch.float16)
        assert not watch.waits
        with pytest.raises(RuntimeError, match="device"):
            here + there


# Every network, every precision; nothing waits ----------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_every_network_trains_and_answers_on_a_gpu(network, precision):
    with pretended_gpu():
        run = a_run(precision, network=network)
        run.train_epoch([batch(2)])
        assert all(p.is_cuda and p.grad.is_cuda and p.grad.dtype == torch.float32 for p in run.network.parameters())
        logits, labels = training.predict(run.result, [batch(2), batch(1)], CUDA, run.speed)
        assert logits.is_cpu and labels.is_cpu and logits.dtype == torch.float32 and logits.shape == (3, 10)
        assert network_cost(run.network).total.params == count_parameters(run.network)


@pytest.mark.filterwarnings("ignore:'pin_memory' argument")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_whole_run_on_a_gpu(precision):
    """With all that a recipe can ask for; a GPU fetches the batches by itself."""
    images = np.zeros((13, 32, 32, 3), np.uint8), np.zeros(13, np.int64)
    recipe = Recipe("standard_32", epochs=2, batch_size=5, optimizer="AdamW", ema=0.9, teacher="any")
    with pretended_gpu() as watch, mock.patch("helpers.data.DataLoader", wraps=data.DataLoader) as loader:
        network, history = fit(recipe, images, images, CUDA, Speed(precision))
        assert all(value.is_cuda for value in network.state_dict().values())
    assert len(history) == 2 and history[0]["device"] == "Pretended GPU"
    assert loader.call_count == 2 and all(call.kwargs["pin_memory"] for call in loader.call_args_list)
    assert len([wait for wait in watch.waits if "numbers are read" in wait]) == 2  # once an epoch


@pytest.mark.parametrize("changes", [{}, {"optimizer": "AdamW"}, {"ema": 0.99}, {"teacher": "any"}, {"world": 2}])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_step_waits_for_the_gpu(precision, changes):
    with pretended_gpu() as watch, mock.patch("torch.distributed.all_reduce"):
        run = a_run(precision, **{key: value for key, value in changes.items() if key != "world"})
        run.world = World(size=changes.get("world", 1))
        assert_an_epoch_waits_once(watch, run)


def test_the_average_is_one_kernel_for_all_weights():
    """None for BatchNorm's counts of batches, which evaluation does not need."""
    with pretended_gpu() as watch:
        network = build("better_net").to(CUDA)
        average = Average(network, 0.99)
        for _ in range(3):
            watch.kernels.clear(), watch.waits.clear()
            average.update(network)
            assert watch.kernels == ["_foreach_lerp_"] and not watch.waits


# float16 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_teacher_answers_in_float32_where_its_student_computes_in_float16(precision):
    seen = {}
    with pretended_gpu():
        run = a_run(precision, network="better_net", teacher="any")
        for name, network in (("student", run.network), ("teacher", run.criterion.teacher)):
            network[0][0].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.dtype}))
        run.train_epoch([batch()])
    assert seen["student"] == getattr(torch, precision)
    assert seen["teacher"] == (torch.bfloat16 if precision == "bfloat16" else torch.float32)


def test_a_teacher_that_overflows_in_float16_still_teaches():
    """The second convolution of this one subtracts numbers that float16 cannot hold."""
    teacher = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.constant_(teacher[0].weight, 1e5)
    teacher[1].weight.data = torch.tensor([1e-5, -1e-5]).view(1, 2, 1, 1).repeat(10, 1, 1, 1)
    images, logits = torch.ones(4, 3, 32, 32), torch.zeros(4, 10, requires_grad=True)
    with torch.autocast("cpu", torch.float16):
        assert not teacher(images).isfinite().any()
        loss = Distillation(teacher)(images, logits, torch.arange(4))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


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


# Checkpoints --------------------------------------------------------------------------------------------------------

ADAMW = {"network": "tutorial_net", "optimizer": "AdamW", "ema": 0.9}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with the checkpoints of three runs on the CPU after an epoch, one for each precision."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for precision in PRECISIONS:
        run = a_run(precision, CPU, **ADAMW)
        run.train_epoch([batch(), batch(5)])
        if precision == "float16":
            run.scaler.update(512.0)
        run.save(folder / precision)
    return folder


@pytest.mark.parametrize("after", PRECISIONS)
@pytest.mark.parametrize("before", PRECISIONS)
def test_a_run_is_resumed_in_another_precision_and_on_a_gpu(checkpoints, before, after):
    """AdamW's step counters stay on the CPU: on the GPU it would read each of them at every step."""
    saved, run = torch.load(checkpoints / before, weights_only=True), a_run(after, CPU, **ADAMW)
    run.load(checkpoints / before)
    assert all(torch.equal(value, saved["network"][name]) for name, value in run.network.state_dict().items())
    assert run.scaler.get_scale() == {"float16": 512.0 if before == after else 65536.0}.get(after, 1.0)
    assert np.isfinite(run.train_epoch([batch()])[0])
    with pretended_gpu() as watch:
        run = a_run(after, **ADAMW)
        run.load(checkpoints / before)
        places = {(name, value.device.type) for state in run.optimizer.state.values() for name, value in state.items()}
        assert places == {("step", "cpu"), ("exp_avg", "cuda"), ("exp_avg_sq", "cuda")}
        assert_an_epoch_waits_once(watch, run)


# What is fastest here -----------------------------------------------------------------------------------------------

FRESH = """
import sys, torch
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from helpers.training import Speed
torch.cuda.is_bf16_supported = lambda **_: False
for triton in (SimpleNamespace(__spec__=ModuleSpec("triton", None)), None):
    sys.modules["triton"] = triton
    speeds = Speed.best(torch.device("cuda")), Speed.best(torch.device("cuda"), compile=False)
    print(*(word for speed in speeds for word in (speed.precision, speed.compile)))
"""


def test_best_speed_of_a_gpu_in_a_fresh_process():
    """With Triton and without; what PyTorch imports only on demand is not there yet."""
    done = subprocess.run([sys.executable, "-c", FRESH], cwd=data.REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "float16 True float16 False\nfloat16 False float16 False\n", done.stderr


@pytest.mark.parametrize(
    "device, cores, processes, workers",
    [("cuda", 2, 1, 1), ("cuda", 12, 1, 11), ("cuda", 64, 1, 16), ("cuda", 64, 8, 7), ("cuda", 8, 8, 1)]
    + [("cuda", 1, 1, 1), ("mps", 8, 1, 4), ("mps", 3, 1, 2), ("cpu", 64, 1, 1), ("cpu", 1, 1, 0)],
)
def test_workers_leave_a_core_of_those_granted(monkeypatch, device, cores, processes, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(100, 100 + cores)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(training, "reduced_precision", lambda device: None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert Speed.best(torch.device(device)).workers == workers


# torch.compile ------------------------------------------------------------------------------------------------------


def no_compiler(*_):
    raise RuntimeError("Failed to find C compiler.\nPlease specify one.")


def eager(graph, inputs):
    return graph.forward


def fails_backward(graph, inputs):
    from torch._dynamo.backends.common import aot_autograd  # here: it takes a second
    from torch._functorch.aot_autograd import make_boxed_func

    forward_alone = aot_autograd(fw_compiler=lambda part, _: make_boxed_func(part.forward), bw_compiler=no_compiler)
    return forward_alone(graph, inputs)


@pytest.fixture
def compiled_by(monkeypatch):
    """A function that has ``Speed.compiled`` use these backends: the first for the student, the last for the teacher.

    Returns a list to which each graph that is compiled is added.
    """

    def use(*backends):
        torch._dynamo.reset()
        graphs, rest = [], iter(backends)

        def compiled(speed, network):
            backend = next(rest)

            def counting(graph, inputs):
                graphs.append(graph)
                return backend(graph, inputs)

            return torch.compile(network, backend=counting, dynamic=False)

        monkeypatch.setattr(Speed, "compiled", compiled)
        return graphs

    yield use
    torch._dynamo.reset()


@pytest.mark.parametrize(
    "backends, lines",
    [((eager, eager), 0), ((no_compiler,), 1), ((fails_backward,), 1), ((eager, no_compiler), 1)],
    ids=["works", "fails forward", "fails backward", "fails for the teacher"],
)
def test_a_run_that_cannot_be_compiled_says_so_and_ends_as_one_that_was_not(compiled_by, capsys, backends, lines):
    """Bit for bit: the step that tries it leaves no trace, in BatchNorm's running statistics neither."""
    images = np.random.default_rng(0).integers(0, 256, (13, 32, 32, 3), np.uint8), np.arange(13) % 10
    recipe = Recipe("standard_32", epochs=1, batch_size=8, teacher="tutorial_10" if len(backends) > 1 else None)
    plain, _ = fit(recipe, images, images, CPU, Speed())
    assert capsys.readouterr().err == ""
    compiled_by(*backends)
    network, _ = fit(recipe, images, images, CPU, Speed(compile=True))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines and all("torch.compile does not work here" in line for line in said)
    assert all("Failed to find C compiler" in line for line in said)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in plain.state_dict().items())


@pytest.mark.filterwarnings("ignore:'pin_memory' argument")
def test_a_gpu_without_a_compiler_trains_all_the_same(monkeypatch, capsys):
    """Triton is there, and so is tried, but what it needs is not."""

    def uncompilable(speed, network):
        broken = nn.Module()
        broken._orig_mod, broken.forward = network, no_compiler
        return broken

    monkeypatch.setitem(sys.modules, "triton", mock.Mock(__spec__=importlib.machinery.ModuleSpec("triton", None)))
    monkeypatch.setattr(Speed, "compiled", uncompilable)
    images = np.zeros((8, 32, 32, 3), np.uint8), np.zeros(8, np.int64)
    with pretended_gpu():
        speed = dataclasses.replace(Speed.best(CUDA), workers=0)
        network, history = fit(Recipe("standard_32", epochs=1, teacher="any"), images, images, CUDA, speed)
        assert speed.compile and all(value.is_cuda for value in network.state_dict().values())
    assert capsys.readouterr().err.count("Failed to find C compiler") == len(history) == 1


@pytest.mark.parametrize("teacher, graphs", [(None, 1), ("tutorial_10", 2)])
def test_one_graph_is_compiled_although_the_last_batch_is_smaller(compiled_by, teacher, graphs):
    compiled = compiled_by(eager, eager)
    recipe = Recipe("tutorial_net", epochs=9, batch_size=8, teacher=teacher)
    run = training._Run(recipe, 4, CPU, Speed(compile=True))
    assert run.compiles()
    for _ in range(2):
        run.train_epoch([batch()] * 3 + [batch(5)])
        assert len(compiled) == graphs


# Real float32 -------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(bench, "in_turns", note)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "tf32"
        for work in (
            lambda: training.train_epoch(network, [batch()], optimizer, constant, CPU),
            lambda: training.predict(network, [batch()], CPU),
            lambda: bench.matmul_peak(CPU, sides=(8,)),
        ):
            with pytest.raises(KeyboardInterrupt) if fails else contextlib.nullcontext():
                work()
            assert seen.pop() == ["ieee", "ieee"] and [place.fp32_precision for place in places] == ["tf32", "tf32"]
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


# A GPU that is idle -------------------------------------------------------------------------------------------------


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """The file of an NVIDIA driver that PyTorch cannot use."""
    file = tmp_path / "version"
    file.touch()
    monkeypatch.setattr(training, "NVIDIA_DRIVER", (str(tmp_path / "no"), str(file)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return file


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


@pytest.mark.parametrize("asked, times", [([], 1), (["--device", "cpu"], 0)])
def test_the_command_line_says_that_a_gpu_is_idle(driver, monkeypatch, capsys, tmp_path, asked, times):
    monkeypatch.setattr(training, "best_device", lambda: CPU)
    monkeypatch.setattr(training, "fit", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        training.main(["--data", str(data.SAMPLE), "--runs", str(tmp_path), *asked])
    assert capsys.readouterr().out.count("There is an NVIDIA driver here") == times


# Several GPUs -------------------------------------------------------------------------------------------------------


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


# The benchmark and the loaders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cpu", "mps", None])
def test_memory_is_pinned_for_an_nvidia_gpu_alone(device):
    device, images = device and torch.device(device), np.zeros((4, 32, 32, 3), np.uint8)
    loaders = [make(data.Cifar10(images, np.zeros(4)), device=device) for make in (data.train_loader, data.test_loader)]
    loaders.append(bench.our_loader(images, np.zeros(4), 0, device))
    assert {loader.pin_memory for loader in loaders} == {device is not None and device.type == "cuda"}


def test_the_benchmarks_trainers_on_a_gpu():
    """Ours waits once for all batches, the plain one after each."""
    with pretended_gpu() as watch:
        for speed in (Speed(channels_last=False), Speed("bfloat16"), Speed("float16")):
            train, network = bench.trainer(CUDA, speed)
            assert train([batch(), batch(5)]) == (1.0, 1, 1) and all(p.grad.is_cuda for p in network.parameters())
        train = bench.plain_trainer(CUDA)
        watch.waits.clear()
        train([(torch.zeros(8, 3, 32, 32), torch.zeros(8, dtype=torch.int64))] * 3)
        assert len([wait for wait in watch.waits if "a number is read" in wait]) == 3
