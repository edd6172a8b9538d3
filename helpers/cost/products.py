"""Matrix products: what they multiply, and how far they see, by the dimensions that are summed. For notebook 03.

Rules of ``helpers.cost.operations``: of the arguments by name, the output, and what each tensor of the image sees.
"""

from helpers.cost.fields import BLIND, EVERYTHING, UNKNOWN, Axis, Branch, Field, Run, holds_pixels, hull, mixed
from helpers.cost.joins import joined


def product(first, second, kept, macs=lambda a, b: a.numel() * (b.shape[-1] if b.dim() > 1 else 1), added=None):
    """Return the rule of the product of two arguments, to which the argument ``added`` is added.

    ``kept``: for each of the two, the dimensions of the product by its own; over the others it is summed.
    """

    def rule(given, output, fields):
        factors, shape = (given[first], given[second]), tuple(output.shape)
        pairs = [(fields[id(t)], k) for t, k in zip(factors, kept, strict=True) if id(t) in fields]
        field = _multiplied([_factor(field, k, shape) for field, k in pairs], shape) if pairs else BLIND
        if added and id(given[added]) in fields:
            own = [(field, shape)] if pairs else []
            own.append((fields[id(given[added])], tuple(given[added].shape)))
            field = joined(*zip(*own, strict=True), shape)
        return "linear", macs(*factors), field

    return rule


def _factor(field, kept, shape):
    """Return what one factor brings into a product of this shape, and whether that is all that it holds."""
    summed = [dim for dim in range(len(field.dims)) if dim not in kept]
    gone, stays = (
        [run.axis for dim in dims for run in field.dims[dim] if run.axis is not None] for dims in (summed, kept)
    )
    field = mixed(field, summed)
    dims = [(Run(None, size),) for size in shape]
    for dim, to in kept.items() if field.dims else ():
        dims[to] = field.dims[dim] if holds_pixels(field.dims[dim]) else dims[to]
    return field._replace(dims=tuple(dims)), EVERYTHING in gone or bool(gone) and not stays


def _multiplied(factors, shape):
    fields = [field for field, _ in factors]
    if len(fields) == 1:
        return fields[0]
    hulls = [hull(field) for field in fields]
    most = None if None in hulls else tuple(map(max, zip(*hulls, strict=True)))
    if any(whole for _, whole in factors):  # every element sees everything and has no neighbours
        jumps = [max(f.axes[i].jump for f, whole in factors if whole and f.axes) for i in (0, 1)]
        axes = tuple(Axis((Branch(n, n),), jump, False) for n, jump in zip(most, jumps, strict=True)) if most else None
        return Field(axes, tuple((Run(None, n),) for n in shape)) if most else UNKNOWN
    paired = [[dim for dim, runs in enumerate(field.dims) if holds_pixels(runs)] for field in fields]
    if most and all(len(dims) == 1 for dims in paired) and paired[0] != paired[1]:  # every pair of pixels
        dims = [(Run(EVERYTHING if [i] in paired else None, n),) for i, n in enumerate(shape)]
        return Field(None, tuple(dims), most)
    return joined(fields, [shape] * len(fields), shape)


def attention(given, output, fields):
    query, key, value = given["query"], given["key"], given["value"]
    macs = query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    shape, dims = tuple(output.shape), range(output.dim())
    kept = {id(query): dims[:-1], id(key): dims[:-2], id(value): [*dims[:-2], dims[-1]]}
    found = [(fields[id(t)], {dim: dim for dim in kept[id(t)]}) for t in (query, key, value) if id(t) in fields]
    if any(t.dim() != output.dim() for t in (query, key, value)) or not found:
        return "attention", macs, UNKNOWN
    return "attention", macs, _multiplied([_factor(field, k, shape) for field, k in found], shape)


def trilinear(given, output, fields):
    """Of ``nn.Bilinear``: the products of each pair of features by its weight."""
    _, _, field = product("i1", "i3", (_ROWS, _ROWS))(given, output, fields)
    return "linear", given["i2"].numel() * (output.numel() // output.shape[-1]), field


_ROWS, _COLUMNS = {0: 0}, {1: 1}
RULES = {
    "mm": product("self", "mat2", (_ROWS, _COLUMNS)),
    "addmm": product("mat1", "mat2", (_ROWS, _COLUMNS), added="self"),
    "_addmm_activation": product("mat1", "mat2", (_ROWS, _COLUMNS), added="self"),
    "bmm": product("self", "mat2", ({0: 0, 1: 1}, {0: 0, 2: 2})),
    "baddbmm": product("batch1", "batch2", ({0: 0, 1: 1}, {0: 0, 2: 2}), added="self"),
    "addbmm": product("batch1", "batch2", ({1: 0}, {2: 1}), added="self"),
    "mv": product("self", "vec", (_ROWS, {})),
    "addmv": product("mat", "vec", (_ROWS, {}), added="self"),
    "dot": product("self", "tensor", ({}, {})),
    "vdot": product("self", "other", ({}, {})),
    "_trilinear": trilinear,
}
