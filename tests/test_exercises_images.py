"""The exercises of notebook 01: right answers in other forms, near misses, nonsense."""

import numpy as np
import torch
from answers import NONSENSE, assert_right, assert_waits, assert_wrong, forms

from helpers import data
from helpers.data import MEAN, STD

IMAGES = data.load_cifar10(True, data.SAMPLE)[0]


def test_another_deviation():
    right = (IMAGES[:1000] / 255).std(axis=(1, 2)).mean(axis=0)
    assert_right("01.1", [right, tuple(right), right.round(3).tolist(), torch.tensor(right)], images=IMAGES)
    whole_set = (IMAGES[:1000] / 255).std(axis=(0, 1, 2))
    assert_wrong("01.1", [255 * right, whole_set, STD, right[:2], right[::-1], *NONSENSE], images=IMAGES)


def test_gentler():
    assert_right("01.2", [0.2, *forms(0.2)][:1])
    assert_right("01.2", [0.5 * 0.5 * 0.8, 1 / 5])
    assert_wrong("01.2", [0.8, 20, 0.05, 0.125, 0.21, *NONSENSE])


def test_black_hole():
    right = -MEAN[0] / STD[0]
    assert_right("01.3", [*forms(right), round(right, 2)])
    assert_wrong("01.3", [-right, -MEAN[1] / STD[1], -MEAN[0], (1 - MEAN[0]) / STD[0], *NONSENSE])


def normalised(images):
    return (images.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_normalise():
    def with_numpy(images):
        return ((images.numpy() / 255 - MEAN) / STD).transpose(0, 3, 1, 2)

    def changes(images):
        result = normalised(images)
        images.zero_()
        return result

    near = [
        lambda images: normalised(images).permute(0, 1, 3, 2),
        lambda images: ((images / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).reshape(normalised(images).shape),
        lambda images: (images.permute(0, 3, 1, 2) / 255 - np.mean(MEAN)) / np.mean(STD),
        lambda images: (
            (images.permute(0, 3, 1, 2) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        ),
        lambda images: images.permute(0, 3, 1, 2) / 255,
        lambda images: normalised(images)[0],
        lambda images: None,
        lambda images: images - MEAN,
        changes,
    ]
    assert_right("01.4", [normalised, with_numpy, lambda images: normalised(images).double()])
    assert_wrong("01.4", [*near, *NONSENSE])
    assert_waits("01.4", [lambda images: ...])
