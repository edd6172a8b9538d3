"""Training and evaluation: one epoch, one evaluation, a whole run that can be interrupted and resumed.

In a notebook::

    recipe = Recipe(network="session_net", epochs=62)
    network, history = fit(recipe, train_data, test_data, report=print)

At the command line, where a finished run leaves ``record.json`` and ``weights.pt`` in ``runs/NAME``::

    python -m helpers.training --network session_net --epochs 62 --name mine

``torchrun --nproc-per-node 8 -m helpers.training …`` does it on eight GPUs (see ``helpers.distributed``).
Notebook 06 shows the training step and the schedule before it uses this module.
"""

import _thread
import argparse
import contextlib
import copy
import ctypes
import dataclasses
import datetime
import functools
import importlib.util
import itertools
import math
import os
import platform
import shlex
import shutil
import statistics
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from helpers import data
from helpers.augment import PIPELINES, pipeline
from helpers.cost import network_cost
from helpers.distillation import Distillation, cross_entropy
from helpers.distributed import ALONE, World
from helpers.networks import NETWORKS, build, count_parameters, load_pretrained
from helpers.records import OWN_RUNS, RUNS, plain_name, progress_line, sha256, write_record, write_whole


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights that a run ends with, the data and the machine apart."""

    network: str = "session_net"  # a name in helpers.networks.NETWORKS
    epochs: int = 62
    batch_size: int = 128  # images
    optimizer: str = "SGD"  # a name in OPTIMIZERS
    lr: float = 0.1  # the highest learning rate of the OneCycle schedule
    warmup: float = 0.2  # share of the run in which the learning rate rises
    momentum: float = 0.9  # Nesterov's, of SGD; the first beta of AdamW
    weight_decay: float = 5e-4
    augment: str = "gentle"  # a name in helpers.augment.PIPELINES
    ema: float = 0.0  # decay a step of the exponential moving average of the weights; 0: none
    teacher: str | None = None  # a finished run whose network's answers are learned beside the labels
    seed: int = 0

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


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the value or file and the remedy."""


# The machine ------------------------------------------------------------------------------------------------------


def reduced_precision(device):
    """Return the 16-bit type that ``device`` has instructions for, "bfloat16" or "float16", or None."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bfloat16"
    return None


@functools.cache
def _bfloat16_pays():
    """Return whether this CPU multiplies matrices faster in bfloat16 than in float32: some have slow instructions."""

    def fastest(dtype):
        a, times = torch.ones(768, 768, dtype=dtype), []
        for _ in range(6):
            started = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - started)
        return min(times)

    return fastest(torch.bfloat16) < 0.8 * fastest(torch.float32)


def best_device():
    """Return the fastest ``torch.device`` there is: a CUDA GPU, an Apple GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def available_cores():
    """Return how many cores this process may use: a scheduler, or a container, can grant fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


NVIDIA_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidia0", r"C:\Windows\System32\nvml.dll")


def idle_gpu():
    """Return one sentence on an NVIDIA GPU that PyTorch cannot use, with the remedy; None where all is well.

    PyTorch is silent about it: training would go on, on the CPU, for hours.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or torch.cuda.is_available() or not any(Path(place).exists() for place in NVIDIA_DRIVER):
        return None
    built = f"needs a driver for CUDA {torch.version.cuda}" if torch.version.cuda else "was built without CUDA"
    return (
        f"There is an NVIDIA driver here, but PyTorch {torch.__version__} cannot use it ({built}), so all is computed "
        "on the CPU. Update the driver, or install a PyTorch that fits it: https://pytorch.org/get-started/locally"
    )


@contextlib.contextmanager
def real_float32():
    """Compute float32 as float32: by default convolutions on an NVIDIA GPU from Ampere on round it to 10 bits (TF32).

    A decorator, too. PyTorch's older switch, ``allow_tf32``, must not be mixed with these, nor read within.
    """
    switches = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


