"""``check``, with which every notebook from 01 on ends, and what the checks of single exercises share.

A check judges what an answer is, not how it is written: 0.5, ``Fraction(1, 2)``, a tensor of one element and
``np.float32(0.5)`` are the same number. A function is judged by what it returns for inputs that it does not choose.
"""

import contextlib
import math
import numbers
from decimal import Decimal

import numpy as np
import torch

CHECKS = {}


class Wrong(Exception):
    """An answer is not right; the message is a hint."""


class Unfinished(Exception):
    """The dots of an answer are still there."""


def exercise(number):
    """Return a decorator that registers a check as that of exercise ``number``, such as "06.2"."""

    def register(function):
        assert number not in CHECKS, number
        CHECKS[number] = function
        return function

    return register


def check(number, answer, **given):
    """Print whether ``answer`` to exercise ``number`` ("06.2") is right, and a hint where it is not.

    ``given`` is what an exercise takes from its notebook. Raises ``ValueError`` where there is no such exercise.
    """
    print(judge(number, answer, **given))


def judge(number, answer, **given):
    """Return what ``check`` prints: "Right.", "Not yet: …" or "Your turn: replace the dots."."""
    if number not in CHECKS:
        raise ValueError(f"there is no exercise {number!r}: choose one of {', '.join(sorted(CHECKS))}")
    try:
        if answer is ...:
            raise Unfinished
        CHECKS[number](answer, **given)
    except Unfinished:
        return "Your turn: replace the dots."
    except Wrong as wrong:
        return f"Not yet: {wrong}"
    return "Right."


def number(answer, what="a number"):
    """Return ``answer`` as a float; ``Wrong`` where it is not one finite number."""
    if isinstance(answer, (np.ndarray, np.generic, torch.Tensor)) and math.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, (numbers.Real, Decimal)) and not isinstance(answer, bool):
        with contextlib.suppress(OverflowError):
            if math.isfinite(value := float(answer)):
                return value
    raise Wrong(f"the answer is {what}, not {shown(answer)}")


def whole(answer, what="a whole number"):
    """Return ``answer`` as an int; ``Wrong`` where it is none. 8.0 is one."""
    value = number(answer, what)
    if value != round(value):
        raise Wrong(f"the answer is {what}, not {shown(answer)}")
    return round(value)


def several(answer, count, one=number):
    """Return ``answer`` as a list of ``count`` numbers, each read by ``one``."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, (str, bytes, dict, set)) or not hasattr(answer, "__len__") or len(answer) != count:
        raise Wrong(f"the answer is {count} numbers, not {shown(answer)}")
    return [one(part) for part in answer]


def hint(holds, words):
    """Raise ``Wrong`` with these ``words`` unless something ``holds``."""
    if not holds:
        raise Wrong(words)


def called(function, *inputs, shown_as=None):
    """Return what an answer that is a function gives for ``inputs``; ``Wrong`` where it fails, or is no function.

    ``shown_as`` stands for the inputs in a hint. An answer that still returns the dots is ``Unfinished``.
    """
    if not callable(function):
        raise Wrong(f"the answer is a function, not {shown(function)}")
    try:
        result = function(*inputs)
    except Exception as error:  # whatever a student's code does
        name = getattr(function, "__name__", "your function")
        inside = shown_as if shown_as is not None else ", ".join(map(shown, inputs))
        raise Wrong(f"{name}({inside}) stops with {type(error).__name__}: {error}") from error
    if result is ...:
        raise Unfinished
    return result


def as_tensor(result, shape, what):
    """Return ``result`` as a float64 tensor of this ``shape``; ``Wrong`` where it is not one."""
    hint(isinstance(result, (torch.Tensor, np.ndarray)), f"{what} is a tensor, not {shown(result)}")
    hint(tuple(result.shape) == tuple(shape), f"{what} has the shape {tuple(shape)}, yours {tuple(result.shape)}")
    try:
        return torch.as_tensor(result.copy() if isinstance(result, np.ndarray) else result).detach().cpu().double()
    except TypeError as error:
        raise Wrong(f"{what} holds numbers, not {result.dtype}") from error


def shown(value):
    """Return ``value`` as a hint shows it, on one line."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return f"{'a tensor' if isinstance(value, torch.Tensor) else 'an array'} of shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "…"
