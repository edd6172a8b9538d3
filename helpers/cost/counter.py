"""The counter: what any network costs, by running it once and watching every operation. Notebooks 03 and 04 use it."""

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.cost.operations import BLIND, Field, largest, price
from helpers.cost.table import Cost, NetworkCost, integer, single


def network_cost(module, input_size=(3, 32, 32), *, batch_size=1, element_size=4):
    """Return the ``NetworkCost`` of ``module`` on a batch of images ``(batch_size, *input_size)``, ``(C, H, W)`` each.

    Runs ``module`` once, in evaluation mode, on one image of zeros ``(1, C, H, W)`` of its own dtype and device (meta
    will do), and watches the operations themselves: functional calls are seen, and paths that add or join are
    followed. Every convolution, matrix product, batch normalisation, activation and pooling is a row, under the name
    of the module in which it happens; a module that runs twice has two rows, the second with 0 parameters. Additions,
    concatenations and reshapes are none. Parameters without a use have rows too: the rows add up to the total.

    Where paths meet, the largest receptive field counts, and paths are taken to be centred on each other. A matrix
    product over flattened pixels, attention and a global mean see all that lay side by side. Tensors of four dimensions
    are taken as ``(N, C, H, W)``: of transformers that move the channels to the end, believe the counts, not the field.

    ``module`` is left as it was: parameters, gradients, buffers, training flags, hooks (its own run, as ever), and
    torch's random state.
    Raises ``TypeError`` or ``ValueError`` for an ``input_size`` that is not three positive integers, ``ValueError`` for
    lazy layers, ``NotImplementedError`` for a fused recurrent layer; errors of ``forward`` itself pass through.
    """
    if len(input_size) != 3:
        raise ValueError(f"input_size must be (channels, height, width), not {input_size!r}")
    input_size = tuple(integer("input_size", number) for number in input_size)
    batch_size, element_size = integer("batch_size", batch_size), integer("element_size", element_size)
    if any(map(torch.nn.parameter.is_lazy, module.parameters())):
        raise ValueError("the module has lazy layers, whose weights have no shape yet: run it on an image first")
    like = next((t for t in chain(module.parameters(), module.buffers()) if t.is_floating_point()), torch.empty(0))
    with _undisturbed(module, like.device), _Counter(module, batch_size, element_size) as counter:
        image = torch.zeros(1, *input_size, dtype=like.dtype, device=like.device)
        counter.fields[id(image)] = (image, Field((1, 1), (1, 1), input_size[1:]))
        returned = module(image)
    output = next(iter(_tensors(returned)), None)
    if output is None:
        raise TypeError(f"forward must return tensors, not {type(returned).__name__}")
    unused = {}
    for name, parameter in module.named_parameters():
        if id(parameter) not in counter.counted:
            owner = name.rpartition(".")[0] or type(module).__name__
            unused[owner] = unused.get(owner, 0) + parameter.numel()
    rows = counter.rows + [Cost(name, "unused", params, 0, 0, 0, (), 0, 0) for name, params in unused.items()]
    sums = [sum(getattr(row, what) for row in rows) for what in ("params", "macs", "activations", "bytes")]
    field = counter.field(output) or BLIND
    sight = (tuple(output.shape[1:]), single(field.size), single(field.jump))
    return NetworkCost(rows, Cost("total", "", *sums, *sight))


class _Counter(TorchDispatchMode):
    """Watches every operation of a forward pass; knows of each tensor what it sees and which parameters made it."""

    def __init__(self, module, batch_size, element_size):
        super().__init__()
        self.batch_size, self.element_size = batch_size, element_size
        self.rows, self.counted = [], set()  # counted: the ids of the parameters that stand in a row
        self.names = {id(m): name or type(m).__name__ for name, m in module.named_modules()}
        self.running = [type(module).__name__]  # the names of the modules that are in their forward, the innermost last
        # By the tensor's id. The tensor is kept as well, so that no other can get the same id.
        self.fields = {}  # computed from the image: (tensor, field)
        self.origins = {id(p): (p, {id(p)}) for p in module.parameters()}  # from parameters alone: (tensor, which ones)
        self.written = {}  # by storage: the field of what was written in place, which every view of the storage may see

    def __enter__(self):
        self.hooks = (
            register_module_forward_pre_hook(self.enter_module),
            register_module_forward_hook(self.leave_module, always_call=True),
        )
        return super().__enter__()

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)

    def enter_module(self, module, inputs):
        self.running.append(self.names.get(id(module), self.running[-1]))

    def leave_module(self, module, inputs, output):
        name, last = self.running.pop(), self.rows[-1] if self.rows else None  # output is None where forward failed
        # nn.Linear on (N, H, W, C) multiplies (N · H · W, C) and reshapes: show the shape that it returns.
        if isinstance(module, torch.nn.Linear) and output is not None and last and last.name == name:
            self.rows[-1] = replace(last, output_shape=tuple(output.shape[1:]))

    def field(self, tensor):
        """Return what ``tensor`` sees of the image; None where it was not computed from it."""
        entries = (self.fields.get(id(tensor)), self.written.get(tensor.untyped_storage()._cdata))
        return largest([field for _, field in filter(None, entries)])

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs, outputs = {id(t): t for t in _tensors((args, kwargs))}, _tensors(result)
        seen = {key: field for key, tensor in inputs.items() if (field := self.field(tensor))}
        origin = set().union(*(self.origins[key][1] for key in inputs if key in self.origins))
        if not outputs or not (seen or origin):
            return result
        arguments = func._schema.arguments
        given = {a.name: a.default_value for a in arguments} | (kwargs or {})
        given |= {a.name: value for a, value in zip(arguments, args, strict=False)}
        kind, macs, field = price(func, given, outputs[0], largest(list(seen.values())) or BLIND, seen)
        if seen and origin - self.counted:
            kind = kind or "other"
        if kind and (seen or macs):
            self.add_row(kind, macs, field, inputs, outputs[0], seen, origin - self.counted)
        for tensor in outputs:
            if not seen:
                self.origins[id(tensor)] = (tensor, origin)
                continue
            self.fields[id(tensor)] = (tensor, field)
            if id(tensor) in inputs:  # in place
                key = tensor.untyped_storage()._cdata
                self.written[key] = (tensor, largest([field, self.written.get(key, (tensor, field))[1]]))
        return result

    def add_row(self, kind, macs, field, inputs, output, seen, parameters):
        batch = self.batch_size if seen else 1  # what was not computed from the image is there only once
        read = sum(tensor.numel() * (batch if key in seen else 1) for key, tensor in inputs.items())
        moved = self.element_size * (read + batch * output.numel())
        params = sum(self.origins[key][0].numel() for key in parameters)
        self.counted |= parameters
        counts = (params, batch * macs, batch * output.numel(), moved)
        sight = (tuple(output.shape[1:]), single(field.size), single(field.jump))
        self.rows.append(Cost(self.running[-1], kind, *counts, *sight))


@contextmanager
def _undisturbed(module, device):
    """Within this context ``module`` evaluates and works on copies of its buffers; after it all is as it was before."""
    modes = [(m, m.training) for m in module.modules()]
    buffers = [(m, name, b) for m, _ in modes for name, b in m._buffers.items() if b is not None]
    fused = torch.backends.mha.get_fastpath_enabled()  # a whole attention layer as one operation
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.inference_mode(False), torch.no_grad():
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for m, _ in modes:
                m.training = False
            for m, name, buffer in buffers:
                m._buffers[name] = buffer.clone()
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for m, training in modes:
                m.training = training
            for m, name, buffer in buffers:
                m._buffers[name] = buffer


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
