"""Corruptions: each does what its name and its unit say, and the same each time."""

import numpy as np
import pytest

from helpers import data
from helpers.corruptions import CORRUPTIONS, corrupted


@pytest.fixture(scope="module")
def images():
    return data.load_cifar10(False, data.SAMPLE)[0][:20]


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_step_is_further_from_the_image_and_nothing_is_drawn_anew(images, name):
    worse = [corrupted(name, strength, images) for strength in CORRUPTIONS[name][1]]
    for result in worse:
        assert result.shape == images.shape and result.dtype == np.uint8
    far = [difference(result, images) for result in worse]
    assert 0 < far[0] < far[1] < far[2]
    assert np.array_equal(worse[1], corrupted(name, CORRUPTIONS[name][1][1], images))


def test_a_shift_is_of_whole_pixels_right_and_down(images):
    assert np.array_equal(corrupted("shift", 4, images)[:, 4:, 4:], images[:, :-4, :-4])


def test_darker_by_a_share_is_that_share_of_the_whole_range(images):
    dark = corrupted("darkness", 0.2, images)
    assert difference(dark, np.clip(images.astype(int) - 51, 0, 255)) < 1  # 0.2 · 255


def test_noise_has_the_deviation_it_names():
    grey = np.full((10, 32, 32, 3), 128, np.uint8)
    noisy = corrupted("noise", 0.06, grey).astype(float) - grey
    assert abs(noisy.std() / 255 - 0.06) < 0.002 and abs(noisy.mean()) < 1
    assert not np.array_equal(noisy[0], noisy[1]), "each image has noise of its own"


def test_a_point_is_blurred_by_the_deviation_it_names():
    point = np.zeros((1, 31, 31, 3), np.uint8)
    point[:, 13:18, 13:18] = 255  # a square of side 5 has the variance (25 − 1) / 12 = 2
    weight = corrupted("blur", 1.5, point)[0, ..., 0].astype(float)
    rows = np.arange(31) - 15
    variance = (weight.sum(1) * rows**2).sum() / weight.sum()
    assert abs(variance - 2 - 1.5**2) < 0.4


def test_a_rotation_takes_a_point_where_its_angle_says():
    point = np.zeros((1, 33, 33, 3), np.uint8)
    point[:, 4:7, 15:18] = 255  # 11 pixels above the centre
    weight = corrupted("rotation", 40, point)[0, ..., 0].astype(float)
    grid = np.mgrid[:33, :33] - 16
    row, column = (weight * grid).sum((1, 2)) / weight.sum()
    assert abs(np.degrees(np.arctan2(abs(column), -row)) - 40) < 3


def test_an_unknown_name_is_refused(images):
    with pytest.raises(ValueError, match="no corruption 'fog': choose one of blur, noise"):
        corrupted("fog", 1, images)
