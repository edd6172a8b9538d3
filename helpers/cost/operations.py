"""What one operation of a forward pass costs and how far it sees, by its name in PyTorch: the rules of the counter.

To teach ``helpers.cost.counter`` a new operation, add its rule here: a function of the arguments by name, the output,
and ``fields``: what each tensor sees that comes from the image, by the tensor's id. It returns (kind, MACs, field of
the output), the kind None where the operation is no row. Notebook 03 shows what comes out.
"""

import torch

from helpers.cost import joins, products, views
from helpers.cost.fields import (
    BLIND,
    UNKNOWN,
    Run,
    enlarged,
    holds_pixels,
    mixed,
    replaced,
    windowed,
)
from helpers.cost.joins import joined
from helpers.cost.table import conv_kind


def price(func, given, output, fields, parameters=(), normalising=False):
    """Return (kind, MACs, field of the output) of one operation; the kind is None where it is no row.

    ``parameters``: the ids of tensors that were made from parameters; ``normalising``: within a normalisation layer,
    whose means are taken to see nothing.
    Raises ``NotImplementedError`` for operations that are not known and may multiply by weights.
    """
    name = func.overloadpacket.__name__.rstrip("_")
    if "rnn" in name:
        raise NotImplementedError(f"the products within a fused recurrent layer, {name}, are not counted here")
    rule = _rule(func, name, normalising)
    own = func.namespace == "aten"  # of PyTorch itself: other operations may hold weights in any tensor
    weights = [
        value
        for value in given.values()
        if _may_be_weights(value, fields) and not (own and id(value) not in parameters)
    ]
    if weights and fields and not rule:
        raise NotImplementedError(
            f"what {func.name()} multiplies by its weights is not known here: teach it to helpers/cost/operations.py"
        )
    if not rule:
        return None, 0, UNKNOWN
    known = {} if UNKNOWN in fields.values() else fields
    kind, macs, field = rule(given, output, known)
    return kind, macs, field if known or not fields else UNKNOWN


def _rule(func, name, normalising):
    if func.namespace == "torchvision":
        return deformable if name == "deform_conv2d" else None
    if func.namespace not in ("aten", "prims"):
        return None
    if normalising and _RULES.get(name) is reduction:
        return nothing_new
    if name in _RULES:
        return _RULES[name]
    if "attention" in name:
        return products.attention
    if torch.Tag.reduction in func.tags:
        return reduction
    return pointwise if torch.Tag.pointwise in func.tags else None


def _may_be_weights(value, fields):
    if isinstance(value, torch.ScriptObject):  # the packed weights of quantised layers
        return True
    tensor = isinstance(value, torch.Tensor) and id(value) not in fields
    return tensor and value.dim() > 1 and value.is_floating_point()


# Element by element ---------------------------------------------------------------------------------------------------


def pointwise(given, output, fields, kind=None):
    listed = [t for value in given.values() for t in (value if isinstance(value, (list, tuple)) else [value])]
    tensors = [t for t in listed if isinstance(t, torch.Tensor) and id(t) in fields]
    shape = tuple(output.shape)
    return kind, 0, joined([fields[id(t)] for t in tensors], [tuple(t.shape) for t in tensors], shape)


def copied(given, output, fields):
    """``copy_``: what was there before is gone."""
    return pointwise({"src": given["src"]} if id(given["src"]) in fields else given, output, fields)


def activation(given, output, fields):
    return pointwise(given, output, fields, "activation")


def softmax(given, output, fields):
    """Along a dimension of pixels every element comes to see all of them, and stays where it is."""
    field, shape = fields.get(id(given["self"]), BLIND), tuple(output.shape)
    if field.dims and holds_pixels(field.dims[given["dim"]]):
        together = mixed(field, [given["dim"]])
        within = field if field.axes else field._replace(axes=together.axes)
        field = joined([within, together], [shape, shape], shape)
    return "activation", 0, field


def normalisation(kind=None):
    """Return the rule of a normalisation, which is taken to see nothing but the element."""
    return lambda given, output, fields: (kind, 0, fields.get(id(given.get("input", given.get("self"))), BLIND))


# Windows --------------------------------------------------------------------------------------------------------------


