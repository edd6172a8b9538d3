"""Where the pixels lie after operations that move them, against the same operation on the pixels' own coordinates."""

import pytest
import torch
import torch.nn.functional as F

from helpers.cost.fields import EVERYTHING, UNKNOWN, Run, of_image
from helpers.cost.views import RULES, restrided

N, C, H, W = SHAPE = (1, 8, 6, 4)

MOVES = {
    "view": lambda x: x.view(1, 2, 4, 24),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 3),
    "unsqueeze": lambda x: x.unsqueeze(2),
    "squeeze": lambda x: x.squeeze(0),
    "expand": lambda x: x.expand(3, 8, 6, 4),
    "select": lambda x: x[:, 3],
    "slice": lambda x: x[:, :, 1:5],
    "strided slice": lambda x: x[:, :, ::2, 1::2],
    "unfold": lambda x: x.unfold(2, 3, 2),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "unfold of channels": lambda x: x.unfold(1, 3, 2),
    "flip": lambda x: x.flip(1),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
}


class Followed(torch.utils._python_dispatch.TorchDispatchMode):
    """Applies the rules to the views of one tensor."""

    def __init__(self, field):
        self.field = field
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {a.name: a.default_value for a in func._schema.arguments} | (kwargs or {})
        given |= {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)}
        given |= {"offset": result.storage_offset() - args[0].storage_offset()}
        self.field = RULES[func.overloadpacket.__name__](given, tuple(result.shape), self.field)
        return result


def steps(coordinates, dims, axis):
    """Return whether the coordinate along ``axis`` goes as the runs of these dimensions say."""
    expected = torch.zeros(1, dtype=torch.long)
    for runs in dims:
        along = torch.zeros(1, dtype=torch.long)
        for run in runs:
            along = (along[:, None] + torch.arange(run.count) * run.stride * (run.axis == axis)).flatten()
        expected = expected[..., None] + along
    expected = expected[0]
    return bool((coordinates - expected == (coordinates - expected).flatten()[0]).all())


@pytest.mark.parametrize("name", MOVES)
def test_the_runs_say_where_each_pixel_lies(name):
    for axis in (0, 1):
        coordinates = torch.arange(SHAPE[2 + axis]).view((-1, 1) if axis == 0 else (-1,)).expand(SHAPE).contiguous()
        with Followed(of_image(SHAPE)) as followed:
            moved = MOVES[name](coordinates)
        jump = followed.field.axes[axis].branches[0].step  # a grid of every second pixel counts its own elements
        assert steps(
            moved - moved.min(),
            [[run._replace(stride=run.stride * jump) for run in runs] for runs in followed.field.dims],
            axis,
        )


def test_as_strided_moves_what_it_likes():
    assert restrided({}, SHAPE, of_image(SHAPE)) == UNKNOWN
    alone = of_image((1, 8, 1, 1))
    assert restrided({}, (1, 8, 1, 1), alone) == alone


def test_one_of_many_pixels_in_an_unknown_order_is_unknown():
    field = of_image(SHAPE)._replace(dims=((Run(None, 1),), (Run(EVERYTHING, 24),)), hull=(6, 4))
    assert RULES["select"]({"dim": 1, "index": 0}, (1,), field) == UNKNOWN
