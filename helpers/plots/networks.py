"""Figures of a network's layers (notebook 04), and of networks compared with each other (notebook 09)."""

import math

import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke

from helpers.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    bare,
    figure,
    run_looks,
    styled,
)

BLOCK_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# Where the name of a point may begin or end, in points from it: beside it, then above and below; first choice first.
PLACES = [(side * right, up) for right, up in ((9, 0), (6, 9), (6, -9), (3, 15), (3, -15)) for side in (1, -1)]


@styled()
def layer_shapes(sizes, channels, blocks):
    """Draw side, channels and values of each layer's output, layer by layer, coloured by block; lists of ints."""
    thousands = [size * size * width / 1000 for size, width in zip(sizes, channels, strict=True)]
    drawn, axes = figure(3, size=(10, 8.5), sharex=True)
    _by_block(axes[0], sizes, blocks, "side (pixels)")
    _by_block(axes[1], channels, blocks, "channels")
    _by_block(axes[2], thousands, blocks, "values (thousands)", "{:.1f}".format)
    _block_legend(axes[0], blocks, ncols=4, loc="upper right")
    axes[2].set_xlabel("convolution")
    return drawn


@styled()
def parameters_and_macs(parameters, macs, blocks):
    """Draw the parameters and the MACs of each convolution side by side, coloured by block; lists of ints."""
    drawn, axes = figure(2, size=(10, 7.5), sharex=True)
    _by_block(axes[0], [count / 1000 for count in parameters], blocks, "parameters (thousands)", "{:.2f}".format)
    _by_block(axes[1], [count / 1e6 for count in macs], blocks, "MACs (millions)", "{:.2f}".format)
    _block_legend(axes[0], blocks, loc="upper left")
    axes[1].set_xlabel("convolution")
    return drawn


@styled()
def receptive_field_growth(fields, blocks, image_side, asked):
    """Draw the receptive field after each convolution against the image's side and the side asked for, in pixels."""
    drawn, axis = figure(size=(10, 4.4))
    _by_block(axis, fields, blocks, "receptive field (pixels)", inside=True)
    for side, name, colour in ((image_side, "side of an image:", GREY), (asked, "asked for: more than", RED)):
        axis.axhline(side, color=colour, linestyle="--")
        axis.annotate(f"{name} {side}", (0.45, side), (0, 6), textcoords="offset points", color=colour, bbox=PAPER)
    axis.set_ylim(0, asked + 6)
    axis.set_xlabel("convolution")
    return drawn


def _by_block(axis, heights, blocks, labels, format="{:,}".format, inside=False):
    """Draw one bar for each layer, coloured by its block (1 to 4), its value above it or, if tall, ``inside``."""
    layers = range(1, len(heights) + 1)
    axis.bar(layers, heights, color=[BLOCK_COLOURS[block - 1] for block in blocks])
    axis.set_xticks(layers)
    axis.set_ylabel(labels)
    axis.set_ylim(0, 1.18 * max(heights))
    axis.grid(axis="x", visible=False)
    axis.set_axisbelow(True)
    place = {"textcoords": "offset points", "ha": "center"}
    for layer, height, block in zip(layers, heights, blocks, strict=True):
        if inside and height > max(heights) / 8:
            readable = "white" if BLOCK_COLOURS[block - 1] == BLUE else "black"
            axis.annotate(format(height), (layer, height), (0, -4), va="top", color=readable, weight="bold", **place)
        else:
            axis.annotate(format(height), (layer, height), (0, 3), va="bottom", bbox={**PAPER, "pad": 0.5}, **place)


def _block_legend(axis, blocks, **options):
    """Name the colours of the blocks."""
    handles = [plt.Rectangle((0, 0), 1, 1, color=BLOCK_COLOURS[block - 1]) for block in sorted(set(blocks))]
    axis.legend(handles, [f"block {block}" for block in sorted(set(blocks))], **options)


