"""What is seen where tensors meet. Sums and concatenations are measured in tests/test_cost_fields.py."""

import torch

from helpers.cost.fields import UNKNOWN, Run, of_image, windowed
from helpers.cost.joins import by_strides, joined

N, C, H, W = SHAPE = (1, 8, 6, 4)


def test_what_is_written_into_a_view_is_seen_by_the_whole():
    whole = torch.zeros(SHAPE)
    part = whole[:, 2:4]
    seen = by_strides(whole, part, of_image(part.shape))
    assert seen.dims[2:] == ((Run(0, H),), (Run(1, W),))
    assert by_strides(whole.flatten(1), part, of_image(part.shape)) == UNKNOWN


def test_neighbours_see_together_what_lies_between_them():
    field = of_image(SHAPE)
    shifted = windowed(field, 2, 1, 1, 1, H, -3)
    assert joined([field, shifted], [SHAPE] * 2, SHAPE).size == (4, 1)
    assert joined([field, field], [SHAPE] * 2, SHAPE) == field
    assert joined([field, windowed(field, 2, 1, 2, 1, H)], [SHAPE] * 2, SHAPE) == UNKNOWN  # another jump
    assert joined([field, UNKNOWN], [SHAPE] * 2, SHAPE) == UNKNOWN
