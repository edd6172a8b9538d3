"""Receptive fields: what each element of a tensor sees of the image, followed by where its pixels lie. For notebook 04.

A tensor's dimensions hold runs of pixels: of images ``(N, C, H, W)`` the third holds the rows, the fourth the columns.
Reshaped to ``(N, C, H · W)`` the third holds both, one after the other; a view cuts runs and a permutation moves them.
So a reduction, a product or a convolution is judged by what lies along the dimensions that it brings together.
Where that is not certain the field is ``UNKNOWN``, and all that is computed from it, too.
"""

from math import lcm, prod
from typing import NamedTuple

EVERYTHING = "*"  # the axis of a run that holds all pixels there are, in an order that is not known


class Run(NamedTuple):
    """``count`` elements side by side along a dimension, or along a part of it."""

    axis: int | str | None  #: 0: rows of the image, 1: columns, None: no pixels (channels), or ``EVERYTHING``
    count: int
    stride: int = 1  #: the elements of the axis' grid from one to the next; not 1 where a view has cut the axis


class Branch(NamedTuple):
    """What elements in a row see on one path. Where a map was enlarged, ``repeat`` elements stand for one before it.

    A window of several such elements sees those before that it meets, which depends on where it lies.
    """

    base: int  #: the pixels that one element of the map before sees
    step: int | float  #: the pixels from one of them to the next; a float where they are not evenly spaced
    low: float = 0  #: the first pixel that the first of them sees
    repeat: int = 1
    taps: int = 1  #: how many elements have come together in one since the map was enlarged
    first: int = 0  #: the first of these in the first element

    def seen(self, i):
        """Return the first and the last pixel that element ``i`` sees; None where it sees none."""
        first, last = (i + self.first) // self.repeat, (i + self.first + self.taps - 1) // self.repeat
        return (self.low + first * self.step, self.low + last * self.step + self.base - 1) if first <= last else None

    def widened(self, elements, before=0):
        """Return the branch after a window of so many more elements, the first of them ``before`` the first."""
        if self.repeat == 1:
            return self._replace(base=self.base + elements * self.step, low=self.low - before * self.step)
        return self._replace(taps=self.taps + elements, first=self.first - before)

    def strided(self, stride):
        """Return the branch of every ``stride``-th element; None where it is not certain what they meet."""
        if self.repeat == 1:
            return self._replace(step=self.step * stride)
        if stride % self.repeat == 0 and self.seen(0):  # all see as the first
            low, high = self.seen(0)
            return Branch(high - low + 1, self.step * stride // self.repeat, low)
        if self.repeat % stride == 0:
            first, last = self.first // stride, (self.first + self.taps - 1) // stride
            return self._replace(repeat=self.repeat // stride, taps=last - first + 1, first=first)
        return None


class Axis(NamedTuple):
    """What an element sees in one direction, on one path or on several together, all of the same jump."""

    branches: tuple
    jump: int | float  #: the pixels from one element to the next, or of all where none lie side by side any longer
    placed: bool | None = True  #: whether it is known where in the image they lie; None for a part of what there is

    def seen(self, i):
        """Return the first and the last pixel that element ``i`` sees; None where it sees none."""
        seen = [pixels for branch in self.branches if (pixels := branch.seen(i))]
        return (min(low for low, _ in seen), max(high for _, high in seen)) if seen else None

    def size(self, count):
        """Return the most pixels that one of ``count`` elements in a row sees."""
        repeat = lcm(*(branch.repeat for branch in self.branches))  # after so many they see the same, further on
        seen = [pixels for i in range(min(repeat, count)) if (pixels := self.seen(i))]
        return max((round(high - low) + 1 for low, high in seen), default=0)

    def widened(self, elements, before=0):
        """Return the axis after a window of so many more elements, the first of them ``before`` the first there was."""
        return self._replace(branches=tuple(branch.widened(elements, before) for branch in self.branches))


class Field(NamedTuple):
    """What each element of a tensor sees: the axes (height, width), and the runs of every dimension of the tensor.

    ``hull``: (height, width) of what all elements see together, noted where the order of the pixels is lost.
    """

    axes: tuple | None
    dims: tuple = ()
    hull: tuple | None = None

    def with_axis(self, i, axis):
        return self._replace(axes=tuple(axis if j == i else other for j, other in enumerate(self.axes)))

    def count(self, axis):
        """Return the elements in a row, of an axis, from the first to the last."""
        return 1 + sum((run.count - 1) * run.stride for runs in self.dims for run in runs if run.axis == axis)

    @property
    def size(self):
        return tuple(axis.size(self.count(i)) for i, axis in enumerate(self.axes)) if self.axes else (None, None)

    @property
    def jump(self):
        field = regular(self)
        runs = [run.axis for runs in field.dims for run in runs]
        if not field.axes or EVERYTHING in runs:
            return None, None
        return tuple(None if runs.count(i) > 1 else axis.jump for i, axis in enumerate(field.axes))


UNKNOWN = Field(None)
BLIND = Field((Axis((Branch(0, 0),), 0),) * 2)  # of what was not computed from the image


def of_image(shape):
    """Return the field of images ``(N, C, H, W)``: every element sees its own pixel."""
    axis = Axis((Branch(1, 1),), 1)
    return Field((axis, axis), tuple((Run(i, n),) for i, n in zip((None, None, 0, 1), shape, strict=True)))


def checked(field, shape):
    """Return the field, ``UNKNOWN`` where its dimensions are not those of the shape."""
    return field if [length(runs) for runs in field.dims] == list(shape) else UNKNOWN


def length(runs):
    return prod(run.count for run in runs)


def holds_pixels(runs):
    return any(run.axis is not None for run in runs)


def hull(field):
    """Return (height, width) of what all elements together see; None where it is not known."""
    if field.hull or not field.axes:
        return field.hull
    together = mixed(field, range(len(field.dims)))
    return together.size if together.axes else None


def with_dims(field, dims):
    """Return the field with these dimensions, its grids such that an axis in one piece has a stride of 1."""
    field = field._replace(dims=tuple(map(tuple, dims)))
    for i in (0, 1) if field.axes else ():
        runs = [run for runs in field.dims for run in runs if run.axis == i]
        if len(runs) == 1:
            branches = tuple(branch.strided(runs[0].stride) for branch in field.axes[i].branches)
            if None in branches:
                return UNKNOWN
            field = field.with_axis(i, field.axes[i]._replace(branches=branches, jump=pitch_of(branches[0])))
            dims = (tuple(run._replace(stride=1) if run.axis == i else run for run in runs) for runs in field.dims)
            field = field._replace(dims=tuple(dims))
    return field


def pitch_of(branch):
    pitch = branch.step / branch.repeat
    return int(pitch) if pitch == int(pitch) else pitch


def mixed(field, dims):
    """Return the field after all that lay side by side along ``dims`` has come together; these hold nothing then."""
    dims = {dim % len(field.dims) for dim in dims}
    runs = [run for dim in dims for run in field.dims[dim]]
    if not all(run.count for run in runs):  # of nothing
        return UNKNOWN
    if any(run.axis == EVERYTHING for run in runs):
        if not field.hull:
            return UNKNOWN
        axes = tuple(Axis((Branch(n, n),), n, False) for n in field.hull)
        return Field(axes, tuple(() if holds_pixels(runs) else runs for runs in field.dims))
    for i in {run.axis for run in runs} - {None} if field.axes else ():
        more = sum((run.count - 1) * run.stride for run in runs if run.axis == i)
        axis = field.axes[i].widened(more)
        field = field.with_axis(i, axis._replace(jump=(1 + more) * pitch_of(axis.branches[0])))
    return with_dims(field, [() if dim in dims else runs for dim, runs in enumerate(field.dims)])


def windowed(field, dim, kernel, stride, dilation, count, before=0):
    """Return the field after a window of ``kernel`` taps, ``dilation`` apart, by ``stride`` along ``dim``.

    ``before``: how many elements before the first the first window begins: the padding; below 0 where a crop begins.
    """
    field = _one_grid(field, dim)
    if not field.dims:
        return field
    runs = field.dims[dim]
    if not holds_pixels(runs):
        return replaced(field, dim, (Run(None, count),))
    if not before and kernel == stride == 1 and count == length(runs):
        return field
    axis, elements, apart = runs[0]
    if len(runs) > 1 or axis == EVERYTHING or not field.axes:
        return UNKNOWN
    if uneven(field, axis) and not (kernel == elements and count == 1):
        return UNKNOWN
    wider = field.axes[axis].widened((kernel - 1) * dilation * apart, before * apart)
    return replaced(field.with_axis(axis, wider), dim, (Run(axis, count, apart * stride),))


def replaced(field, dim, runs):
    """Return the field with other runs along ``dim``."""
    dims = list(field.dims)
    dims[dim] = runs
    return with_dims(field, dims)


def regular(field):
    """Return the field with pixels that are repeated along any dimension as finer grids."""
    for dim in range(len(field.dims)):
        field = _one_grid(field, dim) if field.dims else field
    return field


def _one_grid(field, dim):
    """Return the field with pixels that are repeated along ``dim`` (3 rows, twice each) as a finer grid."""
    runs = [run for run in field.dims[dim] if run.count > 1] if field.dims else []
    if len(runs) != 2 or runs[0].axis not in (0, 1) or runs[1].axis is not None:
        return field
    return enlarged(replaced(field, dim, (runs[0],)), dim, runs[1].count, runs[0].count * runs[1].count)


def enlarged(field, dim, times, count, taps=1, extra=1, before=0):
    """Return the field on a grid ``times`` as fine along ``dim``, of ``count`` elements, each from ``taps`` before.

    ``extra``: the elements of the new grid that come together in one besides; the first of them is ``before`` it.
    """
    field = _one_grid(field, dim)
    runs = field.dims[dim] if field.dims else ()
    if times == 1 or not field.axes or len(runs) != 1 or runs[0].axis not in (0, 1) or runs[0].stride != 1:
        return field if field.axes and (times == 1 or not holds_pixels(runs)) else UNKNOWN
    i = runs[0].axis
    if uneven(field, i):
        return UNKNOWN
    branches = tuple(
        b._replace(repeat=b.repeat * times, taps=(b.taps + taps - 2) * times + extra, first=b.first * times - before)
        for b in field.axes[i].branches
    )
    finer = field.axes[i]._replace(branches=branches, jump=pitch_of(branches[0]))
    return replaced(field.with_axis(i, finer), dim, (Run(i, count),))


def anywhere(field):
    """Return the field with what an element sees of the same size, but not known where."""
    sized = zip(field.axes, field.size, strict=True)
    return field._replace(axes=tuple(Axis((Branch(n, pitch_of(a.branches[0])),), a.jump, False) for a, n in sized))


def reshaped(field, shape):
    """Return the field of the same elements in the same order as a tensor of another shape."""
    runs, dims = _merged(run for runs in field.dims for run in runs if run.count > 1), []
    for wanted in shape:
        dim = []
        while wanted > 1:
            if not runs:
                return UNKNOWN
            axis, count, stride = runs.pop(0)
            if count > wanted:  # cut: the outer part here, the inner part in the next dimension
                if axis == EVERYTHING or axis is not None and not even(field, axis):
                    return UNKNOWN
                runs.insert(0, Run(axis, count // wanted, stride))
                count, stride = wanted, stride * (count // wanted)
            elif wanted % count:
                return UNKNOWN
            dim.append(Run(axis, count, stride if axis in (0, 1) else 1))
            wanted //= count
        dims.append(_merged(dim))
    return with_dims(field, dims)


def even(field, axis):
    """Return whether the elements of an axis lie side by side as pixels do."""
    branches = field.axes[axis].branches if field.axes else ()
    return all(branch.repeat == 1 for branch in branches) and not uneven(field, axis)


def uneven(field, axis):
    """Return whether the elements of an axis are not evenly spaced."""
    branches = field.axes[axis].branches if field.axes else ()
    return any(isinstance(branch.step, float) for branch in branches)


def _merged(runs):
    """Return the runs, neighbours as one where they are."""
    done = []
    for run in runs:
        last = done[-1] if done else Run(EVERYTHING, 0)
        if last.axis == run.axis != EVERYTHING and (run.axis is None or last.stride == run.stride * run.count):
            done[-1] = Run(run.axis, last.count * run.count, run.stride)
        else:
            done.append(run)
    return done
