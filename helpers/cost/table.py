"""The table: what each layer costs, a row each, and the whole. Notebook 03 reads one row by row.

For what is counted, and how, see ``helpers.cost``.
"""

import math
import operator
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Cost:
    """What one layer costs (for the units see the top of this module).

    ``kind`` of a convolution is every word that applies, in this order: "transposed", "dilated", then "depthwise" (one
    group for every input channel) or else "grouped", "pointwise" (1×1), and "standard" where none does. No word
    displaces another: dilated and depthwise is "dilated depthwise"; "deformable" stands before them. The other kinds
    are "linear" (any matrix product), "attention", "batchnorm", "activation", "pooling"; "other", any other use of
    parameters; "unused", parameters without a use.
    ``output_shape`` is without the batch: ``(C, H, W)``, or ``(features,)`` of a linear layer. ``receptive_field`` and
    ``jump`` are None where they are not known.
    """

    name: str
    kind: str
    params: int
    macs: int
    activations: int
    bytes: int
    output_shape: tuple
    receptive_field: int | float | tuple | None
    jump: int | float | tuple | None

    @property
    def arithmetic_intensity(self):
        """FLOPs per byte moved."""
        return 2 * self.macs / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class NetworkCost:
    """The costs of a network: ``layers``, a list of ``Cost`` in the order in which they ran, and ``total``, their sum.

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
        sight = (times(c.receptive_field), times(c.jump))
        lines.append((c.name, c.kind, times(c.output_shape), *counts, f"{c.arithmetic_intensity:.1f}", *sight))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligns = [str.ljust] * 3 + [str.rjust] * 7
    return "\n".join("  ".join(f(*c) for f, *c in zip(aligns, line, widths, strict=True)).rstrip() for line in lines)


def conv_kind(in_channels, groups, kernel, dilation, transposed=False):
    words = {
        "transposed": transposed,
        "dilated": any(d > 1 < k for k, d in zip(kernel, dilation, strict=True)),
        "depthwise": groups == in_channels > 1,
        "grouped": 1 < groups < in_channels,
        "pointwise": math.prod(kernel) == 1,
    }
    return " ".join(word for word, applies in words.items() if applies) or "standard"


def integer(name, value, least=1):
    try:
        if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":  # Python's own, and NumPy's
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def pair(name, value, least=1):
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or a pair (height, width), not {value!r}")
    return tuple(integer(name, number, least) for number in pair)


def single(pair):
    """Return the number that both entries of a pair are, or the pair where they differ; None where one is unknown."""
    if None in pair:
        return None
    height, width = (int(number) if number == int(number) else number for number in pair)
    return height if height == width else (height, width)


def times(numbers):
    """Return "3" for 3, "16×32×32" for (16, 32, 32), and "?" for None."""
    if numbers is None:
        return "?"
    numbers = numbers if isinstance(numbers, tuple) else (numbers,)
    return "×".join(f"{number:.6g}" if isinstance(number, float) else str(number) for number in numbers)