@dataclasses.dataclass(frozen=True)
class Speed:
    """How to compute, which changes the time and, by rounding only, the result. ``Speed.best`` fits a device."""

    precision: str = "float32"  # float32, bfloat16 or float16, of the convolutions; weights are always float32
    compile: bool = False  # torch.compile: the network's layers fused, at the price of some seconds at the start
    channels_last: bool = True  # the channels of a pixel side by side in memory
    workers: int = 0  # processes that augment

    @classmethod
    def best(cls, device, compile=True):
        """Return what is fastest on ``device``; ``compile`` only where a compiler is there."""
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # set by torchrun: they share the machine's cores
        spare = max(available_cores() // processes - 1, 1)  # one is left to the process that trains
        half = reduced_precision(device)
        if device.type == "cuda":
            return cls(half, compile and importlib.util.find_spec("triton") is not None, True, min(spare, 16))
        if device.type == "cpu":
            half = half if half and _bfloat16_pays() else "float32"
            compiler = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl"))
            return cls(half, compile and compiler, True, 1 if available_cores() > 1 else 0)
        return cls(workers=min(spare, 4))

    def autocast(self, device):
        """Return a context in which convolutions compute in this precision."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device.type, getattr(torch, self.precision))

    def compiled(self, network):
        """Return ``network`` compiled for batches of fixed shape, or as it is where ``compile`` is off."""
        return torch.compile(network, dynamic=False) if self.compile else network


def keep_freed_memory():
    """Have the C library keep what a training step frees, since the next step asks for the same again.

    By default large blocks go back to the system and their pages are cleared anew at every step: on two CPU cores
    that takes a sixth of the time. Does nothing where the C library is not glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt, trim_threshold, mmap_max = ctypes.CDLL(None).mallopt, -1, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


# One epoch --------------------------------------------------------------------------------------------------------


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
):
    """Train ``network`` once on every batch; return ``(mean loss over the images, correct, images)``.

    ``batches`` yields ``images (B, 32, 32, 3) uint8`` and ``labels (B,) int64``. ``scheduler`` steps once a batch.
    ``scaler`` is a ``torch.amp.GradScaler`` for float16; ``ema`` an ``Average`` that follows the weights;
    ``world`` the processes that train together, each on its own ``batches``; ``criterion`` the loss, a function of
    images, logits and labels (see ``helpers.distillation``). In float16 a step whose loss overflows is left out, of
    the weights and of the mean.
    Raises ``TrainingError`` if the loss is no longer a number.
    """
    network.train()
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    total, lost, correct = (torch.zeros((), device=device) for _ in range(3))
    count, usual = 0, None
    for images, labels in batches:
        images, labels = data.to_device(images, labels, device)
        usual = usual or len(labels)
        with speed.autocast(device), as_is(len(labels) != usual):
            logits = network(images)
            loss = criterion(images, logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(world.share_of_loss(loss, len(labels))).backward()
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
        raise TrainingError(
            f"the training loss is {total if lost == 0 else math.inf}: lower the learning rate (--lr), "
            "or use float32 (--precision)"
        )
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
        images, labels = data.to_device(images, labels, device)
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
        "class_accuracy": dict(zip(data.CLASSES, class_accuracy.tolist(), strict=True)),
        "confusion": confusion.tolist(),
    }


# A run ------------------------------------------------------------------------------------------------------------


