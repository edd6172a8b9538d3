"""Figures of what convolutions cost, on paper and measured. Notebook 03 shows them first."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.style import BLUE, GREEN, GREY, ORANGE, PAPER, RED, SKY, figure, kind_look, named_rows, styled


@styled()
def bars(values, label, format="{:,.1f}", size=None, marked=None, quoted=()):
    """Draw ``{name: value}`` as horizontal bars with the value beside each; ``label`` says what and in which unit.

    ``size`` is in inches: by default as high as the bars need. ``marked`` is ``(value, its name)``, a line across them;
    the bars named in ``quoted`` are grey: somebody else's figures.
    """
    drawn, axis = figure(size=size or (9, 0.9 + 0.5 * len(values)))
    colours = [GREY if name in quoted else BLUE for name in values]
    shown = axis.barh(range(len(values)), list(values.values()), color=colours)
    axis.bar_label(shown, [format.format(value) for value in values.values()], padding=4, bbox=PAPER)
    largest = max(values.values())
    if marked:
        largest = max(largest, marked[0])
        axis.axvline(marked[0], color=RED, linestyle="--", label=f"{format.format(marked[0])} {marked[1]}")
        drawn.legend(loc="outside upper center", frameon=False)
    axis.set_xlim(0, 1.15 * largest)
    if largest > 1000:
        axis.xaxis.set_major_formatter("{x:,.0f}")
    named_rows(axis, list(values), label, valued=True)
    return drawn


@styled()
def separable_ratio(widths, ratios):
    """Draw the cost of a depthwise separable convolution in percent of a standard one; ``ratios`` is ``{k: list}``."""
    drawn, axis = figure(size=(6.4, 4))
    looks = ((BLUE, "-"), (ORANGE, "--"), (GREEN, ":"))
    for (size, values), (colour, style) in zip(ratios.items(), looks, strict=True):
        percent = [100 * value for value in values]
        axis.plot(widths, percent, style, color=colour, linewidth=3)
        axis.text(widths[0] * 0.93, percent[0], f"{size}×{size}", ha="right", va="center")
        axis.axhline(100 / size**2, color=colour, linewidth=1, alpha=0.6)
        axis.text(widths[-1] * 1.5, 100 / size**2, f"1/{size**2}", ha="center", va="center", bbox=PAPER)
    axis.set_xscale("log", base=2)
    axis.set_xticks(widths, widths)
    axis.minorticks_off()
    axis.set(xlabel="output channels", ylabel="cost (% of standard)", xlim=(widths[0] / 1.9, widths[-1] * 1.9))
    axis.set_ylim(0, None)
    axis.grid(axis="x", visible=False)
    return drawn


@styled()
def kind_costs(costs):
    """Draw parameters and MACs of ``{kind: Cost}`` side by side, as horizontal bars."""
    drawn, axes = figure(1, 2, size=(11, 0.9 + 0.45 * len(costs)), sharey=True)
    parameters, macs = [c.params / 1e3 for c in costs.values()], [c.macs / 1e6 for c in costs.values()]
    looks = ((parameters, "parameters (thousands)"), (macs, "MACs (millions)"))
    for axis, (values, label) in zip(axes, looks, strict=True):
        axis.bar_label(axis.barh(range(len(values)), values, color=BLUE), fmt="%.1f", padding=4)
        axis.set_xlim(0, 1.2 * max(values))
        named_rows(axis, list(costs), label, valued=True)
    axes[0].invert_yaxis()  # shared: the second axis turned it back
    return drawn


@styled()
def parameter_budget(spent, limit):
    """Draw ``{layer: parameters}`` as a staircase, each bar from where the last one ended, against ``limit``."""
    drawn, axis = figure(size=(10, 0.9 + 0.4 * len(spent)))
    begun = 0
    for row, count in enumerate(spent.values()):
        axis.barh(row, count, left=begun, color=BLUE)
        left = begun + count / 2 > limit / 2  # there the number would meet the line of the limit
        place = (begun - 2000, "right") if left else (begun + count + 2000, "left")
        axis.text(place[0], row, f"{count:,}", ha=place[1], va="center")
        begun += count
    axis.axvline(limit, color=RED, linestyle="--", zorder=1)
    axis.text(limit - 3000, 0, f"the limit, {limit:,}", color=RED, ha="right", va="center")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_xlim(0, 1.14 * limit)
    named_rows(axis, list(spent), "parameters, added up", valued=True)
    return drawn


@styled()
def kind_times(times, promised):
    """Draw ``{precision: {kind: milliseconds}}`` as bars, ``promised {kind: milliseconds}`` as marks on the first."""
    kinds, height = list(promised), 0.8 / len(times)
    drawn, axis = figure(size=(10, 1.2 + 0.6 * len(kinds)))
    for i, ((precision, values), colour) in enumerate(zip(times.items(), (BLUE, SKY), strict=False)):
        rows = np.arange(len(kinds)) + (i - (len(times) - 1) / 2) * height
        axis.barh(rows, [values[kind] for kind in kinds], height * 0.9, color=colour, label=f"measured, {precision}")
    rows = np.arange(len(kinds)) - (len(times) - 1) / 2 * height  # the promise is that of the first precision
    label = f"promised by its MACs, {next(iter(times))}"
    axis.vlines(list(promised.values()), rows - height / 2, rows + height / 2, color=RED, linewidth=3, label=label)
    axis.set_xlim(0, None)
    named_rows(axis, kinds, "milliseconds per batch, forward pass")
    axis.legend()
    return drawn


@styled()
def roofline(device, others):
    """Draw the roofline of ``device`` with the layers timed on it, and behind it, hollow and dashed, ``{name: other}``.

    A device is ``{"bandwidth": GB/s, "peak": GFLOP/s, "layers": {kind: (FLOPs a byte, GFLOP/s)}}``.
    Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model", CACM 2009,
    doi:10.1145/1498765.1498785.
    """
    drawn, axis = figure(size=(11, 5.6))
    everyone = [device, *others.values()]
    points = [point for one in everyone for point in one["layers"].values()]
    low, corner = min(x for x, _ in points) / 2, device["peak"] / device["bandwidth"]
    high = max(x for x, _ in points) * 3
    bottom = min([y for _, y in points] + [one["bandwidth"] * low for one in everyone]) / 1.5
    axis.axvspan(low, corner, color=SKY, alpha=0.15, linewidth=0)
    along = np.geomspace(low, high, 200)
    for name, other in others.items():
        axis.plot(along, np.minimum(other["bandwidth"] * along, other["peak"]), "--", color=GREY, linewidth=1.5)
        axis.text(high / 1.05, other["peak"] / 1.06, name, color=GREY, fontsize=11, ha="right", va="top")
        for kind, (x, y) in other["layers"].items():
            colour, mark = kind_look(kind)
            axis.plot(x, y, mark, markersize=8, markerfacecolor="white", markeredgecolor=colour)
    axis.plot(along, np.minimum(device["bandwidth"] * along, device["peak"]), color="0.35", linewidth=3)
    drawn_at = [x for x, _ in device["layers"].values()]
    for i, (kind, (x, y)) in enumerate(device["layers"].items()):
        colour, mark = kind_look(kind)
        look = {"markersize": 12, "markeredgecolor": "white", "color": colour}
        if x in drawn_at[i + 1 :]:  # hollow, around the one to come
            look = {"markersize": 17, "markeredgecolor": colour, "markeredgewidth": 3, "color": "none"}
        axis.plot(x, y, mark, label=kind, zorder=3, **look)
    axis.set(xscale="log", yscale="log", xlabel="FLOPs per byte (arithmetic intensity)", ylabel="GFLOP/s")
    axis.set(xlim=(low, high), ylim=(bottom, max(one["peak"] for one in everyone) * 2.2))
    axis.grid(False)
    for direction in (axis.xaxis, axis.yaxis):
        direction.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 3)))
        direction.set_major_formatter("{x:,.0f}")
        direction.set_minor_formatter("")
    middle = {"ha": "center", "va": "top", "transform": axis.get_xaxis_transform()}
    axis.text((low * corner) ** 0.5, 0.98, f"waits for memory\n{device['bandwidth']:,.0f} GB/s", **middle)
    axis.text((corner * high) ** 0.5, 0.98, f"waits for the multipliers\n{device['peak']:,.0f} GFLOP/s", **middle)
    axis.legend(loc="lower right", fontsize=12, markerscale=0.75)
    return drawn


@styled()
def accuracy_against_cost(accuracy, costs, steps):
    """Draw test accuracy, mean and deviation over seeds, against parameters, MACs and milliseconds a training step.

    ``accuracy`` is ``{network: [percent, …]}``, ``costs`` ``{network: Cost}``, ``steps`` ``{network: milliseconds}``.
    """
    drawn, axes = figure(1, 3, size=(12, 5.4), sharey=True)
    prices = (
        ("parameters (thousands)", {name: cost.params / 1e3 for name, cost in costs.items()}),
        ("MACs per image (millions)", {name: cost.macs / 1e6 for name, cost in costs.items()}),
        ("milliseconds per step, measured here", steps),
    )
    for axis, (label, price) in zip(axes, prices, strict=True):
        most = max(price.values())
        for name, values in accuracy.items():
            colour, mark = kind_look(name)
            style = {"color": colour, "marker": mark, "markersize": 10, "capsize": 7, "linestyle": "none"}
            axis.errorbar(price[name], np.mean(values), np.std(values, ddof=1), **style)
            if axis is axes[0]:  # the heights are the same in all
                side, away = ("right", -10) if price[name] > most / 2 else ("left", 10)
                place = {"textcoords": "offset points", "ha": side, "va": "center", "bbox": PAPER}
                axis.annotate(name, (price[name], np.mean(values)), (away, 0), **place)
        axis.set(xlabel=label, xlim=(0, 1.1 * most))
    start = int(axes[0].get_ylim()[0])
    axes[0].set(ylim=(start, None), ylabel=f"test accuracy (%), axis from {start}")
    return drawn
