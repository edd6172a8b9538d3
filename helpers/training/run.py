"""A run: a recipe made into what trains, and all its epochs, one after the other. Notebook 06 starts one.

From the top down: ``fit`` makes a ``Run`` of the recipe, goes on from a checkpoint if there is one, and trains.
"""

import dataclasses
import itertools
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from helpers.augment import pipeline
from helpers.data import Cifar10, end, test_loader, to_device, train_loader
from helpers.networks import build, load_pretrained
from helpers.records import read_record
from helpers.training import checkpoints
from helpers.training.distillation import Distillation, cross_entropy
from helpers.training.distributed import ALONE
from helpers.training.epoch import DIVERGED, Average, TrainingError, predict, score, train_epoch
from helpers.training.machine import Speed, best_device, device_name, keep_freed_memory
from helpers.training.recipe import OPTIMIZERS, parameter_groups

NOT_COMPILED = "torch.compile does not work here ({}): training goes on without it, more slowly."


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
    runs=None,
):
    """Train ``recipe.network`` from its initial weights; return it, in evaluation mode, and its history.

    ``train_data`` and ``test_data`` are ``(images (N, 32, 32, 3) uint8, labels (N,) int64)``. ``report`` is called
    after every epoch with a row of the history (a dictionary: epoch, lr, losses, accuracies, seconds; in the first row
    after a start or a resumption also device, precision and whether it is compiled) and an estimate of the
    ``seconds_left``. With a ``checkpoint`` path the state is kept there after every epoch, and with ``resume`` a run
    goes on from it: on the CPU to the very weights of an uninterrupted run. The last epoch is evaluated in float32, the
    others as trained, or in float32 too where that is float16. ``progress`` shows a bar within each epoch, on stderr.
    Where a ``world`` of processes trains together, each calls this; the first reports and writes. A teacher is looked
    for in the folder ``runs``, too.

    Raises ``TrainingError`` for a checkpoint that is damaged or of another run or other data, and when the loss of a
    step is not a number.
    """
    device = torch.device(device) if device else best_device()
    run = Run(recipe, len(train_data[1]), device, speed or Speed.best(device), world, runs)
    if checkpoint:
        run.data = checkpoints.identity(train_data, test_data)
        if recipe.teacher:
            teacher = read_record(recipe.teacher, teachers_place(recipe, runs))
            run.data["teacher's SHA-256"] = teacher["weights_sha256"][:12]
    if checkpoint and resume:
        checkpoints.load(run, Path(checkpoint))
    done = len(run.history)
    if world.of_first(done) != done:
        raise TrainingError("the processes read different checkpoints: all machines must share the folder --runs")
    tests = test_loader(Cifar10(*(part[world.rank :: world.size] for part in test_data)), device=device)
    started = time.perf_counter()  # compiling is the first epoch's
    compiled = done == recipe.epochs or run.compiles()
    if not compiled:
        tqdm.write(NOT_COMPILED.format(run.failure), file=sys.stderr)
    batches = run.batches(train_data)
    try:
        for epoch in range(done + 1, recipe.epochs + 1):
            row = run.epoch(epoch, batches, tests, started, progress)
            if epoch == done + 1:  # the first after every start: a run may be resumed on another device
                name = f"{world.size} × " * (world.size > 1) + device_name(device)
                row |= {"device": name, "precision": run.speed.precision, "compiled": run.speed.compile and compiled}
            run.history.append(row)
            if checkpoint and world.rank == 0:
                checkpoints.save(run, Path(checkpoint))
            if report and world.rank == 0:
                typical = statistics.median(past["seconds"] for past in run.history[done:])
                report(row | {"seconds_left": typical * (recipe.epochs - epoch)})
            started = time.perf_counter()
    finally:
        end(batches)
    return run.result.eval(), run.history


def teachers_place(recipe, runs):
    """Return the folder ``runs`` where the teacher is in it; None where it has to be in one of the usual two."""
    return runs if runs and (Path(runs) / recipe.teacher / "record.json").is_file() else None


