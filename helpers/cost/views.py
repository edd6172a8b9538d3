"""Operations that move elements and compute nothing: where the pixels lie after them. For notebook 04.

Each rule takes the arguments by name, the shape of the output and the field before; what it does not understand is
``UNKNOWN``.
"""

from helpers.cost.fields import (
    EVERYTHING,
    UNKNOWN,
    Axis,
    Field,
    Run,
    enlarged,
    even,
    holds_pixels,
    length,
    mixed,
    replaced,
    reshaped,
    windowed,
    with_dims,
)


def moving(rule):
    """Return the rule of ``helpers.cost.operations`` of one of these."""

    def priced(given, output, fields):
        field = fields.get(id(given["self"]), UNKNOWN)
        offset = output.storage_offset() - given["self"].storage_offset()  # of a view: where it begins
        given = given | {"offset": offset}
        return None, 0, rule(given, tuple(output.shape), field) if field.dims else UNKNOWN

    return priced


def view(given, shape, field):
    return reshaped(field, shape)


def permute(given, shape, field):
    return with_dims(field, [field.dims[dim] for dim in given["dims"]])


def transpose(given, shape, field):
    dims = list(field.dims)
    first, second = (given["dim0"], given["dim1"]) if "dim0" in given else (0, -1)
    dims[first], dims[second] = dims[second], dims[first]
    return with_dims(field, dims)


def unsqueeze(given, shape, field):
    dims = list(field.dims)
    dims.insert(given["dim"] % len(shape), ())
    return with_dims(field, dims)


def squeeze(given, shape, field):
    dims = given.get("dim", range(len(field.dims)))
    dims = {dim % len(field.dims) for dim in ([dims] if isinstance(dims, int) else dims)}
    single = {dim for dim in dims if all(run.count == 1 for run in field.dims[dim])}
    return with_dims(field, [runs for dim, runs in enumerate(field.dims) if dim not in single])


def expand(given, shape, field):
    dims = [()] * (len(shape) - len(field.dims)) + list(field.dims)
    grown = [all(run.count == 1 for run in runs) and size > 1 for runs, size in zip(dims, shape, strict=True)]
    return with_dims(field, [(Run(None, n),) if g else d for d, n, g in zip(dims, shape, grown, strict=True)])


def repeat(given, shape, field):
    dims = [()] * (len(shape) - len(field.dims)) + list(field.dims)
    if any(times > 1 and holds_pixels(runs) for times, runs in zip(given["repeats"], dims, strict=True)):
        return UNKNOWN
    return with_dims(field, [d if holds_pixels(d) else (Run(None, n),) for d, n in zip(dims, shape, strict=True)])


def select(given, shape, field):
    dims, dim = list(field.dims), given["dim"] % len(field.dims)
    runs = dims.pop(dim)
    if any(run.axis == EVERYTHING for run in runs):
        return with_dims(mixed(field, [dim]), dims) if field.size == field.hull else UNKNOWN
    if holds_pixels(runs) and field.axes:
        field = windowed(field, dim, 1, 1, 1, 1, -first(given, dim))
    return with_dims(field, dims) if field.dims else UNKNOWN


def slices(given, shape, field):
    """A crop has fewer elements side by side, a step makes their jump larger."""
    dim, step = given.get("dim", 0), given.get("step", 1)
    return windowed(field, dim, 1, step, 1, shape[dim], -first(given, dim))


def first(given, dim):
    """Return which of the elements along ``dim`` is the first in a view."""
    return given["offset"] // max(given["self"].stride(dim), 1)


def restrided(given, shape, field):
    """``as_strided`` may move anything; known is what has but one pixel, in the same shape."""
    alone = all(run.axis is None or run.count == 1 for runs in field.dims for run in runs)
    return field if alone and [length(runs) for runs in field.dims] == list(shape) else UNKNOWN


def chosen(given, shape, field):
    """Elements along a dimension chosen, in another order or summed up: known where it holds no pixels."""
    dims = given["dims"] if "dims" in given else [given.get("dim", 1)]
    if not dims or any(holds_pixels(field.dims[dim]) for dim in dims):
        return UNKNOWN
    return with_dims(field, [d if holds_pixels(d) else (Run(None, n),) for d, n in zip(field.dims, shape, strict=True)])


def indexed(given, shape, field):
    """``x[:, index]``, with one index."""
    at = [dim for dim, index in enumerate(given["indices"]) if index is not None]
    if len(at) != 1 or given["indices"][at[0]].dim() != 1:
        return UNKNOWN
    return chosen({"dim": at[0]}, shape, field)


def padded(given, shape, field):
    """What is put around pixels continues them; a negative number crops."""
    around = given["pad"] if "pad" in given else given["padding"]  # (left, right, top, bottom, …)
    for i, before in enumerate(around[::2]):
        dim = len(shape) - 1 - i
        field = windowed(field, dim, 1, 1, 1, shape[dim], before)
    return field


def windows(given, shape, field):
    """``x.unfold(dim, size, step)``: windows side by side, what is in each along a dimension of its own."""
    dim = given["dimension"] % len(field.dims)
    return _opened(field, dim, given["size"], given["step"], 1, shape[dim], len(field.dims))


