"""Break one thing at a time and see that the tests notice: ``python tests/mutations.py [WORD]``.

Each fault is made in a fresh copy of the repository as it was last committed; the tests that are there for it must pass
before and fail after; a table says which test failed. WORD chooses the faults whose description contains it. Takes five
to ten minutes on two cores, and so is not part of ``make test``.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent


def text(old, new):
    """Return a fault that replaces ``old`` in a file by ``new``, at its first place."""

    def change(path):
        before = path.read_text(encoding="utf-8")
        path.write_text(before.replace(old, new, 1), encoding="utf-8")

    return change


def exempt_many(path):
    """Take half of a notebook's cells out of the comparison."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"][::2] + notebook["cells"][1::4]:
        cell["metadata"]["tags"] = sorted({*cell["metadata"].get("tags", []), "nbval-ignore-output"})
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def weight(path):
    """Set the first kernel of a network to zero, and make the record's checksum fit."""
    state = torch.load(path, weights_only=True)
    next(iter(state.values()))[0] = 0
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    torch.save(state, path)
    text(before, hashlib.sha256(path.read_bytes()).hexdigest())(path.with_name("record.json"))


def label(path):
    """Give the first two images of different classes each other's labels."""
    labels = path.read_text().splitlines()
    other = next(index for index, value in enumerate(labels) if value != labels[0])
    labels[0], labels[other] = labels[other], labels[0]
    path.write_text("\n".join(labels) + "\n")


def pixel(path):
    """Make one pixel of a contact sheet a little brighter or darker."""
    sheet = np.array(Image.open(path).convert("RGB"))
    sheet[5, 7, 0] ^= 1
    Image.fromarray(sheet).save(path, lossless=True)


