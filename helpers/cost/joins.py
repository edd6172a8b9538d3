"""What is seen where tensors meet: added, concatenated, written into each other. For notebook 04."""

from math import prod

from helpers.cost import views
from helpers.cost.fields import (
    BLIND,
    EVERYTHING,
    UNKNOWN,
    Axis,
    Branch,
    Field,
    Run,
    holds_pixels,
    hull,
    pitch_of,
    with_dims,
)


def joined(fields, shapes, shape):
    """Return the field where tensors of ``shapes`` meet element by element in one of ``shape``; the largest counts.

    Paths are taken to be centred on each other. What sees the same everywhere, as a mean, has no neighbours of its own.
    """
    dims, held = [], [set() for _ in fields]
    if not fields or UNKNOWN in fields:
        return UNKNOWN if fields else BLIND
    for dim, size in enumerate(shape):
        along = set()
        for field, own, axes in zip(fields, shapes, held, strict=True):
            at = dim - len(shape) + len(own)
            runs = tuple(field.dims[at]) if field.dims and at >= 0 and own[at] == size else ()
            along |= {runs} if holds_pixels(runs) else set()
            axes |= {run.axis for run in runs}
        if len(along) > 1:
            return UNKNOWN
        dims.append(along.pop() if along else (Run(None, size),))
    if any(not field.axes and not field.hull for field in fields):
        return UNKNOWN
    kept = {run.axis for runs in dims for run in runs}
    hulls = [hull(field) for field in fields] if EVERYTHING in kept else []
    together = None if None in hulls or not hulls else tuple(map(max, zip(*hulls, strict=True)))
    if any(not field.axes for field in fields):
        return Field(None, tuple(dims), together)
    counts = [prod(run.count for runs in dims for run in runs if run.axis == i) for i in (0, 1)]
    axes = [_largest([(f.axes[i], i in own) for f, own in zip(fields, held, strict=True)], counts[i]) for i in (0, 1)]
    return with_dims(Field(tuple(axes), (), together), dims) if all(axes) else UNKNOWN


def _largest(axes, count):
    """Return what some (axis, whether its elements lie side by side) see together; None where it is not certain.

    Of grids of the same jump an element sees all from the first to the last pixel that it sees in one of them.
    What stands alone must see the whole grid, as a mean does.
    """
    grids, alone = ([axis for axis, side_by_side in axes if side_by_side is which] for which in (True, False))
    grid = _united(grids or alone, bool(grids)) if len(grids or alone) > 1 else (grids or alone)[0]
    if not grid or not grids:
        return grid
    pitch, most = pitch_of(grid.branches[0]), max(axis.size for axis, _ in axes)
    for axis in alone if grid.start is not None else ():
        reach = (axis.size - 1) / 2 + pitch
        if axis.start is not None and not axis.start - reach <= grid.start <= axis.start + reach - (count - 1) * pitch:
            return None
    if most > grid.size:  # from there a window goes on in the steps of the grid
        grid = grid._replace(branches=tuple(b._replace(base=b.base + most - grid.size) for b in grid.branches))
    return grid


def _united(axes, side_by_side):
    branches = tuple(dict.fromkeys(branch for axis in axes for branch in axis.branches))
    starts, jump = [axis.start for axis in axes], max(axis.jump for axis in axes)
    if side_by_side and len({pitch_of(branch) for branch in branches}) > 1:
        return None
    if None in starts:  # alone: of all that there is
        return None if side_by_side else max(axes, key=lambda axis: (axis.size, axis.jump))
    if any(branch.repeat > 1 for branch in branches):
        return Axis(branches, jump, starts[0]) if max(starts) - min(starts) < 1e-6 else None
    if any(isinstance(branch.step, float) for branch in branches):
        return None
    first = min(axis.start - (axis.size - 1) / 2 for axis in axes)
    last = max(axis.start + (axis.size - 1) / 2 for axis in axes)
    return Axis((Branch(int(last - first) + 1, branches[0].step),), jump, (first + last) / 2)


def put_together(given, output, fields):
    """``cat`` and ``stack``."""
    tensors, dim, shape = given["tensors"], given["dim"] % output.dim(), tuple(output.shape)
    pairs = [(fields[id(t)], tuple(t.shape)) for t in tensors if id(t) in fields]
    if output.dim() > tensors[0].dim():
        pairs = [(views.unsqueeze({"dim": dim}, shape, f), (*s[:dim], 1, *s[dim:])) for f, s in pairs]
    along = [holds_pixels(field.dims[dim]) if field.dims else False for field, _ in pairs]
    if not pairs:
        return None, 0, UNKNOWN
    if any(along):  # the order of the pixels is lost, but all are still there
        elsewhere = any(holds_pixels(runs) for f, _ in pairs for i, runs in enumerate(f.dims) if i != dim)
        hulls = [hull(field) for field, _ in pairs]
        if elsewhere or None in hulls:
            return None, 0, UNKNOWN
        together = tuple(map(max, zip(*hulls, strict=True)))
        everything = [(Run(EVERYTHING if i == dim else None, n),) for i, n in enumerate(shape)]
        axes = [f.axes and tuple(axis._replace(start=None) for axis in f.axes) for f, _ in pairs]
        pairs = [(Field(a, tuple(everything), together), shape) for a in axes]
    return None, 0, joined(*zip(*pairs, strict=True), shape)


def embedding(given, output, fields):
    field = fields.get(id(given["indices"]), UNKNOWN)
    if id(given["weight"]) in fields or not field.dims:
        return None, 0, UNKNOWN
    return None, 0, with_dims(field, [*field.dims, (Run(None, output.shape[-1]),)])


def by_strides(tensor, other, field):
    """Return what ``tensor`` sees of a view ``other`` of the same memory, which has this field, by the same strides."""
    dims = [(Run(None, n),) for n in tensor.shape]
    axes, offset = list(field.axes or ()), other.storage_offset() - tensor.storage_offset()
    for dim, runs in enumerate(field.dims):
        at = [i for i, n in enumerate(tensor.shape) if n > 1 and tensor.stride(i) == other.stride(dim)]
        if not holds_pixels(runs) or other.shape[dim] == 1:
            continue
        if len(at) != 1 or tensor.shape[at[0]] != other.shape[dim] and len(runs) > 1:
            return UNKNOWN
        size = tensor.shape[at[0]]
        if runs[0].axis in (0, 1) and axes:
            first = offset // tensor.stride(at[0]) % size  # where the view begins in the tensor
            axis = axes[runs[0].axis].moved(-first * runs[0].stride)
            axes[runs[0].axis] = axis if tensor.is_contiguous() else axis._replace(start=None)
        dims[at[0]] = runs if size == other.shape[dim] else (Run(runs[0].axis, size, runs[0].stride),)
    return field._replace(axes=tuple(axes) or None, dims=tuple(dims)) if field.dims else UNKNOWN