@styled()
def reckoning(steps, totals, limit):
    """Draw a total that falls step by step: horizontal bars, what each step took in orange, ``limit`` as a line."""
    drawn, axis = figure(size=(10, 4.6))
    rows = range(len(steps))
    axis.barh(rows, totals, color=[GREY] * (len(totals) - 1) + [BLUE])
    axis.axvline(limit, color="white", linewidth=5, zorder=3)
    axis.axvline(limit, color="black", linestyle="--", zorder=3)
    axis.text(limit, -0.75, f"the limit, {limit:,}", ha="center")
    for row, total in enumerate(totals):
        taken = totals[row - 1] - total if row else 0
        axis.barh(row, taken, left=total, color=ORANGE, alpha=0.6)
        axis.text(4000, row, f"{total:,}", va="center", color="white", weight="bold", fontsize=14)
        if taken:
            axis.text(1.02 * max(totals), row, f"−{taken:,}", va="center", fontsize=14)
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_axisbelow(True)
    axis.set_yticks(rows, steps)
    axis.set_ylim(len(steps) - 0.4, -0.6)
    axis.set_xlim(0, 1.17 * max(totals))
    axis.set_xlabel("parameters of the whole network")
    axis.grid(False)
    return drawn


@styled()
def seen_squares(image, masks, titles):
    """Draw ``image (32, 32, 3) uint8`` once for each of ``masks (32, 32) bool``, and darken what a mask leaves out."""
    drawn, axes = figure(1, len(masks), size=(2.6 * len(masks), 3.2))
    for axis, mask, title in zip(axes, masks, titles, strict=True):
        axis.imshow((image * (0.25 + 0.75 * mask[..., None])).astype("uint8"))
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        place = (columns[0] - 0.8, rows[0] - 0.8), len(columns) + 0.6, len(rows) + 0.6  # the frame lies outside
        axis.add_patch(plt.Rectangle(*place, fill=False, edgecolor=YELLOW, linewidth=3))
        axis.set(xlim=(-1.5, 32.5), ylim=(32.5, -1.5))
        axis.spines[:].set_visible(False)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
    return drawn


@styled()
def separable_unit(parts):
    """Draw a ``SeparableUnit``, from its input to its output; ``parts`` names what each part of the channels meets."""
    drawn, axis = figure(size=(11, 4.6))
    bare(axis)
    middle, grey = (len(parts) - 1) / 2, {"color": GREY, "linewidth": 1.6}
    axis.set(xlim=(-0.4, 11), ylim=(-1.6, len(parts) - 0.4))

    def box(x, y, text, colour, width=1.5, height=0.7):
        axis.add_patch(plt.Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=0.35))
        axis.text(x, y, text, ha="center", va="center")

    def arrow(start, end):
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", **grey})

    axis.text(0, middle, "x", ha="center", va="center", fontsize=18)
    for y, part in enumerate(reversed(parts)):
        arrow((0.2, middle), (0.9, y))
        box(2, y, part, SKY, 2.2)
        arrow((3.1, y), (3.8, middle))
    box(4.5, middle, "BatchNorm", GREY, 1.4)
    for y, name, colour in ((middle + 0.6, "gate, 1×1\nSiLU ≤ 16", ORANGE), (middle - 0.6, "value, 1×1", GREEN)):
        arrow((5.2, middle), (5.6, y))
        box(6.4, y, name, colour, 1.6, 0.95)
        arrow((7.2, y), (7.75, middle))
    axis.text(7.9, middle, "×", ha="center", va="center", fontsize=22)
    arrow((8.05, middle), (8.4, middle))
    box(9.15, middle, "narrow, 1×1\nBatchNorm", BLUE, 1.5, 0.95)
    arrow((9.9, middle), (10.3, middle))
    axis.text(10.5, middle, "+", ha="center", va="center", fontsize=22)
    axis.plot([0, 0, 10.5], [middle - 0.3, -1, -1], **grey)
    arrow((10.5, -1), (10.5, middle - 0.15))
    axis.text(5.2, -1.1, "x, as it came", ha="center", va="top", color=GREY)
    return drawn


