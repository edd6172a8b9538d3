"""The counter: what any network costs, by running it once and watching every operation. Notebooks 03 and 04 use it."""

import sys
from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from itertools import chain

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.cost.fields import BLIND, UNKNOWN, checked, of_image
from helpers.cost.joins import by_strides, joined
from helpers.cost.operations import price
from helpers.cost.table import Cost, NetworkCost, integer, single

_COMPOSED = torch._C.DispatchKey.CompositeImplicitAutograd  # of operations that consist of others

_NEW = ("new_", "zeros_like", "ones_like", "empty_like", "full_like", "rand")  # take no more than a shape


def network_cost(module, input_size=(3, 32, 32), *, batch_size=1, element_size=4):
    """Return the ``NetworkCost`` of ``module`` on a batch of images ``(batch_size, *input_size)``, ``(C, H, W)`` each.

    Runs ``module`` once, in evaluation mode, on one image of zeros ``(1, C, H, W)`` of its own dtype and device (meta
    will do), and watches the operations themselves: functional calls are seen, and paths that add or join are
    followed. Every convolution, matrix product, batch normalisation, activation and pooling is a row, under the name
    of the module in which it happens; a module that runs twice has two rows, the second with 0 parameters. Additions,
    concatenations and reshapes are none. Parameters without a use have rows too: the rows add up to the total.

    Where paths meet, an element sees from the first to the last pixel that it sees on one of them; what sees the same
    everywhere, as a mean, counts with its size alone; channels that are concatenated are taken to be used together.
    Where pixels lie in a tensor is followed through views, permutations and crops: a matrix product over flattened
    pixels, attention and a global mean see all that lay side by side, a mean over channels does not. Where that is not
    certain (an unknown operation, attention in windows, enlargements by a fraction) the field and the jump are None,
    "?" in the table, from there on.

    ``module`` is left as it was: parameters (what forward writes into them is undone), gradients, buffers, attributes,
    training flags, what torch.compile has compiled, hooks (its own run, as ever), and torch's random state; what
    ``forward`` appends to a list stays. A frozen TorchScript module has constants for parameters: they are counted.
    Raises ``TypeError`` for what is no module, ``TypeError`` or ``ValueError`` for an ``input_size`` that is not three
    positive integers, ``ValueError`` for lazy layers, ``TypeError`` where no tensor is returned, and
    ``NotImplementedError`` by name for operations with weights that are not known (quantised layers, custom operators)
    and for fused recurrent layers; errors of ``forward`` itself pass through.
    """
    if not isinstance(module, torch.nn.Module):
        made = f"the class {module.__name__}: make one first" if isinstance(module, type) else repr(module)
        raise TypeError(f"module must be an nn.Module, not {made}")
    if isinstance(input_size, str) or not hasattr(input_size, "__len__"):
        raise TypeError(f"input_size must be (channels, height, width), not {input_size!r}")
    if len(input_size) != 3:
        raise ValueError(f"input_size must be (channels, height, width), not {input_size!r}")
    input_size = tuple(integer("input_size", number) for number in input_size)
    batch_size, element_size = integer("batch_size", batch_size), integer("element_size", element_size)
    if any(map(torch.nn.parameter.is_lazy, module.parameters())):
        raise ValueError("the module has lazy layers, whose weights have no shape yet: run it on an image first")
    module = getattr(module, "_orig_mod", module)  # what torch.compile was given
    like = next((t for t in chain(module.parameters(), module.buffers()) if t.is_floating_point()), torch.empty(0))
    counter = _Counter(module, batch_size, element_size)
    softsign = _Softsign(counter)
    with _undisturbed(module, like.device), counter.undo_writes(), counter.follow_modules(), counter, softsign:
        image = torch.zeros(1, *input_size, dtype=like.dtype, device=like.device)
        counter.note(image, of_image(image.shape), False)
        returned = module(image)
    output = next(iter(_tensors(returned)), None)
    if output is None:
        raise TypeError(f"forward must return tensors, not {type(returned).__name__}")
    unused = {}
    for name, parameter in _parameters(module):
        if id(parameter) not in counter.counted:
            owner = name.rpartition(".")[0] or type(module).__name__
            unused[owner] = unused.get(owner, 0) + parameter.numel()
    rows = counter.rows + [Cost(name, "unused", params, 0, 0, 0, (), 0, 0) for name, params in unused.items()]
    sums = [sum(getattr(row, what) for row in rows) for what in ("params", "macs", "activations", "bytes")]
    field = counter.field(output) or BLIND
    sight = (_without_batch(output), single(field.size), single(field.jump))
    return NetworkCost(rows, Cost("total", "", *sums, *sight))


