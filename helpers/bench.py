"""How fast training is here, part by part, beside a plain pipeline: ``python -m helpers.bench`` (``make bench``).

The plain pipeline is what a first version would have: each image a PIL picture, augmented and normalised in one of two
workers, float32, pixels channel by channel, and the loss read after every step. Ours is ``helpers.training`` with
``Speed.best``. Both train ``session_net`` on the sample's images.

An epoch is measured as in a run, between others, where workers run ahead over its end, and beside it with workers that
are asked anew for each. The seeding of the augmentation's random streams is measured beside the usual way.

What is compared is called in turns, so that a disturbance of the machine hits all alike; a figure is the median over
the rounds, its spread the distance of the quartiles. (The plain pipeline comes first: our way with memory,
``keep_freed_memory``, holds for the rest of a process.) ``--quick`` takes less than a minute on two free cores and
leaves out torch.compile; ``--json FILE`` keeps everything that was measured. Notebook 10 explains the parts.
"""

import argparse
import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import platform
import random
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from helpers import data, training
from helpers.augment import PIPELINES, Augment, pipeline
from helpers.cost import network_cost
from helpers.networks import session_net
from helpers.timing import in_turns
from helpers.training import Recipe, Speed

BATCH = 128


# Measuring --------------------------------------------------------------------------------------------------------


def summary(seconds, images):
    """Return what is kept of the ``seconds`` that ``images`` images took, round by round."""
    middle = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, method="inclusive") if len(seconds) > 1 else (middle,) * 3
    return {
        "images": images,
        "seconds": [round(value, 6) for value in seconds],
        "median_seconds": round(middle, 6),
        "spread_percent": round(100 * (high - low) / middle, 1),
        "images_per_second": round(images / middle, 1),
    }


def epochs_in_a_row(train, test, epochs):
    """Return the seconds of training, and of training and testing, in all of ``epochs`` but the first.

    ``epochs`` are iterables of batches for ``train``; ``test`` is called between them. Both wait for the device before
    they return. One of each goes before and does not count: it takes off what was prepared in a pause.
    """
    epochs, training_seconds = iter(epochs), 0.0
    test()
    train(next(epochs))
    started = time.perf_counter()
    for batches in epochs:
        test()
        begun = time.perf_counter()
        train(batches)
        training_seconds += time.perf_counter() - begun
    return training_seconds, time.perf_counter() - started


@training.real_float32()
def matmul_peak(device, precision="float32", sides=None):
    """Return the GFLOP/s of the fastest large matrix product on ``device``: the most that a network could reach."""
    rates = []
    for side in sides or ((512, 1024, 2048) if device.type == "cpu" else (4096, 8192)):
        a, b = torch.randn(2, side, side, device=device).to(getattr(torch, precision))
        rates.append(2 * side**3 / min(in_turns({0: lambda a=a, b=b: a @ b}, device, 5)[0]) / 1e9)
    return max(rates)


def training_flops(network):
    """Return the FLOPs that training on one image takes: forward 2 for each MAC, backward twice that."""
    return 6 * network_cost(network).total.macs


# The plain pipeline and ours ---------------------------------------------------------------------------------------


class PlainImages(Dataset):
    """One augmented, normalised float32 image ``(3, 32, 32)`` at a time, by way of PIL."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.transform = A.Compose([*PIPELINES[Recipe().augment](), A.Normalize(data.MEAN, data.STD), A.ToTensorV2()])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        picture = Image.fromarray(self.images[index])
        return self.transform(image=np.array(picture))["image"], int(self.labels[index])


def plain_loader(images, labels, workers=2):
    """Return the plain pipeline's ``DataLoader``; its workers stay, so that their start can be left out."""
    options = {"multiprocessing_context": data.start_method(), "persistent_workers": True} if workers else {}
    return DataLoader(PlainImages(images, labels), BATCH, shuffle=True, num_workers=workers, **options)


