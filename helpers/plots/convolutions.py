"""Figures of what a convolution computes and which pixels and channels it reaches. Notebook 02 shows them."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.style import (
    BLUE,
    EMPTY,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    YELLOW,
    bare,
    cell_borders,
    figure,
    rgb,
    styled,
)  # fmt: skip

PATHS = "paths from a pixel to the output (grey: none)"


@styled()
def convolution_by_numbers(image, kernel, output, row, column):
    """Draw ``image (H, W)``, ``kernel (k, k)`` and ``output`` as numbers; mark one output and its window."""
    size, room = len(kernel), 0.75  # in cells: for the sign before a matrix
    window = {(row + i, column + j): YELLOW for i, j in np.ndindex(size, size)}
    widths = [image.shape[1] + 0.1, size + room + 0.05, output.shape[1] + room + 0.05]  # cells of one size
    drawn, axes = figure(1, 3, size=(7.2, 3.1), width_ratios=widths)
    _numbers(axes[0], image, "input", window)
    _numbers(axes[1], kernel, "kernel", {place: SKY for place in np.ndindex(size, size)})
    _numbers(axes[2], output, "output", {(row, column): ORANGE})
    for axis, sign, matrix, width in zip(axes[1:], "∗=", (kernel, output), widths[1:], strict=True):
        axis.text(-room / 2, len(matrix) / 2, sign, ha="center", va="center", fontsize=18)
        axis.set_xlim(-room, matrix.shape[1] + 0.05)
        axis.title.set_x(0.5 + room / 2 / width)
    return drawn


@styled()
def product_by_numbers(weights, columns, product, column):
    """Draw ``weights (out, n) @ columns (n, m) = product (out, m)`` as numbers, the columns above the product."""
    drawn, axes = figure(2, 2, size=(7.6, 5.5), width_ratios=[len(columns), product.shape[1]], height_ratios=[9, 3.4])
    bare(axes[0, 0])
    axes[0, 0].text(0.5, 0.5, "weights @ windows = outputs", ha="center", fontsize=15, transform=axes[0, 0].transAxes)
    marked = {(i, column): YELLOW for i in range(len(columns))}
    _numbers(axes[0, 1], columns, "one column for each window", marked, fontsize=12)
    blue = {place: SKY for place in np.ndindex(*weights.shape)}
    _numbers(axes[1, 0], weights, "one row for each filter", blue, fontsize=12)
    orange = {(i, column): ORANGE for i in range(len(weights))}
    _numbers(axes[1, 1], product, "one row for each output channel", orange, fontsize=12)
    return drawn


def _numbers(axis, values, title, colours=None, fontsize=15):
    """Draw a matrix as numbers in cells; ``colours`` maps ``(row, column)`` to the colour of a cell."""
    rows, columns = values.shape
    for row, column in np.ndindex(rows, columns):
        colour = (colours or {}).get((row, column), "white")
        axis.add_patch(plt.Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=1))
        number = f"{values[row, column]:.0f}".replace("-", "−")
        axis.text(column + 0.5, row + 0.5, number, ha="center", va="center", fontsize=fontsize)
    axis.set(xlim=(-0.05, columns + 0.05), ylim=(rows + 0.05, -0.05), aspect="equal")
    bare(axis, title)


@styled()
def footprint(counts, title):
    """Draw what one output pixel sees, from ``counts (out, in, H, W)``, the paths to it from each input pixel.

    Left the pixels that reach it, in any channel; right which input channel reaches which output channel.
    """
    counts = np.asarray(counts)
    narrow = min(1, counts.shape[1] / counts.shape[0])
    drawn, (space, channels) = figure(
        1, 2, size=(6, 3.9), width_ratios=[1, max(narrow, 0.6)], subplot_kw={"anchor": "N"}
    )
    drawn.suptitle(title, fontsize=14)
    taps = counts.sum(axis=(0, 1)) > 0
    space.imshow(np.where(taps[..., None], rgb(BLUE), rgb(EMPTY)))
    cell_borders(space, taps.shape)
    _ring(space, taps.shape)
    bare(space, "pixels")
    _connections(channels, counts.sum(axis=(2, 3)) > 0, "channels")
    return drawn


def _ring(axis, shape):
    """Draw the ring that marks the output pixel, in the middle of pixels of this shape."""
    middle, radius = (shape[1] // 2, shape[0] // 2), 0.028 * shape[0]
    axis.add_patch(plt.Circle(middle, min(radius, 0.35), facecolor="white", edgecolor=RED, linewidth=2, zorder=3))


@styled()
def channel_maps(connections, titles):
    """Draw matrices ``(out, in)`` side by side: a filled cell where an input channel reaches an output channel."""
    drawn, axes = figure(1, len(titles), size=(2.2 * len(titles), 2.8))
    for axis, matrix, title in zip(axes, connections, titles, strict=True):
        _connections(axis, matrix, title)
    return drawn


def _connections(axis, connections, title):
    """Draw ``connections (out, in)``: a filled cell where an input channel reaches an output channel."""
    axis.imshow(np.where(np.asarray(connections)[..., None], rgb(GREEN), rgb(EMPTY)))
    cell_borders(axis, connections.shape)
    bare(axis, title)
    axis.set(xlabel="input channel", ylabel="output channel")
    rows, columns = connections.shape
    axis.set(xticks=[0, columns - 1], yticks=[0, rows - 1])
    axis.tick_params(length=0, labelsize=11)
    axis.yaxis.labelpad = -11  # between the two numbers
    axis.xaxis.labelpad = -9 if columns >= rows else 0


@styled()
def path_maps(maps, titles, label=PATHS):
    """Draw heat maps of counts ``(H, W)`` side by side: how often a pixel is used; one never used is grey.

    Where paths to one output pixel are counted, a ring marks it, in the middle.
    """
    drawn, axes = figure(1, len(maps), size=(2.2 * len(maps), 3.2 if max(m.max() for m in maps) > 1 else 2.5))
    most = int(max(counts.max() for counts in maps))
    scale = plt.matplotlib.colors.LogNorm(1, max(most, 2))
    colours = plt.colormaps["viridis_r"] if most > 1 else plt.matplotlib.colors.ListedColormap([BLUE])
    colours = colours.with_extremes(bad=EMPTY)
    for axis, counts, title in zip(axes, maps, titles, strict=True):
        shown = axis.imshow(np.where(counts > 0, counts, np.nan), cmap=colours, norm=scale)
        cell_borders(axis, counts.shape)
        if label == PATHS:
            _ring(axis, counts.shape)
        bare(axis, title)
    if most > 1:
        bar = drawn.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.8, aspect=30, pad=0.03)
        ticks = [2**i for i in range(most.bit_length())]
        bar.set_ticks(ticks, labels=ticks, minor=False)
        bar.ax.minorticks_off()
        bar.set_label(label)
    return drawn


@styled()
def dilation_gif(path, stacks, steps=8):
    """Write an animated GIF of which inputs reach one output of stacks of dilated 3×3 convolutions, layer by layer.

    ``stacks`` holds lists of dilations, of equal length, first layer first; the walk goes back from the output.
    """
    from matplotlib.animation import FuncAnimation, PillowWriter

    hold = 10  # frames, at the end of a layer
    half = max(sum(dilations) for dilations in stacks)
    frames = list(zip(*(_reach_frames(dilations, steps) for dilations in stacks), strict=True))
    order = []
    for last in range(steps - 1, len(frames), steps):
        order += [*range(last - steps + 1, last), *[last] * hold]
    order += [order[-1]] * hold  # the result stays longest
    drawn, axes = figure(1, len(stacks), size=(3.4 * len(stacks), 4.6), dpi=80)
    drawn.suptitle("Which inputs reach one output (the ring)?", fontsize=15)

    def draw(number):
        for axis, dilations, (layer, dilation, waiting, seen) in zip(axes, stacks, frames[number], strict=True):
            axis.clear()
            shown = np.full((2 * half + 1, 2 * half + 1, 3), rgb(EMPTY))
            for colour, pixels in ((BLUE, seen), (YELLOW, waiting)):
                for row, column in pixels:
                    shown[row + half, column + half] = rgb(colour)
            axis.imshow(shown)
            cell_borders(axis, shown.shape[:2])
            axis.add_patch(plt.Circle((half, half), 0.3, facecolor="white", edgecolor=RED, linewidth=2))
            bare(axis, "dilations " + ", ".join(map(str, dilations)))
            axis.set_xlabel(f"back through layer {layer} (dilation {dilation}):\n{len(seen)} pixels reach the output")

    animation = FuncAnimation(drawn, draw, frames=order)
    animation.save(path, writer=PillowWriter(fps=6))
    plt.close(drawn)


def _reach_frames(dilations, steps):
    """Yield ``(layer, dilation, sources, pixels reached)`` from one output back to the input of stacked 3×3 kernels.

    Pixels are sets of ``(row, column)`` from the output; ``steps`` frames a layer, the pixels reached growing in each.
    """
    reached = {(0, 0)}
    for layer in range(len(dilations), 0, -1):
        dilation, sources, seen = dilations[layer - 1], sorted(reached), set()
        for step in range(1, steps + 1):
            done = sources[: -(-len(sources) * step // steps)]
            seen |= {(r + i * dilation, c + j * dilation) for r, c in done for i in (-1, 0, 1) for j in (-1, 0, 1)}
            yield layer, dilation, set(sources) - set(done), set(seen)
        reached = seen
