"""Figures of training itself: steps downhill, and losses that go wrong. Notebook 06 draws them."""

import numpy as np

from helpers.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, figure, styled


@styled()
def descents(paths, steepness):
    """Draw five ``paths``, ``{label: places (steps + 1, 2)}``, in the valley (x² + ``steepness`` y²) / 2."""
    drawn, axes = figure(2, 3, size=(12, 5.2), sharex=True, sharey=True)
    x, y = np.meshgrid(np.linspace(-10, 6, 200), np.linspace(-4, 4, 200))
    colours = (BLUE, GREEN, RED, ORANGE, PURPLE)
    for axis, (label, places), colour in zip(axes.flat[:5], paths.items(), colours, strict=True):
        axis.contour(x, y, (x**2 + steepness * y**2) / 2, levels=np.geomspace(1, 300, 9), colors=GREY, linewidths=0.6)
        axis.plot(*np.asarray(places).T, "o-", color=colour, markersize=4, linewidth=1.2)
        axis.plot(0, 0, "k+", markersize=14, markeredgewidth=2)
        axis.set(title=label, xlim=(-10, 6), ylim=(-4, 4), xticks=(-8, -4, 0, 4))
        axis.grid(False)
    axes[1, 2].remove()
    axes[0, 2].tick_params(labelbottom=True)
    for axis in (axes[0, 2], *axes[1, :2]):
        axis.set_xlabel("along the valley")
    for axis in axes[:, 0]:
        axis.set_ylabel("across it")
    return drawn


@styled()
def losses(runs, smooth=10):
    """Draw the training loss of ``runs``, ``{label: one loss for each step}``, averaged over ``smooth`` steps."""
    drawn, axis = figure(size=(10, 4.6))
    for (label, values), colour, style in zip(
        runs.items(), (BLUE, ORANGE, RED, GREY), ("-", "--", ":", "-."), strict=True
    ):
        means = np.asarray(values)[: len(values) // smooth * smooth].reshape(-1, smooth).mean(axis=1)
        axis.plot(smooth * (np.arange(len(means)) + 1), means, style, color=colour, label=label)
    axis.set(xlabel="step", ylabel=f"training loss (mean of {smooth} steps)")
    drawn.legend(loc="outside upper center", ncols=2)
    return drawn