def _opened(field, dim, size, step, dilation, count, to):
    runs = field.dims[dim] if field.dims else ()
    if not holds_pixels(runs):
        dims = list(field.dims)
        dims[dim] = (Run(None, count),)
        dims.insert(to, (Run(None, size),))
        return field._replace(dims=tuple(map(tuple, dims))) if field.dims else UNKNOWN
    if len(runs) != 1 or runs[0].axis == EVERYTHING or not even(field, runs[0].axis):
        return UNKNOWN
    axis, _, stride = runs[0]
    dims = list(field.dims)
    dims[dim] = (Run(axis, count, stride * step),)
    dims.insert(to, (Run(axis, size, stride * dilation),))
    return Field(field.axes, tuple(dims), field.hull) if size > 1 else with_dims(field, dims)


def im2col(given, shape, field):
    """The windows of a convolution, written out to be multiplied later: (N, C · kernel, windows)."""
    kernel, stride, dilation, padding = (given[key] for key in ("kernel_size", "stride", "dilation", "padding"))
    if len(field.dims) != 4:
        return UNKNOWN
    counts = []
    for i in (0, 1):
        n = length(field.dims[2 + 2 * i]) + 2 * padding[i]
        counts.append((n - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1)
        field = windowed(field, 2 + 2 * i, 1, 1, 1, n, padding[i])
        field = _opened(field, 2 + 2 * i, kernel[i], stride[i], dilation[i], counts[i], 3 + 2 * i)
        if not field.dims:
            return UNKNOWN
    batch, channels, rows, in_row, columns, in_column = field.dims
    dims = (batch, (*channels, *in_row, *in_column), (*rows, *columns))
    return with_dims(field, dims)


def pixel_shuffle(given, shape, field):
    r = given["upscale_factor"]
    if len(shape) != 4:
        return UNKNOWN
    n, c, h, w = shape
    split = reshaped(field, (n, c, r, r, h // r, w // r))
    return reshaped(permute({"dims": (0, 1, 4, 2, 5, 3)}, (), split), shape) if split.dims else UNKNOWN


def pixel_unshuffle(given, shape, field):
    r = given["downscale_factor"]
    if len(shape) != 4:
        return UNKNOWN
    n, c, h, w = shape
    split = reshaped(field, (n, c // r**2, h, r, w, r))
    return reshaped(permute({"dims": (0, 1, 3, 5, 2, 4)}, (), split), shape) if split.dims else UNKNOWN


def resampling(taps, corner=False):
    """Return the rule of an enlargement or reduction by a whole number, each element from ``taps`` neighbours.

    ``corner``: of several it is the first, not the middle one.
    """

    def rule(given, shape, field):
        for dim in (-2, -1):
            before, after = length(field.dims[dim]) if field.dims else 0, shape[dim]
            if before == after:
                continue
            if before == 1:  # all as the one
                field = replaced(field, dim, (Run(None, after),))
                continue
            if not field.dims or taps > 1 and given.get("align_corners") or min(before, after) == 0:
                return UNKNOWN
            if after % before == 0:  # for an odd number of new elements the middle one is an old one
                times = after // before
                extra = 0 if taps > 1 and times % 2 else 1
                before = (taps // 2 - 1) * times + times // 2 if taps > 1 else 0
                field = enlarged(field, dim, times, after, taps, extra, before)
            elif before % after == 0:
                step = before // after
                window = taps if step % 2 == 0 else 1
                first = 0 if corner else (step - window) // 2 if taps > 1 else step // 2
                field = windowed(field, dim, window, step, 1, after, -first)
            else:
                return UNKNOWN
        return field

    return rule


def unevenly(field, dim, step):
    """Return the field with this mean step along ``dim``, in the elements of before."""
    runs = field.dims[dim] if field.dims else ()
    if len(runs) != 1 or not field.axes or runs[0].axis not in (0, 1) or not even(field, runs[0].axis):
        return UNKNOWN if holds_pixels(runs) or not field.dims else field
    i = runs[0].axis
    branches = tuple(branch._replace(step=float(branch.step * step)) for branch in field.axes[i].branches)
    return field.with_axis(i, Axis(branches, branches[0].step))


RULES = {
    **dict.fromkeys("view _unsafe_view _reshape_alias".split(), view),
    **dict.fromkeys("transpose t".split(), transpose),
    **dict.fromkeys("slice split split_with_sizes".split(), slices),
    **dict.fromkeys("select unbind".split(), select),
    **dict.fromkeys("index_select flip roll channel_shuffle".split(), chosen),
    **dict.fromkeys("cumsum cumprod sort topk".split(), chosen),
    **dict.fromkeys("constant_pad_nd reflection_pad2d replication_pad2d".split(), padded),
    "upsample_nearest2d": resampling(1, corner=True),
    "_upsample_nearest_exact2d": resampling(1),
    "upsample_bilinear2d": resampling(2),
    "upsample_bicubic2d": resampling(4),
    "permute": permute,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "expand": expand,
    "repeat": repeat,
    "as_strided": restrided,
    "index": indexed,
    "unfold": windows,
    "im2col": im2col,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}
