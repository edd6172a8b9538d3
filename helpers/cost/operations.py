"""What one operation of a forward pass costs and how far it sees, by its name in PyTorch: the rules of the counter.

To teach ``helpers.cost.counter`` a new operation, add its rule here. Notebook 03 shows what comes out.
"""

import math
import operator
from typing import NamedTuple

import torch

from helpers.cost.table import conv_kind


class Field(NamedTuple):
    """What each element of a tensor sees of the image; every entry is a pair (height, width)."""

    size: tuple  #: the pixels that reach one element
    jump: tuple  #: the pixels from one element to the next
    positions: tuple  #: how many elements lie side by side

    def slide(self, kernel, stride, dilation, positions):
        """Return the field after a window of ``kernel`` taps, ``dilation`` apart, that moves by ``stride``."""
        size = (s + (k - 1) * d * j for s, k, d, j in zip(self.size, kernel, dilation, self.jump, strict=True))
        return Field(tuple(size), tuple(map(operator.mul, self.jump, stride)), tuple(positions))

    def mix(self, axes=(0, 1)):
        """Return the field after all that lay side by side along ``axes`` has come together in one element."""
        window = [n if axis in axes else 1 for axis, n in enumerate(self.positions)]
        return self.slide(window, window, (1, 1), map(operator.floordiv, self.positions, window))


BLIND = Field((0, 0), (0, 0), (1, 1))  # of what was not computed from the image


def largest(fields):
    """Return the field with the largest of every entry; None where there are no fields.

    An element that stands alone has no neighbours: where it spreads over a grid, the grid's jump holds.
    """
    if fields:
        sizes, _, positions = (tuple(map(max, zip(*pairs, strict=True))) for pairs in zip(*fields, strict=True))
        jump = [max(f.jump[i] for f in fields if f.positions[i] > 1 or positions[i] == 1) for i in (0, 1)]
        return Field(sizes, tuple(jump), positions)


# The names of the two factors of each matrix product.
_PRODUCTS = {
    "mm": ("self", "mat2"), "bmm": ("self", "mat2"), "mv": ("self", "vec"), "dot": ("self", "tensor"),
    "addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2"), "addmv": ("mat", "vec"), "linear": ("input", "weight"),
}  # fmt: skip
_ACTIVATIONS = set(
    "relu relu6 leaky_relu elu celu gelu silu mish glu sigmoid log_sigmoid_forward tanh threshold softplus "
    "hardtanh hardsigmoid hardswish hardshrink softshrink _prelu_kernel rrelu_with_noise _softmax _log_softmax "
    "_safe_softmax".split()
)
# How many neighbours make one element of the new grid; 0: as many as it is coarser.
_RESAMPLINGS = {"upsample_nearest2d": 1, "_upsample_nearest_exact2d": 1, "upsample_bilinear2d": 2}
_RESAMPLINGS |= {"upsample_bicubic2d": 4, "pixel_shuffle": 1, "pixel_unshuffle": 0}


def two(numbers):
    """Return (3, 3) of (3,) and of (3, 3): torch takes one number for both directions."""
    return tuple(numbers) * 2 if len(numbers) == 1 else tuple(numbers)


def price(func, given, output, field, seen):
    """Return (kind, MACs, field of the output) of one operation; the kind is None where it is no row.

    ``given``: its arguments by name; ``field``: the largest of what they see; ``seen``: what each sees, by id.
    """
    name = func.overloadpacket.__name__.rstrip("_")
    if name in ("convolution", "_convolution"):
        image, weight, stride, dilation = (given[key] for key in ("input", "weight", "stride", "dilation"))
        kernel, transposed = weight.shape[2:], given["transposed"]
        kind = conv_kind(image.shape[1], given["groups"], kernel, dilation, transposed)
        grid = image if transposed else output  # each of its pixels meets every weight once
        macs = weight.numel() * (grid.numel() // grid.shape[1])
        if len(kernel) != 2:
            return kind, macs, field.mix()
        stride, dilation = two(stride), two(dilation)
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
        return "pooling", 0, field.slide(two(kernel), two(stride), two(given.get("dilation") or (1, 1)), after)
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
