"""A reader's own run: trained live in a notebook, or by the command line, and told beside the reference run.

The reference runs are what the course's text is about. An own run, which lies in ``runs``, is drawn beside them; no
sentence and no assertion depends on it. Notebook 03 is the first to show one, 06 the first to train one.
"""

import dataclasses
import math
import re
import shlex

from helpers import data, plots, training
from helpers.records import OWN_RUNS, epoch_line, read_record

SCATTER = 0.25  # percentage points: the standard deviation of a full run among seeds, assumed
WEAK = 80  # percent: a full run of session_net that ends below that has gone wrong somewhere


def own_run(recipe, mode, sample_epochs=2, runs=OWN_RUNS):
    """Do what ``mode`` asks of a run of ``recipe``; return the record of the reader's own run, or None without one.

    ``"train"`` trains it on all the data into ``runs``, or goes on where it was cut off, with a line an epoch and the
    time left. ``"quick"`` makes ``sample_epochs`` on the sample, just to go through every line, and keeps nothing;
    ``"full"`` trains nothing. A finished run is never overwritten: it is returned, in every mode.
    """
    name = training.own_name(recipe)
    if mode == "train" and not (runs / name / "record.json").exists():
        training.main([*shlex.split(command(recipe))[3:], "--resume", "--runs", str(runs)], progress=True)
    elif mode == "quick" and sample_epochs:
        print("Quick mode, on the sample; not kept:")
        small = dataclasses.replace(recipe, epochs=sample_epochs)
        sets = (data.load_cifar10(train, data.SAMPLE) for train in (True, False))
        speed = training.Speed.best(training.best_device(), compile=False)
        training.fit(small, *sets, speed=speed, report=lambda row: print(epoch_line(row, sample_epochs)))
    own = find_own(name, recipe.network, runs)
    if own:
        print(f"Your run, runs/{name}: {summary(own)}.")
        print("It is finished and stays as it is; to train it anew, rename that folder.")
    elif not (runs / name / "record.json").exists():
        print(f"No finished run of your own in runs/{name} yet. To train it, choose train as MODE")
        print(f"in the first cell and run all, or type:\n{command(recipe)} --resume")
    return own


def command(recipe):
    """Return the line that trains ``recipe``: what differs from the defaults is spelled out."""
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    changed = {name: value for name, value in vars(recipe).items() if value != defaults[name]}
    changed = {"network": recipe.network, "epochs": recipe.epochs} | changed
    options = (word for key, value in changed.items() for word in (f"--{key.replace('_', '-')}", str(value)))
    return shlex.join(["python", "-m", "helpers.training", *options])


def find_own(name, network, runs=OWN_RUNS):
    """Return the record of the reader's run ``name`` of ``network``; None, with a sentence, where it cannot be used."""
    try:
        own = read_record(name, runs)
    except FileNotFoundError:
        return None
    except ValueError as error:
        return print(error)
    if own["network"] != network:
        return print(f"{runs / name} is a run of {own['network']}, not of {network}: rename that folder")
    return own


def summary(record):
    """Return in a few words what a run was and reached."""
    epochs = len(record["history"])
    return (
        f"{epochs} epoch{'s' * (epochs > 1)} on {record['data']['source']}, {record['device']}, "
        f"{record['seconds'] / 60:.0f} min, {record['test']['accuracy']:.2f} %"
    )


def beside(reference, own):
    """Print an own run's record beside the ``reference`` run's and return a figure of both; without one say so."""
    if own is None:
        return print(f"No run of your own yet. Its curve and classes will stand here, beside {reference['name']}.")
    columns = [f"{reference['name']:>20}", f"{own['name']:>24}"]
    print(" " * 20, *columns)
    for what, of in ROWS.items():
        print(f"{what:20}", f"{of(reference):>20}", f"{of(own):>24}")
    for label, accuracy in reference["test"]["class_accuracy"].items():
        print(f"{label + ' %':20} {accuracy:20.1f} {own['test']['class_accuracy'][label]:24.1f}")
    print(verdict(reference, own))
    return plots.own_beside(reference, own)


ROWS = {
    "device": lambda run: run["device"][:24],
    "epochs": lambda run: len(run["history"]),
    "minutes": lambda run: f"{run['seconds'] / 60:.0f}",
    "training %": lambda run: f"{run['history'][-1]['train_accuracy']:.2f}",
    "test %, last epoch": lambda run: f"{run['test']['accuracy']:.2f}",
    "test images": lambda run: f"{run['test']['images']:,}",
}


def chance(reference, own):
    """Return by how many percentage points two equally good runs differ by chance, at two standard deviations.

    Chance is the seed of each run, ``SCATTER``. Both were tested on the same images, but where one saw only a part of
    them, it is also which part: the variance of a mean of n out of N is that of one image times 1/n − 1/N.
    """
    percent, part = reference["test"]["accuracy"], abs(1 / own["test"]["images"] - 1 / reference["test"]["images"])
    return 2 * math.sqrt(2 * SCATTER**2 + percent * (100 - percent) * part)


def verdict(reference, own):
    """Return one sentence: how far apart two runs ended, and whether that is more than chance."""
    difference, most = own["test"]["accuracy"] - reference["test"]["accuracy"], chance(reference, own)
    how = "more" if abs(difference) > most else "no more"
    said = f"Your run ended {abs(difference):.2f} points {'above' if difference > 0 else 'below'} {reference['name']}: "
    said += f"{how} than chance, which sets two equally good runs apart by up to {most:.1f} points."
    ours, yours = map(did, (reference, own))
    changed = [f"{key} {value}, yours {yours[key]}" for key, value in ours.items() if yours[key] != value]
    if changed:
        said += f" But they did not do the same: {'; '.join(changed)}."
    elif own["network"] == "session_net" and own["test"]["accuracy"] < WEAK:
        said += f" Less than {WEAK} % after a full run: something went wrong. Look for a dent in the curve."
    return said


def did(run):
    """Return all that decides how a run ends but its seed: two runs of which it is equal did the same."""
    kept = dataclasses.asdict(training.Recipe()) | {"schedule": None} | run["recipe"]  # older ones lack the newest
    return kept | {
        "seed": None,
        "images": f"{images_of(run):,}",
        "trained on": run["data"].get("training_images", "all"),
        "tested on": run["data"].get("test_images", "test images"),
    }


def images_of(record):
    """Return how many images the data set of a run has, training and test: 60,000, or 3,000 in the sample."""
    counted = re.search(r"([\d,]+) images", record["data"]["source"])
    return int(counted[1].replace(",", "")) if counted else 60_000
