"""Figures of training runs: schedule, curves, classes, one's own run. Notebook 06 shows them; 07 and 09 use some."""

import numpy as np

from helpers.plots.style import BLUE, beyond, figure, run_looks, styled

OFFSET = {"textcoords": "offset points", "va": "center", "annotation_clip": False}

FLOOR = 60  # percent: where the axis of test accuracies begins; a run is below it in its first epochs


@styled()
def schedule(rates, epochs):
    """Draw the learning rate of each step of a run of ``epochs`` epochs, and mark its top."""
    drawn, axis = figure(size=(9, 3.6))
    along, top = np.linspace(0, epochs, len(rates)), int(np.argmax(rates))
    axis.plot(along, rates, color=BLUE)
    axis.plot(along[top], rates[top], "o", color=BLUE, markersize=9)
    axis.annotate(
        f"{rates[top]:g} at {100 * top / len(rates):.0f} %", (along[top], rates[top]), (0, 12), ha="center", **OFFSET
    )
    axis.set(xlabel="epoch", ylabel="learning rate", ylim=(0, 1.15 * max(rates)), xlim=(0, epochs))
    axis.set_xticks([*range(0, epochs - 4, 10), epochs])
    return drawn


def _only_one(epochs, mark="o"):
    """Return what makes a curve of a single epoch, which is a point and no line, be seen."""
    return {"marker": mark, "markersize": 9} if len(epochs) == 1 else {}


@styled()
def learning_curves(record):
    """Draw accuracy and loss on training and test images over the epochs of a run's record, in the run's colour."""
    drawn, axes = figure(columns=2, size=(12, 4.6))
    epochs = [row["epoch"] for row in record["history"]]
    ((colour, _, _),) = run_looks([record["name"]])
    for axis, what, unit in zip(axes, ("accuracy", "loss"), (" (%)", " (mean over the images)"), strict=True):
        for part, look in (("training", {"linestyle": "--", "alpha": 0.65}), ("test", {})):
            values = [row[f"{part.removesuffix('ing')}_{what}"] for row in record["history"]]
            axis.plot(epochs, values, color=colour, label=f"{part} images", **look, **_only_one(epochs))
        axis.set(xlabel="epoch", ylabel=what + unit, xlim=(0, epochs[-1] + 1))
        axis.legend()
    losses = [row["test_loss"] for row in record["history"]]
    rest = max([*sorted(losses)[:-1], *(row["train_loss"] for row in record["history"])])
    if max(losses) > 2 * rest:  # one value would press all the others together
        axes[1].set_ylim(0, 1.1 * rest)
        worst = int(np.argmax(losses))
        beyond(axes[1], epochs[worst], 1.1 * rest, f"{losses[worst]:.1f} in epoch {epochs[worst]}")
    return drawn


@styled()
def test_accuracies(records):
    """Draw the test accuracy over the epochs of several runs, ``{label: record}``, with the last at each end.

    The axis begins at ``FLOOR``; where a run falls below it later than in its beginning, an arrow says how far.
    """
    drawn, axis = figure(size=(10, 4.6))
    floor = FLOOR if all(run["history"][-1]["test_accuracy"] > FLOOR for run in records.values()) else 0
    axis.set_ylim(floor, 5 * (max(row["test_accuracy"] for run in records.values() for row in run["history"]) // 5 + 1))
    looks = run_looks([record["name"] for record in records.values()])
    longest = max(len(record["history"]) for record in records.values())
    for (label, record), (colour, _, style) in zip(records.items(), looks, strict=True):
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        axis.plot(epochs, accuracy, style, color=colour, label=label, **_only_one(epochs))
        rows = (row for other in records.values() for row in other["history"] if row["epoch"] == epochs[-1])
        passed = any(0 < row["test_accuracy"] - accuracy[-1] < 3 for row in rows)  # another run goes on, just above
        beside = {"xytext": (0, -20 if passed else 10), "ha": "center"}
        place = {"xytext": (5, 0)} if len(epochs) == longest else beside
        axis.annotate(f"{accuracy[-1]:.2f}", (epochs[-1], accuracy[-1]), **place, **OFFSET)
        begun = next((i for i, value in enumerate(accuracy) if value >= floor), len(accuracy))
        fallen = sorted(row for row in zip(accuracy[begun:], epochs[begun:], strict=True) if row[0] < floor - 5)
        if fallen:
            (value, epoch), more = fallen[0], f", {len(fallen) - 1} more below" if len(fallen) > 1 else ""
            beyond(axis, epoch, floor, f"{value:.0f} % in epoch {epoch}{more}")
    axis.set(xlabel="epoch", ylabel=f"test accuracy (%), axis from {floor}")
    axis.legend(loc="lower right")
    return drawn


@styled()
def class_accuracy(accuracies):
    """Draw a group of bars for each class from ``{label: {class: accuracy in percent}}``."""
    drawn, axis = figure(size=(12, 4.6))
    width = 0.8 / len(accuracies)
    looks = run_looks(accuracies)
    for i, ((label, values), (colour, _, _)) in enumerate(zip(accuracies.items(), looks, strict=True)):
        places = np.arange(len(values)) + (i - (len(accuracies) - 1) / 2) * width
        axis.bar(places, list(values.values()), width * 0.95, color=colour, label=label)
    axis.set_xticks(range(len(values)), list(values))
    axis.set(ylabel="accuracy (%)", ylim=(0, 100))
    axis.set_axisbelow(True)
    axis.grid(axis="x", visible=False)
    drawn.legend(ncols=len(accuracies), loc="outside upper center", frameon=False)
    return drawn


@styled()
def own_beside(reference, own):
    """Draw the test accuracy of a reader's own run beside the ``reference`` run's: over the epochs, and by class."""
    drawn, (curves, classes) = figure(columns=2, size=(12, 4.8))
    labels = reference["name"], "your run"
    looks = zip((reference, own), labels, run_looks(labels), (12, 7), strict=True)  # the larger mark lies below
    for record, label, (colour, mark, style), size in looks:
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        curves.plot(epochs, accuracy, style, color=colour, label=label, **_only_one(epochs, mark))
        by_class = record["test"]["class_accuracy"]
        classes.plot(list(by_class.values()), list(by_class), mark, color=colour, label=label, markersize=size)
    curves.set(xlabel="epoch", ylabel="test accuracy (%)")
    curves.legend()
    classes.set(xlabel="accuracy by class, last epoch (%)")
    classes.invert_yaxis()
    return drawn
