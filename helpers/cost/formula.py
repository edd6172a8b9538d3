"""The formula: what one convolution costs. Notebook 03 works it out by hand before it uses it."""

import math
import operator

from helpers.cost.table import Cost, conv_kind, integer, pair, single, times


def conv_cost(
    in_channels, out_channels, kernel_size, input_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
    *, batch_size=1, element_size=4,
):  # fmt: skip
    """Return the ``Cost`` of ``nn.Conv2d`` with these arguments on an input ``(batch_size, in_channels, *input_size)``.

    ``kernel_size``, ``input_size``, ``stride``, ``padding`` and ``dilation`` are numbers or pairs (height, width);
    ``padding`` may also be "same" or "valid". MACs, activations and bytes are those of the whole batch; the receptive
    field and the jump are those of this convolution alone::

        output = floor((input + 2 · padding − dilation · (kernel − 1) − 1) / stride) + 1, in each direction
        params = out_channels · in_channels / groups · kernel height · kernel width, and out_channels more for the bias
        macs   = the same without the bias, once for every pixel of the output

    Refuses what ``nn.Conv2d`` refuses, by an error that names the value: ``TypeError`` for what is no integer (3.0 and
    ``True`` are none), for a ``bias`` that is neither ``True`` nor ``False``; ``ValueError`` for zero or negative
    sizes, negative padding, groups that do not divide both channel counts, "same" with a stride, a kernel that spans
    more than the padded input.
    """
    in_channels, out_channels = integer("in_channels", in_channels), integer("out_channels", out_channels)
    groups = integer("groups", groups)
    if str(getattr(bias, "dtype", type(bias).__name__)) != "bool":  # Python's own, or NumPy's
        raise TypeError(f"bias must be True or False, not {bias!r}")
    batch_size, element_size = integer("batch_size", batch_size), integer("element_size", element_size)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"groups must divide {name}: {groups} groups cannot share {channels} channels evenly")
    kernel, size = pair("kernel_size", kernel_size), pair("input_size", input_size)
    stride, dilation = pair("stride", stride), pair("dilation", dilation)
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"padding 'same' needs a stride of 1, not {times(stride)}: give the padding as a number")
        padded = tuple(map(operator.add, size, (s - 1 for s in span)))
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"padding must be a number, a pair, 'same' or 'valid', not {padding!r}")
    else:
        both_sides = (2 * p for p in pair("padding", 0 if padding == "valid" else padding, least=0))
        padded = tuple(map(operator.add, size, both_sides))
    if padded[0] < span[0] or padded[1] < span[1]:
        raise ValueError(
            f"a kernel of {times(kernel)} with dilation {times(dilation)} spans {times(span)} pixels, more than the "
            f"input of {times(size)}, which is {times(padded)} with its padding: enlarge the input or the padding"
        )
    output = tuple((n - s) // step + 1 for n, s, step in zip(padded, span, stride, strict=True))
    weights = out_channels * (in_channels // groups) * math.prod(kernel)
    params = weights + (out_channels if bias else 0)
    activations = batch_size * out_channels * math.prod(output)
    return Cost(
        name="",
        kind=conv_kind(in_channels, groups, kernel, dilation),
        params=params,
        macs=batch_size * weights * math.prod(output),
        activations=activations,
        bytes=element_size * (batch_size * in_channels * math.prod(size) + params + activations),
        output_shape=(out_channels, *output),
        receptive_field=single(span),
        jump=single(stride),
    )
