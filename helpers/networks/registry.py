"""The networks by name, fresh or trained; notebook 04 asks for the first of them."""

from functools import partial

import torch

from helpers.networks.better import FINE, STEPS, better_net, mixed_net, residual_net
from helpers.networks.lesson import KIND_WIDTHS, KINDS, kind_net, less_weighted_net, session_net, tutorial_net
from helpers.networks.staircase import STAIRCASE
from helpers.networks.teacher import deep_teacher_net, teacher_net
from helpers.records import OWN_RUNS, find_run, read_record, sha256

NETWORKS = {network.__name__: network for network in (session_net, less_weighted_net, tutorial_net)}
NETWORKS |= {network.__name__: network for network in (better_net, mixed_net, teacher_net, deep_teacher_net)}
NETWORKS |= {f"better_{step}": partial(residual_net, **options) for step, options in STEPS.items()}
NETWORKS["better_fine"] = partial(residual_net, **FINE)
NETWORKS |= {f"staircase_{step}": network for step, network in STAIRCASE.items()}
NETWORKS |= {f"{kind}_{width}": partial(kind_net, kind, width) for kind in KINDS for width in KIND_WIDTHS[kind]}

BEST = "mixed_84_taught"  # the best reference run of at most 187,418 parameters; load_pretrained calls it "better"


def build(name):
    """Return a freshly initialised network by its name in ``NETWORKS``; any other name is a ``ValueError``."""
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}: choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name]()


def load_pretrained(name, runs=None):
    """Return the trained network of the finished run ``name``, in evaluation mode, on the CPU.

    Looks in the folder ``runs``, or else among the reference runs (``notebooks/runs``) and the reader's own (``runs``);
    "better" is the best reference run, ``BEST``, unless a run has that name.
    Raises ``FileNotFoundError`` that lists the runs there are when ``name`` is none of them, and ``ValueError`` for
    weights that are missing, damaged, of another run, or of a network that was edited since.
    """
    if name == "better" and runs is None and not (OWN_RUNS / name).exists():
        name = BEST
    record, weights = read_record(name, runs), find_run(name, runs) / "weights.pt"
    network = build(record["network"])
    if not weights.is_file():
        raise ValueError(f"the run {name!r} kept no weights: there is no {weights}")
    if sha256(weights) != record["weights_sha256"]:
        raise ValueError(f"{weights} is damaged or of another run (its SHA-256 is not the record's): train it anew")
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ValueError(f"{weights} does not fit {record['network']} as it is built here: restore its code") from error
    return network.eval()


def count_parameters(module):
    """Return how many numbers training adjusts in ``module``, or has adjusted: in a moving average they are frozen."""
    return sum(parameter.numel() for parameter in module.parameters())
