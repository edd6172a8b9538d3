"""How fast a machine is: epochs in a row, the fastest matrix product, memory, and what is kept. Notebook 10 uses it."""

import os
import statistics
import sys
import time

import torch

from helpers.cost import network_cost
from helpers.timing import in_turns
from helpers.training import real_float32


def summary(seconds, images):
    """Return what is kept of the ``seconds`` that ``images`` images took, round by round."""
    middle = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, method="inclusive") if len(seconds) > 1 else (middle,) * 3
    return {
        "images": images,
        "seconds": [round(value, 6) for value in seconds],
        "median_seconds": round(middle, 6),
        "spread_percent": round(100 * (high - low) / middle, 1),
        "images_per_second": round(images / middle, 1),
    }


def epochs_in_a_row(train, test, epochs):
    """Return the seconds of training, and of training and testing, in all of ``epochs`` but the first.

    ``epochs`` are iterables of batches for ``train``; ``test`` is called between them. Both wait for the device before
    they return. One of each goes before and does not count: it takes off what was prepared in a pause.
    """
    epochs, training_seconds = iter(epochs), 0.0
    test()
    train(next(epochs))
    started = time.perf_counter()
    for batches in epochs:
        test()
        begun = time.perf_counter()
        train(batches)
        training_seconds += time.perf_counter() - begun
    return training_seconds, time.perf_counter() - started


@real_float32()
def matmul_peak(device, precision="float32", sides=None):
    """Return the GFLOP/s of the fastest large matrix product on ``device``: the most that a network could reach."""
    rates = []
    for side in sides or ((512, 1024, 2048) if device.type == "cpu" else (4096, 8192)):
        a, b = torch.randn(2, side, side, device=device).to(getattr(torch, precision))
        rates.append(2 * side**3 / min(in_turns({0: lambda a=a, b=b: a @ b}, device, 5)[0]) / 1e9)
    return max(rates)


def training_flops(network):
    """Return the FLOPs that training on one image takes: forward 2 for each MAC, backward twice that."""
    return 6 * network_cost(network).total.macs


def memory():
    """Return the most memory that this process held, in GB, on the CPU and on a GPU; None where it cannot be asked."""
    held = {"cpu": None, "cuda": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None}
    if os.name == "posix":
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        held["cpu"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return held