def plain_trainer(device):
    """Return a function that trains on batches in float32 and reads the loss after each, as a progress bar would.

    Float32 is as PyTorch has it by default: on an NVIDIA GPU, convolutions in TF32.
    """
    network = session_net().to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)

    def train(batches):
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return train


def trainer(device, speed):
    """Return a function that trains on batches as ``helpers.training`` does, and the network that it trains."""
    memory_format = torch.channels_last if speed.channels_last else torch.contiguous_format
    network = session_net().to(device, memory_format=memory_format)
    stepped = speed.compiled(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    scaler = torch.amp.GradScaler(device.type, enabled=speed.precision == "float16")
    parts = (optimizer, schedule, device, speed, scaler)
    return (lambda batches: training.train_epoch(stepped, batches, *parts)), network


class PlainlySeeded(Augment):
    """``Augment`` with streams seeded in the usual way: a hash of the key makes the seeds of two generators."""

    def __init__(self, transforms, seed=0):
        super().__init__(transforms, seed)
        self.seed, self.numpy_stream, self.python_stream = seed, np.random.Generator(np.random.PCG64()), random.Random()
        self.pipeline.set_random_state(self.numpy_stream, self.python_stream)

    def restart(self, epoch, index):
        numpy_seed, python_seed = np.random.SeedSequence((self.seed, epoch, index)).generate_state(2, np.uint64)
        self.python_stream.seed(int(python_seed))
        self.numpy_stream.bit_generator.state = np.random.PCG64(int(numpy_seed)).state


def our_loader(images, labels, workers, device=None, epochs=range(1, 2)):
    """Return the ``DataLoader`` of ``helpers.training``, with its augmentation, fit for a stopwatch and few images.

    The workers run ahead by a sixth of an epoch, as they do with all of CIFAR-10; those of a loader of one epoch stay
    for its next iteration, which can be timed without their start.
    """
    served = data.Cifar10(images, labels, pipeline(Recipe().augment))
    loader = data.train_loader(served, BATCH, workers=workers, epochs=epochs, device=device)
    return DataLoader(
        served,
        batch_sampler=loader.batch_sampler,
        num_workers=workers,
        multiprocessing_context=loader.multiprocessing_context,
        collate_fn=loader.collate_fn,
        prefetch_factor=max(len(labels) // BATCH // workers // 6, 2) if workers else None,
        pin_memory=loader.pin_memory,
        persistent_workers=workers > 0 and len(epochs) == 1,
    )


def choices(device, compile=True):
    """Return ``{name: Speed}``: one choice after the other, and at the end what is best here, compiled."""
    half, best = training.reduced_precision(device), Speed.best(device, compile)
    found = {"float32": Speed(channels_last=False), "+ channels-last": Speed()}
    if half:
        found[f"+ {half}"] = Speed(half)
    if best.compile:
        found[f"{best.precision}, compiled"] = dataclasses.replace(best, workers=0)
    return found


# The suite --------------------------------------------------------------------------------------------------------


def measure(device, images, labels, rounds, quick=False):
    """Return ``{part: {name: summary}}`` of augmentation, data, step, batch size, epoch and evaluation."""
    count, best = len(labels), Speed.best(device, compile=not quick)

    def timed(works, size=count):
        return {name: summary(seconds, size) for name, seconds in in_turns(works, device, rounds).items()}

    train, loader = plain_trainer(device), plain_loader(images, labels)
    ready = list(loader)
    plain = timed({"step": lambda: train(ready), "epoch": lambda: train(loader)})
    plain["data"] = timed({"data": lambda: [None for _ in loader]})["data"]
    if device.type == "cpu":
        training.keep_freed_memory()

    augments = {"plain": PlainlySeeded(PIPELINES[Recipe().augment]()), "ours": pipeline(Recipe().augment)}
    works = {}
    for name, augment in augments.items():
        works[f"seeding, {name}"] = lambda restart=augment.restart: [restart(1, i) for i in range(count)]
        works[f"all, seeding {name}"] = lambda augment=augment: [augment(image, 1, i) for i, image in enumerate(images)]
    parts = {"augmentation": timed(works)}

    counts = sorted({0, 1, 2, best.workers, *([] if quick else [min(training.available_cores(), 16)])})
    loaders = {f"{workers} workers": our_loader(images, labels, workers, device) for workers in counts}
    works = {name: (lambda loader=loader: [None for _ in loader]) for name, loader in loaders.items()}
    parts["data"] = {"plain, 2 workers": plain["data"]} | timed(works)

    ready = list(loaders["0 workers"])
    trainers = {name: trainer(device, speed)[0] for name, speed in choices(device, not quick).items()}
    works = {name: (lambda train=train: train(ready)) for name, train in trainers.items()}
    parts["step"] = {"plain": plain["step"]} | timed(works)

    train, network = trainer(device, dataclasses.replace(best, compile=False))
    sizes = (32, 128, 512) if device.type == "cpu" else (32, 128, 512, 2048, 8192)
    sizes = [size for size in sizes if size <= count]
    repeated = {f"batch {size}": _repeated(ready, size, count) for size in sizes}
    works = {name: (lambda batches=batches: train(batches)) for name, batches in repeated.items()}
    parts["batch size"] = timed(works)

    train, network = trainer(device, best)
    tests = data.test_loader(data.Cifar10(images, labels), device=device)
    fifth = data.test_loader(data.Cifar10(images[::5], labels[::5]), device=device)  # CIFAR-10: 10,000 for 50,000
    works = train, lambda: training.evaluate(network, fifth, device, best)
    loader = loaders[f"{best.workers} workers"]
    parts["epoch"] = {"plain": plain["epoch"]} | _epochs(*works, ready, loader, device, best.workers, rounds)

    precisions = {speed.precision: speed for speed in (Speed(), best)}
    works = {
        name: (lambda speed=speed: training.evaluate(network, tests, device, speed))
        for name, speed in precisions.items()
    }
    parts["evaluation"] = timed(works)
    return parts


def _epochs(train, test, ready, loader, device, workers, rounds, number=2):
    """Return summaries of ``number`` epochs in a row, with workers that run ahead or are asked anew, and of the steps.

    ``ready`` are the batches of an epoch, ``loader`` prepares them for one epoch at a time. The workers that run ahead
    start once.
    """
    images, labels = loader.dataset.images, loader.dataset.labels
    endless = our_loader(images, labels, workers, device, range(1, 10**6))
    rows = []
    with contextlib.closing(batch for batch in endless) as batches:  # closed, it ends its workers
        for _ in range(1 + rounds):
            ahead = epochs_in_a_row(train, test, [itertools.islice(batches, len(loader)) for _ in range(1 + number)])
            anew = epochs_in_a_row(train, test, [loader] * (1 + number))
            steps, _ = epochs_in_a_row(train, lambda: None, [ready] * (1 + number))
            rows.append((*ahead, *anew, steps))
    names = "ours", "ours, with tests", "asked anew", "asked anew, with tests", "ours, its steps alone"
    columns = zip(*rows[1:], strict=True)  # as in ``in_turns``, one round goes before
    return {name: summary(row, number * len(labels)) for name, row in zip(names, columns, strict=True)}


def _repeated(batches, size, count):
    """Return ``count`` images of ``batches``, in whole batches of ``size``."""
    images, labels = (torch.cat(column)[:size] for column in zip(*batches, strict=True))
    return [(images, labels)] * max(count // size, 1)


def ratios(parts, peaks, precision):
    """Return the figures that follow from ``parts`` and the matrix products' ``peaks {precision: GFLOP/s}``."""
    pace = {part: {name: row["images_per_second"] for name, row in rows.items()} for part, rows in parts.items()}
    ours, steps = pace["epoch"]["ours"], pace["epoch"]["ours, its steps alone"]
    reached = steps * training_flops(session_net()) / 1e9
    return {
        "step, ours / plain": steps / pace["step"]["plain"],
        "epoch, ours / plain": ours / pace["epoch"]["plain"],
        "epochs and tests, running ahead / asked anew": pace["epoch"]["ours, with tests"]
        / pace["epoch"]["asked anew, with tests"],
        "seeding, ours / plain": pace["augmentation"]["seeding, ours"] / pace["augmentation"]["seeding, plain"],
        "augmentation, seeding ours / plain": pace["augmentation"]["all, seeding ours"]
        / pace["augmentation"]["all, seeding plain"],
        "share of seeding in augmentation": pace["augmentation"]["all, seeding ours"]
        / pace["augmentation"]["seeding, ours"],
        **{
            f"step, {name} / plain": rate / pace["step"]["plain"]
            for name, rate in pace["step"].items()
            if name != "plain"
        },
        "epoch / its steps alone, in time": steps / ours,
        "share of an epoch in which the device waits": max(0.0, 1 - ours / steps),
        "GFLOP/s of the steps": reached,
        "share of the matrix product's peak": reached / peaks[precision],
        "seconds for 50,000 training and 10,000 test images": 50_000 / ours + 10_000 / pace["evaluation"][precision],
    }


def memory():
    """Return the most memory that this process held, in GB, on the CPU and on a GPU; None where it cannot be asked."""
    held = {"cpu": None, "cuda": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None}
    if os.name == "posix":
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        held["cpu"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return held


def suite(device, rounds=5, batches=8, quick=False):
    """Measure everything on ``device`` and return it as a dictionary that JSON can hold."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    chosen = np.arange(batches * BATCH) % len(labels)
    speed = Speed.best(device, compile=not quick)
    peaks = {
        name: matmul_peak(device, name) for name in ("float32", training.reduced_precision(device)) if name is not None
    }
    parts = measure(device, images[chosen], labels[chosen], rounds, quick)
    return {
        "device": training.device_name(device),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "torchvision", "albumentations", "numpy")},
        "threads": torch.get_num_threads(),
        "quick": quick,
        "rounds": rounds,
        "batch_size": BATCH,
        "speed": dataclasses.asdict(speed),
        "peak_gflops": peaks,
        "parts": parts,
        "ratios": ratios(parts, peaks, speed.precision),
        "memory_gb": memory(),
    }


def report(result):
    """Return what ``suite`` measured as text."""
    lines = [
        f"{result['device']}; torch {result['versions']['torch']}, {result['threads']} threads",
        f"ours: {result['speed']}",
    ]
    lines += [f"matrix product, {name:9} {peak:10,.0f} GFLOP/s" for name, peak in result["peak_gflops"].items()]
    for part, rows in result["parts"].items():
        lines.append(f"{part:24} images/s   spread")
        for name, row in rows.items():
            lines.append(f"  {name:22} {row['images_per_second']:8,.0f}  {row['spread_percent']:5.0f} %")
    lines += [f"{value:10.2f}  {name}" for name, value in result["ratios"].items()]
    held = ", ".join(f"{value:.1f} GB ({where})" for where, value in result["memory_gb"].items() if value)
    return "\n".join([*lines, f"memory: {held or 'not known here'}"])


def main(arguments=None):
    """The command line: measure, print, and keep the result where ``--json`` says."""
    parser = argparse.ArgumentParser(prog="python -m helpers.bench", description="How fast is training here?")
    parser.add_argument("--quick", action="store_true", help="under a minute: few batches, no torch.compile")
    parser.add_argument("--rounds", type=int, default=None, help="how often each is measured (default: 5; quick: 2)")
    parser.add_argument("--batches", type=int, default=None, help="batches of 128 images (default: 8; quick: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all that was measured in FILE")
    parser.add_argument("--device", default=None, help="cuda, mps or cpu (default: the fastest there is)")
    options = parser.parse_args(arguments)
    device = torch.device(options.device) if options.device else training.best_device()
    few = (2, 2) if options.quick else (5, 8)
    result = suite(device, options.rounds or few[0], options.batches or few[1], options.quick)
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
