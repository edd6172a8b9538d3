"""The exercises of notebook 08: sizes of samples, precision, leads, and an interval to write."""

import random

import numpy as np

from helpers import analysis
from helpers.data import CLASSES
from helpers.exercises.checking import called, exercise, hint, number, several, whole
from helpers.records import read_record


@exercise("08.1")
def how_many_images(answer):
    size = number(answer, "a number of images")
    tried = range(1000, 20_000, 10)
    enough = next(size for size in tried if np.ptp(analysis.wilson_interval(0.8 * size, size)) < 0.02)
    hint(abs(size / enough - 1) < 0.02, "half of the width needs four times the images")


@exercise("08.2")
def precision(answer):
    value = number(answer)
    confusion = np.array(read_record("session_62")["test"]["confusion"])
    cat = CLASSES.index("cat")
    share = 100 * confusion[cat, cat] / confusion[:, cat].sum()
    hint(abs(100 * value - share) >= 0.1, "in percent: times 100")
    hint(abs(value - share) < 0.1, "a row holds the cats, a column what was called a cat")


@exercise("08.3")
def lead(answer):
    given = whole(answer, "a number of images")
    needed = next(lead for lead in range(0, 1201, 2) if analysis.mcnemar(600 + lead // 2, 600 - lead // 2) < 0.05)
    hint(given % 2 == 0, "the difference is even: each image that changes sides moves it by two")
    hint(0 <= given <= 1200, "they disagree on 1,200 images: it lies between 0 and 1,200")
    p = analysis.mcnemar(600 + given // 2, 600 - given // 2)
    hint(given >= needed, f"with a lead of {given} it is {p:.3f}")
    hint(given == needed, f"with a lead of {given} it is {p:.3f}: a smaller one is enough")


@exercise("08.4")
def interval(answer):
    cases = [(0, 10), (10, 10), (1, 2), (840, 1000)]
    cases += [(random.randint(0, count), count) for count in (random.randint(1, 5000) for _ in range(10))]
    for correct, count in cases:
        low, high = several(called(answer, correct, count), 2)
        expected = [float(end) for end in analysis.wilson_interval(correct, count)]
        hint(low <= high, f"for {correct} of {count} the lower end is above the upper one")
        hint(
            np.allclose((low, high), expected, atol=1e-4),
            f"for {correct} of {count} it is {expected[0]:.4f} to {expected[1]:.4f}, and not {low:.4f} to {high:.4f}",
        )
