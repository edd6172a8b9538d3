"""What is seen where tensors meet. Sums and concatenations are measured in tests/test_cost_fields.py."""

import torch

from helpers.cost.fields import BLIND, UNKNOWN, Run, enlarged, mixed, of_image, windowed
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


def test_where_a_written_part_lies():
    whole, (rows, _) = torch.zeros(1, 1, H, W), of_image((1, 1, H, W)).axes
    seen = by_strides(whole, whole[:, :, 2:], of_image((1, 1, 4, W)))
    assert seen.axes[0].seen(2) == rows.seen(0) and seen.axes[0].placed
    assert not by_strides(whole, whole[:, :, 3:], of_image((1, 1, 3, W))).axes[0].placed  # another may lie beside it
    assert not by_strides(whole[:, :, 2:], whole, of_image((1, 1, H, W))).axes[0].placed  # it begins before
    narrow = torch.zeros(1, 1, H, W)[:, :, :, 1:]  # not in one piece: the offset does not tell
    assert not by_strides(narrow, narrow[:, :, 1:], of_image((1, 1, 5, 3))).axes[0].placed
    finer = enlarged(of_image((1, 1, 3, W)), 2, 2, H)
    assert by_strides(whole[:, :, 2:], whole, finer) == UNKNOWN


def test_what_sees_the_whole_counts_with_its_size_around_the_element():
    field, mean = of_image(SHAPE), mixed(of_image(SHAPE), [2, 3])
    mean = mean._replace(dims=tuple((Run(None, n),) for n in (1, 8, 1, 1)))
    axis = joined([field, mean], [SHAPE, (1, 8, 1, 1)], SHAPE).axes[0]
    assert (axis.seen(0), axis.size(H)) == ((-2.5, 2.5), H)


def test_what_sees_nothing_adds_nothing():
    field = of_image(SHAPE)
    nothing = BLIND._replace(dims=tuple((Run(None, n),) for n in SHAPE))
    assert joined([field, nothing], [SHAPE] * 2, SHAPE) == field
    assert joined([nothing, nothing], [SHAPE] * 2, SHAPE).size == (0, 0)
