"""The command line, ``python -m helpers.training``: train a recipe, and keep what came out. Notebook 06 shows it."""

import argparse
import contextlib
import dataclasses
import datetime
import errno
import inspect
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.augment import PIPELINES
from helpers.cost import network_cost
from helpers.data import SAMPLE, Cifar10, data_source, load_cifar10, split, test_loader
from helpers.networks import BEST, NETWORKS, count_parameters
from helpers.records import OWN_RUNS, RUNS, plain_name, progress_line, sha256, write_record
from helpers.training.checkpoints import kept_state, precision_of, write_state
from helpers.training.distributed import World
from helpers.training.epoch import TrainingError, evaluate
from helpers.training.machine import Speed, best_device, device_name, idle_gpu, precisions, usable_device
from helpers.training.recipe import DECAYED, OPTIMIZERS, Recipe
from helpers.training.run import fit

MOST_WORKERS = 256
HELD_OUT = 5000  # training images to choose a recipe by
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # what a file system without them says


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(
            2, f"error: {message} ({self.prog} --help lists all)\n"
        )  # one line; by default, all options precede it


def parse(arguments=None):
    """Return the parsed command line."""
    parser = _Parser(
        allow_abbrev=False,  # a record's command leaves out what is spelled in full
        prog="python -m helpers.training",
        description="Train a network on CIFAR-10 and keep its record and weights in runs/NAME. "
        "Interrupt it whenever you like (Ctrl-C): the same line with --resume goes on where it stopped.",
        epilog="Example: python -m helpers.training --network session_net --epochs 62 --name mine --resume",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    recipe = Recipe()
    add = parser.add_argument
    add("--network", choices=sorted(NETWORKS), default=recipe.network, help="which network of helpers/networks")
    add("--epochs", type=int, default=recipe.epochs, help="how often every training image is seen")
    add("--batch-size", type=int, default=recipe.batch_size, help="images per training step")
    add("--optimizer", choices=OPTIMIZERS, default=recipe.optimizer, help="SGD with Nesterov momentum, or AdamW")
    add("--lr", type=float, default=recipe.lr, help="highest learning rate of the OneCycle schedule")
    add("--warmup", type=float, default=recipe.warmup, help="share of the run in which the learning rate rises")
    add("--momentum", type=float, default=recipe.momentum, help="Nesterov momentum of SGD, first beta of AdamW")
    add("--weight-decay", type=float, default=recipe.weight_decay, help="pull of the weights towards zero")
    add("--decayed", choices=DECAYED, default=recipe.decayed, help="which weights; kernels: no biases, no BatchNorm")
    add("--clip", type=float, default=recipe.clip, help="largest norm of a step's gradient")
    add("--augment", choices=sorted(PIPELINES), default=recipe.augment, help="which pipeline of helpers/augment.py")
    add("--ema", type=float, default=recipe.ema, help="decay of the moving average of the weights; 0 is none")
    add("--teacher", default=recipe.teacher, help="name of a finished run to learn from, beside the labels")
    add("--seed", type=int, default=recipe.seed, help="decides initial weights, order and augmentation")
    add("--name", default=None, help="name of the run; my_NETWORK_EPOCHS unless given")
    add("--data", default=None, help="folder or archive to read CIFAR-10 from (default: CIFAR10_DIR, else a download)")
    add("--runs", type=Path, default=OWN_RUNS, help="folder that the run's own folder is made in")
    add("--validate", action="store_true", help="hold out 5,000 training images and test on those: to choose a recipe")
    add("--images", type=int, default=None, help="train on so many of the training images: for quick comparisons")
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
    options = parser.parse_args(arguments)
    if not 0 <= (options.workers or 0) <= MOST_WORKERS:
        parser.error(f"argument --workers: it must be from 0 to {MOST_WORKERS}, not {options.workers}")
    return options


def own_name(recipe):
    """Return the name that a reader's own run of ``recipe`` has unless it is given another."""
    return f"my_{recipe.network}_{recipe.epochs}"


def refuse_to_overwrite(name, runs, resume=False, force=False):
    """Raise ``TrainingError`` where a run ``name`` in the folder ``runs`` would take another one's place."""
    folder = Path(runs) / name
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


@contextlib.contextmanager
def claimed(folder):
    """Hold the folder of a run, in this context, against other processes that would train it at the same time.

    The lock goes with the process, however that ends. Raises ``TrainingError`` where another process has it, or where
    the folder cannot be written to.
    """
    newer = "fallback_to_soft" in inspect.signature(FileLock).parameters  # to a mere file, which outlives its process
    lock = FileLock(folder / "lock", **({"fallback_to_soft": False} if newer else {}))
    ours = (folder,) if folder.parent.exists() else (folder, folder.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise TrainingError(f"{folder} is being trained by another process: choose another --name") from error
    except (OSError, NotImplementedError) as error:  # some file systems have no locks: then without one
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise TrainingError(f"cannot write to {folder} ({error.strerror}): choose another folder --runs") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows deletes no open file
            (folder / "lock").unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):  # they stay if anything is in them
            for place in ours:
                place.rmdir()


def main(arguments=None, progress=None):
    """Train as the command line says; write record and weights; return the record (the first process, of several).

    ``progress``: whether a bar shows each epoch's; by default where a terminal watches.
    """
    options = parse(arguments)
    fields = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**fields)
    if recipe.teacher == "better" and not any((place / "better").exists() for place in (options.runs, OWN_RUNS)):
        raise TrainingError(f"better is whichever run is the best by now: name it, --teacher {BEST}")
    name = plain_name(options.name if options.name is not None else own_name(recipe))
    world, device = World.join(usable_device(options.device) if options.device else best_device())
    with contextlib.nullcontext() if world.rank else claimed(options.runs / name):
        refuse_to_overwrite(name, options.runs, options.resume, options.force)
        return _train(arguments, options, recipe, name, world, device, progress)


