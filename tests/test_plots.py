"""Every figure is given on by its package, drawn in the style of the course, and shown by a notebook or a helper."""

import ast
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import plots
from helpers.analysis import wilson_interval
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


@pytest.mark.parametrize("count", (1, 2, 101, 199))
def test_bars_of_differences_hold_equally_many_values_each(count):
    """They come in steps of one image: bars of another width would hold now one value more, now one less."""
    drawn = plots.differences(np.repeat(np.arange(count) / 10, 5), 0, 1)
    heights = [bar.get_height() for bar in drawn.axes[0].containers[0]]
    assert sum(heights) == 5 * count and len(set(heights[:-1])) <= 1 and heights[-1] <= heights[0]
    plt.close(drawn)


def test_a_run_has_one_colour_whatever_stands_beside_it():
    classes = {"cat": 90.0, "dog": 80.0}
    shown = plots.class_accuracy({"original, a few": classes, "here, many": classes, "a new run": classes})
    colours = [bars.patches[0].get_facecolor() for bars in shown.axes[0].containers]
    wanted = style.RUN_COLOURS["original"], style.RUN_COLOURS["session_62"]
    assert colours[:2] == [matplotlib.colors.to_rgba(colour) for colour in wanted] and len(set(colours)) == 3
    plt.close(shown)
    new = style.run_looks(["session_62", "one", "two", "better_62"])
    assert len({colour for colour, _, _ in new}) == 4 and new[0][0] == style.RUN_COLOURS["session_net"]


def a_run(name, losses, accuracies):
    rows = zip(losses, accuracies, strict=True)
    history = [
        {"epoch": i, "train_loss": 1.0, "test_loss": loss, "train_accuracy": 70.0, "test_accuracy": accuracy}
        for i, (loss, accuracy) in enumerate(rows, 1)
    ]
    return {"name": name, "history": history}


def test_a_value_far_outside_is_an_arrow_and_no_reason_to_press_the_others_together():
    run = a_run("session_84", [1.2, 1.0, 5.7, 0.8], [50.0, 70.0, 31.0, 80.0])
    curves, accuracies = plots.learning_curves(run), plots.test_accuracies({"84 epochs": run})
    assert curves.axes[1].get_ylim()[1] < 2 and [t.get_text() for t in curves.axes[1].texts] == ["5.7 in epoch 3"]
    assert [t.get_text() for t in accuracies.axes[0].texts] == ["80.00", "31 % in epoch 3"]
    low = plots.test_accuracies({"weak": a_run("weak", [2.0], [20.0])})
    assert low.axes[0].get_ylim()[0] == 0 and accuracies.axes[0].get_ylim()[0] == 60
    wobbling = plots.test_accuracies({"wobbles": a_run("wobbles", [1.0] * 8, [70.0, 31.0, 70.0, 50.0] * 2)})
    assert [t.get_text() for t in wobbling.axes[0].texts] == ["50.00"], "an end below the floor needs no arrow"
    wobbling = plots.test_accuracies({"wobbles": a_run("wobbles", [1.0] * 5, [70.0, 31.0, 70.0, 50.0, 80.0])})
    assert [t.get_text() for t in wobbling.axes[0].texts] == ["80.00", "31 % in epoch 2, 1 more below"]
    plt.close("all")


@pytest.mark.parametrize("longer, below", [(91.0, True), (89.0, False), (97.0, False)])
def test_the_last_value_of_a_shorter_run_does_not_lie_on_another_curve(longer, below):
    runs = {"short": a_run("short", [1.0] * 2, [80.0, 90.0]), "long": a_run("long", [1.0] * 3, [80.0, longer, 98.0])}
    (axis,) = plots.test_accuracies(runs).axes
    (label,) = [text for text in axis.texts if text.get_text() == "90.00"]
    assert (label.xyann[1] < 0) is below
    plt.close("all")


def test_a_run_of_one_epoch_is_seen():
    run = a_run("mine", [2.0], [20.0])
    axes = plots.learning_curves(run).axes + plots.test_accuracies({"mine": run}).axes
    assert len(axes) == 3 and all(line.get_marker() == "o" for axis in axes for line in axis.lines)
    plt.close("all")


def test_a_class_of_which_none_or_all_are_right_has_an_interval():
    low, high = np.array([wilson_interval(count, 1000) for count in (0, 1000)]).T
    assert plots.class_intervals(["cat", "dog"], {"mine": (np.array([0.0, 1.0]), low, high)}).axes[0].containers
    plt.close("all")


@pytest.mark.parametrize("name", ["standard_32", "standard 3×3", "dilated 3×3", "grouped_64", "separable_90"])
def test_a_kind_of_convolution_has_one_look(name):
    assert style.kind_look(name) == style.KIND_LOOKS[name.replace("_", " ").split()[0]]
    assert len(set(style.KIND_LOOKS.values())) == len(style.KIND_LOOKS)


def test_networks_of_the_course_have_the_colours_of_their_runs_and_the_published_none():
    here = {"session_net": (3, 88.0), "mixed_net, taught": (2, 94.0)}
    drawn = plots.accuracy_against_training({"published": (1, 93.0)}, here)
    colours = {text.get_text(): text.get_color() for text in drawn.axes[0].texts}
    assert colours == {"published": style.GREY, **{name: style.RUN_COLOURS[name] for name in here}}


def test_names_of_networks_lie_on_nothing():
    """Six that are close together, two at the same place, one on the limit, one above the legend."""
    close = {f"a long name, {i}": (100_000 + 9_000 * i, 90 + 0.3 * (i % 3)) for i in range(6)}
    here = {
        "one with a long name": (300_000, 95.0),
        "the other": (300_000, 95.0),
        "limit": (187_418, 92.0),
        "low": (9_000, 88.9),
        "lowest": (187_418, 88.0),
    }
    drawn = plots.accuracy_against_parameters(close, here, 187_418)
    (axis,) = drawn.axes
    drawn.canvas.draw()
    names = [text.get_window_extent() for text in axis.texts]
    drawn_lines = [line for line in axis.lines if len(line.get_xdata())]
    shapes = [part.get_window_extent() for part in (*drawn_lines, axis.get_legend())]
    assert len(names) == 11
    for i, name in enumerate(names):
        assert axis.bbox.x0 <= name.x0 and name.x1 <= axis.bbox.x1
        assert not [other for other in names[:i] + shapes if name.overlaps(other)], axis.texts[i].get_text()
    plt.close("all")


def test_the_bars_of_a_staircase_carry_their_errors():
    steps = [("first", 60.0), ("second", 70.0), ("third", 69.0)]
    drawn = plots.waterfall(steps, "accuracy (%)", [0.5, 1.0, 2.0])
    lines = [[point[0] for point in bar.get_segments()[0]] for bar in drawn.axes[0].collections]
    assert [ends[0] for ends in lines] == [59.5, 69.0, 67.0] and [ends[1] for ends in lines] == [60.5, 71.0, 71.0]
    assert [text.get_text().strip() for text in drawn.axes[0].texts] == ["60.0", "+10.0", "−1.0"]
    assert not plots.waterfall(steps, "accuracy (%)").axes[0].collections
    close = plots.waterfall([("first", 91.6), ("second", 91.7), ("third", 91.9)], "accuracy (%)").axes[0]
    assert close.get_xlim()[0] < 91.6 and close.get_xlim()[1] > 91.9
    plt.close("all")
