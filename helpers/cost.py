"""What a convolution, or a whole network, costs: parameters, multiply-adds, memory traffic, and how far it sees.

``conv_cost`` is the formula for one convolution, ``network_cost`` the bill of any network that runs forward on images.
What is counted, and how (notebook 03 works it out by hand):

- ``params``: numbers that training adjusts, each once, even where a layer runs twice or shares its weights.
- ``macs``: multiply-accumulates of convolutions and matrix products. 1 MAC = 2 FLOPs, a multiplication and an addition.
  Biases, normalisation, activations and pooling count as 0: they are a few operations per element of the output, where
  a convolution has hundreds. torchvision counts its networks in the same way.
- ``activations``: the elements of what a layer gives out.
- ``bytes``: every element that goes into a layer (weights too) is read once, every element that it gives out is written
  once, ``element_size`` bytes each (4: float32). That is the least there can be; a real kernel may move more.
- ``arithmetic_intensity``: FLOPs per byte, 2 · macs / bytes.
- ``receptive_field``: the side of the square of input pixels that can reach one element of the output; ``jump``: the
  pixels from one element to the next. Single numbers, or pairs (height, width) where the two differ. As is usual,
  padding is not cut off, and normalisation layers are taken to add nothing. Source of the recurrences: Araujo, Norris,
  Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, doi:10.23915/distill.00021.
"""