@styled()
def waterfall(steps, label, errors=None):
    """Draw ``steps``, pairs of (name, value), as bars from one value to the next; ``label`` is the axis'.

    ``errors``: the standard error of each value, drawn as a line of one on both sides of it.
    """
    names, values = zip(*steps, strict=True)
    drawn, axis = figure(size=(11, 0.6 + 0.6 * len(steps)))
    low = math.floor(min(values) - 0.15 * (max(values) - min(values)))
    for row, value in enumerate(values):
        before = values[row - 1] if row else low
        colour = GREY if not row else BLUE if value >= before else ORANGE
        axis.barh(row, value - before, left=before, color=colour, hatch="" if value >= before else "//")
        text = f"{value:.1f}" if not row else f"{value - before:+.1f}".replace("-", "−")
        error = errors[row] if errors else 0
        if error:
            axis.errorbar(value, row, xerr=error, color=BLACK, capsize=4)
        axis.text(max(value + error, before), row, f" {text}", va="center")
        if row + 1 < len(values):
            axis.plot([value, value], [row, row + 1], color=GREY, linewidth=1)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel=f"{label}, axis from {low:.0f}", xlim=(low, max(values) + 0.12 * (max(values) - low)))
    axis.invert_yaxis()
    axis.grid(False)
    return drawn


@styled()
def accuracy_against_parameters(published, here, limit):
    """Draw networks, ``{name: (parameters, test accuracy in percent)}``, as points with their names.

    ``published`` were trained by others, ``here`` in this course; ``limit`` is a number of parameters.
    """
    drawn, axis = figure(size=(11, 7))
    axis.axvline(limit, color=RED, linestyle="--", label=f"{limit:,} parameters", zorder=0)
    most = max(parameters for parameters, _ in (published | here).values())
    axis.set(xlabel="parameters", xlim=(0, 1.15 * most))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    _named_points(axis, published, here, "lower left")
    return drawn


@styled()
def accuracy_against_training(published, here):
    """Draw networks, ``{name: (PFLOP of the whole training, test accuracy in percent)}``."""
    drawn, axis = figure(size=(11, 6))
    axis.set(xlabel="arithmetic of the whole training (PFLOP, logarithmic)", xscale="log")
    axis.set_xticks((0.3, 1, 3, 10, 30), ("0.3", "1", "3", "10", "30"))
    axis.margins(x=0.2)
    _named_points(axis, published, here, "lower right")
    return drawn


def _named_points(axis, published, here, corner):
    """Draw points, ``{name: (x, test accuracy in percent)}``, of two origins, on an axis that has all but these.

    A name is where it covers no other name, no point, no line of before and not the legend, which is in ``corner``: as
    far as one of ``PLACES`` is free.
    """
    points = published | here
    colours = dict.fromkeys(published, GREY) | {name: look[0] for name, look in zip(here, run_looks(here), strict=True)}
    for name, point in points.items():
        axis.plot(*point, "D" if name in here else "o", color=colours[name], markersize=9, zorder=3)
    shapes = list(axis.lines)
    for marker, source in (("o", "published"), ("D", "this course")):
        axis.plot([], [], marker, color=GREY, markersize=9, label=source)
    axis.set_ylabel("test accuracy (%)")
    axis.grid(False)
    legend = axis.legend(loc=corner)
    axis.figure.draw_without_rendering()  # from here on it is known where everything is
    taken = [part.get_window_extent() for part in (legend, *shapes)]
    for name, point in points.items():
        text = axis.annotate(name, point, (0, 0), color=colours[name], va="center", textcoords="offset points")
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])  # where no place is free
        for place in (*PLACES, PLACES[0]):
            text.set(position=place, ha="left" if place[0] > 0 else "right")
            box = text.get_window_extent()
            inside = axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1
            if inside and not any(map(box.overlaps, taken)):
                break
        taken.append(box)
