"""The recipe of a run: everything that decides how it ends. Notebook 06 explains the schedule, 09 the rest."""

import dataclasses
import math

import torch

from helpers.records import plain_name


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
    decayed: str = "all"  #: what that pulls at: "all" parameters, or "kernels", which leaves biases and BatchNorm alone
    clip: float | None = None  #: largest norm of a step's gradient, which is scaled down to it; None: any
    augment: str = "gentle"  #: a name in helpers.augment.PIPELINES
    ema: float = 0.0  #: decay a step of the exponential moving average of the weights; 0: none
    teacher: str | None = None  #: a finished run whose network's answers are learned beside the labels
    seed: int = 0  #: decides initial weights, order and augmentation

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"there is no optimizer {self.optimizer!r}: choose one of {', '.join(OPTIMIZERS)}")
        if self.decayed not in DECAYED:
            raise ValueError(f"decayed is {self.decayed!r}; it must be one of {', '.join(DECAYED)}")
        if self.teacher is not None:
            plain_name(self.teacher)
        for names, words, holds in LIMITS:
            for name in names.split():
                if not holds(getattr(self, name)):
                    raise ValueError(f"{name} is {getattr(self, name)}; it must be {words}")


LIMITS = (  # of the numbers; a comparison with nan is false
    ("epochs batch_size", "a whole number from 1 on", lambda value: isinstance(value, int) and value >= 1),
    ("seed", "a whole number from 0 to 2^63 - 1", lambda value: isinstance(value, int) and 0 <= value < 2**63),
    ("lr", "a number above 0", lambda value: 0 < value < math.inf),
    ("clip", "None, or a number above 0", lambda value: value is None or 0 < value < math.inf),
    ("weight_decay", "0 or a number above it", lambda value: 0 <= value < math.inf),
    ("warmup momentum", "a number above 0 and below 1", lambda value: 0 < value < 1),
    ("ema", "0, or a number above it and below 1", lambda value: 0 <= value < 1),
)

DECAYED = ("all", "kernels")

OPTIMIZERS = {
    "SGD": lambda weights, recipe: torch.optim.SGD(
        weights, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    ),
    "AdamW": lambda weights, recipe: torch.optim.AdamW(
        weights, recipe.lr, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay
    ),
}


def parameter_groups(network, recipe):
    """Return the parameters of ``network`` as an optimizer takes them: in two groups where not all are decayed."""
    if recipe.decayed == "all":
        return [{"params": list(network.parameters())}]
    kernels, others = (
        [weights for weights in network.parameters() if (weights.dim() > 1) is wanted] for wanted in (True, False)
    )
    return [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
