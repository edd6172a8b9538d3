"""What the tests of the exercises share: answers of all kinds, and what a check says to them."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

from helpers.exercises.checking import judge

NONSENSE = (
    None,
    True,
    "1",
    "",
    b"1",
    [],
    {},
    (1, 2),
    object(),
    float("nan"),
    float("inf"),
    1j,
    10**400,
    -1,
    0,
    1e9,
    print,
)
NOT_LAYERS = (None, 1, "conv", [], lambda *_: None, lambda *_: 1 / 0, lambda: None, torch.nn.Identity)


def forms(value):
    """Return the number ``value`` in the forms in which a student may have it."""
    yield from (value, np.float64(value), np.array([value]), torch.tensor(value, dtype=torch.float64), Fraction(value))
    yield Decimal(value)
    if value == round(value):
        yield from (int(value), float(value), np.int64(value), torch.tensor(int(value)))


def assert_right(number, answers, **given):
    for answer in answers:
        assert judge(number, answer, **given) == "Right.", f"{number}, {answer!r}"


def assert_wrong(number, answers, says="", **given):
    for answer in answers:
        said = judge(number, answer, **given)
        assert said.startswith("Not yet: ") and says in said and len(said) > 20, f"{number}, {answer!r}: {said}"
        assert "\n" not in said, said


def assert_waits(number, answers, **given):
    for answer in (..., *answers):
        assert judge(number, answer, **given) == "Your turn: replace the dots."
