"""Short runs for tests, on a few images of the sample."""

import torch

from helpers import data, training
from helpers.training import Recipe

CPU = torch.device("cpu")


def small(**changes):
    """Return the recipe of a run of three epochs, but for the ``changes``."""
    return Recipe(**{"network": "tutorial_net", "epochs": 3, "batch_size": 20, **changes})


def weights_of(network):
    """Return all weights and buffers of a network in one row."""
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def layouts(network):
    """Return a list to which each wide convolution of ``network`` will add whether its output is channels-last."""
    seen = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels > 1 < layer.kernel_size[0]:
            layer.register_forward_hook(
                lambda module, inputs, output: seen.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    return seen


class Killed(Exception):
    """What a run is interrupted with."""


def kill_after(epoch):
    """Return a function to report to that interrupts a run after this epoch."""

    def report(row):
        if row["epoch"] == epoch:
            raise Killed

    return report


def one_epoch(runs, *more, name="run"):
    """Train one epoch by the command line into the folder ``runs``; return the record."""
    line = f"--network tutorial_net --epochs 1 --name {name} --data {data.SAMPLE} --runs {runs} --no-compile"
    return training.main([*line.split(), "--workers", "0", "--device", "cpu", *more])
