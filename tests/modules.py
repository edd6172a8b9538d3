"""Modules, and strategies that draw them, for the tests of helpers.cost; and a field, measured."""

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

MANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)
CONVOLUTIONS = ("standard", "pointwise", "depthwise", "grouped", "dilated", "transposed")


def one_or_pair(*values):
    """Return a strategy of numbers and of pairs (height, width) of them."""
    number = st.sampled_from(values)
    return st.one_of(number, st.tuples(number, number))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def counted_macs(module, image):
    """Return PyTorch's own count, which is in FLOPs."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(image)
    return counter.get_total_flops() / 2


class WithoutWeights(TorchFunctionMode):
    """Makes layers without memory for their weights. RegNet computes its widths with tensors: they must be real."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"device": "meta"} if function is torch.empty else kwargs))


def from_torchvision(name, **options):
    with WithoutWeights():
        return models.get_model(name, **options).to("meta")


def reached_by_gradient(features, side, size=1):
    """Return how many rows of an image of ``side``² pixels reach the middle ``size``×``size`` outputs of ``features``.

    With positive weights nothing cancels; kernels that add up to 1 keep gates, which multiply, from growing without
    end. The square that is reached must lie inside the image.
    """
    features = features.double().eval()
    with torch.no_grad():
        for parameter in features.parameters():
            parameter.abs_().add_(0.01)
            if parameter.dim() > 1:
                parameter /= parameter.sum((1, 2, 3), keepdim=True)
    image = torch.ones(1, 3, side, side, dtype=torch.double, requires_grad=True)
    output = features(image)
    middle = slice(output.shape[-1] // 2 - size // 2, output.shape[-1] // 2 + size // 2 + 1)
    output[0, 0, middle, middle].sum().backward()
    reached = image.grad.abs().sum((0, 1)) > 0
    rows, columns = reached.any(1).nonzero().flatten(), reached.any(0).nonzero().flatten()
    assert len(rows) == len(columns) == rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1
    assert 0 < rows[0] and rows[-1] < side - 1
    return len(rows)