class _Counter(TorchDispatchMode):
    """Watches every operation of a forward pass; knows of each tensor what it sees and which parameters made it."""

    def __init__(self, module, batch_size, element_size):
        super().__init__()
        self.batch_size, self.element_size = batch_size, element_size
        self.rows, self.counted = [], set()  # counted: the ids of the parameters that stand in a row
        self.names = {id(m): name or type(m).__name__ for name, m in module.named_modules()}
        self.running = [(type(module).__name__, module)]  # the modules that are in their forward, the innermost last
        # By the tensor's id. The tensor is kept as well, so that no other can get the same id.
        self.fields = {}  # computed from the image: (tensor, field, when)
        self.origins = {id(p): (p, {id(p)}) for _, p in _parameters(module)}  # from parameters alone: (…, which ones)
        self.storages = {p.untyped_storage()._cdata: p for p in module.parameters()}
        self.overwritten = {}  # by storage: (parameter, the values that it had)
        self.biasless = (None, None)  # a product, its row: a bias that is added to it belongs to the row
        self.written = {}  # by storage: what was written into it in place, which every older view of it may see
        self.time = 0

    @contextmanager
    def follow_modules(self):
        """Within this context it is known which module is in its forward."""
        pre, post = register_module_forward_pre_hook, register_module_forward_hook
        with pre(self.enter_module), post(self.leave_module, always_call=True):
            yield

    @contextmanager
    def undo_writes(self):
        """After this context parameters have the values they had, whatever forward wrote into them."""
        try:
            yield
        finally:
            for parameter, values in self.overwritten.values():
                parameter.data.copy_(values)  # through .data: for autograd nothing has happened

    def enter_module(self, module, inputs):
        self.running.append((self.names.get(id(module), self.running[-1][0]), module))

    def leave_module(self, module, inputs, output):
        (name, _), last = self.running.pop(), self.rows[-1] if self.rows else None
        returned = next(iter(_tensors(output)), None)  # None where forward failed
        # nn.Linear on (N, H, W, C) multiplies (N · H · W, C) and reshapes: show the shape that it returns.
        if isinstance(module, torch.nn.Linear) and returned is not None and last and last.name == name:
            if self.batch_size * returned.numel() == last.activations:
                self.rows[-1] = replace(last, output_shape=_without_batch(returned))

    def field(self, tensor):
        """Return what ``tensor`` sees of the image; None where it was not computed from it."""
        _, field, since = self.fields.get(id(tensor), (tensor, None, -1))
        later = self.written.get(tensor.untyped_storage()._cdata, {}).values()
        added = [by_strides(tensor, *entry[:2]) for entry in later if entry[2] > since and entry[0] is not tensor]
        fields, shape = [field] * (field is not None) + added, tuple(tensor.shape)
        return joined(fields, [shape] * len(fields), shape) if added else field

    def note(self, tensor, field, in_place):
        self.time += 1
        entry = (tensor, checked(field, tensor.shape), self.time)
        self.fields[id(tensor)] = entry
        if in_place:
            self.written.setdefault(tensor.untyped_storage()._cdata, {})[id(tensor)] = entry

    def normalising(self):
        return any(isinstance(module, torch.nn.RMSNorm) for _, module in self.running)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        known = func.namespace != "prim"  # what a tensor is asked for: its device
        if known and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _COMPOSED):
            with self:  # in inference mode conv2d, linear and the like come whole; their parts come here once more
                return func._op_dk(_COMPOSED, *args, **(kwargs or {}))
        given = _by_name(func, args, kwargs or {})
        self.keep_overwritten(func, given)
        result = func(*args, **(kwargs or {}))
        inputs, outputs = {id(t): t for t in _tensors((args, kwargs))}, _tensors(result)
        seen = {key: field for key, tensor in inputs.items() if (field := self.field(tensor))}
        origin = set().union(*(self.origins[key][1] for key in inputs if key in self.origins))
        if not outputs or not (seen or origin) or func.overloadpacket.__name__.startswith(_NEW):
            return result
        kind, macs, field = price(func, given, outputs[0], seen, self.origins, self.normalising())
        bias = self.bias(func, inputs, seen)
        if bias is not None:
            self.add_bias(bias, origin - self.counted)
        elif seen and origin - self.counted:
            kind = kind or "other"
        if kind and (seen or macs):
            self.add_row(kind, macs, field, inputs, outputs[0], seen, origin - self.counted)
            self.biasless = (outputs[0], self.rows[-1]) if kind == "linear" else (None, None)
        for tensor in outputs:
            if not seen:
                self.origins[id(tensor)] = (tensor, origin)
                continue
            if tensor is not outputs[0] and not kind:  # as of the parts of a split
                _, _, field = price(func, given, tensor, seen)
            elif tensor.shape != outputs[0].shape:
                field = UNKNOWN
            self.note(tensor, field, id(tensor) in inputs)
        return result

    def keep_overwritten(self, func, given):
        """Remember the values of the parameters that this operation writes into."""
        written = [given[a.name] for a in func._schema.arguments if a.alias_info and a.alias_info.is_write]
        for storage in {tensor.untyped_storage()._cdata for tensor in _tensors(written)} & set(self.storages):
            parameter = self.storages[storage]
            self.overwritten.setdefault(storage, (parameter, parameter.detach().clone()))

    def bias(self, func, inputs, seen):
        """Return the vector that is added to the last product, where this is such an addition.

        nn.Linear adds its bias so where its input does not lie in memory in one piece.
        """
        product, row = self.biasless
        added = [tensor for key, tensor in inputs.items() if key not in seen and tensor.dim() == 1]
        if product is None or func.overloadpacket is not torch.ops.aten.add or len(inputs) != 2 or len(added) != 1:
            return None
        (to,) = (tensor for tensor in inputs.values() if tensor is not added[0])
        same = to.untyped_storage()._cdata == product.untyped_storage()._cdata and row is self.rows[-1]
        return added[0] if same and to.shape[-1:] == added[0].shape else None

    def add_bias(self, bias, parameters):
        row = self.rows[-1]
        self.counted |= parameters
        params = row.params + sum(self.origins[key][0].numel() for key in parameters)
        self.rows[-1] = replace(row, params=params, bytes=row.bytes + self.element_size * bias.numel())
        self.biasless = (None, None)

    def add_row(self, kind, macs, field, inputs, output, seen, parameters):
        batch = self.batch_size if seen else 1  # what was not computed from the image is there only once
        read = sum(tensor.numel() * (batch if key in seen else 1) for key, tensor in inputs.items())
        moved = self.element_size * (read + batch * output.numel())
        params = sum(self.origins[key][0].numel() for key in parameters)
        self.counted |= parameters
        counts = (params, batch * macs, batch * output.numel(), moved)
        sight = (_without_batch(output), single(field.size), single(field.jump))
        self.rows.append(Cost(self.running[-1][0], kind, *counts, *sight))