def fit(
    recipe,
    train_data,
    test_data,
    device=None,
    speed=None,
    report=None,
    checkpoint=None,
    resume=False,
    world=ALONE,
    progress=False,
):
    """Train ``recipe.network`` from its initial weights; return it, in evaluation mode, and its history.

    ``train_data`` and ``test_data`` are ``(images (N, 32, 32, 3) uint8, labels (N,) int64)``. ``report`` is called
    after every epoch with a row of the history (a dictionary: epoch, lr, losses, accuracies, seconds; in the first row
    after a start or a resumption also device and precision) and an estimate of the ``seconds_left``. With a
    ``checkpoint`` path the state is kept there after every epoch, and with ``resume`` a run goes on from it: on
    the CPU to the very weights of an uninterrupted run. The last epoch is evaluated in float32, the others as trained,
    or in float32 too where that is float16. ``progress`` shows a bar within each epoch, on stderr.
    Where a ``world`` of processes trains together, each calls this; the first reports and writes.

    Raises ``TrainingError`` for a checkpoint that is damaged or of another run, and when the loss is not a number.
    """
    device = device or best_device()
    speed = speed or Speed.best(device)
    train_set = data.Cifar10(*train_data, pipeline(recipe.augment, recipe.seed))
    tests = data.Cifar10(*(part[world.rank :: world.size] for part in test_data))
    test_batches = data.test_loader(tests, device=device)
    steps = -(-len(train_set) // recipe.batch_size)
    run = _Run(recipe, steps, device, speed, world)
    if checkpoint and resume:
        run.load(Path(checkpoint))
    done = len(run.history)
    if world.of_first(done) != done:
        raise TrainingError("the processes read different checkpoints: all machines must share the folder --runs")
    started = time.perf_counter()  # compiling is the first epoch's
    if done < recipe.epochs and not run.compiles():
        tqdm.write(NOT_COMPILED.format(run.failure), file=sys.stderr)
    epochs = range(done + 1, recipe.epochs + 1)
    # One pass over all the epochs, so that the workers go on to the next while this one's end is trained and tested.
    loader = data.train_loader(
        train_set, recipe.batch_size, recipe.seed, speed.workers, (world.rank, world.size), epochs, device
    )
    batches = iter(loader)
    here = {"device": f"{world.size} × " * (world.size > 1) + device_name(device), "precision": speed.precision}
    try:
        for epoch in epochs:
            stream = (recipe.seed, epoch, world.rank)[: 3 if world.rank else 2]  # for dropout
            torch.manual_seed(int(np.random.SeedSequence(stream).generate_state(1)[0]))
            lr = run.scheduler.get_last_lr()[0]
            shown = f"epoch {epoch}/{recipe.epochs}"
            part = itertools.islice(batches, steps)
            off = not progress or world.rank > 0
            loss, correct, count = run.train_epoch(tqdm(part, shown, steps, leave=False, unit="batch", disable=off))
            trained = time.perf_counter()
            exact = epoch == recipe.epochs or speed.precision == "float16"  # which an unusual image can overflow
            test = score(*world.gather(*predict(run.result, test_batches, device, Speed() if exact else speed)))
            row = {
                "epoch": epoch,
                "lr": round(lr, 6),
                "train_loss": round(loss, 6),
                "train_accuracy": round(100 * correct / count, 4),
                "test_loss": round(test["loss"], 6),
                "test_correct": test["correct"],
                "test_images": test["images"],
                "test_accuracy": round(test["accuracy"], 4),
                "train_seconds": round(trained - started, 2),
                "seconds": round(time.perf_counter() - started, 2),
            }
            if here:  # in the first row after every start: a run may be resumed on another device
                row, here = row | here, {}
            run.history.append(row)
            if checkpoint and world.rank == 0:
                run.save(Path(checkpoint))
            if report and world.rank == 0:
                typical = statistics.median(past["seconds"] for past in run.history[done:])
                report(row | {"seconds_left": typical * (recipe.epochs - epoch)})
            started = time.perf_counter()
    finally:
        data.end(batches)
    return run.result.eval(), run.history


NOT_COMPILED = "torch.compile does not work here ({}): training goes on without it, more slowly."


class _Run:
    """The state of a run: all that a checkpoint holds."""

    def __init__(self, recipe, steps_per_epoch, device, speed, world=ALONE):
        self.recipe, self.device, self.speed, self.world, self.history = recipe, device, speed, world, []
        torch.manual_seed(recipe.seed)
        memory_format = torch.channels_last if speed.channels_last else torch.contiguous_format
        self.network = build(recipe.network).to(device, memory_format=memory_format)
        self.stepped = speed.compiled(world.wrap(self.network))
        self.optimizer = OPTIMIZERS[recipe.optimizer](self.network.parameters(), recipe)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.lr,
            epochs=recipe.epochs,
            steps_per_epoch=steps_per_epoch,
            pct_start=recipe.warmup,
            cycle_momentum=False,
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=speed.precision == "float16")
        self.ema = None
        if recipe.ema:
            self.ema = Average(self.network, recipe.ema)
        self.criterion = cross_entropy
        if recipe.teacher:
            teacher = load_pretrained(recipe.teacher).to(device, memory_format=memory_format)
            self.criterion = Distillation(speed.compiled(teacher))
        if device.type == "cpu":
            keep_freed_memory()

    @property
    def result(self):
        """The network to evaluate and to keep: the average where there is one."""
        return self.ema.module if self.ema is not None else self.network

    def compiles(self):
        """Try one step on black images; return whether it worked, and go on uncompiled where not.

        There may be no C compiler, no Python.h, or a GPU that is too old for Triton. The network is left as it was.
        """
        if not self.speed.compile:
            return True
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        size = -(-self.recipe.batch_size // self.world.size)
        batch = torch.zeros(size, 32, 32, 3, dtype=torch.uint8), torch.zeros(size, dtype=torch.int64)
        images, labels = data.to_device(*batch, self.device)
        try:
            self.network.train()
            with self.speed.autocast(self.device):
                loss = self.criterion(images, self.stepped(images).float(), labels)
            loss.backward()
        except Exception as error:  # compilers fail in many ways
            self.failure = " ".join(f"{type(error).__name__}: {error}".splitlines()[:2])[:200]
            self.stepped = getattr(self.stepped, "_orig_mod", self.stepped)
            if self.recipe.teacher:
                self.criterion.teacher = getattr(self.criterion.teacher, "_orig_mod", self.criterion.teacher)
            return False
        finally:
            self.network.load_state_dict(before)
            self.network.zero_grad(set_to_none=True)
        return True

    def train_epoch(self, batches):
        parts = (self.optimizer, self.scheduler, self.device, self.speed, self.scaler, self.ema, self.world)
        trained = train_epoch(self.stepped, batches, *parts, self.criterion)
        self.world.average_buffers(self.network, *([self.ema] if self.ema else []))
        return trained

    def parts(self):
        parts = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        parts["scaler"] = self.scaler
        if self.ema is not None:
            parts["ema"] = self.ema
        return parts

    def save(self, path):
        """Write a checkpoint beside the last one and rename: at every moment one of the two is whole."""
        state = {name: part.state_dict() for name, part in self.parts().items()}
        state |= {"history": self.history, "recipe": dataclasses.asdict(self.recipe)}
        if path.exists():
            shutil.copy2(path, path.with_name(path.name + ".last"))
        write_whole(path, lambda part: torch.save(state, part))

    def load(self, path):
        """Go on from a checkpoint, or from the one before if it is damaged; do nothing where there is none."""
        last = path.with_name(path.name + ".last")
        if not path.exists() and not last.exists():
            return
        failure = None
        for candidate in (path, last):
            try:
                # To the CPU: each part then takes what it needs to the device, and AdamW leaves its step counters here,
                # which it would otherwise wait for, one by one, at every step.
                state = torch.load(candidate, map_location="cpu", weights_only=True)
                break
            except Exception as error:  # a damaged file can fail in many ways
                failure = failure or error
        else:
            raise TrainingError(f"the checkpoint {path} is damaged ({failure}): delete it to begin anew") from failure
        recipe = dataclasses.asdict(self.recipe)
        if not isinstance(state, dict) or "recipe" not in state:
            raise TrainingError(f"{candidate} is no checkpoint of this course: move it away, or choose another --name")
        there = dataclasses.asdict(Recipe()) | state["recipe"]  # a field younger than the checkpoint had its default
        changed = [f"{key} {there[key]} there, {recipe[key]} here" for key in recipe if there[key] != recipe[key]]
        if changed:
            raise TrainingError(
                f"{candidate} belongs to another run ({'; '.join(changed)}): delete it, or choose another --name"
            )
        for name, part in self.parts().items():
            if state[name]:  # a scaler's is empty where the run was not in float16 before
                part.load_state_dict(state[name])
        self.history = state["history"]


# The command line -------------------------------------------------------------------------------------------------


def parse(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.training",
        description="Train a network on CIFAR-10 and keep its record and weights in runs/NAME. "
        "Interrupt it whenever you like (Ctrl-C): the same line with --resume goes on where it stopped.",
        epilog="Example: python -m helpers.training --network session_net --epochs 62 --name mine --resume",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    recipe = Recipe()
    add = parser.add_argument
    add("--network", choices=sorted(NETWORKS), default=recipe.network, help="which network of helpers/networks.py")
    add("--epochs", type=int, default=recipe.epochs, help="how often every training image is seen")
    add("--batch-size", type=int, default=recipe.batch_size, help="images per training step")
    add("--optimizer", choices=OPTIMIZERS, default=recipe.optimizer, help="SGD with Nesterov momentum, or AdamW")
    add("--lr", type=float, default=recipe.lr, help="highest learning rate of the OneCycle schedule")
    add("--warmup", type=float, default=recipe.warmup, help="share of the run in which the learning rate rises")
    add("--momentum", type=float, default=recipe.momentum, help="Nesterov momentum of SGD, first beta of AdamW")
    add("--weight-decay", type=float, default=recipe.weight_decay, help="pull of the weights towards zero")
    add("--augment", choices=sorted(PIPELINES), default=recipe.augment, help="which pipeline of helpers/augment.py")
    add("--ema", type=float, default=recipe.ema, help="decay of the moving average of the weights; 0 is none")
    add("--teacher", default=recipe.teacher, help="name of a finished run to learn from, beside the labels")
    add("--seed", type=int, default=recipe.seed, help="decides initial weights, order and augmentation")
    add("--name", default=None, help="name of the run; my_NETWORK_EPOCHS unless given")
    add("--data", default=None, help="folder or archive to read CIFAR-10 from (default: CIFAR10_DIR, else a download)")
    add("--runs", type=Path, default=OWN_RUNS, help="folder that the run's own folder is made in")
    add("--validate", action="store_true", help="hold out 5,000 training images and test on those: to choose a recipe")
    add("--resume", action="store_true", help="go on from the checkpoint of an interrupted run of this name")
    add("--force", action="store_true", help="train anew under the name of a finished run; its end replaces that one")
    add("--device", default=None, help="cuda, mps or cpu (default: the fastest there is)")
    add(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default=None,
        help="default: what the device is fast at",
    )
    add("--no-compile", dest="compile", action="store_false", help="do without torch.compile")
    add("--workers", type=int, default=None, help="processes that augment (default: what suits the device)")
    return parser.parse_args(arguments)


def own_name(recipe):
    """Return the name that a reader's own run of ``recipe`` has unless it is given another."""
    return f"my_{recipe.network}_{recipe.epochs}"


def refuse_to_overwrite(name, runs, resume=False, force=False):
    """Raise ``TrainingError`` where a run ``name`` in the folder ``runs`` would take another one's place."""
    folder = Path(runs) / plain_name(name)
    if Path(runs).resolve() == OWN_RUNS.resolve() and (RUNS / name).exists():
        raise TrainingError(f"{name} is the name of a reference run in {RUNS}: choose another --name")
    if (folder / "record.json").exists() and not force:
        raise TrainingError(
            f"{folder} is a finished run: choose another --name, or train it anew, in its place, with --force"
        )
    if (folder / "checkpoint.pt").exists() and not resume and not force:
        raise TrainingError(
            f"{folder / 'checkpoint.pt'} is there from an interrupted run: add --resume to go on, or delete it"
        )


def main(arguments=None, progress=None):
    """Train as the command line says; write record and weights; return the record (the first process, of several).

    ``progress``: whether a bar shows each epoch's; by default where a terminal watches.
    """
    options = parse(arguments)
    fields = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**fields)
    name = options.name if options.name is not None else own_name(recipe)
    refuse_to_overwrite(name, options.runs, options.resume, options.force)
    world, device = World.join(torch.device(options.device) if options.device else best_device())
    speed = world.of_first(Speed.best(device, options.compile))  # what one process measured holds for all
    if options.precision:
        speed = dataclasses.replace(speed, precision=options.precision)
    if options.workers is not None:
        speed = dataclasses.replace(speed, workers=options.workers)
    with world.first_goes_first():
        train_data = data.load_cifar10(True, options.data)
    if options.validate:
        train_data, test_data = data.split(*train_data)
    else:
        test_data = data.load_cifar10(False, options.data)
    source = data.data_source(options.data)
    source["test_images"] = "validation split of the training images" if options.validate else "test images"
    if world.rank == 0:
        if device.type == "cpu" and not options.device and (idle := idle_gpu()):
            print(idle, flush=True)
        print(
            f"{name}: {recipe.network}, {len(train_data[1]):,} training images, {device_name(device)}, "
            f"{speed.precision}; a step is {recipe.batch_size} images on {world.size} process(es), "
            f"highest learning rate {recipe.lr}",
            flush=True,
        )
    network, history = fit(
        recipe,
        train_data,
        test_data,
        device,
        speed,
        report=lambda row: print(progress_line(row, recipe.epochs), flush=True),
        checkpoint=options.runs / name / "checkpoint.pt",
        resume=options.resume,
        world=world,
        progress=sys.stderr.isatty() if progress is None else progress,
    )
    if world.rank:
        world.leave()  # as soon as the first process has written
        return None
    command = shlex.join(
        ["python", "-m", "helpers.training", *_public(sys.argv[1:] if arguments is None else arguments)]
    )
    record = keep_run(name, command, recipe, speed, source, network, history, test_data, device, options.runs)
    world.leave()
    for kind, accuracy in record["test"]["class_accuracy"].items():
        print(f"Accuracy of {kind:>10}: {accuracy:.2f} %")
    return record


def _public(arguments):
    """Return the arguments without what is this machine's and not the run's: ``--data``, ``--runs``, ``--resume`` …"""
    kept, skip = [], False
    for argument in arguments:
        if (
            not skip
            and argument not in ("--data", "--runs", "--resume", "--force")
            and not argument.startswith(("--data=", "--runs="))
        ):
            kept.append(argument)
        skip = not skip and argument in ("--data", "--runs")
    return kept


def keep_run(name, command, recipe, speed, source, network, history, test_data, device, runs=OWN_RUNS):
    """Write ``weights.pt`` and ``record.json`` of a finished run, delete its checkpoints, and return the record."""
    folder = Path(runs) / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.pt"
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    write_whole(weights, lambda part: torch.save(state, part))
    test, sample = (
        evaluate(network, data.test_loader(data.Cifar10(*images), device=device), device)
        for images in (test_data, data.load_cifar10(False, data.SAMPLE))
    )
    record = {
        "name": name,
        "command": command,
        "network": recipe.network,
        "parameters": count_parameters(network),
        "macs": network_cost(network).total.macs,
        "recipe": dataclasses.asdict(recipe) | {"schedule": "OneCycle, cosine to zero"},
        "seed": recipe.seed,
        "data": source,
        "speed": dataclasses.asdict(speed),
        "test": test,
        "sample": {key: sample[key] for key in ("correct", "images")},  # so that anyone can check it at once
        "history": history,
        "device": ", then ".join(dict.fromkeys(row["device"] for row in history if "device" in row)),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "torchvision", "albumentations", "numpy")},
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "weights_sha256": sha256(weights),
        "date": datetime.date.today().isoformat(),
    }
    write_record(record, runs)
    for path in folder.glob("checkpoint.pt*"):
        path.unlink()
    return record


def device_name(device):
    """Return the name of the hardware behind ``device``, with the number of cores for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple {platform.machine()}"
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {available_cores()} cores"


def insist_on_interrupts():
    """Have Ctrl-C count wherever it arrives: of one within a ``__del__`` Python only reports, and training goes on."""

    def report(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            threading.Timer(0.1, _thread.interrupt_main).start()  # once more, when that is over
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = report


if __name__ == "__main__":
    insist_on_interrupts()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the same line with --resume goes on from the last whole epoch")
    except (TrainingError, data.DataError, ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:  # gloo's threads outlive its group, and can abort Python's own end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
