"""The training step and the epoch; evaluation; the moving average of the weights. Notebook 06 shows the step first."""

import contextlib
import copy
import math

import torch
import torch.nn.functional as F

from helpers.data import CLASSES, to_device
from helpers.training.distillation import cross_entropy
from helpers.training.distributed import ALONE
from helpers.training.machine import Speed, real_float32


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the value or file and the remedy."""


DIVERGED = "{}: lower the learning rate (--lr), or use float32 (--precision)"
MOST_LOST = 0.01  # of an epoch's images; in float16 a loss may overflow once in a while, and the scaler skips the step


@real_float32()
def train_epoch(
    network,
    batches,
    optimizer,
    scheduler,
    device,
    speed=Speed(),
    scaler=None,
    ema=None,
    world=ALONE,
    criterion=cross_entropy,
    clip=None,
):
    """Train ``network`` once on every batch; return ``(mean loss over the images, correct, images)``.

    ``batches`` yields ``images (B, 32, 32, 3) uint8`` and ``labels (B,) int64``. ``scheduler`` steps once a batch.
    ``scaler`` is a ``torch.amp.GradScaler`` for float16; ``ema`` an ``Average`` that follows the weights;
    ``world`` the processes that train together, each on its own ``batches``; ``criterion`` the loss, a function of
    images, logits and labels (``helpers.training.distillation`` has another); ``clip`` the largest norm of a step's
    gradient, which is scaled down to it (None: any). In float16 a step whose loss overflows is left out, of the weights
    and of the mean.
    Raises ``TrainingError`` if the loss is no longer a number.
    """
    network.train()
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    total, lost, correct = (torch.zeros((), device=device) for _ in range(3))
    count, usual = 0, None
    for images, labels in batches:
        images, labels = to_device(images, labels, device)
        usual = usual or len(labels)
        with speed.autocast(device), as_is(len(labels) != usual):
            logits = network(images)
            loss = criterion(images, logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(world.share_of_loss(loss, len(labels))).backward()
        if clip is not None:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        if ema is not None:
            ema.update(getattr(network, "_orig_mod", network))
        summed = loss.detach() * len(labels)
        if scaler.is_enabled():
            lost += len(labels) * ~summed.isfinite()
            summed = summed.nan_to_num(0.0, 0.0, 0.0)
        total += summed
        correct += (logits.detach().argmax(1) == labels).sum()
        count += len(labels)
    # Here, once an epoch, the device is waited for; float16's scaler alone does so at every step, to see an overflow.
    total, lost, correct, count = world.sum(total, lost, correct, torch.full_like(total, count)).tolist()
    if not math.isfinite(total) or lost > MOST_LOST * count:
        raise TrainingError(DIVERGED.format(f"the training loss is {total if lost == 0 else math.inf}"))
    return total / (count - lost), int(correct), int(count)


def as_is(needed):
    """Return a context in which a compiled network runs uncompiled, if ``needed``.

    An epoch's last batch is smaller: compiling for it as well would take as long again, for one step an epoch.
    """
    return torch.compiler.set_stance("force_eager") if needed else contextlib.nullcontext()


@torch.no_grad()
@real_float32()
def predict(network, batches, device, speed=Speed()):
    """Return the logits ``(N, 10) float32`` and labels ``(N,) int64`` of every image in ``batches``, on the CPU."""
    network.eval()
    logits, targets = [], []
    for images, labels in batches:
        images, labels = to_device(images, labels, device)
        with speed.autocast(device):
            logits.append(network(images).float())
        targets.append(labels)
    return torch.cat(logits).cpu(), torch.cat(targets).cpu()


def evaluate(network, batches, device, speed=Speed()):
    """Return what ``network`` reaches on ``batches``, as a dictionary.

    ``loss`` is the mean over the images (not over the batches), ``confusion[true][predicted]`` counts images,
    ``accuracy`` and ``class_accuracy`` are in percent.
    """
    return score(*predict(network, batches, device, speed))


def score(logits, labels):
    """Return what ``evaluate`` does, of ``logits (N, 10)`` and ``labels (N,)`` on the CPU."""
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    confusion.index_put_((labels, logits.argmax(1)), torch.ones_like(labels), accumulate=True)
    correct, count = int(confusion.diagonal().sum()), len(labels)
    class_accuracy = 100 * confusion.diagonal().double() / confusion.sum(1).clamp(min=1)
    return {
        "loss": F.cross_entropy(logits.double(), labels).item(),
        "correct": correct,
        "images": count,
        "accuracy": 100 * correct / count,
        "class_accuracy": dict(zip(CLASSES, class_accuracy.tolist(), strict=True)),
        "confusion": confusion.tolist(),
    }


class Average:
    """The exponential moving average of a network's weights and running statistics: ``module`` is a network like it.

    After every step average ← decay · average + (1 − decay) · weights, begun at the weights after the first step. It is
    one kernel for all of them, and nothing that a GPU waits for; ``torch.optim.swa_utils.AveragedModel`` copies its
    counter to the device twice a step, and each of BatchNorm's counts of batches, which evaluation does not need.
    """

    def __init__(self, network, decay):
        self.module, self.decay, self.updates = copy.deepcopy(network).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, network):
        """Take in the weights of ``network`` after a step."""
        states = self.module.state_dict(), network.state_dict()
        ours, theirs = ([value for value in state.values() if value.is_floating_point()] for state in states)
        torch._foreach_lerp_(ours, theirs, 1 - self.decay if self.updates else 1.0)
        self.updates += 1

    def state_dict(self):
        return {"module": self.module.state_dict(), "updates": self.updates}

    def load_state_dict(self, state):
        self.module.load_state_dict(state["module"])
        self.updates = state["updates"]
