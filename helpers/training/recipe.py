"""The recipe of a run: everything that decides how it ends. Notebook 06 explains the schedule, 09 the rest."""

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights that a run ends with, the data and the machine apart."""

    network: str = "session_net"  #: a name in helpers.networks.NETWORKS
    epochs: int = 62  #: how often every training image is seen
    batch_size: int = 128  #: images
    optimizer: str = "SGD"  #: a name in OPTIMIZERS
    lr: float = 0.1  #: the highest learning rate of the OneCycle schedule
    warmup: float = 0.2  #: share of the run in which the learning rate rises
    momentum: float = 0.9  #: Nesterov's, of SGD; the first beta of AdamW
    weight_decay: float = 5e-4  #: pull of the weights towards zero
    augment: str = "gentle"  #: a name in helpers.augment.PIPELINES
    ema: float = 0.0  #: decay a step of the exponential moving average of the weights; 0: none
    teacher: str | None = None  #: a finished run whose network's answers are learned beside the labels
    seed: int = 0  #: decides initial weights, order and augmentation

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be at least 1, not {self.epochs} and {self.batch_size}")
        if not self.lr > 0 or not 0 <= self.ema < 1 or not 0 < self.warmup < 1:
            raise ValueError(f"lr {self.lr} must be above 0, ema {self.ema} in [0, 1), warmup {self.warmup} in (0, 1)")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"there is no optimizer {self.optimizer!r}: choose one of {', '.join(OPTIMIZERS)}")


OPTIMIZERS = {
    "SGD": lambda weights, recipe: torch.optim.SGD(
        weights, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    ),
    "AdamW": lambda weights, recipe: torch.optim.AdamW(
        weights, recipe.lr, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay
    ),
}
