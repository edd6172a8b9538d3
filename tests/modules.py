"""Modules, and strategies that draw them, for the tests of helpers.cost."""

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
