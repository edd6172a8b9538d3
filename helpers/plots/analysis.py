"""Figures of a network's answers and mistakes. Notebook 08 shows them first."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.style import BLUE, EMPTY, GREY, RED, SKY, bare, figure, named_rows, run_looks, styled

FEW = 20  # images: a share of fewer says little


@styled()
def class_intervals(names, groups):
    """Draw a share and its interval for each of ``names``, in percent, one mark a group.

    ``groups`` is ``{label: (shares, low, high)}``, each a list as long as ``names``, from 0 to 1.
    """
    drawn, axis = figure(size=(10, 0.9 + 0.5 * len(names)))
    looks = run_looks(groups)
    for i, ((label, parts), (colour, mark, _)) in enumerate(zip(groups.items(), looks, strict=True)):
        shares, low, high = (100 * np.asarray(part) for part in parts)
        rows = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * 0.3
        style = {"fmt": mark, "color": colour, "markersize": 9, "capsize": 5, "label": label}
        reach = np.maximum(0, (shares - low, high - shares))  # rounding leaves a hair below 0 at 0 and 100 %
        axis.errorbar(shares, rows, xerr=reach, **style)
    named_rows(axis, names, "accuracy (%), with the 95 % interval")
    axis.legend(loc="lower left")
    return drawn


@styled()
def confusions(matrix, names):
    """Draw a confusion matrix as numbers, the mistakes in colour, the right answers on the diagonal in grey."""
    drawn, axis = figure(size=(9.6, 8))
    matrix = np.asarray(matrix)
    mistakes = matrix * (1 - np.eye(len(names)))
    shown = axis.imshow(np.sqrt(mistakes), cmap="Blues", aspect="auto")
    for row, column in np.ndindex(*matrix.shape):
        right = row == column
        if right:
            axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=EMPTY))
        colour = "white" if mistakes[row, column] > 0.4 * mistakes.max() else GREY if right else "black"
        axis.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=colour)
    bar = drawn.colorbar(shown, ax=axis, shrink=0.6, label="mistakes")
    ticks = [count for count in (0, 5, 20, 50, 100) if count <= mistakes.max()]
    bar.set_ticks(np.sqrt(ticks), labels=ticks)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="the network's answer", ylabel="label")
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return drawn


@styled()
def reliability_diagrams(networks):
    """Draw accuracy over confidence and, below, how often each confidence occurs, a column for each network.

    ``networks`` is ``{title: (count, confidence, accuracy)}``, as ``helpers.analysis.reliability`` returns them.
    """
    drawn, axes = figure(
        2, len(networks), size=(3.9 * len(networks), 5.2), height_ratios=[3, 1], sharex=True, sharey="row"
    )
    parts = zip(axes.T, networks.items(), run_looks(networks), strict=True)
    for (above, below), (title, (count, confidence, accuracy)), (colour, _, _) in parts:
        places = (np.arange(len(count)) + 0.5) / len(count)
        heights, width = 100 * accuracy, 0.9 / len(count)
        hollow = {"edgecolor": colour, "fill": False, "linestyle": "--", "linewidth": 1.5}  # from few images
        for few, look in ((False, {"color": colour, "alpha": 0.5}), (True, hollow)):
            chosen = (count < FEW) == few
            above.bar(
                places[chosen],
                heights[chosen],
                width,
                label=f"of fewer than {FEW} images" if few else "accuracy",
                **look,
            )
        above.plot([0, 1], [0, 100], "--", color="black", label="honest (calibrated)")
        above.plot(confidence, 100 * confidence, "o", color="black", label="confidence")
        above.set_title(title)
        below.bar(places, 100 * count / count.sum(), width, color=GREY)
        below.set(xlabel="confidence", xlim=(0, 1), xticks=[0.2, 0.4, 0.6, 0.8, 1])
        above.set_axisbelow(True)
        below.set_axisbelow(True)
    axes[0, 0].set_ylabel("right (%)")
    axes[1, 0].set_ylabel("images (%)")
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return drawn


@styled()
def heat_rows(images, heats, titles, row_names):
    """Draw images ``(N, 32, 32, 3)`` in a row and, below, each row of ``heats (rows, N, 32, 32)`` laid over them."""
    drawn, axes = figure(1 + len(heats), len(images), size=(1.45 * len(images), 1.6 * (1 + len(heats)) + 0.3))
    for axis in axes.flat:
        bare(axis)
    for column, (image, title) in enumerate(zip(images, titles, strict=True)):
        axes[0, column].imshow(image)
        axes[0, column].set_title(title, fontsize=12)
        for axis, heat in zip(axes[1:, column], heats, strict=True):
            axis.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
            axis.imshow(heat[column], cmap="inferno", alpha=0.5)
    for axis, name in zip(axes[:, 0], row_names, strict=True):
        axis.set_ylabel(name, fontsize=12)
    return drawn


@styled()
def effective_fields(maps, fields, titles):
    """Draw maps ``(32, 32)`` of how much each pixel matters, and the square of the theoretical field in each."""
    drawn, axes = figure(1, len(maps), size=(3 * len(maps), 3.6))
    for axis, values, side, title in zip(axes, maps, fields, titles, strict=True):
        shown = axis.imshow(values / values.max(), cmap="viridis", vmin=0, vmax=1)
        rows, columns = np.nonzero(values)
        corner = columns.min() - 0.5, rows.min() - 0.5
        axis.add_patch(plt.Rectangle(corner, side, side, fill=False, edgecolor="white", linewidth=2.5))
        bare(axis, title)
    drawn.colorbar(shown, ax=axes, shrink=0.8, label="gradient (share of the largest)")
    return drawn


@styled()
def robustness(curves):
    """Draw accuracy over the strength of each corruption: ``{name: (unit, strengths, {network: [percent, …]})}``."""
    drawn, axes = figure(2, 3, size=(11, 6.6), sharey=True)
    for axis, (name, (unit, strengths, accuracies)) in zip(axes.flat, curves.items(), strict=True):
        shifts = 0.07 * (np.arange(len(accuracies)) - (len(accuracies) - 1) / 2)  # no mark hides another
        for (network, values), (colour, mark, line), shift in zip(
            accuracies.items(), run_looks(accuracies), shifts, strict=True
        ):
            places = np.arange(len(strengths)) + shift
            axis.plot(places, values, line, marker=mark, color=colour, markersize=7, label=network)
        axis.set_xticks(range(len(strengths)), strengths)
        axis.set(title=name, xlabel=unit, xlim=(-0.3, len(strengths) - 0.7), ylim=(0, 100))
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy (%)")
    drawn.get_layout_engine().set(hspace=0.08)  # else a title looks like a line of the label above it
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return drawn


@styled()
def differences(points, low, high):
    """Draw how often each difference of two accuracies, in points, came up in resampling, and its interval."""
    drawn, axis = figure(size=(9, 3.8))
    axis.set_axisbelow(True)
    apart = np.diff(np.unique(points))  # in steps of one image; bars of equal numbers of steps, or they are uneven
    step = apart.min() if len(apart) else 1
    width = step * max(1, round(np.ptp(points) / 40 / step))
    axis.hist(points, np.arange(points.min() - step / 2, points.max() + width, width), color=SKY)
    axis.axvspan(low, high, color=BLUE, alpha=0.2, label=f"95 %: {low:.1f} to {high:.1f}")
    axis.axvline(0, color=RED, linestyle="--", label="no difference")
    axis.set(xlabel="difference of the accuracies (points)", ylabel="resampled test sets")
    axis.legend()
    return drawn
