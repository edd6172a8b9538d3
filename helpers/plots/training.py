"""Figures of training runs: schedule, curves, classes, one's own run. Notebook 06 shows them; 07 and 09 use some."""

import numpy as np

from helpers.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, figure, styled


@styled()
def schedule(rates, epochs):
    """Draw the learning rate of each step of a run of ``epochs`` epochs."""
    drawn, axis = figure(size=(9, 3.6))
    axis.plot(np.linspace(0, epochs, len(rates)), rates, color=BLUE)
    axis.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None), xlim=(0, epochs))
    return drawn


@styled()
def learning_curves(record):
    """Draw accuracy and loss on training and test images over the epochs of a run's record."""
    drawn, axes = figure(columns=2, size=(12, 4.6))
    epochs = [row["epoch"] for row in record["history"]]
    for axis, what, unit in zip(axes, ("accuracy", "loss"), (" (%)", " (mean over the images)"), strict=True):
        for part, colour, style in (("train", ORANGE, "--"), ("test", BLUE, "-")):
            axis.plot(epochs, [row[f"{part}_{what}"] for row in record["history"]], style, color=colour, label=part)
        axis.set(xlabel="epoch", ylabel=what + unit, xlim=(0, epochs[-1] + 1))
        axis.legend()
    return drawn


@styled()
def test_accuracies(records):
    """Draw the test accuracy over the epochs of several runs, ``{label: record}``."""
    drawn, axis = figure(size=(10, 4.6))
    for (label, record), colour, style in zip(records.items(), (BLUE, RED, GREEN), ("-", "--", ":"), strict=False):
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        axis.plot(epochs, accuracy, style, color=colour, label=label)
    axis.set(xlabel="epoch", ylabel="test accuracy (%)")
    axis.legend()
    return drawn


@styled()
def class_accuracy(accuracies):
    """Draw a group of bars for each class from ``{label: {class: accuracy in percent}}``."""
    drawn, axis = figure(size=(12, 4.6))
    width = 0.8 / len(accuracies)
    for i, ((label, values), colour) in enumerate(zip(accuracies.items(), (GREY, BLUE, ORANGE), strict=False)):
        places = np.arange(len(values)) + (i - (len(accuracies) - 1) / 2) * width
        axis.bar(places, list(values.values()), width * 0.95, color=colour, label=label)
    axis.set_xticks(range(len(values)), list(values), rotation=20)
    axis.set(ylabel="accuracy (%)", ylim=(0, 119))
    axis.set_yticks(range(0, 101, 20))
    axis.grid(axis="x", visible=False)
    axis.legend(ncols=len(accuracies), loc="upper center")
    return drawn


@styled()
def own_beside(reference, own):
    """Draw the test accuracy of a reader's own run beside the ``reference`` run's: over the epochs, and by class."""
    drawn, (curves, classes) = figure(columns=2, size=(12, 4.8))
    for record, label, colour, style, mark in (
        (reference, reference["name"], BLUE, "-", "o"),
        (own, "your run", PURPLE, "--", "D"),
    ):
        epochs, accuracy = zip(*((row["epoch"], row["test_accuracy"]) for row in record["history"]), strict=True)
        only_one = mark if len(epochs) == 1 else None
        curves.plot(epochs, accuracy, style, color=colour, label=label, marker=only_one, markersize=9)
        by_class = record["test"]["class_accuracy"]
        classes.plot(list(by_class.values()), list(by_class), mark, color=colour, label=label, markersize=9)
    curves.set(xlabel="epoch", ylabel="test accuracy (%)")
    curves.legend()
    classes.set(xlabel="accuracy by class, last epoch (%)")
    classes.invert_yaxis()
    return drawn
