"""What is kept of a measurement, and what training takes by counting."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.bench import measuring
from helpers.networks import build


def test_summary_is_the_median_and_the_distance_of_the_quartiles():
    kept = measuring.summary([4.0, 1.0, 2.0, 3.0, 100.0], images=300)
    assert (kept["median_seconds"], kept["images_per_second"]) == (3.0, 100.0)
    assert kept["spread_percent"] == pytest.approx(100 * (4 - 2) / 3, abs=0.1)


def test_epochs_in_a_row_count_from_the_end_of_the_first(monkeypatch):
    clock, done = [0.0], []

    def takes(seconds, name):
        clock[0] += seconds
        done.append(name)

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    epochs = [["first"], ["second"], ["third"]]
    found = measuring.epochs_in_a_row(lambda batches: takes(10, batches[0]), lambda: takes(1, "test"), epochs)
    assert done == ["test", "first", "test", "second", "test", "third"] and found == (20, 22)


def test_training_takes_three_times_the_forward_pass():
    """PyTorch's own counter, over a forward and a backward pass; only the first layer's input needs no gradient.

    On a network without groups: of grouped convolutions PyTorch 2.11 counts the backward pass too high.
    """
    network = build("standard_32")
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(2, 3, 32, 32)).sum().backward()
    first_layer = 2 * 3 * 3 * 3 * 32 * 16 * 16
    assert measuring.training_flops(network) == counter.get_total_flops() / 2 + first_layer
