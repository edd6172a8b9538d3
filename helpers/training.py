"""Training and evaluation: one epoch, one evaluation, a whole run that can be interrupted and resumed.

In a notebook::

    recipe = Recipe(network="session_net", epochs=62)
    network, history = fit(recipe, train_data, test_data, report=print)

At the command line, where a finished run leaves ``record.json`` and ``weights.pt`` in ``notebooks/runs/NAME``::

    python -m helpers.training --network session_net --epochs 62 --name session_62

``torchrun --nproc-per-node 8 -m helpers.training …`` does it on eight GPUs (see ``helpers.distributed``).
Notebook 06 shows the training step and the schedule before it uses this module.
"""

import argparse
import ctypes
import dataclasses
import datetime
import functools
import math
import os
import platform
import shlex
import shutil
import sys
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from helpers import data
from helpers.augment import PIPELINES, pipeline
from helpers.cost import network_cost
from helpers.distillation import Distillation, cross_entropy
from helpers.distributed import ALONE, World
from helpers.networks import NETWORKS, build, count_parameters, load_pretrained
from helpers.records import RUNS, epoch_line, sha256, write_record, write_whole


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
    teacher: str | None = None  # a run in notebooks/runs whose network's answers are learned beside the labels
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
        cores, half = max((os.cpu_count() or 1) // processes, 1), reduced_precision(device)
        if device.type == "cuda":
            return cls(half, compile and torch.utils._triton.has_triton(), True, min(cores, 16))
        if device.type == "cpu":
            half = half if half and _bfloat16_pays() else "float32"
            compiler = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl"))
            return cls(half, compile and compiler, True, 1 if cores > 1 else 0)
        return cls(workers=min(cores, 4))

    def autocast(self, device):
        """Return a context in which convolutions compute in this precision."""
        if self.precision == "float32":
            return nullcontext()
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
    ``scaler`` is a ``torch.amp.GradScaler`` for float16; ``ema`` an ``AveragedModel`` that follows the weights;
    ``world`` the processes that train together, each on its own ``batches``; ``criterion`` the loss, a function of
    images, logits and labels (see ``helpers.distillation``).
    Raises ``TrainingError`` if the loss is no longer a number.
    """
    network.train()
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    total, correct, count = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device), 0
    for images, labels in batches:
        images, labels = data.to_device(images, labels, device)
        with speed.autocast(device):
            logits = network(images)
            loss = criterion(images, logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(world.share_of_loss(loss, len(labels))).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        if ema is not None:
            ema.update_parameters(getattr(network, "_orig_mod", network))
        total += loss.detach() * len(labels)
        correct += (logits.detach().argmax(1) == labels).sum()
        count += len(labels)
    total, correct, count = world.sum(total, correct, count)
    mean = total.item() / int(count)  # the one moment in an epoch at which the device is waited for
    if not math.isfinite(mean):
        raise TrainingError(
            f"the training loss is {mean}: lower the learning rate (--lr), or use float32 (--precision)"
        )
    return mean, int(correct), int(count)


@torch.no_grad()
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
    recipe, train_data, test_data, device=None, speed=None, report=None, checkpoint=None, resume=False, world=ALONE
):
    """Train ``recipe.network`` from its initial weights; return it, in evaluation mode, and its history.

    ``train_data`` and ``test_data`` are ``(images (N, 32, 32, 3) uint8, labels (N,) int64)``. ``report`` is called
    after every epoch with a row of the history (a dictionary: epoch, lr, losses, accuracies, seconds; in the first row
    after a start or a resumption also device and precision). With a
    ``checkpoint`` path the state is kept there after every epoch, and with ``resume`` a run goes on from it: on
    the CPU to the very weights of an uninterrupted run. The last epoch is evaluated in float32, the others as trained.
    Where a ``world`` of processes trains together, each calls this; the first reports and writes.

    Raises ``TrainingError`` for a checkpoint that is damaged or of another run, and when the loss is not a number.
    """
    device = device or best_device()
    speed = speed or Speed.best(device)
    train_set = data.Cifar10(*train_data, pipeline(recipe.augment, recipe.seed))
    share = (world.rank, world.size)
    train_batches = data.train_loader(train_set, recipe.batch_size, recipe.seed, speed.workers, share)
    test_batches = data.test_loader(data.Cifar10(*(part[world.rank :: world.size] for part in test_data)))
    run = _Run(recipe, len(train_batches), device, speed, world)
    if checkpoint and resume:
        run.load(Path(checkpoint))
    if world.of_first(len(run.history)) != len(run.history):
        raise TrainingError("the processes read different checkpoints: all machines must share the folder --runs")
    here = {"device": f"{world.size} × " * (world.size > 1) + device_name(device), "precision": speed.precision}
    for epoch in range(len(run.history) + 1, recipe.epochs + 1):
        started = time.perf_counter()
        stream = (recipe.seed, epoch, world.rank)[: 3 if world.rank else 2]  # for dropout
        torch.manual_seed(int(np.random.SeedSequence(stream).generate_state(1)[0]))
        train_batches.batch_sampler.epoch = epoch
        lr = run.scheduler.get_last_lr()[0]
        loss, correct, count = run.train_epoch(train_batches)
        trained = time.perf_counter()
        last = epoch == recipe.epochs
        test = score(*world.gather(*predict(run.result, test_batches, device, Speed() if last else speed)))
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
            report(row)
    return run.result.eval(), run.history


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
            average = get_ema_multi_avg_fn(recipe.ema)
            self.ema = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
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
                state = torch.load(candidate, map_location=self.device, weights_only=True)
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
            part.load_state_dict(state[name])
        self.history = state["history"]


# The command line -------------------------------------------------------------------------------------------------


def parse(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.training",
        description="Train a network on CIFAR-10 and keep its record and weights in notebooks/runs/NAME. "
        "Interrupt it whenever you like (Ctrl-C): the same line with --resume goes on where it stopped.",
        epilog="Example: python -m helpers.training --network session_net --epochs 62 --name session_62 --resume",
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
    add("--name", default=None, help="name of the run; NETWORK_EPOCHS unless given")
    add("--data", default=None, help="folder or archive to read CIFAR-10 from (default: CIFAR10_DIR, else a download)")
    add("--runs", type=Path, default=RUNS, help="folder that the run's own folder is made in")
    add("--validate", action="store_true", help="hold out 5,000 training images and test on those: to choose a recipe")
    add("--resume", action="store_true", help="go on from the checkpoint of an interrupted run of this name")
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


def main(arguments=None):
    """Train as the command line says; write record and weights; return the record (the first process, of several)."""
    options = parse(arguments)
    fields = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**fields)
    name = options.name or f"{recipe.network}_{recipe.epochs}"
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
    checkpoint = options.runs / name / "checkpoint.pt"
    if checkpoint.exists() and not options.resume:
        raise TrainingError(f"{checkpoint} is there from an interrupted run: add --resume to go on, or delete it")
    if world.rank == 0:
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
        report=lambda row: print(f"{epoch_line(row, recipe.epochs)}  {row['seconds']:.1f} s", flush=True),
        checkpoint=checkpoint,
        resume=options.resume,
        world=world,
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
    """Return the arguments without what is this machine's and not the run's: ``--data``, ``--runs``, ``--resume``."""
    kept, skip = [], False
    for argument in arguments:
        if (
            not skip
            and argument not in ("--data", "--runs", "--resume")
            and not argument.startswith(("--data=", "--runs="))
        ):
            kept.append(argument)
        skip = not skip and argument in ("--data", "--runs")
    return kept


def keep_run(name, command, recipe, speed, source, network, history, test_data, device, runs=RUNS):
    """Write ``weights.pt`` and ``record.json`` of a finished run, delete its checkpoints, and return the record."""
    folder = Path(runs) / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.pt"
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    write_whole(weights, lambda part: torch.save(state, part))
    test = evaluate(network, data.test_loader(data.Cifar10(*test_data)), device)
    sample = evaluate(network, data.test_loader(data.Cifar10(*data.load_cifar10(False, data.SAMPLE))), device)
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
    return f"{name}, {os.cpu_count()} cores"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the same line with --resume goes on from the last whole epoch")
    except (TrainingError, data.DataError, ValueError) as error:
        sys.exit(f"error: {error}")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:  # gloo's threads outlive its group, and can abort Python's own end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