import math
import operator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import NamedTuple

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Cost:
    """What one layer costs (for the units see the top of this module).

    ``kind`` of a convolution is every word that applies, in this order: "transposed", "dilated", then "depthwise" (one
    group for every input channel) or else "grouped", "pointwise" (1×1), and "standard" where none does. No word
    displaces another: dilated and depthwise is "dilated depthwise". The other kinds are "linear" (any matrix product),
    "attention", "batchnorm", "activation", "pooling"; "other", any other use of parameters; "unused", parameters
    without a use.
    ``output_shape`` is without the batch: ``(C, H, W)``, or ``(features,)`` of a linear layer.
    """

    name: str
    kind: str
    params: int
    macs: int
    activations: int
    bytes: int
    output_shape: tuple
    receptive_field: int | float | tuple
    jump: int | float | tuple

    @property
    def arithmetic_intensity(self):
        """FLOPs per byte moved."""
        return 2 * self.macs / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class NetworkCost:
    """The bill of a network: ``layers``, a list of ``Cost`` in the order in which they ran, and ``total``, their sum.

    ``total`` is a ``Cost`` too; its shape, receptive field and jump are those of the output. ``str`` gives a table.
    """

    layers: list
    total: Cost

    def __str__(self):
        return cost_table([*self.layers, self.total])

    def to_frame(self):
        """Return the layers as a pandas ``DataFrame``, a row each; ``ImportError`` where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_frame needs pandas (pip install pandas); print(...) does without it") from None
        return pandas.DataFrame([asdict(c) | {"arithmetic_intensity": c.arithmetic_intensity} for c in self.layers])


def cost_table(costs):
    """Return a plain-text table of some ``Cost``: a heading and one line each."""
    lines = [("layer", "kind", "output", "params", "MACs", "activations", "bytes", "FLOP/byte", "field", "jump")]
    for c in costs:
        counts = [f"{count:,}" for count in (c.params, c.macs, c.activations, c.bytes)]
        sight = (_times(c.receptive_field), _times(c.jump))
        lines.append((c.name, c.kind, _times(c.output_shape), *counts, f"{c.arithmetic_intensity:.1f}", *sight))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligns = [str.ljust] * 3 + [str.rjust] * 7
    return "\n".join("  ".join(f(*c) for f, *c in zip(aligns, line, widths, strict=True)).rstrip() for line in lines)


def conv_cost(
    in_channels, out_channels, kernel_size, input_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
    *, batch_size=1, element_size=4,
):  # fmt: skip
    """Return the ``Cost`` of ``nn.Conv2d`` with these arguments on an input ``(batch_size, in_channels, *input_size)``.

    ``kernel_size``, ``input_size``, ``stride``, ``padding`` and ``dilation`` are numbers or pairs (height, width);
    ``padding`` may also be "same" or "valid". MACs, activations and bytes are those of the whole batch; the receptive
    field and the jump are those of this convolution alone.

        output = floor((input + 2 · padding − dilation · (kernel − 1) − 1) / stride) + 1, in each direction
        params = out_channels · in_channels / groups · kernel height · kernel width, and out_channels more for the bias
        macs   = the same without the bias, once for every pixel of the output

    Refuses what ``nn.Conv2d`` refuses, by an error that names the value: ``TypeError`` for what is no integer (3.0 and
    ``True`` are none), ``ValueError`` for zero or negative sizes, negative padding, groups that do not divide both
    channel counts, "same" with a stride, a kernel that spans more than the padded input.
    """
    in_channels, out_channels = _integer("in_channels", in_channels), _integer("out_channels", out_channels)
    groups = _integer("groups", groups)
    batch_size, element_size = _integer("batch_size", batch_size), _integer("element_size", element_size)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"groups must divide {name}: {groups} groups cannot share {channels} channels evenly")
    kernel, size = _pair("kernel_size", kernel_size), _pair("input_size", input_size)
    stride, dilation = _pair("stride", stride), _pair("dilation", dilation)
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"padding 'same' needs a stride of 1, not {_times(stride)}: give the padding as a number")
        padded = tuple(map(operator.add, size, (s - 1 for s in span)))
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"padding must be a number, a pair, 'same' or 'valid', not {padding!r}")
    else:
        both_sides = (2 * p for p in _pair("padding", 0 if padding == "valid" else padding, least=0))
        padded = tuple(map(operator.add, size, both_sides))
    if padded[0] < span[0] or padded[1] < span[1]:
        raise ValueError(
            f"a kernel of {_times(kernel)} with dilation {_times(dilation)} spans {_times(span)} pixels, more than the "
            f"input of {_times(size)}, which is {_times(padded)} with its padding: enlarge the input or the padding"
        )
    output = tuple((n - s) // step + 1 for n, s, step in zip(padded, span, stride, strict=True))
    weights = out_channels * (in_channels // groups) * math.prod(kernel)
    params = weights + (out_channels if bias else 0)
    activations = batch_size * out_channels * math.prod(output)
    return Cost(
        name="",
        kind=_conv_kind(in_channels, groups, kernel, dilation),
        params=params,
        macs=batch_size * weights * math.prod(output),
        activations=activations,
        bytes=element_size * (batch_size * in_channels * math.prod(size) + params + activations),
        output_shape=(out_channels, *output),
        receptive_field=_single(span),
        jump=_single(stride),
    )


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
    input_size = tuple(_integer("input_size", number) for number in input_size)
    batch_size, element_size = _integer("batch_size", batch_size), _integer("element_size", element_size)
    if any(map(torch.nn.parameter.is_lazy, module.parameters())):
        raise ValueError("the module has lazy layers, whose weights have no shape yet: run it on an image first")
    like = next((t for t in chain(module.parameters(), module.buffers()) if t.is_floating_point()), torch.empty(0))
    with _undisturbed(module, like.device), _Meter(module, batch_size, element_size) as meter:
        image = torch.zeros(1, *input_size, dtype=like.dtype, device=like.device)
        meter.fields[id(image)] = (image, _Field((1, 1), (1, 1), input_size[1:]))
        returned = module(image)
    output = next(iter(_tensors(returned)), None)
    if output is None:
        raise TypeError(f"forward must return tensors, not {type(returned).__name__}")
    unused = {}
    for name, parameter in module.named_parameters():
        if id(parameter) not in meter.counted:
            owner = name.rpartition(".")[0] or type(module).__name__
            unused[owner] = unused.get(owner, 0) + parameter.numel()
    rows = meter.rows + [Cost(name, "unused", params, 0, 0, 0, (), 0, 0) for name, params in unused.items()]
    sums = [sum(getattr(row, what) for row in rows) for what in ("params", "macs", "activations", "bytes")]
    field = meter.field(output) or _BLIND
    sight = (tuple(output.shape[1:]), _single(field.size), _single(field.jump))
    return NetworkCost(rows, Cost("total", "", *sums, *sight))


class _Field(NamedTuple):
    """What each element of a tensor sees of the image; every entry is a pair (height, width)."""

    size: tuple  # the pixels that reach one element
    jump: tuple  # the pixels from one element to the next
    positions: tuple  # how many elements lie side by side

    def slide(self, kernel, stride, dilation, positions):
        """Return the field after a window of ``kernel`` taps, ``dilation`` apart, that moves by ``stride``."""
        size = (s + (k - 1) * d * j for s, k, d, j in zip(self.size, kernel, dilation, self.jump, strict=True))
        return _Field(tuple(size), tuple(map(operator.mul, self.jump, stride)), tuple(positions))

    def mix(self, axes=(0, 1)):
        """Return the field after all that lay side by side along ``axes`` has come together in one element."""
        window = [n if axis in axes else 1 for axis, n in enumerate(self.positions)]
        return self.slide(window, window, (1, 1), map(operator.floordiv, self.positions, window))


_BLIND = _Field((0, 0), (0, 0), (1, 1))  # of what was not computed from the image


class _Meter(TorchDispatchMode):
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
        return _largest([field for _, field in filter(None, entries)])

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
        kind, macs, field = _work(func, given, outputs[0], _largest(list(seen.values())) or _BLIND, seen)
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
                self.written[key] = (tensor, _largest([field, self.written.get(key, (tensor, field))[1]]))
        return result

    def add_row(self, kind, macs, field, inputs, output, seen, parameters):
        batch = self.batch_size if seen else 1  # what was not computed from the image is there only once
        read = sum(tensor.numel() * (batch if key in seen else 1) for key, tensor in inputs.items())
        moved = self.element_size * (read + batch * output.numel())
        params = sum(self.origins[key][0].numel() for key in parameters)
        self.counted |= parameters
        counts = (params, batch * macs, batch * output.numel(), moved)
        sight = (tuple(output.shape[1:]), _single(field.size), _single(field.jump))
        self.rows.append(Cost(self.running[-1], kind, *counts, *sight))


# The names of the two factors of each matrix product.
_PRODUCTS = {
    "mm": ("self", "mat2"), "bmm": ("self", "mat2"), "mv": ("self", "vec"), "dot": ("self", "tensor"),
    "addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2"), "addmv": ("mat", "vec"), "linear": ("input", "weight"),
}  # fmt: skip
_ACTIVATIONS = set(
    "relu relu6 leaky_relu elu celu gelu silu mish glu sigmoid log_sigmoid_forward tanh threshold softplus hardtanh "
    "hardsigmoid hardswish _prelu_kernel rrelu_with_noise _softmax _log_softmax".split()
)
# How many neighbours make one element of the new grid; 0: as many as it is coarser.
_RESAMPLINGS = {"upsample_nearest2d": 1, "_upsample_nearest_exact2d": 1, "upsample_bilinear2d": 2}
_RESAMPLINGS |= {"upsample_bicubic2d": 4, "pixel_shuffle": 1, "pixel_unshuffle": 0}


def _work(func, given, output, field, seen):
    """Return (kind, MACs, field of the output) of one operation; the kind is None where it is no row.

    ``given``: its arguments by name; ``field``: the largest of what they see; ``seen``: what each sees, by id.
    """
    name = func.overloadpacket.__name__.rstrip("_")
    if name in ("convolution", "_convolution"):
        image, weight, stride, dilation = (given[key] for key in ("input", "weight", "stride", "dilation"))
        kernel, transposed = weight.shape[2:], given["transposed"]
        kind = _conv_kind(image.shape[1], given["groups"], kernel, dilation, transposed)
        grid = image if transposed else output  # each of its pixels meets every weight once
        macs = weight.numel() * (grid.numel() // grid.shape[1])
        if len(stride) != 2:
            return kind, macs, field.mix()
        if transposed:  # one pixel of the output gets only every (stride / common)-th tap
            common = tuple(map(math.gcd, stride, dilation))
            kernel = [math.ceil(k * c / s) for k, c, s in zip(kernel, common, stride, strict=True)]
            stride, dilation = [1 / s for s in stride], [d // c for d, c in zip(dilation, common, strict=True)]
        return kind, macs, field.slide(kernel, stride, dilation, output.shape[2:])
    if name in _PRODUCTS:
        factors = [given[key] for key in _PRODUCTS[name]]
        inner = factors[0].shape[-1]
        # A row of the product for every pixel: a 1×1 convolution written as a product. Otherwise it mixes the pixels.
        pixelwise = [t.numel() // inner for t in factors if id(t) in seen] == [math.prod(field.positions)]
        return "linear", output.numel() * inner, field if pixelwise else field.mix()
    if "attention" in name:
        query, key, value = given["query"], given["key"], given["value"]
        macs = query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])
        return "attention", macs, field.mix()
    if "rnn" in name:
        raise NotImplementedError(f"the products within a fused recurrent layer, {name}, are not counted here")
    if "batch_norm" in name:
        return "batchnorm", 0, field
    if name in _ACTIVATIONS:
        return "activation", 0, field
    if "pool2d" in name and "unpool" not in name:
        before, after = given["self"].shape[-2:], output.shape[-2:]
        kernel = given.get("kernel_size")
        stride = given.get("stride") or kernel
        if "adaptive" in name:  # m windows from edge to edge, of nearly the same size: the largest, and their mean step
            sides = list(zip(before, after, strict=True))
            kernel = [max(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sides]
            stride = [(n - k) / (m - 1) if m > 1 else n for (n, m), k in zip(sides, kernel, strict=True)]
        return "pooling", 0, field.slide(kernel, stride, given.get("dilation") or (1, 1), after)
    if torch.Tag.reduction in func.tags:  # a mean or the like: nn.AdaptiveAvgPool2d(1) is one
        tensor, dims, axes = given["self"], given.get("dim"), (0, 1)
        if tensor.dim() >= 4:
            dims = [dims] if isinstance(dims, int) else dims or range(tensor.dim())
            axes = [axis for axis in (0, 1) if any((dim - axis + 2) % tensor.dim() == 0 for dim in dims)]
            field = field._replace(positions=tuple(tensor.shape[-2:]))
        return "pooling" if axes and tensor.dim() > 2 else None, 0, field.mix(axes)
    if name in _RESAMPLINGS:
        before, after = given["self"].shape[-2:], output.shape[-2:]
        stride = tuple(map(operator.truediv, before, after))
        return None, 0, field.slide([_RESAMPLINGS[name] or s for s in stride], stride, (1, 1), after)
    if name == "im2col":  # the windows of a convolution, written out to be multiplied later
        window = [given[key] for key in ("kernel_size", "stride", "dilation")]
        sides = zip(given["self"].shape[-2:], given["padding"], *window, strict=True)
        return None, 0, field.slide(*window, [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, k, s, d in sides])
    if name == "slice" and output.dim() == 4 and given["dim"] % 4 >= 2:
        stride = [given["step"] if given["dim"] % 4 == axis + 2 else 1 for axis in (0, 1)]
        positions = [-(-n // s) for n, s in zip(field.positions, stride, strict=True)]
        return None, 0, field.slide((1, 1), stride, (1, 1), positions)
    return None, 0, field


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


def _conv_kind(in_channels, groups, kernel, dilation, transposed=False):
    words = {
        "transposed": transposed,
        "dilated": any(d > 1 < k for k, d in zip(kernel, dilation, strict=True)),
        "depthwise": groups == in_channels > 1,
        "grouped": 1 < groups < in_channels,
        "pointwise": math.prod(kernel) == 1,
    }
    return " ".join(word for word, applies in words.items() if applies) or "standard"


def _largest(fields):
    """Return the field with the largest of every entry; None where there are no fields.

    An element that stands alone has no neighbours: where it spreads over a grid, the grid's jump holds.
    """
    if fields:
        sizes, _, positions = (tuple(map(max, zip(*pairs, strict=True))) for pairs in zip(*fields, strict=True))
        jump = [max(f.jump[i] for f in fields if f.positions[i] > 1 or positions[i] == 1) for i in (0, 1)]
        return _Field(sizes, tuple(jump), positions)


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _integer(name, value, least=1):
    try:
        if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":  # Python's own, and NumPy's
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def _pair(name, value, least=1):
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or a pair (height, width), not {value!r}")
    return tuple(_integer(name, number, least) for number in pair)


def _single(pair):
    """Return the number that both entries of a pair are, or the pair where they differ."""
    height, width = (int(number) if number == int(number) else number for number in pair)
    return height if height == width else (height, width)


def _times(numbers):
    """Return "3" for 3 and "16×32×32" for (16, 32, 32)."""
    numbers = numbers if isinstance(numbers, tuple) else (numbers,)
    return "×".join(f"{number:.6g}" if isinstance(number, float) else str(number) for number in numbers)
