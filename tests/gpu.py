"""A GPU for tests, on a machine that has none.

Tensors claim to lie on a GPU: FakeTensorMode computes shapes, types and devices but no values, and refuses to mix
devices, as a GPU does. Above it stands ``Watch``, which notes what a GPU would be waited for, the dearest thing that a
training step can ask for. What needs real numbers (a loss that overflows in float16, a network that cannot be compiled)
is tested on the CPU, where the code is the same.
"""

import contextlib
import traceback
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.data import serving
from helpers.networks import build
from helpers.training import Recipe, Speed
from helpers.training.run import Run

CPU, CUDA, aten = torch.device("cpu"), torch.device("cuda", 0), torch.ops.aten
PRECISIONS = ("float32", "bfloat16", "float16")


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
        "helpers.training.run.load_pretrained": lambda name, runs: build("better_net").eval(),
    }
    with contextlib.ExitStack() as stack:
        for name, change in changes.items():
            stack.enter_context(mock.patch(name, change))
        serving._mean_and_std.cache_clear()
        stack.callback(serving._mean_and_std.cache_clear)
        stack.enter_context(FakeTensorMode())
        stack.enter_context(watch)
        serving._mean_and_std(CUDA)  # waits, once in a process
        yield watch


def batch(size=8):
    return torch.zeros(size, 32, 32, 3, dtype=torch.uint8), torch.zeros(size, dtype=torch.int64)


def a_run(precision="float32", device=CUDA, **recipe):
    return Run(Recipe(**{"network": "standard_32", "epochs": 9, **recipe}), 4 * 128, device, Speed(precision))


def assert_an_epoch_waits_once(watch, run, steps=3):
    """At its end, to read the scores; float16's scaler also at every step, to see whether something overflowed."""
    watch.waits.clear()
    run.train_epoch([batch()] * (steps - 1) + [batch(5)])
    scaler = [wait for wait in watch.waits if wait.startswith("grad_scaler.py")]
    others = [wait for wait in watch.waits if wait not in scaler]
    assert len(scaler) == (steps if run.speed.precision == "float16" else 0), scaler
    assert len(others) == 1 and others[0].startswith("epoch.py") and "numbers are read" in others[0], others
