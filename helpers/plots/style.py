"""The style that all figures share: colours, letters, and a few ways to dress an axis.

Colours are those of M. Okabe and K. Ito, *Color Universal Design*, 2008, told apart by the colour-blind as well;
letters are large enough for a projector. Notebook 01 is the first to draw in it.
"""

import contextlib

import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#666666"
)  # fmt: skip
EMPTY = "#E4E4E4"  # a cell that nothing reaches
STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 2,
}


def figure(rows=1, columns=1, size=(9, 4.5), **options):
    """Return ``plt.subplots``; ``size`` is in inches."""
    return plt.subplots(rows, columns, figsize=size, **options)


@contextlib.contextmanager
def styled():
    """Draw in the style of the course, letters and ticks that are added later included."""
    plt.draw_if_interactive()  # loads the notebook's backend now; inside rc_context its settings would be undone
    with plt.rc_context(STYLE):
        yield


def bare(axis, title=None):
    """Take ticks, frame and grid away: what is drawn speaks for itself."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.grid(False)
    axis.set_title(title)


def cell_borders(axis, shape):
    """Draw white lines between the cells of a matrix."""
    rows, columns = shape
    axis.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="white", linewidth=1.5)
    axis.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="white", linewidth=1.5)


def named_rows(axis, names, xlabel):
    """Make ``axis`` one of horizontal bars, the first of ``names`` at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_axisbelow(True)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(xlabel)


def rgb(colour):
    """Return a colour as three numbers from 0 to 1, ``(3,)``."""
    return np.array(plt.matplotlib.colors.to_rgb(colour))