class _Softsign(TorchFunctionMode):
    """Adds the row of ``F.softsign``, which to PyTorch's operations is no activation, but a division."""

    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.nn.functional.softsign and (seen := self.counter.field(result)):
            given = {id(tensor): tensor for tensor in _tensors((args, kwargs))}
            self.counter.add_row("activation", 0, seen, given, result, given, set())
        return result


@contextmanager
def _undisturbed(module, device):
    """Within this context ``module`` evaluates and works on copies of its buffers; after it all is as it was before."""
    modules = [m for m in module.modules() if hasattr(m, "training")]  # a frozen TorchScript module has no such flag
    plain = [m for m in modules if not isinstance(m, torch.jit.ScriptModule)]
    modes = [(m, m.training) for m in modules]
    buffers = [(m, name, b) for m in modules for name, b in m._buffers.items() if b is not None]
    copies = {id(b): b.clone() for _, _, b in buffers}  # a buffer of two modules stays one
    attributes = [(held, dict(held)) for m in plain for held in (vars(m), m._parameters, m._buffers, m._modules)]
    values = [(p, p.data) for p in module.parameters()]
    fused = torch.backends.mha.get_fastpath_enabled()  # a whole attention layer as one operation
    # What torch.compile has made does not compile within this context: it would remember it for ever.
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    random = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with eager, random, torch.inference_mode(False), torch.no_grad():
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for m in modules:
                m.training = False
            for m, name, buffer in buffers:
                m._buffers[name] = copies[id(buffer)]
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for m, training in modes:
                m.training = training
            for m, name, buffer in buffers:
                m._buffers[name] = buffer
            for held, before in attributes:
                held.clear()
                held.update(before)
            for parameter, data in values:
                if parameter.untyped_storage()._cdata != data.untyped_storage()._cdata:  # without addresses
                    parameter.data = data


def _parameters(module):
    """Return (name, tensor) of every parameter; those of a frozen TorchScript module are constants of its graph."""
    if isinstance(module, torch.jit.ScriptModule) and not hasattr(module, "training"):
        constants = module.graph.findAllNodes("prim::Constant")
        tensors = [node.t("value") for node in constants if node.hasAttribute("value") and node.kindOf("value") == "t"]
        return [("", tensor) for tensor in tensors if tensor.is_floating_point() and tensor.dim()]
    return list(module.named_parameters())


def _by_name(func, args, kwargs):
    arguments = func._schema.arguments
    given = {a.name: a.default_value for a in arguments} | kwargs
    return given | {a.name: value for a, value in zip(arguments, args, strict=False)}


def _without_batch(tensor):
    """Return the shape of one image's share: a first dimension that is not 1 is none of the one image's batch."""
    return tuple(tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape)


def _tensors(tree):
    """Return the tensors in a tree of lists, tuples, mappings and dataclasses."""
    found = []
    for leaf in tree_leaves(tree):
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        elif isinstance(leaf, Mapping):
            found += _tensors(list(leaf.values()))
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            found += _tensors([getattr(leaf, field.name) for field in fields(leaf)])
    return found
