"""Augmentation: what each transform does, and that its random streams are what they should be."""

import copy
import pickle

import albumentations as A
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


def test_dropout_alone_makes_one_hole_of_16_by_16_in_the_mean_colour():
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


def test_shift_scale_rotate_alone_moves_by_a_few_pixels():
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


def test_shifted_moves_by_two_pixels_at_most_and_mirrors(images):
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = [padded[y : y + 32, x : x + 32] for y in range(5) for x in range(5)]
    expected = {window.tobytes() for window in windows} | {window[:, ::-1].tobytes() for window in windows}
    assert {moved.tobytes() for moved in draws(augment.pipeline("shifted"), images[0], 1000)} == expected


def test_the_same_key_gives_the_same_image_and_any_other_another(images):
    first, second = augment.pipeline("light", seed=3), augment.pipeline("light", seed=3)
    reference = draws(first, images[0], 200)
    draws(second, images[1], 17)  # what was drawn before does not matter
    assert np.array_equal(draws(second, images[0], 200), reference)
    for other in (draws(augment.pipeline("light", seed=4), images[0], 200), draws(first, images[0], 200, epoch=1)):
        assert (other != reference).any((1, 2, 3)).mean() > 0.8


def test_transforms_are_uncorrelated():
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


def test_stream_starts_where_numpy_would_start_it_whatever_was_drawn_before():
    """Seeds, epochs and indices take all of their 64 bits; another half of the counter is left to count the draws."""
    most = 2**64 - 1
    for seed, epoch, index in ((0, 0, 0), (3, 1, 2), (3, 2, 1), (most, most, most)):
        one = augment.Augment([augment.horizontal_flip()], seed)
        one.stream.integers(0, 9, 3, dtype=np.uint32)  # leaves half a word over
        one.restart(epoch, index)
        expected = np.random.Philox(key=seed, counter=np.array([0, 0, index, epoch], np.uint64))
        assert repr(one.stream.bit_generator.state) == repr(expected.state)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match=f"from 0 to 2..64 - 1, not {seed}"):
            augment.Augment([], seed)


def test_python_stream_draws_all_from_the_same_generator():
    """Whatever Albumentations asks for, also numbers that ``random`` keeps for later; and in a copy as well."""

    def numbers(one, index):
        one.restart(1, index)
        python = one.pipeline.transforms[0].py_random
        drawn = [python.random(), python.uniform(1, 2), python.randint(0, 99), python.gauss(0, 1)]
        return [*drawn, python.sample(range(99), 3), python.getrandbits(64), one.stream.random()]

    one = augment.pipeline("light", seed=5)
    expected = [numbers(one, index) for index in range(5)]
    assert len({str(drawn) for row in expected for drawn in row}) == 5 * 7
    for other in (one, copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert [numbers(other, index) for index in reversed(range(5))] == expected[::-1]

    one.restart(1, 1)
    python, words = one.pipeline.py_random, [one.stream.bit_generator.random_raw() for _ in range(4)]
    one.restart(1, 1)
    assert [python.random(), *(python.getrandbits(k) for k in (64, 5, 0))] == [
        (words[0] >> 11) / 2**53,
        words[1],
        words[2] >> 59,
        0,
    ]


def traits(seed, epoch, first=0, count=2000):
    """Return what images drew from the index ``first`` on: were they flipped, how far moved, where is their hole."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.mgrid[60:92, 60:92]  # each pixel says where it was
    holed = A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(1, 1), hole_width_range=(1, 1), fill=255, p=1)
    pipeline = augment.Augment([*augment.crop(), augment.horizontal_flip(), holed], seed)
    drawn = np.stack([pipeline(picture, epoch, index) for index in range(first, first + count)]).astype(float)
    hole = (drawn[..., 2] == 255).reshape(count, -1).argmax(1)
    rows, columns = np.median(drawn[:, 16, :, 0], 1) - 76, np.median(drawn[:, :, 15:17, 1], (1, 2)) - 75.5
    flipped = np.median(drawn[:, :, 20, 1] - drawn[:, :, 11, 1], 1) < 0
    return {"flip": flipped, "down": rows, "right": columns, "hole's row": hole // 32, "hole's column": hole % 32}


def test_streams_of_neighbouring_keys_are_independent():
    """Neither what one image draws, nor its neighbour's, the next epoch's or the next seed's tells anything of another.

    Over 2,000 images a correlation of independent numbers has the deviation 0.022.
    """
    one, after, epoch, seed = traits(0, 1), traits(0, 1, first=1), traits(0, 2), traits(1, 1)
    swapped = traits(2, 1), traits(1, 2)
    assert abs(one["flip"].mean() - 0.5) < 0.045 and abs(one["down"].mean()) < 0.23 and abs(one["right"].mean()) < 0.23
    assert np.bincount(one["hole's row"]).min() > 30 and set(one["down"]) == set(range(-4, 5))  # 62 rows expected, ± 8
    for this, other in ((one, after), (one, epoch), (one, seed), (after, epoch), swapped):
        for trait, drawn in this.items():
            assert all(abs(np.corrcoef(drawn, values)[0, 1]) < 0.09 for values in other.values()), trait
    assert np.abs(np.corrcoef(list(one.values())) - np.eye(len(one))).max() < 0.09


def batches(workers, epochs, seed=0, context=None):
    """Return all images of each epoch, in the order in which they were served."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    dataset = data.Cifar10(images[:48], labels[:48], augment.pipeline("light", seed))
    loader = data.train_loader(dataset, 12, seed, workers, epochs=epochs)
    if context:
        loader.multiprocessing_context = context
    return torch.cat([x for x, _ in loader]).split(48)


def test_batches_do_not_depend_on_workers_and_epochs_differ():
    """No worker, one, two, and however it is started: ``spawn`` is usual on macOS and Windows."""
    alone = batches(0, (1, 2))
    assert not torch.equal(*alone)
    assert torch.equal(alone[1], batches(0, (2,))[0])  # an epoch can be done again from its start
    for workers, context in ((1, None), (2, None), (1, "spawn")):
        served = batches(workers, (1, 2), context=context)
        assert all(torch.equal(a, b) for a, b in zip(alone, served, strict=True)), (context, workers)
    assert not torch.equal(alone[0], batches(0, (1,), seed=1)[0])


def test_workers_of_one_epoch_draw_differently(images):
    """The same picture at every index: no two batches of one epoch are alike, whichever worker made them."""
    dataset = data.Cifar10(np.repeat(images[:1], 80, 0), np.zeros(80, np.int64), augment.pipeline("light"))
    served = [x for x, _ in data.train_loader(dataset, 20, workers=2)]
    assert all(not torch.equal(served[i], served[j]) for i in range(4) for j in range(i))


def test_opencv_has_no_threads_of_its_own_here_or_in_a_worker():
    """A forked worker hung once, in warpAffine: of its parent's threads a forked process has none."""
    sent = pickle.dumps(augment.pipeline("light"))
    for make in (lambda: augment.pipeline("light"), lambda: pickle.loads(sent)):
        cv2.setNumThreads(2)
        make()
        assert cv2.getNumThreads() == 1


def test_unknown_pipeline_is_named():
    with pytest.raises(ValueError, match="no augmentation 'heavy': choose one of none, light"):
        augment.pipeline("heavy")
    assert augment.pipeline("none") is None