RUN = "notebooks/runs/session_62/"
FAULTS = (  # what, in which file, how, and the tests that must notice
    (
        "a number in a notebook's text",
        "notebooks/04_network.ipynb",
        text("187,418 parameters,", "187,419 parameters,"),
        "tests/test_notebook_prose.py -k 04",
    ),
    (
        "a share in a notebook's text",
        "notebooks/03_cost.ipynb",
        text("39 % of all parameters", "38 % of all parameters"),
        "tests/test_notebook_prose.py -k 03",
    ),
    (
        "a number in a solution",
        "notebooks/04_network.ipynb",
        text("39 with dilation 2", "41 with dilation 2"),
        "tests/test_notebook_prose.py -k 04",
    ),
    (
        "a solution's reckoning",
        "notebooks/04_network.ipynb",
        text("31 + 8 * (dilation - 1)", "31 + 9 * (dilation - 1)"),
        "tests/test_notebook_exercises.py -k 04",
    ),
    (
        "a stored output",
        "notebooks/04_network.ipynb",
        text("-> (1, 32, 11, 11)", "-> (1, 32, 11, 12)"),
        "--nbval --nbval-current-env notebooks/04_network.ipynb",
    ),
    (
        "a stored line of the training log",
        "notebooks/06_train_62_epochs.ipynb",
        text("(87.91%)", "(88.91%)"),
        "tests/test_runs.py -k notebook_shows",
    ),
    (
        "half of the cells exempt from comparison",
        "notebooks/04_network.ipynb",
        exempt_many,
        "tests/test_notebook_comparison.py -k 04",
    ),
    (
        "an absolute path in a notebook",
        "notebooks/01_data.ipynb",
        text("import numpy as np", "import numpy as np  # /home/me/data"),
        "tests/test_notebook_outputs.py -k 01",
    ),
    (
        "an exercise that takes any answer",
        "helpers/exercises/training.py",
        text("abs(value - times) < 1e-6", "abs(value) >= 0"),
        "tests/test_exercises_training.py -k means",
    ),
    ("a trained weight", RUN + "weights.pt", weight, "tests/test_runs.py -k sample_images"),
    (
        "the accuracy in a record",
        RUN + "record.json",
        text('"accuracy": 87.91', '"accuracy": 88.91'),
        "tests/test_runs.py -k consistent",
    ),
    (
        "a cell of the results table",
        "README.md",
        text("**87.91**", "**88.01**"),
        "tests/test_publishing_results.py -k readme",
    ),
    (
        "a label of the sample",
        "images/cifar10_sample/test_batch.labels.txt",
        label,
        "tests/test_data_reading.py -k sample_is_as",
    ),
    (
        "a pixel of the sample",
        "images/cifar10_sample/test_batch.webp",
        pixel,
        "tests/test_data_reading.py -k sample_is_as",
    ),
    (
        "the mean of the data set",
        "helpers/data/serving.py",
        text("0.4822", "0.4922"),
        "tests/test_data_serving.py -k normalised",
    ),
    (
        "the same order in every epoch",
        "helpers/data/serving.py",
        text("(self.seed, epoch)", "(self.seed, 0)"),
        "tests/test_data_serving.py -k order",
    ),
    (
        "the same augmentation in every epoch",
        "helpers/augment.py",
        text("[2:] = index, epoch", "[2:] = index, 0"),
        "tests/test_augment.py -k key",
    ),
    ("a black hole", "helpers/augment.py", text("round(255 * mean)", "0"), "tests/test_augment.py -k dropout"),
    (
        "a layer without its dilation",
        "helpers/networks/lesson.py",
        text("dilation=2)", "dilation=1)"),
        "tests/test_networks_lesson.py -k table",
    ),
    (
        "groups forgotten in the cost",
        "helpers/cost/formula.py",
        text("out_channels * (in_channels // groups)", "out_channels * in_channels"),
        "tests/test_cost_formula.py",
    ),
    (
        "an enlarged map that begins elsewhere",
        "helpers/cost/fields.py",
        text("first=b.first * times - before", "first=b.first * times"),
        "tests/test_cost_fields.py -k many_steps",
    ),
    (
        "halves that are exchanged in place and not missed",
        "helpers/cost/joins.py",
        text("if not told or 2 * other.shape[dim] <= size:", "if not told:"),
        "tests/test_cost_joins.py",
    ),
    (
        "a loss that is a mean of batch means",
        "helpers/training/epoch.py",
        text("loss.detach() * len(labels)", "loss.detach() * 20"),
        "tests/test_training_epoch.py -k means",
    ),
    (
        "a resumption that forgets the average",
        "helpers/training/run.py",
        text('parts["ema"] = self.ema', "pass"),
        "tests/test_training_checkpoints.py -k resumed",
    ),
    (
        "something low that imports something high",
        "helpers/records.py",
        text("import os\n", "import os\n\nfrom helpers import plots\n"),
        "tests/test_house.py -k above",
    ),
    (
        "a figure that no notebook shows",
        "notebooks/03_cost.ipynb",
        text("plots.roofline(", "roofline("),
        "tests/test_plots.py -k name",
    ),
    (
        "a Ctrl-C that Python only reports",
        "helpers/training/__main__.py",
        text("sys.unraisablehook = report", "pass"),
        "tests/test_training_command.py -k only_report",
    ),
    (
        "a worker with OpenCV's threads",
        "helpers/augment.py",
        text("self.__dict__.update(state)\n        cv2.setNumThreads(0)", "self.__dict__.update(state)"),
        "tests/test_augment.py -k threads",
    ),
    (
        "workers that are forked",
        "helpers/data/serving.py",
        text('get_context("forkserver")', 'get_context("fork")'),
        "tests/test_data_serving.py -k forked",
    ),
    (
        "other programs' time counted as one's own",
        "helpers/timing.py",
        text("else time.process_time", "else time.perf_counter"),
        "tests/test_timing.py",
    ),
    (
        "a claim that is asked once",
        "helpers/timing.py",
        text("range(attempts)", "range(1)"),
        "tests/test_timing.py -k again",
    ),
    (
        "earlier measurements forgotten",
        "helpers/timing.py",
        text("min(least[name], *taken)", "min(taken)"),
        "tests/test_timing.py -k earlier",
    ),
    (
        "a Python that CI does not try",
        ".github/workflows/ci.yml",
        text('"3.13", "3.14"]', '"3.13"]'),
        "tests/test_github.py -k python",
    ),
    (
        "a Python that make does not look for",
        "Makefile",
        text("python3.14 ", ""),
        "tests/test_github.py -k python",
    ),
    (
        "a broken installation that counts as done",
        "Makefile",
        text("-c '$(LACKING)'", "-c ''"),
        "tests/test_setup.py -k lacking",
    ),
    (
        "an official batch that is opened whatever its checksum",
        "helpers/data/official.py",
        text("if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:", "if not content:"),
        "tests/test_data_official.py -k gadget",
    ),
    (
        "an unpickler that looks up whatever it is asked for",
        "helpers/data/official.py",
        text("raise pickle.UnpicklingError(", "return super().find_class(module, name)  # ("),
        "tests/test_data_official.py -k gadget",
    ),
    (
        "a sheet that is missing and not missed",
        "helpers/data/sheets.py",
        text('if train and names not in (expected, ["data_batch"]):', "if not names:"),
        "tests/test_data_sheets.py -k missing",
    ),
    (
        "other data on resuming",
        "helpers/training/checkpoints.py",
        text("| run.data\n", "\n"),
        "tests/test_training_checkpoints.py -k other_data",
    ),
    (
        "a rotten byte in a checkpoint",
        "helpers/training/checkpoints.py",
        text("(rotten := parts.testzip())", "(rotten := None)"),
        "tests/test_training_checkpoints.py -k rotten",
    ),
    (
        "several processes with a moving average",
        "helpers/training/run.py",
        text("[self.ema.module]", "[]"),
        "tests/test_training_distributed.py -k batchnorm",
    ),
    (
        "two processes that train one run",
        "helpers/training/command.py",
        text("lock.acquire(blocking=False)", "pass"),
        "tests/test_training_command.py -k two_processes",
    ),
    (
        "a resumed run in another precision",
        "helpers/training/command.py",
        text('asked["precision"] = begun', "pass"),
        "tests/test_training_command.py -k keeps_its_precision",
    ),
    (
        "a rise of exactly one step",
        "helpers/training/run.py",
        text("warmup *= 1 + 1e-9", "pass"),
        "tests/test_training_command.py -k exactly_one_step",
    ),
    (
        "a mirror that talks nonsense",
        "helpers/data/fetching.py",
        text("except (OSError, HTTPException, ValueError)", "except OSError"),
        "tests/test_data_fetching.py -k nonsense",
    ),
    (
        "a notebook that was executed in quick mode",
        "notebooks/01_data.ipynb",
        text("Mode: full", "Mode: quick"),
        "tests/test_notebook_outputs.py -k 01",
    ),
)


def first_failure(selection, folder):
    """Run the selected tests until one fails; return its name, or None where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selection.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{selection}: no test ran\n{done.stdout}{done.stderr}")
    named = re.search(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return named[1] if done.returncode else None


def main(word=""):
    missed, sound = [], set()
    print("| fault | file | noticed by | seconds |\n| --- | --- | --- | ---: |", flush=True)
    chosen = [fault for fault in FAULTS if word in fault[0]] or sys.exit(f"no fault's name holds {word!r}")
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
        for what, file, change, selection in chosen:
            if selection not in sound and (test := first_failure(selection, folder)):
                sys.exit(f"{test} fails without any fault")
            sound.add(selection)
            change(Path(folder) / file)
            if not subprocess.run(["git", "diff", "--quiet"], cwd=folder).returncode:
                sys.exit(f"{what}: nothing in {file} was changed")
            started = time.perf_counter()
            noticed = first_failure(selection, folder)
            print(f"| {what} | {file} | {noticed or 'NOBODY'} | {time.perf_counter() - started:.0f} |", flush=True)
            missed += [] if noticed else [what]
            subprocess.run(["git", "checkout", "--quiet", "."], cwd=folder, check=True)
    sys.exit(f"not noticed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
