"""Every figure is given on by its package, drawn in the style of the course, and shown by a notebook or a helper."""

import ast
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from helpers import plots
from helpers.plots import style

REPOSITORY = Path(__file__).parent.parent
FIGURES = {
    node.name: node
    for path in (REPOSITORY / "helpers" / "plots").glob("*.py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and path.stem != "style"
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_name_a_style_and_a_use(name):
    assert callable(getattr(plots, name))
    assert [ast.unparse(decorator) for decorator in FIGURES[name].decorator_list] == ["styled()"]
    users = [*(REPOSITORY / "notebooks").glob("*.ipynb"), REPOSITORY / "helpers" / "own_runs.py"]
    assert any(f"plots.{name}(" in path.read_text(encoding="utf-8") for path in users)


def test_the_style_holds_within_a_figure_alone():
    before = dict(matplotlib.rcParams)
    drawn = plots.bars({"one": 1.0, "three": 3000.0}, "metres")
    axis = drawn.axes[0]
    assert axis.get_xlabel() == "metres" and axis.xaxis.label.get_size() == style.STYLE["font.size"]
    assert [text.get_text() for text in axis.texts] == ["1.0", "3,000.0"] and not axis.spines["top"].get_visible()
    assert dict(matplotlib.rcParams) == before
    plt.close(drawn)


def test_a_line_across_the_bars_is_never_outside():
    drawn = plots.bars({"one": 1.0}, "metres", size=(4, 2), marked=(20.0, "asked for"))
    assert drawn.axes[0].get_xlim()[1] > 20 and drawn.get_size_inches().tolist() == [4, 2]
    plt.close(drawn)


@pytest.mark.parametrize(("count", "rows", "shape"), [(5, None, (2, 4)), (2, None, (1, 2)), (5, 3, (3, 4))])
def test_pictures_are_as_many_as_there_are_or_as_are_asked_for(count, rows, shape):
    images = [[[0, 1], [2, 3]]] * count
    drawn = plots.pictures(images, ["a picture"] * count, rows=rows)
    assert drawn.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape
    assert sum(len(axis.images) for axis in drawn.axes) == count
    plt.close(drawn)