class Run:
    """What a ``recipe`` trains with, on ``images`` training images: all that it decides is made here, once.

    ``parts`` and ``history`` are what a checkpoint holds.
    """

    def __init__(self, recipe, images, device, speed, world=ALONE, runs=None):
        self.recipe, self.device, self.speed, self.world, self.history = recipe, device, speed, world, []
        self.data = {}  # which data these are, for the checkpoints
        self.steps = -(-images // recipe.batch_size)  # an epoch
        self.share = -(-min(images, recipe.batch_size) // world.size)  # images a step, of this process
        self.augment = pipeline(recipe.augment, recipe.seed)
        torch.manual_seed(recipe.seed)
        self.network = speed.laid_out(build(recipe.network), device)
        self.stepped = speed.compiled(world.wrap(self.network))
        self.optimizer = OPTIMIZERS[recipe.optimizer](parameter_groups(self.network, recipe), recipe)
        warmup = recipe.warmup
        if warmup * (recipe.epochs * self.steps) == 1:
            warmup *= 1 + 1e-9  # PyTorch divides by the steps of the rise less one
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.lr,
            total_steps=recipe.epochs * self.steps,
            pct_start=warmup,
            cycle_momentum=False,
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=speed.precision == "float16")
        self.ema = Average(self.network, recipe.ema) if recipe.ema else None
        self.criterion = cross_entropy
        if recipe.teacher:
            teacher = speed.laid_out(load_pretrained(recipe.teacher, teachers_place(recipe, runs)), device)
            self.criterion = Distillation(dataclasses.replace(speed, graphs=False).compiled(teacher))
        if device.type == "cpu":
            keep_freed_memory()

    @property
    def parts(self):
        """Whatever has a state, by name."""
        parts = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        parts["scaler"] = self.scaler
        if self.ema is not None:
            parts["ema"] = self.ema
        return parts

    @property
    def result(self):
        """The network to evaluate and to keep: the average where there is one."""
        return self.ema.module if self.ema is not None else self.network

    def compiles(self):
        """Try a step on black images; return whether it worked, and go on uncompiled where not.

        There may be no C compiler, no Python.h, or a GPU that is too old for Triton. CUDA graphs are recorded at the
        second step and started at the third, so then it takes three. The network is left as it was.
        """
        if not self.speed.compile:
            return True
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        batch = torch.zeros(self.share, 32, 32, 3, dtype=torch.uint8), torch.zeros(self.share, dtype=torch.int64)
        images, labels = to_device(*batch, self.device)
        try:
            self.network.train()
            for _ in range(3 if self.speed.graphs else 1):
                with self.speed.autocast(self.device):
                    loss = self.criterion(images, self.stepped(images).float(), labels)
                self.network.zero_grad(set_to_none=True)
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

    def batches(self, train_data):
        """Return an iterator over the batches of all the epochs that are left.

        One for all, so that the workers go on to the next epoch while this one's end is trained and tested.
        """
        recipe, share = self.recipe, (self.world.rank, self.world.size)
        epochs = range(len(self.history) + 1, recipe.epochs + 1)
        options = (recipe.batch_size, recipe.seed, self.speed.workers, share, epochs, self.device)
        return iter(train_loader(Cifar10(*train_data, self.augment), *options))

    def train_epoch(self, batches):
        """Train on ``batches``; return what ``helpers.training.train_epoch`` does."""
        parts = (self.optimizer, self.scheduler, self.device, self.speed, self.scaler, self.ema, self.world)
        trained = train_epoch(self.stepped, batches, *parts, self.criterion, self.recipe.clip)
        self.world.average_buffers(self.network, *([self.ema.module] if self.ema else []))
        return trained

    def epoch(self, number, batches, tests, started, progress=False):
        """Train one epoch, test, and return its row of the history; its seconds count from ``started``."""
        recipe, world = self.recipe, self.world
        stream = (recipe.seed, number, world.rank)[: 3 if world.rank else 2]  # for dropout
        torch.manual_seed(int(np.random.SeedSequence(stream).generate_state(1)[0]))
        lr = self.scheduler.get_last_lr()[0]
        batches = itertools.islice(batches, self.steps)
        shown = {"leave": False, "unit": "batch", "disable": not progress or world.rank > 0}
        loss, correct, count = self.train_epoch(tqdm(batches, f"epoch {number}/{recipe.epochs}", self.steps, **shown))
        trained = time.perf_counter()
        exact = number == recipe.epochs or self.speed.precision == "float16"  # which an unusual image can overflow
        speed = Speed() if exact else self.speed
        logits, labels = world.gather(*predict(self.result, tests, self.device, speed))
        if not logits.isfinite().all(dim=1).any():  # lost in the last step, whose loss was taken before
            raise TrainingError(DIVERGED.format("no answer to a test image is a number"))
        test = score(logits, labels)
        return {
            "epoch": number,
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
