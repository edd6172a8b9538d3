"""What a finished training run leaves in a folder of its own: ``record.json`` and ``weights.pt``.

A record says how the weights came about and what they reach, so that every figure in the notebooks and the README
can be read from it. Fields: see ``REQUIRED``. There are two places: the course's *reference runs* in
``notebooks/runs``, which its text is about and which nothing that a reader starts writes to, and the reader's *own
runs* in ``runs``, which are drawn beside them (notebook 06).
"""

import hashlib
import json
import os
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RUNS = REPOSITORY / "notebooks" / "runs"  # the reference runs
OWN_RUNS = REPOSITORY / "runs"  # the reader's own; git ignores it

REQUIRED = (
    "name", "command", "network", "parameters", "recipe", "data", "history", "test", "device", "versions",
    "seconds", "weights_sha256", "date",
)  # fmt: skip
IN_A_ROW = (
    "epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_correct", "test_images", "test_accuracy",
    "seconds",
)  # fmt: skip
WINDOWS_DEVICE = r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?"  # no file can be called so there
IN_THE_TEST = ("loss", "correct", "images", "accuracy", "class_accuracy", "confusion")


def plain_name(name):
    """Return ``name``, the name of a run and of its folder; anything that leads elsewhere is a ``ValueError``."""
    elsewhere = re.search(r'[/\\:*?"<>|\x00-\x1f]|^\.|[. ]$', name) or re.fullmatch(WINDOWS_DEVICE, name, re.IGNORECASE)
    if not name.strip() or elsewhere or len(name) > 100:
        raise ValueError(f"the name of a run is a plain word without slashes, as my_run_2; not {name!r}")
    return name


def find_run(name, runs=None):
    """Return the folder of the finished run ``name`` in ``runs``, or else among the reference and the own runs.

    Raises ``ValueError`` for a name with a slash, and ``FileNotFoundError`` that lists the runs there are.
    """
    places = [Path(runs)] if runs else [RUNS, OWN_RUNS]
    for place in places:
        if (place / plain_name(name) / "record.json").is_file():
            return place / name
    there = sorted(path.parent.name for place in places for path in place.glob("*/record.json"))
    where = " or ".join(map(str, places))
    raise FileNotFoundError(f"there is no run {name!r} in {where}: there are {', '.join(there) or 'none yet'}")


def read_record(name, runs=None):
    """Return the record of the run ``name`` as a dictionary; ``find_run`` says where it is looked for.

    Raises ``FileNotFoundError`` that lists the runs there are, or ``ValueError`` that names what the file lacks.
    """
    path = find_run(name, runs) / "record.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): move it away, or restore it") from error
    missing = lacking(record)
    if missing:
        raise ValueError(f"{path} is damaged, it lacks {', '.join(missing)}: move it away, or restore it")
    return record


def lacking(record):
    """Return the names of what ``record`` should have and has not, its test and its epochs included."""
    if not isinstance(record, dict):
        return ["everything"]
    missing = [field for field in REQUIRED if field not in record]
    if missing:
        return missing
    parts = [("test", record["test"], IN_THE_TEST)]
    parts += [("history", row, IN_A_ROW) for row in record["history"] or [{}]]
    whole = [(name, part if isinstance(part, dict) else {}, fields) for name, part, fields in parts]
    return [f"{field} in {name}" for name, part, fields in whole for field in fields if field not in part]


def write_record(record, runs):
    """Write ``record`` to ``runs/NAME/record.json``, one epoch of its history a line, whole or not at all."""
    missing = lacking(record)
    if missing:
        raise ValueError(f"the record lacks {', '.join(missing)}")
    lines = ",\n".join("    " + json.dumps(epoch) for epoch in record["history"])
    rows = ",\n".join("      " + json.dumps(row) for row in record["test"]["confusion"])
    text = json.dumps({**record, "history": "HISTORY", "test": {**record["test"], "confusion": "CONFUSION"}}, indent=2)
    text = text.replace('"history": "HISTORY"', f'"history": [\n{lines}\n  ]')  # with its key: a run may have that name
    text = text.replace('"confusion": "CONFUSION"', f'"confusion": [\n{rows}\n    ]')
    write_whole(
        Path(runs) / record["name"] / "record.json", lambda part: part.write_text(text + "\n", encoding="utf-8")
    )


def write_whole(path, write):
    """Call ``write`` with a temporary path beside ``path`` and then rename: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())  # on the disk before the name: a power cut would leave an empty file under it
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)  # it is there only where something failed: the disk may be full


def sha256(path):
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def epoch_line(epoch, epochs):
    """Return one line for one row of a record's history, in the format of the original course."""
    return (
        f"EPOCH: {epoch['epoch']:>2}/{epochs}  lr {epoch['lr']:.4f}"
        f"  Loss {epoch['train_loss']:.4f}  Accuracy {epoch['train_accuracy']:.2f}%"
        f"  val-Loss {epoch['test_loss']:.4f}"
        f"  val-Accuracy: {epoch['test_correct']}/{epoch['test_images']} ({epoch['test_accuracy']:.2f}%)"
    )


def progress_line(row, epochs):
    """Return ``epoch_line`` of a run that is going on, with the seconds of the epoch and the time left."""
    minutes = row["seconds_left"] / 60
    left = f", about {minutes:.0f} min left" if minutes >= 1 else f", about {row['seconds_left']:.0f} s left"
    return f"{epoch_line(row, epochs)}  {row['seconds']:.1f} s{left if row['epoch'] < epochs else ''}"
