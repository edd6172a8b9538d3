"""The exercises of notebook 02: right answers in other forms, near misses, nonsense."""

import torch
import torch.nn.functional as F
from answers import NONSENSE, NOT_LAYERS, assert_right, assert_waits, assert_wrong, forms
from torch import nn


def test_no_gaps():
    assert_right("02.1", [(1, 3, 9), [9, 3, 1], (3, 1, 9), torch.tensor([1, 3, 9]), (1.0, 3.0, 9.0)])
    assert_wrong("02.1", [(1, 4, 8), (2, 2, 9), (1, 2, 5), (13, 0, 0), (1, 3), (1, 3, 9.5), *NONSENSE])


def test_keep_the_size():
    assert_right("02.2", forms(9.0))
    assert_wrong("02.2", [3, 6, 8, 10, 18, 9.5, *NONSENSE])


def pair(channels, out, kernel):
    depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(channels, out, 1, bias=False))


class Written(nn.Module):
    """The same by hand, with weights of its own."""

    def __init__(self, channels, out, kernel):
        super().__init__()
        self.pointwise = nn.Parameter(torch.randn(out, channels))
        self.depthwise = nn.Parameter(torch.randn(channels, 1, kernel, kernel))

    def forward(self, x):
        y = F.conv2d(x, self.depthwise, padding=self.depthwise.shape[-1] // 2, groups=x.shape[1])
        return torch.einsum("oc,nchw->nohw", self.pointwise, y)


def test_separable():
    def other_order(channels, out, kernel):
        depthwise = nn.Conv2d(out, out, kernel, padding=kernel // 2, groups=out, bias=False)
        return nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), depthwise)

    def smaller(channels, out, kernel):
        return nn.Sequential(
            nn.Conv2d(channels, channels, kernel, groups=channels, bias=False), pair(channels, out, 1)[1]
        )

    def with_bias(channels, out, kernel):
        return nn.Sequential(pair(channels, out, kernel)[0], nn.Conv2d(channels, out, 1))

    def standard(channels, out, kernel):
        return nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)

    def with_relu(channels, out, kernel):
        return nn.Sequential(pair(channels, out, kernel)[0], nn.ReLU(), pair(channels, out, kernel)[1])

    def too_far(channels, out, kernel):
        options = {"padding": kernel - 1, "dilation": 2, "groups": channels, "bias": False}
        return nn.Sequential(nn.Conv2d(channels, channels, kernel, **options), pair(channels, out, kernel)[1])

    assert_right("02.3", [pair, Written])
    assert_wrong("02.3", [with_relu], "something else is between")
    assert_wrong("02.3", [too_far], "sees too far")
    assert_wrong("02.3", [other_order, smaller, with_bias, standard, *NOT_LAYERS, *NONSENSE])
    assert_waits("02.3", [lambda channels, out, kernel: ...])


def by_parts(x, weight, d):
    """Each of the d² parts is a map of every d-th pixel; an ordinary convolution of it; all put together again."""
    result = torch.zeros(len(x), len(weight), *x.shape[2:])
    for i in range(d):
        for j in range(d):
            result[:, :, i::d, j::d] = F.conv2d(x[:, :, i::d, j::d], weight, padding=1)
    return result


def test_dilated_by_parts():
    def by_a_larger_kernel(x, weight, d):
        kernel = torch.zeros(*weight.shape[:2], 2 * d + 1, 2 * d + 1)
        kernel[:, :, ::d, ::d] = weight
        return F.conv2d(x, kernel, padding=d)

    def where_the_dilation_divides_the_map(x, weight, d):
        n, c, h, w = x.shape
        parts = x.reshape(n, c, h // d, d, w // d, d).permute(3, 5, 0, 1, 2, 4).reshape(-1, c, h // d, w // d)
        parts = F.conv2d(parts, weight, padding=1).reshape(d, d, n, -1, h // d, w // d)
        return parts.permute(2, 3, 4, 0, 5, 1).reshape(n, -1, h, w)

    def by_the_library(x, weight, d):
        return F.conv2d(x, weight, padding=d, dilation=d)

    def as_a_layer(x, weight, d):
        layer = nn.Conv2d(x.shape[1], len(weight), 3, padding=d, dilation=d, bias=False)
        layer.weight.data = weight
        return layer(x)

    def flipped(x, weight, d):
        return by_parts(x, weight.flip(2, 3), d)

    def first_part_alone(x, weight, d):
        return F.interpolate(F.conv2d(x[:, :, ::d, ::d], weight, padding=1), x.shape[2:])

    assert_right("02.4", [by_parts, by_a_larger_kernel])
    assert_wrong("02.4", [by_the_library, as_a_layer], "do without the library's dilation")
    assert_wrong("02.4", [where_the_dilation_divides_the_map, flipped, first_part_alone])
    assert_wrong("02.4", [lambda x, w, d: x, lambda x, w, d: None, *NONSENSE])
    assert_waits("02.4", [lambda x, weight, d: ...])
