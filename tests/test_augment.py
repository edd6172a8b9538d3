"""Augmentation: what each transform does, and that its random streams are what they should be."""

import cv2
import numpy as np
import pytest
import torch

from helpers import augment, data


@pytest.fixture(scope="module")
def images():
    return data.load_cifar10(True, data.SAMPLE)[0]


def draws(pipeline, image, count, epoch=0):
    return np.stack([pipeline(image, epoch, index) for index in range(count)])


def test_flip_alone_mirrors_half_of_the_images(images):
    flipped = draws(augment.Augment([augment.horizontal_flip()]), images[0], 1000)
    mirrored = (flipped == images[0][:, ::-1]).all((1, 2, 3))
    assert ((flipped == images[0]).all((1, 2, 3)) | mirrored).all()
    assert 440 < mirrored.sum() < 560  # 500 expected, deviation 16


def test_dropout_alone_makes_one_hole_of_16_by_16_in_the_mean_colour(images):
    noise = np.random.default_rng(0).integers(130, 255, (32, 32, 3), dtype=np.uint8)  # no pixel has the mean colour
    corners = set()
    for holed in draws(augment.Augment([augment.coarse_dropout(p=1)]), noise, 50):
        changed = (holed != noise).any(-1)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed.sum() == 256 and np.ptp(rows) == np.ptp(columns) == 15
        assert (holed[changed] == augment.FILL).all()
        corners.add((rows[0], columns[0]))
    assert len(corners) > 30
    assert np.allclose(np.array(augment.FILL) / 255, data.MEAN, atol=0.002)


def test_shift_scale_rotate_alone_moves_by_a_few_pixels(images):
    """A bright point at (12, 20) stays within shift, scale and rotation of its place; the picture is kept elsewhere."""
    point = np.zeros((32, 32, 3), np.uint8)
    point[11:14, 19:22] = 255
    moved = draws(augment.Augment([augment.shift_scale_rotate(p=1)]), point, 200)
    rows, columns = np.mgrid[:32, :32]
    weight = moved[..., 0] / moved[..., 0].sum((1, 2), keepdims=True)
    distance = np.hypot((weight * rows).sum((1, 2)) - 12, (weight * columns).sum((1, 2)) - 20)
    assert 0.5 < distance.mean() < 3 and distance.max() < 6


def test_crop_alone_moves_by_whole_pixels(images):
    """Every result is a window of the image with four reflected pixels around it; all 81 windows come up."""
    padded = np.pad(images[0], ((4, 4), (4, 4), (0, 0)), mode="reflect")
    windows = {padded[y : y + 32, x : x + 32].tobytes() for y in range(9) for x in range(9)}
    assert {moved.tobytes() for moved in draws(augment.Augment(augment.crop()), images[0], 1000)} == windows


def test_the_same_key_gives_the_same_image_and_any_other_another(images):
    first, second = augment.pipeline("light", seed=3), augment.pipeline("light", seed=3)
    reference = draws(first, images[0], 200)
    draws(second, images[1], 17)  # what was drawn before does not matter
    assert np.array_equal(draws(second, images[0], 200), reference)
    for other in (draws(augment.pipeline("light", seed=4), images[0], 200), draws(first, images[0], 200, epoch=1)):
        assert (other != reference).any((1, 2, 3)).mean() > 0.8


def test_transforms_are_uncorrelated(images):
    """Whether an image is flipped says nothing about whether it has a hole, nor where the hole is."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[0, 0] = 255  # the flip moves it; a hole seldom covers it
    pipeline = augment.Augment([augment.coarse_dropout(p=0.5), augment.horizontal_flip()])
    results = draws(pipeline, picture, 2000)
    hole = (results == augment.FILL).all(-1)
    holed, flipped = hole.any((1, 2)), results[:, 0, 31, 0] == 255
    assert abs(np.corrcoef(holed, flipped)[0, 1]) < 0.08  # 0 expected, deviation 0.022
    left = np.argmax(hole.any(1), 1)[holed]
    start = np.where(flipped[holed], 16 - left, left)  # where the hole was before the flip
    assert abs(np.corrcoef(start, flipped[holed])[0, 1]) < 0.11


def batches(workers, epoch, seed=0, context=None):
    images, labels = data.load_cifar10(True, data.SAMPLE)
    dataset = data.Cifar10(images[:48], labels[:48], augment.pipeline("light", seed))
    loader = data.train_loader(dataset, 12, seed, workers)
    if context:
        loader.multiprocessing_context = context
    result = []
    for number in epoch:
        loader.batch_sampler.epoch = number
        result += [torch.cat([x for x, _ in loader])]
    return result


def test_batches_do_not_depend_on_workers_and_epochs_differ():
    """Persistent workers, none, and a worker started afresh by ``spawn`` (macOS, Windows) draw the same."""
    alone = batches(0, (1, 2))
    assert not torch.equal(*alone)
    for other in (batches(2, (1, 2)), batches(1, (1, 2), context="spawn")):
        assert all(torch.equal(a, b) for a, b in zip(alone, other, strict=True))
    assert not torch.equal(alone[0], batches(0, (1,), seed=1)[0])


def test_workers_of_one_epoch_draw_differently(images):
    """The same picture at every index: no two batches of one epoch are alike, whichever worker made them."""
    dataset = data.Cifar10(np.repeat(images[:1], 80, 0), np.zeros(80, np.int64), augment.pipeline("light"))
    served = [x for x, _ in data.train_loader(dataset, 20, workers=2)]
    assert all(not torch.equal(served[i], served[j]) for i in range(4) for j in range(i))


def test_opencv_has_no_threads_that_a_forked_worker_could_wait_for():
    """A worker hung once, in warpAffine: of its parent's threads a forked process has none."""
    cv2.setNumThreads(2)
    augment.pipeline("light")
    assert cv2.getNumThreads() == 1


def test_unknown_pipeline_is_named():
    with pytest.raises(ValueError, match="no augmentation 'heavy': choose one of none, light"):
        augment.pipeline("heavy")
    assert augment.pipeline("none") is None
