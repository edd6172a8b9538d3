"""A run: on a GPU nothing waits; where it cannot be compiled it goes on without."""

import dataclasses
import importlib.machinery
import itertools
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from gpu import CUDA, PRECISIONS, a_run, assert_an_epoch_waits_once, batch, pretended_gpu
from short_runs import CPU, layouts, small
from torch import nn
from torch.utils.data import DataLoader

from helpers import training
from helpers.cost import network_cost
from helpers.data import to_device
from helpers.networks import NETWORKS, count_parameters
from helpers.training import Recipe, Speed, TrainingError, fit
from helpers.training.distributed import World
from helpers.training.run import Run


def test_loss_that_is_no_number_is_an_error_with_a_remedy(few):
    with pytest.raises(TrainingError, match="the training loss is (nan|inf).*lower the learning rate"):
        fit(small(lr=1e12, epochs=2), *few, CPU, Speed())


def test_weights_lost_in_the_last_step_are_no_end_of_a_run(few, tmp_path):
    """The loss of that step was taken before it; a checkpoint of such weights could never be resumed."""
    one_step = small(lr=1e30, epochs=1, batch_size=len(few[0][1]))
    with pytest.raises(TrainingError, match="no answer to a test image is a number: lower the learning rate"):
        fit(one_step, *few, CPU, Speed(), checkpoint=tmp_path / "checkpoint.pt")
    assert list(tmp_path.iterdir()) == []


def test_the_schedule_ends_with_the_last_step():
    """OneCycle is planned for exactly the steps that are taken: it rises to lr and ends at nearly zero."""
    run = Run(small(), 64, CPU, Speed())
    rates = []
    for _ in range(12):
        rates.append(run.scheduler.get_last_lr()[0])
        run.optimizer.step()
        run.scheduler.step()
    assert max(rates) == pytest.approx(0.1, rel=0.1) and rates[-1] < 1e-5
    with pytest.raises(ValueError, match="Tried to step"):
        run.scheduler.step()


@pytest.mark.parametrize("channels_last", (True, False))
def test_network_average_and_teacher_have_the_layout_that_is_asked_for(few, channels_last):
    """A convolution keeps to channels-last if its images *or* its weights are so."""
    run = Run(small(ema=0.9, teacher="session_62"), len(few[0][1]), CPU, Speed(channels_last=channels_last))
    for network in (run.network, run.ema.module, run.criterion.teacher):
        seen = layouts(network)
        with torch.no_grad():
            network.eval()(to_device(*batch(2), CPU)[0])
        assert set(seen) == {channels_last}


# On a GPU ------------------------------------------------------------------------------------------------------------


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
    recipe = Recipe("standard_32", epochs=2, batch_size=5, optimizer="AdamW", clip=1.0, ema=0.9, teacher="any")
    with pretended_gpu() as watch, mock.patch("helpers.data.serving.DataLoader", wraps=DataLoader) as loader:
        network, history = fit(recipe, images, images, CUDA, Speed(precision))
        assert all(value.is_cuda for value in network.state_dict().values())
    assert len(history) == 2 and history[0]["device"] == "Pretended GPU"
    assert loader.call_count == 2 and all(call.kwargs["pin_memory"] for call in loader.call_args_list)
    assert len([wait for wait in watch.waits if "numbers are read" in wait]) == 2  # once an epoch


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "AdamW"}, {"ema": 0.99}, {"clip": 1.0}, {"teacher": "any"}, {"world": 2}]
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_step_waits_for_the_gpu(precision, changes):
    with pretended_gpu() as watch, mock.patch("torch.distributed.all_reduce"):
        run = a_run(precision, **{key: value for key, value in changes.items() if key != "world"})
        run.world = World(size=changes.get("world", 1))
        assert_an_epoch_waits_once(watch, run)


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


def fails_in_recording(graph, inputs):
    """As a CUDA graph would: the first call runs, the second records."""
    calls = itertools.count()

    def run(*inputs):
        return no_compiler() if next(calls) else graph(*inputs)

    return run


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
    [((eager, eager), 0), ((no_compiler,), 1), ((fails_backward,), 1), ((fails_in_recording,), 1)]
    + [((eager, no_compiler), 1)],
    ids=["works", "fails forward", "fails backward", "fails in recording", "fails for the teacher"],
)
def test_a_run_that_cannot_be_compiled_says_so_and_ends_as_one_that_was_not(compiled_by, capsys, backends, lines):
    """Bit for bit: the step that tries it leaves no trace, in BatchNorm's running statistics neither."""
    images = np.random.default_rng(0).integers(0, 256, (13, 32, 32, 3), np.uint8), np.arange(13) % 10
    recipe = Recipe("standard_32", epochs=1, batch_size=8, teacher="tutorial_10" if len(backends) > 1 else None)
    plain, _ = fit(recipe, images, images, CPU, Speed())
    assert capsys.readouterr().err == ""
    compiled_by(*backends)
    network, history = fit(recipe, images, images, CPU, Speed(compile=True, graphs=True))
    assert history[0]["compiled"] is (lines == 0)
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
    run = Run(recipe, 4 * 8, CPU, Speed(compile=True))
    assert run.compiles()
    for _ in range(2):
        run.train_epoch([batch()] * 3 + [batch(5)])
        assert len(compiled) == graphs
