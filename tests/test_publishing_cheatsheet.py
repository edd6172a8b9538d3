"""The page to print says what the library's layers have, and its formulas hold."""

import itertools
import re

import torch
from torch import nn

from helpers.publishing.cheatsheet import cheat_sheet

LAYERS = {
    "standard": [nn.Conv2d(64, 64, 3, bias=False)],
    "dilated": [nn.Conv2d(64, 64, 3, dilation=2, bias=False)],
    "grouped": [nn.Conv2d(64, 64, 3, groups=4, bias=False)],
    "depthwise": [nn.Conv2d(64, 64, 3, groups=64, bias=False)],
    "pointwise": [nn.Conv2d(64, 64, 1, bias=False)],
}
VALUES = {"k²": 9, "in": 64, "out": 64, "g": 4, "channels": 64}
LAYERS["depthwise separable"] = LAYERS["depthwise"] + LAYERS["pointwise"]


def test_weights_macs_and_intensity_of_each_kind():
    rows = re.findall(
        r"^\| ([\w ]+) \| (k².*?|in · out) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|", cheat_sheet(), re.MULTILINE
    )
    assert [row[0] for row in rows] == list(LAYERS)
    for kind, formula, weights, macs, intensity in rows:
        count = sum(layer.weight.numel() for layer in LAYERS[kind])
        reckoned = eval(re.sub(r"k²|\w+", lambda name: str(VALUES[name[0]]), formula.replace("·", "*")))
        maps = 2 * len(LAYERS[kind]) * 64 * 32 * 32  # read and written by each layer
        assert int(weights.replace(",", "")) == count == reckoned
        assert float(macs) == round(count * 32 * 32 / 1e6, 1)
        assert abs(float(intensity) - 2 * count * 32 * 32 / (4 * (maps + count))) < 0.06


def test_the_rule_against_holes():
    """All stacks of three 3×3 layers with dilations from 1 to 4: which positions does one output see?"""
    assert "none larger than the width that those before it see" in cheat_sheet()
    for dilations in itertools.product(range(1, 5), repeat=3):
        seen, width = {0}, 1
        for dilation in dilations:
            seen = {place + step for place in seen for step in (-dilation, 0, dilation)}
        kept = []
        for dilation in sorted(dilations):
            kept.append(dilation <= width)
            width += 2 * dilation
        assert all(kept) == (len(seen) == width), dilations


def test_the_formula_of_the_output_size():
    formula = (
        re.search(r"output size \| `(.*?)`", cheat_sheet())[1]
        .replace("2p", "2*p")
        .replace("d(", "d*(")
        .replace("−", "-")
    )
    for n, k, s, p, d in ((32, 3, 2, 1, 1), (15, 5, 3, 0, 2), (9, 1, 1, 0, 1)):
        side = nn.Conv2d(1, 1, k, s, p, d)(torch.zeros(1, 1, n, n)).shape[-1]
        assert eval(formula, {"n": n, "k": k, "s": s, "p": p, "d": d}) == side
