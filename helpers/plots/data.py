"""Figures of images and of the data set. Notebook 01 shows the data with them; 02, 08 and 09 use some of them, too."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.style import BLUE, GREEN, RED, bare, figure, styled


@styled()
def image_rows(images, row_names, column_names=None, halves=None):
    """Draw a grid of images, ``(rows, columns, 32, 32, 3) uint8``, with a name at each row and over each column.

    ``halves``, two names, parts the columns into a left and a right half instead, with a name over each.
    """
    if halves:
        left, right = np.split(images, 2, axis=1)
        images = np.concatenate([left, np.full_like(left[:, :1], 255), right], axis=1)
        count = left.shape[1]
        column_names = [""] * images.shape[1]
        column_names[count // 2], column_names[count + 1 + count // 2] = halves
    rows, columns, side = images.shape[:3]
    gap = 3
    step = side + gap
    canvas = np.full((rows * step - gap, columns * step - gap, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            canvas[row * step :, column * step :][:side, :side] = images[row, column]
    drawn, axis = figure(size=(11, 0.3 + rows * (0.95 if columns > 8 else 1.2)))
    axis.imshow(canvas, interpolation="nearest")
    axis.set_yticks(step * np.arange(rows) + side / 2, row_names)
    axis.set_xticks(step * np.arange(columns) + side / 2, column_names or [""] * columns)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return drawn


@styled()
def pictures(images, titles, columns=4, rows=None):
    """Draw images, ``(H, W, 3)`` or ``(H, W)`` (grey, from its smallest to its largest value), with titles.

    Titles of several lines get more room. With ``rows`` the figure has that many, and places without an image stay
    empty; else it has as few rows and columns as will do.
    """
    if rows is None:
        columns = min(columns, len(images))
        rows = -(-len(images) // columns)
    long = any("\n" in title for title in titles)
    width, height = (2.1, 2.75) if long else (1.6, 1.95)
    if len(images) == 1:  # a title may be wider than a small picture
        width, height = 3.4, 3.4
    drawn, axes = figure(rows, columns, size=(width * columns, height * rows), squeeze=False)
    for axis in axes.flat:
        bare(axis)
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap="gray", interpolation="nearest")
        axis.set_title(title, **({"fontsize": 12} if long else {}))
    return drawn


@styled()
def pixels_as_numbers(image, top, left, size=5):
    """Draw an image ``(32, 32, 3) uint8`` and, as numbers, ``size``×``size`` of its pixels, channel by channel."""
    drawn, axes = figure(1, 4, size=(12, 3.3))
    axes[0].imshow(image, interpolation="nearest")
    axes[0].add_patch(plt.Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor="white", linewidth=2.5))
    axes[0].set(title="32×32 pixels", xlabel="column (pixels)", ylabel="row (pixels)")
    for channel, (axis, name) in enumerate(zip(axes[1:], ("red", "green", "blue"), strict=True)):
        patch = image[top : top + size, left : left + size, channel]
        axis.imshow(patch, cmap="gray", vmin=0, vmax=255)
        axis.set_title(name, color={"red": RED, "green": GREEN, "blue": BLUE}[name])
        axis.set_xlabel("column (pixels)")
        axis.set_xticks(range(size), range(left, left + size))
        axis.set_yticks(range(size), range(top, top + size))
        for row, column in np.ndindex(size, size):
            value = patch[row, column]
            axis.text(column, row, value, ha="center", va="center", color="black" if value > 127 else "white")
    for axis in axes:
        axis.grid(False)
    return drawn


@styled()
def channel_histograms(shares, mean, std):
    """Draw how often each value occurs, ``shares (3, 256)``, before and after normalisation by ``mean`` and ``std``."""
    drawn, (before, after) = figure(1, 2, size=(12, 4.2), sharey=True)
    values = np.arange(256)
    looks = (("red", RED, "-"), ("green", GREEN, "--"), ("blue", BLUE, ":"))
    for channel, (name, colour, line) in enumerate(looks):
        percent = 100 * shares[channel]
        before.plot(values, percent, color=colour, linestyle=line, label=name)
        after.plot((values / 255 - mean[channel]) / std[channel], percent, color=colour, linestyle=line, label=name)
    before.set(title="bytes", xlabel="value (0 to 255)", ylabel="pixels (%)", ylim=(0, None))
    after.set(title="normalised", xlabel="value (deviations from the mean)")
    before.legend(loc="upper center")
    return drawn
