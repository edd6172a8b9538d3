"""What is seen where tensors meet: added, concatenated, written into each other. For notebook 04."""

from math import nan

from helpers.cost import views
from helpers.cost.fields import (
    BLIND,
    EVERYTHING,
    UNKNOWN,
    Axis,
    Branch,
    Field,
    Run,
    anywhere,
    even,
    holds_pixels,
    hull,
    pitch_of,
    regular,
    with_dims,
)


def joined(fields, shapes, shape):
    """Return the field where tensors of ``shapes`` meet element by element in one of ``shape``.

    What sees the same everywhere, as a mean, has no neighbours of its own.
    """
    if not fields or UNKNOWN in fields:
        return UNKNOWN if fields else BLIND
    dims, held = _side_by_side(fields, shapes, shape)
    if not dims:  # perhaps one of them holds rows that are repeated, the other the finer grid
        fields = [regular(field) for field in fields]
        dims, held = _side_by_side(fields, shapes, shape)
    if not dims and shape or any(not field.axes and not field.hull for field in fields):
        return UNKNOWN
    kept = [run.axis for runs in dims for run in runs]
    if any(own.count(i) not in (0, kept.count(i)) for own in held for i in (0, 1)):
        return UNKNOWN  # one has windows of what the other has single elements of
    hulls = [hull(field) for field in fields] if EVERYTHING in kept else []
    together = None if None in hulls or not hulls else tuple(map(max, zip(*hulls, strict=True)))
    field = Field(None, tuple(dims), together)
    if any(not field.axes for field in fields):
        return field
    axes = [_largest([(f.axes[i], i in h) for f, h in zip(fields, held, strict=True)], field.count(i)) for i in (0, 1)]
    return with_dims(field._replace(axes=tuple(axes)), dims) if all(axes) else UNKNOWN


def _side_by_side(fields, shapes, shape):
    """Return the runs of every dimension, none where they differ, and of each field the axes of those it holds."""
    dims, held = [], [[] for _ in fields]
    for dim, size in enumerate(shape):
        along = set()
        for field, own, axes in zip(fields, shapes, held, strict=True):
            at = dim - len(shape) + len(own)
            runs = tuple(field.dims[at]) if field.dims and at >= 0 and own[at] == size else ()
            along |= {runs} if holds_pixels(runs) else set()
            axes += [run.axis for run in runs]
        if len(along) > 1:
            return [], held
        dims.append(along.pop() if along else (Run(None, size),))
    return dims, held


def _largest(axes, count):
    """Return what some (axis, whether its elements lie side by side) see together; None where it is not certain.

    What stands alone must see the whole grid, as a mean does.
    """
    if len(axes) > 1 and any(axis.placed is None for axis, _ in axes):
        return None
    grids = [axis for axis, side_by_side in axes if side_by_side]
    alone = [axis for axis, side_by_side in axes if not side_by_side and axis.size(1) != 0]
    grid = _united(grids) if grids else _alone(alone) if alone else axes[0][0]
    if not grid or not grids or not alone:
        return grid
    pitch = pitch_of(grid.branches[0])
    first, last = (sum(grid.seen(i) or (nan,)) / 2 for i in (0, count - 1))
    for axis in alone:
        low, high = axis.seen(0)
        if not axis.placed:  # it may lie where it serves best
            low, high = first, first + high - low
        if not low - pitch <= first <= last <= high + pitch:
            return None
    # From the largest a window goes on in the steps of the grid.
    more = max(0, max(axis.size(1) for axis in alone) - grid.size(count))
    return grid._replace(branches=tuple(b._replace(base=b.base + more, low=b.low - more / 2) for b in grid.branches))


def _united(grids):
    """Of grids of the same jump an element sees all from the first to the last pixel that it sees in one of them."""
    branches = tuple(dict.fromkeys(branch for axis in grids for branch in axis.branches))
    if len(grids) == 1 or len(branches) == 1:
        return grids[0]
    if len({pitch_of(branch) for branch in branches}) > 1 or any(isinstance(branch.step, float) for branch in branches):
        return None
    if all(branch.repeat == 1 for branch in branches):
        branches = (_together(grids),)
    return Axis(branches, max(axis.jump for axis in grids))


def _alone(axes):
    """Of those that have no neighbours an element sees all there is; the largest where it is not known where."""
    if len(axes) == 1 or not all(axis.placed for axis in axes):
        return max(axes, key=lambda axis: (axis.size(1), axis.jump))
    return Axis((_together(axes),), max(axis.jump for axis in axes))


def _together(axes):
    """Return what the first elements of all of them see, as one branch."""
    lows, highs = zip(*(axis.seen(0) for axis in axes), strict=True)
    return Branch(max(highs) - min(lows) + 1, axes[0].branches[0].step, min(lows))


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
        pairs = [(Field(f.axes and anywhere(f).axes, tuple(everything), together), shape) for f, _ in pairs]
    field = joined(*zip(*pairs, strict=True), shape)
    if output.dim() > tensors[0].dim() and not any(f.size == field.size for f, _ in pairs):
        field = UNKNOWN  # stacked they may become neighbours, and they do not see the same
    return None, 0, field


def embedding(given, output, fields):
    field = fields.get(id(given["indices"]), UNKNOWN)
    if id(given["weight"]) in fields or not field.dims:
        return None, 0, UNKNOWN
    return None, 0, with_dims(field, [*field.dims, (Run(None, output.shape[-1]),)])


def by_strides(tensor, other, field):
    """Return what ``tensor`` sees of a view ``other`` of the same memory, which has this field, by the same strides."""
    dims = [(Run(None, n),) for n in tensor.shape]
    offset = other.storage_offset() - tensor.storage_offset()
    told = offset == 0 or offset > 0 and tensor.is_contiguous()  # whether it tells where in the tensor the view begins
    for dim, runs in enumerate(field.dims):
        at = [i for i, n in enumerate(tensor.shape) if n > 1 and tensor.stride(i) == other.stride(dim)]
        if not holds_pixels(runs) or other.shape[dim] == 1:
            continue
        if len(at) != 1 or tensor.shape[at[0]] != other.shape[dim] and len(runs) > 1:
            return UNKNOWN
        (axis, _, apart), size = runs[0], tensor.shape[at[0]]
        if axis in (0, 1) and field.axes:
            if not told and not even(field, axis):
                return UNKNOWN
            moved = field.axes[axis].widened(0, offset // tensor.stride(at[0]) % size * apart)
            if not told or 2 * other.shape[dim] <= size:  # another may lie beside it, and see something else
                moved = moved._replace(placed=None)
            field = field.with_axis(axis, moved)
        dims[at[0]] = runs if size == other.shape[dim] else (Run(axis, size, apart),)
    return field._replace(dims=tuple(dims)) if field.dims else UNKNOWN
