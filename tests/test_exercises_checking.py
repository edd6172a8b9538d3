"""Every exercise of a notebook has its check, and a check takes a number in whatever form it comes."""

import json
import re

import numpy as np
import pytest
import torch
from answers import NONSENSE, forms
from torch._subclasses.fake_tensor import FakeTensorMode

from helpers.exercises import check, checking
from helpers.exercises.checking import CHECKS, Wrong, as_tensor, number, several, shown, whole
from helpers.records import REPOSITORY


def test_an_answer_may_lie_on_a_gpu():
    with FakeTensorMode():
        assert as_tensor(torch.zeros(2, device="cuda"), (2,), "it").device.type == "cpu"


def test_the_checks_are_those_of_the_notebooks():
    asked = []
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "exercise" in cell["metadata"].get("tags", []):
                found = re.findall(r'^check\("(.*?)"', "".join(cell["source"]), re.MULTILINE)
                assert len(found) == (not path.name.startswith("05")), path.name
                assert all(number.startswith(path.name[:2]) for number in found)
                asked += found
    assert asked == sorted(CHECKS)


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="there is no exercise '99.9': choose one of 01.1, "):
        check("99.9", 3)


def test_check_prints_what_it_found(capsys):
    for answer in (..., 0.2, 0.8):
        check("01.2", answer)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["Your turn: replace the dots.", "Right."] and said[2].startswith("Not yet: that is the share")


def test_a_number_is_a_number_in_any_form():
    for value in (0.5, 3.0, -2.0):
        assert all(number(form) == value for form in forms(value))
    for nonsense in NONSENSE[:13]:
        with pytest.raises(Wrong, match="the answer is a number, not "):
            number(nonsense)


def test_a_whole_number_has_no_fraction():
    assert all(whole(form) == 8 for form in forms(8.0))
    with pytest.raises(Wrong, match="not 8.5"):
        whole(8.5)


def test_several_numbers():
    for form in ([1, 2], (1.0, 2.0), np.array([1, 2]), torch.tensor([1, 2]), [torch.tensor(1), np.float32(2)]):
        assert several(form, 2, whole) == [1, 2]
    for wrong in ([1], [1, 2, 3], "12", {1: 1, 2: 2}, 12, None, np.ones((2, 2)), [1, 2.5], [1, "2"]):
        with pytest.raises(Wrong):
            several(wrong, 2, whole)


def test_an_array_is_read_in_any_order_and_its_numbers_are_numbers():
    turned = np.arange(6.0).reshape(2, 3)[:, ::-1]
    assert checking.as_tensor(turned, (2, 3), "it").tolist() == turned.tolist()
    with pytest.raises(checking.Wrong, match="it holds numbers, not <U1"):
        checking.as_tensor(np.array(["a"]), (1,), "it")


def test_a_hint_stays_on_one_line():
    assert "\n" not in shown("a\nb" * 100) and len(shown("a" * 1000)) <= 61
    assert shown(np.zeros((2, 3))) == "an array of shape (2, 3)"
    assert shown(torch.zeros(4)) == "a tensor of shape (4,)"
