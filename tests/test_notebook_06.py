"""Notebook 06: what its short runs show is so on other machines as well."""

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch

from helpers.networks import build
from helpers.records import REPOSITORY

CELLS = nbformat.read(REPOSITORY / "notebooks" / "06_train_62_epochs.ipynb", as_version=4).cells
MARKS = "import torch.nn.functional", "def train_step", "SUSPECTS = ", "by_heart = ", 'for name in "AD"'


@pytest.mark.parametrize("machine", (1, 2))
def test_four_curves_and_a_batch_by_heart_tell_what_is_wrong(machine, capsys):
    """Other machines round otherwise. Here the seventh digit of every initial weight is another: that does as much."""

    def elsewhere(name):
        network, digits = build(name), torch.Generator().manual_seed(machine)
        with torch.no_grad():
            for weights in network.parameters():
                weights *= 1 + 1e-6 * torch.randn(weights.shape, generator=digits)
        return network

    space = {}
    for mark in MARKS:
        (source,) = [cell.source for cell in CELLS if cell.cell_type == "code" and mark in cell.source]
        exec(source, space)
        space["build"] = elsewhere
    assert capsys.readouterr().out.count("\n") == 7
    plt.close("all")
