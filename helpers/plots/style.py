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
BLACK = "#000000"
BROWN = "#8C510A"  # of K. Brewer's palettes
EMPTY = "#E4E4E4"  # a cell that nothing reaches
RUN_COLOURS = {  # a run has one colour throughout the course; a label stands where a notebook names the run so
    "session_62": BLUE,
    "session_net": BLUE,
    "62 epochs": BLUE,
    "here": BLUE,
    "session_84": ORANGE,
    "84 epochs": ORANGE,
    "no_augmentation": RED,
    "no_augmentation_62": RED,
    "tutorial_10": SKY,
    "better_62": GREEN,
    "better_net": GREEN,
    "better_42_taught": BLACK,
    "better_net, taught": BLACK,
    "mixed_84_taught": BROWN,
    "mixed_net, taught": BROWN,
    "original": GREY,
    "your run": PURPLE,
}
COLOUR_MARKS = {
    BLUE: "o-",
    ORANGE: "D--",
    RED: "s--",
    SKY: "^:",
    GREEN: "D-.",
    BLACK: "v-",
    BROWN: "X-",
    GREY: "D:",
    PURPLE: "P--",
}
KIND_LOOKS = {  # a kind of convolution has one colour and one marker
    "standard": (BLUE, "o"),
    "standard 5×5": (BLACK, "^"),
    "dilated": (RED, "X"),
    "grouped": (ORANGE, "s"),
    "separable": (GREEN, "D"),
    "pointwise": (SKY, "P"),
    "depthwise": (PURPLE, "v"),
}
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind letters that would stand on a line
STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.framealpha": 1,
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


def run_looks(names):
    """Return ``(colour, marker, line style)`` for each of ``names``; unknown runs take what is left.

    A name may go on behind a comma: "here, 1,000 images each".
    """
    known = [RUN_COLOURS.get(name) or RUN_COLOURS.get(name.split(",")[0]) for name in names]
    left = iter([colour for colour in COLOUR_MARKS if colour not in known] * len(names))
    colours = [colour or next(left) for colour in known]
    return [(colour, COLOUR_MARKS[colour][0], COLOUR_MARKS[colour][1:]) for colour in colours]


def kind_look(name):
    """Return colour and marker of a kind of convolution: "grouped_64" looks like "grouped 3×3"."""
    return KIND_LOOKS.get(name) or KIND_LOOKS[name.replace("_", " ").split()[0]]


def beyond(axis, x, edge, text):
    """Mark at ``edge`` of the y axis, its lower or upper end, that a value lies beyond it."""
    low = edge == axis.get_ylim()[0]
    arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.5}
    place = {"xytext": (14, 30 if low else -30), "textcoords": "offset points", "ha": "left", "va": "center"}
    axis.annotate(text, (x, edge), arrowprops=arrow, bbox=PAPER, fontsize=12, **place)


def cell_borders(axis, shape):
    """Draw white lines around the cells of a matrix."""
    rows, columns = shape
    look = {"color": "white", "linewidth": 1.5, "clip_on": False}  # the outer lines cover what an image leaves outside
    axis.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, **look)
    axis.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, **look)


def named_rows(axis, names, xlabel, valued=False):
    """Make ``axis`` one of horizontal bars, the first of ``names`` at the top; without grid if bars are ``valued``."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_axisbelow(True)
    axis.grid(visible=not valued)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(xlabel)


def rgb(colour):
    """Return a colour as three numbers from 0 to 1, ``(3,)``."""
    return np.array(plt.matplotlib.colors.to_rgb(colour))
