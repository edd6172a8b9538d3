"""The exercises of notebook 08: right answers in other forms, near misses, nonsense."""

import math

import numpy as np
import torch
from answers import NONSENSE, assert_right, assert_waits, assert_wrong, forms

from helpers.analysis import wilson_interval
from helpers.records import read_record


def test_how_many_images():
    right = (2 * 1.96 / 0.02) ** 2 * 0.8 * 0.2
    assert_right("08.1", [*forms(right), 6_100, 6_200])
    assert_wrong("08.1", [right / 4, right * 2, 1_000, 6_500, 5_900, *NONSENSE])


def test_precision():
    confusion = np.array(read_record("session_62")["test"]["confusion"])
    right = 100 * confusion[3, 3] / confusion[:, 3].sum()
    assert_right("08.2", [*forms(right), round(right, 1)])
    assert_wrong("08.2", [right / 100, confusion[3, 3] / 10, right + 0.2, 100 - right, *NONSENSE])


def test_lead():
    right = next(lead for lead in range(0, 1201, 2) if math.erfc((lead - 1) / math.sqrt(2 * 1200)) < 0.05)
    assert_right("08.3", forms(float(right)))
    assert_wrong("08.3", [right - 2, right + 1, right / 2, *NONSENSE])
    assert_wrong("08.3", [right + 2, 1200], "a smaller one is enough")
    assert_wrong("08.3", [2000, -2], "between 0 and 1,200")


def test_interval():
    def by_hand(correct, count, z=1.959964):
        roots = np.roots([1 + z**2 / count, -2 * correct / count - z**2 / count, (correct / count) ** 2])
        return sorted(roots.real)

    def by_deviation(correct, count):
        share = correct / count
        reach = 1.959964 * math.sqrt(share * (1 - share) / count)
        return share - reach, share + reach

    def percent(correct, count):
        return 100 * np.array(wilson_interval(correct, count))

    assert_right("08.4", [wilson_interval, by_hand, lambda *given: torch.tensor(wilson_interval(*given))])
    near = [by_deviation, percent, lambda c, n: wilson_interval(c, n)[::-1], lambda c, n: wilson_interval(c, n, 1.645)]
    near += [lambda c, n: wilson_interval(c, n)[0], lambda c, n: None, lambda c: (0, 1), lambda c, n: (n / 0, 1)]
    assert_wrong("08.4", [*near, *NONSENSE])
    assert_waits("08.4", [lambda *_: ...])
