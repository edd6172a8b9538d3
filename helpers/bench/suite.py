"""The suite: every part of training measured, and what follows from it. Notebook 10 explains the parts.

An epoch is measured as in a run, between others, where workers run ahead over its end, and beside it with workers that
are asked anew for each. The seeding of the augmentation's random streams is measured beside the usual way.

What is compared is called in turns, so that a disturbance of the machine hits all alike; a figure is the median over
the rounds, its spread the distance of the quartiles. (The plain pipeline comes first: our way with memory,
``keep_freed_memory``, holds for the rest of a process.)
"""

import contextlib
import dataclasses
import datetime
import itertools
import platform
from importlib.metadata import version

import numpy as np
import torch

from helpers import data, training
from helpers.augment import PIPELINES, pipeline
from helpers.bench.measuring import epochs_in_a_row, matmul_peak, memory, summary, training_flops
from helpers.bench.pipelines import (
    BATCH,
    PlainlySeeded,
    best_speed,
    choices,
    our_loader,
    plain_loader,
    plain_trainer,
    trainer,
)
from helpers.networks import session_net
from helpers.timing import in_turns
from helpers.training import Recipe, Speed


def suite(device, rounds=5, batches=8, quick=False):
    """Measure everything on ``device`` and return it as a dictionary that JSON can hold."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    chosen = np.arange(batches * BATCH) % len(labels)
    speed = best_speed(device, compile=not quick)
    peaks = {
        name: matmul_peak(device, name) for name in ("float32", training.reduced_precision(device)) if name is not None
    }
    parts = measure(device, images[chosen], labels[chosen], rounds, speed, quick)
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


def measure(device, images, labels, rounds, best, quick=False):
    """Return ``{part: {name: summary}}`` of augmentation, data, step, batch size, epoch and evaluation."""
    count = len(labels)

    def timed(works, trained=None):
        seconds = in_turns(works, device, rounds)
        return {name: summary(seconds[name], trained[name] if trained else count) for name in works}

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
    trainers = {name: trainer(device, speed)[0] for name, speed in choices(device, best).items()}
    works = {name: (lambda train=train: train(ready)) for name, train in trainers.items()}
    parts["step"] = {"plain": plain["step"]} | timed(works)

    train, network = trainer(device, dataclasses.replace(best, compile=False))
    sizes = (32, 128, 512) if device.type == "cpu" else (32, 128, 512, 2048, 8192)
    sizes = [size for size in sizes if size <= count]
    repeated = {f"batch {size}": _repeated(ready, size, count) for size in sizes}
    works = {name: (lambda batches=batches: train(batches)) for name, batches in repeated.items()}
    trained = {name: sum(len(labels) for _, labels in batches) for name, batches in repeated.items()}
    parts["batch size"] = timed(works, trained)

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
    start once; what they prepared in a pause, every worker ``prefetch_factor`` batches, is taken off before.
    """
    images, labels = loader.dataset.images, loader.dataset.labels
    endless = our_loader(images, labels, workers, device, range(1, 10**6))
    rows, waiting = [], workers * (endless.prefetch_factor or 0)
    lengths = [len(loader) + waiting, *[len(loader)] * number]
    with contextlib.closing(batch for batch in endless) as batches:  # closed, it ends its workers
        for _ in range(1 + rounds):
            ahead = epochs_in_a_row(train, test, [itertools.islice(batches, length) for length in lengths])
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
