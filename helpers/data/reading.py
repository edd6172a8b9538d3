"""Reading CIFAR-10 into plain arrays, from whichever of its three sources is there; and packing it for others.

Notebook 01 shows what the data hold. Source: A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*,
2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from helpers.data import official
from helpers.data.fetching import ARCHIVE, FOLDER, REMEDY, DataError, download
from helpers.data.sheets import FULL, complete, labels_beside, lines, read_sheets, sheets_in, write_sheet
from helpers.records import REPOSITORY

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SAMPLE = REPOSITORY / "images" / "cifar10_sample"
READ = {"sheets": read_sheets, "folder": official.read_folder, "archive": official.read_archive}


def load_cifar10(train, root=None):
    """Return the training (``train=True``) or test images and labels of CIFAR-10.

    Looks in ``root``, else in the environment variable ``CIFAR10_DIR``, else in the repository's ``data/``, into
    which it downloads the official archive if that is not there. ``root`` may hold the official folder, its
    archive, or contact sheets (``images/cifar10_sample/README.md`` describes them).

    Returns ``images (N, 32, 32, 3) uint8`` and ``labels (N,) int64``. Raises ``DataError`` where the files are
    missing or damaged, or are not the official ones, or the download fails.
    """
    kind, place = _find(root)
    parts = READ[kind](place, train)
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return images, labels


def data_source(root=None):
    """Return what ``load_cifar10`` reads, as ``{"source": …, "exactness": …}``, for the record of a run."""
    kind, place = _find(root)
    if kind != "sheets":
        return {"source": "official archive", "exactness": "bit-exact"}
    approximate = place / "approximate.txt"
    inexact = len(lines(approximate)) if approximate.exists() else 0
    count = sum(len(labels_beside(sheet)) for train in (True, False) for sheet in complete(place, train))
    exactness = f"{inexact} of {count:,} images are JPEG approximations" if inexact else "bit-exact"
    return {"source": f"contact sheets of {count:,} images", "exactness": exactness}


def _find(root):
    """Return ``("sheets" | "folder" | "archive", path)`` of the data set to read, after a download if need be."""
    root = root or os.environ.get("CIFAR10_DIR", "").strip()
    if root:
        place = Path(root).expanduser().absolute()
        if not place.exists():
            raise DataError(f"{place} does not exist. {REMEDY}")
    else:
        place = REPOSITORY / "data"
        if official.lacking(place / FOLDER) and not (place / ARCHIVE).is_file():
            download(place)
    if place.is_file():
        if place.name in official.BATCHES or place.name.endswith((".webp", ".labels.txt")):
            raise DataError(f"{place} is one file of a data set: name its folder, {place.parent}")
        return "archive", place
    lacking = {folder: official.lacking(folder) for folder in (place, place / FOLDER)}
    for folder, names in lacking.items():
        if not names:
            return "folder", folder
    if (place / ARCHIVE).is_file():
        return "archive", place / ARCHIVE
    if sheets_in(place, True) or sheets_in(place, False):
        return "sheets", place
    for folder, names in lacking.items():
        if len(names) < len(official.BATCHES):
            raise DataError(f"{folder} lacks {', '.join(names)}: unpack the archive again. {REMEDY}")
    raise DataError(f"{place} holds neither the {FOLDER} folder, nor {ARCHIVE}, nor contact sheets (*.webp). {REMEDY}")


def pack(folder, root=None):
    """Make ``folder`` a copy of the data set that ``load_cifar10(train, root)`` reads, as contact sheets.

    Ten thousand images a sheet. Where the source is contact sheets already, they are copied as they are, with their
    ``approximate.txt``. Every pixel and label is read back and compared. Returns the number of images. Raises
    ``DataError`` where the source cannot be read, or where ``folder`` is there already and not empty.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already: name a folder that is new or empty")
    kind, place = _find(root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    beside = folder if folder.exists() else folder.parent  # within an empty disk, which no file is renamed into
    with tempfile.TemporaryDirectory(dir=beside, prefix=f"{folder.name}-") as part:
        for train in (True, False):
            images, labels = load_cifar10(train, place)
            if kind == "sheets":
                _copy_sheets(place, part, train)
            else:
                for start, name in zip(range(0, len(labels), FULL), official.batch_names(train), strict=False):
                    write_sheet(part, name, images[start : start + FULL], labels[start : start + FULL])
            for written, read in zip(load_cifar10(train, part), (images, labels), strict=True):
                if not np.array_equal(written, read):
                    raise DataError(f"what was written to {part} differs from {place}: is the disk full, or failing?")
            count += len(labels)
        folder.mkdir(exist_ok=True)
        for file in Path(part).iterdir():
            file.replace(folder / file.name)
    return count


def _copy_sheets(place, folder, train):
    files = [file for sheet in complete(place, train) for file in (sheet, sheet.with_suffix(".labels.txt"))]
    for file in [*files, place / "approximate.txt"]:
        if file.is_file():
            shutil.copyfile(file, Path(folder) / file.name)
