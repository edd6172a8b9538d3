"""The exercises of notebook 02: dilations without gaps, padding, a separable layer, a dilated one by other means."""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.exercises.checking import as_tensor, called, exercise, hint, several, shown, whole


@exercise("02.1")
def no_gaps(answer):
    dilations = several(answer, 3, whole)
    hint(min(dilations) >= 1, "a dilation is 1 or more")
    field = 1 + 2 * sum(dilations)
    hint(field == 27, f"the field is {field} pixels wide. What must the three dilations add up to?")
    seen = {0}
    for dilation in dilations:
        seen = {place + step for place in seen for step in (-dilation, 0, dilation)}
    missed = 27**2 - len(seen) ** 2
    hint(missed == 0, f"{missed} of the 729 pixels are not seen. How wide is the view when the next layer comes?")


@exercise("02.2")
def keep_the_size(answer):
    padding = whole(answer, "a whole number of pixels")
    hint(padding >= 0, "a padding is a whole number of pixels, 0 or more")
    side = 32 + 2 * padding - 3 * (7 - 1)
    hint(side == 32, f"with padding {padding}, 32 pixels become {side}. How many pixels does the kernel span?")


@exercise("02.3")
def separable(answer):
    for channels, out, kernel in ((4, 6, 3), (5, 5, 3), (3, 2, 5)):
        case = f"{channels}, {out}, {kernel}"
        layer = called(answer, channels, out, kernel)
        hint(isinstance(layer, nn.Module), f"the answer to ({case}) is an nn.Module, not {shown(layer)}")
        x = torch.randn(2, channels, 9, 7)
        what = f"what the layer for ({case}) returns"
        result = as_tensor(called(layer, x, shown_as="a map of 9×7"), (2, out, 9, 7), what)
        sizes = [weight.numel() for weight in layer.parameters()]
        hint(
            sum(sizes) == kernel**2 * channels + channels * out,
            f"for ({case}) it has {sum(sizes)} weights: {kernel}×{kernel} for each channel, one for each pair, no bias",
        )
        hint(torch.allclose(layer(-x).double(), -result, atol=1e-4), "something else is between its two convolutions")
        # One channel that goes in: before the pointwise step it may reach its own channel alone.
        with torch.no_grad():
            dot = torch.zeros(1, channels, 9, 7)
            dot[..., 4, 3] = 1
            reached = layer(dot).abs().amax((0, 1)).nonzero()
            hint(int((reached - torch.tensor([4, 3])).abs().max()) <= kernel // 2, f"for ({case}) it sees too far")
            answers = torch.stack([layer(x * (torch.arange(channels) == c).view(1, -1, 1, 1)) for c in range(channels)])
            flat = answers.permute(0, 2, 1, 3, 4).reshape(channels, out, -1)
        ranks = [int(torch.linalg.matrix_rank(part.double(), rtol=1e-4)) for part in flat]
        hint(max(ranks) <= 1, "each output mixes the channels before it filters them: depthwise first, then pointwise")


@exercise("02.4")
def dilated_by_parts(answer):
    for height, width, dilation in ((8, 8, 2), (11, 9, 3), (5, 4, 1)):
        x, weight = torch.randn(2, 3, height, width), torch.randn(4, 3, 3, 3)
        case = f"a map of {height}×{width}, dilation {dilation}"
        with WithoutDilation():
            result = called(answer, x, weight, dilation, shown_as=case)
        expected = F.conv2d(x, weight, padding=dilation, dilation=dilation)
        result = as_tensor(result, expected.shape, f"the result for {case}")
        hint(torch.allclose(result, expected.double(), atol=1e-4), f"for {case} it is not what a dilated layer gives")


class WithoutDilation(torch.overrides.TorchFunctionMode):
    """In this context a convolution with a dilation is ``Wrong``: exercise 02.4 asks to do without."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.conv2d, F.unfold):
            place = 2 if function is F.unfold else 5  # where it stands if it has no name
            dilation = kwargs.get("dilation", args[place] if len(args) > place else 1)
            if dilation not in (1, (1, 1), [1, 1]):
                raise RuntimeError("do without the library's dilation")
        return function(*args, **kwargs)