def _train(arguments, options, recipe, name, world, device, progress):
    speed = chosen_speed(options, device, world, options.runs / name / "checkpoint.pt")
    train_data, test_data, source = chosen_data(options, world)
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
        runs=options.runs,
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


def chosen_speed(options, device, world, checkpoint):
    """Return the ``Speed`` that the command line asks for: what is best on ``device`` where it says nothing.

    A run that is resumed keeps the precision of its ``checkpoint``, if the device has that.
    """
    speed = world.of_first(Speed.best(device, options.compile))  # what one process measured holds for all
    asked = {"precision": options.precision, "workers": options.workers}
    begun = precision_of(checkpoint) if options.resume and not options.precision else None
    if begun in precisions(device):
        asked["precision"] = begun
    elif begun and not world.rank:
        print(f"The run was begun in {begun}, which is slow or missing here: it goes on in {speed.precision}.")
    return dataclasses.replace(speed, **{name: value for name, value in asked.items() if value is not None})


def chosen_data(options, world):
    """Return the images to train on, those to test on, and where they are from, as a record says it."""
    with world.first_goes_first():
        train_data = load_cifar10(True, options.data)
    if options.validate:
        if len(train_data[1]) <= HELD_OUT:
            raise TrainingError(
                f"--validate holds out {HELD_OUT:,} training images, and there are {len(train_data[1]):,} in all"
            )
        train_data, test_data = split(*train_data, HELD_OUT)
    else:
        test_data = load_cifar10(False, options.data)
    source = data_source(options.data)
    if options.images is not None:
        there = len(train_data[1])
        if not 0 < options.images < there:
            raise TrainingError(f"--images is {options.images}; it must lie between 0 and the {there:,} that there are")
        train_data, _ = split(*train_data, there - options.images)
        source["training_images"] = f"{options.images:,} of {there:,}, drawn with a fixed seed"
    source["test_images"] = "validation split of the training images" if options.validate else "test images"
    return train_data, test_data, source


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


def _of_all_starts(what, history):
    """Return what the rows of a history say of each start of the run: "a", or "a, then b" where it changed."""
    return ", then ".join(dict.fromkeys(row[what] for row in history if what in row))


def _macs(network):
    try:
        return network_cost(network).total.macs
    except NotImplementedError:
        return None


def keep_run(name, command, recipe, speed, source, network, history, test_data, device, runs):
    """Write ``weights.pt`` and ``record.json`` of a finished run, delete its checkpoints, and return the record.

    Its ``macs`` are None where ``network_cost`` cannot count them: a run of hours does not end at that.
    """
    folder = Path(runs) / name
    folder.mkdir(parents=True, exist_ok=True)
    weights, state = folder / "weights.pt", kept_state(network)
    test, sample = (
        evaluate(network, test_loader(Cifar10(*images), device=device), device)
        for images in (test_data, load_cifar10(False, SAMPLE))
    )
    record = {
        "name": name,
        "command": command,
        "network": recipe.network,
        "parameters": count_parameters(network),
        "macs": _macs(network),
        "recipe": dataclasses.asdict(recipe) | {"schedule": "OneCycle, cosine to zero"},
        "seed": recipe.seed,
        "data": source,
        "speed": dataclasses.asdict(speed)
        | {
            "precision": _of_all_starts("precision", history) or speed.precision,
            "compile": speed.compile and all(row.get("compiled", True) for row in history),
        },
        "test": test,
        "sample": {key: sample[key] for key in ("correct", "images")},  # so that anyone can check it at once
        "history": history,
        "device": _of_all_starts("device", history),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "torchvision", "albumentations", "numpy")},
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "date": datetime.date.today().isoformat(),
    }
    write_state(weights, state)  # as late as can be: the folder may hold a run that --force replaces
    record["weights_sha256"] = sha256(weights)
    write_record(record, runs)
    for path in folder.glob("checkpoint.pt*"):
        path.unlink()
    return record
