"""Training and evaluation: one epoch, one evaluation, a whole run that can be interrupted and resumed.

In a notebook::

    recipe = Recipe(network="session_net", epochs=62)
    network, history = fit(recipe, train_data, test_data, report=print)

At the command line, where a finished run leaves ``record.json`` and ``weights.pt`` in ``runs/NAME``::

    python -m helpers.training --network session_net --epochs 62 --name mine

``torchrun --nproc-per-node 8 -m helpers.training …`` does it on eight GPUs (see ``helpers.training.distributed``).
Notebook 06 shows the training step and the schedule before it uses this package.
"""

from helpers.training.command import main, own_name
from helpers.training.distillation import Distillation
from helpers.training.epoch import TrainingError, evaluate, predict, train_epoch
from helpers.training.machine import (
    Speed,
    best_device,
    device_name,
    idle_gpu,
    keep_freed_memory,
    real_float32,
    reduced_precision,
)
from helpers.training.recipe import Recipe
from helpers.training.run import fit
