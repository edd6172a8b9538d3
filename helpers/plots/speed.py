"""Figures of where an epoch's time goes, and what more devices would buy. Notebook 10 shows them."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.style import BLUE, EMPTY, GREEN, GREY, ORANGE, PURPLE, RED, SKY, YELLOW, figure, named_rows, styled

STAGE_LOOKS = ((SKY, ""), (YELLOW, "//"), (BLUE, ""), (ORANGE, ""), (GREEN, ""), (PURPLE, "\\\\"))


@styled()
def epoch_stages(profiles):
    """Draw ``{pipeline: {stage: seconds}}`` as stacked horizontal bars: one is a pipeline, a colour a stage."""
    drawn, axis = figure(size=(11, 4.2))
    begun = np.zeros(len(profiles))
    for stage, (colour, hatch) in zip(next(iter(profiles.values())), STAGE_LOOKS, strict=True):
        seconds = np.array([profile[stage] for profile in profiles.values()])
        axis.barh(range(len(profiles)), seconds, left=begun, color=colour, hatch=hatch, edgecolor="white", label=stage)
        begun += seconds
    for row, seconds in enumerate(begun):
        axis.text(seconds, row, f" {seconds:,.1f} s" if seconds < 10 else f" {seconds:,.0f} s", va="center")
    axis.set_xlim(0, 1.12 * max(begun))
    named_rows(axis, list(profiles), "seconds per epoch", valued=True)
    drawn.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return drawn


@styled()
def amdahl(shares):
    """Draw how much faster the whole becomes as one part of it does, for ``{name: share of the time in that part}``.

    Source: G. Amdahl, "Validity of the single processor approach to achieving large scale computing", AFIPS 1967.
    """
    drawn, axis = figure(size=(9, 5))
    part = np.geomspace(1, 100, 200)
    for (name, share), colour, line in zip(
        shares.items(), (BLUE, ORANGE, GREEN, RED), ("-", "--", ":", "-."), strict=False
    ):
        axis.hlines(1 / (1 - share), 10, 100, color=colour, linewidth=1, alpha=0.6)  # the limit: it takes no time
        axis.plot(
            part, 1 / (1 - share + share / part), line, color=colour, linewidth=3, label=f"{name}: {100 * share:.3g} %"
        )
    axis.plot(part, part, color=GREY, linewidth=1, label="all of it")
    axis.set(xscale="log", yscale="log", ylim=(0.9, 60))
    axis.set(xlabel="how many times faster the part becomes", ylabel="how many times faster the whole becomes")
    for direction in (axis.xaxis, axis.yaxis):
        direction.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        direction.set_major_formatter("{x:g}")
        direction.set_minor_formatter("")
    axis.legend(title="share of the time in the part")
    return drawn


@styled()
def scaling(devices, lines):
    """Draw computed speed-ups ``{name: [one a number of devices]}`` over the numbers of ``devices``."""
    drawn, axis = figure(size=(9, 5))
    ideal = {"color": EMPTY, "linewidth": 9, "label": "ideal: n devices, n times as fast"}  # wide: a line lies on it
    axis.plot(devices, devices, **ideal)
    looks = zip((BLUE, ORANGE, GREEN, RED), ("-o", "--s", ":D", "-.^"), strict=True)
    sizes = (14, 11, 8, 6)  # the later marks lie on the earlier ones
    for (name, speedups), (colour, look), size in zip(lines.items(), looks, sizes, strict=False):
        axis.plot(devices, speedups, look, color=colour, markersize=size, label=name)
    axis.set_xticks(devices)
    axis.set(xlabel="devices", ylabel="times as fast as one (computed)", ylim=(0, None))
    axis.legend()
    return drawn