def convolution(given, output, fields):
    image, weight, groups = given["input"], given["weight"], given["groups"]
    kernel, transposed = weight.shape[2:], given["transposed"]
    stride, dilation = each(given["stride"], len(kernel)), each(given["dilation"], len(kernel))
    kind = conv_kind(image.shape[1], groups, kernel, dilation, transposed)
    grid = image if transposed else output  # each of its pixels meets every weight once
    macs = weight.numel() * (grid.numel() // grid.shape[1])
    field = fields.get(id(image), BLIND) if id(weight) not in fields else UNKNOWN
    if field.dims and (groups == 1 or not holds_pixels(field.dims[1])):
        field = mixed(field, [1])
        field = replaced(field, 1, (Run(None, output.shape[1]),)) if field.dims else field
    elif not groups == image.shape[1] == output.shape[1]:
        field = UNKNOWN
    padding = each(given["padding"], len(kernel))
    for dim, (k, s, d, p) in enumerate(zip(kernel, stride, dilation, padding, strict=True), 2):
        count = output.shape[dim]
        if not transposed:
            field = windowed(field, dim, k, s, d, count, p)
        elif s == 1:
            field = windowed(field, dim, k, s, d, count, d * (k - 1) - p)
        else:  # a window of the new grid holds every s-th of its elements from the old one
            known, before = d == 1 or k == 1, k - s - p
            field = enlarged(field, dim, s, count, extra=1 + k - s, before=before) if known else UNKNOWN
    return kind, macs, field


def deformable(given, output, fields):
    weight, groups, dilation = given["weight"], given["groups"], (given["dilation_h"], given["dilation_w"])
    kind = conv_kind(given["input"].shape[1], groups, weight.shape[2:], dilation)
    return f"deformable {kind}", weight.numel() * (output.numel() // output.shape[1]), UNKNOWN


def pooling(sides):
    """Return the rule of pooling over this many dimensions."""

    def rule(given, output, fields):
        field, kernel = fields.get(id(given["self"]), BLIND), each(given["kernel_size"], sides)
        stride = each(given.get("stride") or kernel, sides)
        dilation, padding = (each(given.get(key) or least, sides) for key, least in (("dilation", 1), ("padding", 0)))
        for i, (k, s, d, p) in enumerate(zip(kernel, stride, dilation, padding, strict=True)):
            field = windowed(field, i - sides, k, s, d, output.shape[i - sides], p)
        return "pooling", 0, field

    return rule


def adaptive_pooling(given, output, fields):
    """m windows from edge to edge of n elements, of nearly the same size: the largest, and their mean step."""
    field = fields.get(id(given["self"]), BLIND)
    for dim in (-2, -1):
        n, m = given["self"].shape[dim], output.shape[dim]
        edges = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
        sizes = {end - start for start, end in edges}
        steps = {b[0] - a[0] for a, b in zip(edges, edges[1:], strict=False)} or {n}
        if len(sizes) == len(steps) == 1:
            field = windowed(field, dim, *sizes, *steps, 1, m)
        else:
            field = views.unevenly(windowed(field, dim, max(sizes), 1, 1, m), dim, (n - max(sizes)) / (m - 1))
    return "pooling", 0, field


def reduction(given, output, fields):
    """A mean or the like: ``nn.AdaptiveAvgPool2d(1)`` is one."""
    tensor, dims = given.get("self", given.get("input")), given.get("dim")
    dims = [dims] if isinstance(dims, int) else dims or range(tensor.dim())
    dims = {dim % tensor.dim() for dim in dims} if tensor.dim() else set()
    field = fields.get(id(tensor), BLIND)
    if not field.dims:
        pixels = any(dim >= tensor.dim() - 2 for dim in dims)
    else:
        pixels, field = any(holds_pixels(field.dims[dim]) for dim in dims), mixed(field, dims)
    if field.dims and output.dim() < tensor.dim():
        kept = tuple(runs for dim, runs in enumerate(field.dims) if dim not in dims)
        field = field._replace(dims=kept)
    return "pooling" if pixels and tensor.dim() > 2 else None, 0, field


def nothing_new(given, output, fields):
    """A mean that is taken to see nothing, wherever it is used."""
    return None, 0, BLIND._replace(dims=tuple((Run(None, n),) for n in output.shape))


def each(numbers, sides):
    """Return [3, 3] of 3, (3,) and (3, 3): torch takes one number for all directions."""
    numbers = [numbers] if isinstance(numbers, int) else list(numbers)
    return numbers * sides if len(numbers) == 1 else numbers


_ACTIVATIONS = (
    "relu leaky_relu elu celu gelu silu mish glu sigmoid log_sigmoid_forward tanh threshold softplus hardtanh "
    "hardsigmoid hardswish hardshrink softshrink _prelu_kernel rrelu_with_noise"
)
_ELEMENTWISE = (  # those that PyTorch does not mark so
    "clone detach alias lift_fresh _to_copy native_dropout bernoulli masked_fill fill zero "
    "_conj nan_to_num _weight_norm_interface"
)
_RULES = {
    **dict.fromkeys(_ELEMENTWISE.split(), pointwise),
    "copy": copied,
    **dict.fromkeys(_ACTIVATIONS.split(), activation),
    **dict.fromkeys("_softmax _log_softmax _safe_softmax".split(), softmax),
    **dict.fromkeys(
        "_native_batch_norm_legit _native_batch_norm_legit_no_training native_batch_norm cudnn_batch_norm "
        "miopen_batch_norm _batch_norm_no_update _batch_norm_with_update".split(),
        normalisation("batchnorm"),
    ),
    **dict.fromkeys("native_layer_norm native_group_norm _fused_rms_norm".split(), normalisation()),
    **dict.fromkeys("convolution _convolution".split(), convolution),
    **dict.fromkeys("avg_pool2d max_pool2d_with_indices mkldnn_max_pool2d".split(), pooling(2)),
    **dict.fromkeys("avg_pool3d max_pool3d_with_indices".split(), pooling(3)),
    **dict.fromkeys("_adaptive_avg_pool2d adaptive_max_pool2d".split(), adaptive_pooling),
    **dict.fromkeys(
        "max min mean sum var std prod any all std_mean var_mean logsumexp linalg_vector_norm".split(), reduction
    ),
    **products.RULES,
    **{name: views.moving(rule) for name, rule in views.RULES.items()},
    **dict.fromkeys(("cat", "stack"), joins.put_together),
    "embedding": joins.embedding,
}
