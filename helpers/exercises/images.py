"""The exercises of notebook 01: deviations, pipelines, a black hole, normalisation."""

import numpy as np
import torch

from helpers.augment import PIPELINES
from helpers.data import MEAN, STD, to_device
from helpers.exercises.checking import as_tensor, called, exercise, hint, number, several


@exercise("01.1")
def another_deviation(answer, images):
    values = np.array(several(answer, 3))
    hint(values.max() < 1, "on a scale of 0 to 1: divide by 255")
    first = (images[:1000] / 255).std(axis=(1, 2)).mean(axis=0)
    whole_set = (images[:1000] / 255).std(axis=(0, 1, 2))
    hint(
        np.abs(values - whole_set).max() > 1e-3,
        "that is the deviation over all pixels: take it within each image first",
    )
    hint(np.allclose(values, first, atol=6e-4), "first the deviation over axes 1 and 2, then the mean over axis 0")


@exercise("01.2")
def gentler(answer):
    value = number(answer, "a share, from 0 to 1")
    hint(0 <= value <= 1, "a share lies between 0 and 1")
    unchanged = np.prod([1 - transform.p for transform in PIPELINES["gentle"]()])
    hint(abs(value - (1 - unchanged)) > 1e-3, "that is the share of those that something happens to")
    hint(abs(value - unchanged) < 1e-3, "an image is left as it is only if each of the three does nothing")


@exercise("01.3")
def black_hole(answer):
    value = number(answer)
    black = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    seen = float(to_device(black, torch.zeros(1), "cpu")[0][0, 0, 0, 0])
    hint(abs(value + seen) > 0.006, "the sign: is black above the mean or below it?")
    hint(
        abs(value - seen) < 0.006,
        "a pixel of 0 goes through the normalisation like any other: which mean, which deviation?",
    )


@exercise("01.4")
def normalise(answer):
    generator = np.random.default_rng()
    for count, height, width in ((2, 32, 32), (1, 5, 9), (3, 8, 4)):
        images = torch.from_numpy(generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
        before, what = images.clone(), f"images of shape {tuple(images.shape)}"
        result = called(answer, images, shown_as=what)
        hint(torch.equal(images, before), "your function changes the images that it is given")
        result = as_tensor(result, (count, 3, height, width), f"the result for {what}")
        expected = (before.double() / 255 - torch.tensor(MEAN).double()) / torch.tensor(STD).double()
        hint(
            not torch.allclose(result, expected.reshape(result.shape), atol=1e-4),
            "view and reshape keep the order of the numbers; the channels must change places with height and width",
        )
        hint(
            torch.allclose(result, expected.permute(0, 3, 1, 2), atol=1e-4),
            "(pixel / 255 − mean) / deviation, by channel",
        )
