"""Reading CIFAR-10 into plain arrays, from the official archive, its folder, or contact sheets; and packing it.

Notebook 01 shows what the data hold. ``images/cifar10_sample/README.md`` describes contact sheets. Source of the data:
A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os
import pickle
import shutil
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data.fetching import ARCHIVE, ARCHIVE_MD5, FOLDER, REMEDY, DataError, download, md5
from helpers.records import REPOSITORY

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SAMPLE = REPOSITORY / "images" / "cifar10_sample"


def load_cifar10(train, root=None):
    """Return the training (``train=True``) or test images and labels of CIFAR-10.

    Looks in ``root``, else in the environment variable ``CIFAR10_DIR``, else in the repository's ``data/``, into
    which it downloads the official archive if that is not there. ``root`` may hold the official folder, its
    archive, or contact sheets (``images/cifar10_sample/README.md`` describes them).

    Returns ``images (N, 32, 32, 3) uint8`` and ``labels (N,) int64``. Raises ``DataError`` where the files are
    missing or damaged or the download fails.
    """
    kind, place = _find(root)
    if kind == "sheets":
        with ThreadPoolExecutor(max_workers=2) as pool:  # decoding releases the interpreter; two, to spare memory
            parts = list(pool.map(lambda name: _read_sheet(place, name), _sheet_names(place, train)))
    elif kind == "folder":
        parts = [_read_batch((place / name).open("rb"), place / name) for name in _batch_names(train)]
    else:
        parts = _read_archive(place, train)
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return images, labels


def data_source(root=None):
    """Return what ``load_cifar10`` reads, as ``{"source": …, "exactness": …}``, for the record of a run."""
    kind, place = _find(root)
    if kind != "sheets":
        return {"source": "official archive", "exactness": "bit-exact"}
    approximate = place / "approximate.txt"
    inexact = len(_lines(approximate)) if approximate.exists() else 0
    count = sum(
        len(_lines(place / f"{name}.labels.txt")) for train in (True, False) for name in _sheet_names(place, train)
    )
    exactness = f"{inexact} of {count:,} images are JPEG approximations" if inexact else "bit-exact"
    return {"source": f"contact sheets of {count:,} images", "exactness": exactness}


def _find(root):
    """Return ``("sheets" | "folder" | "archive", path)`` of the data set to read, after a download if need be."""
    root = root or os.environ.get("CIFAR10_DIR")
    if root is None:
        place = REPOSITORY / "data"
        if not (place / FOLDER).is_dir() and not (place / ARCHIVE).is_file():
            download(place)
    else:
        place = Path(root).expanduser()
        if not place.exists():
            raise DataError(f"{place} does not exist. {REMEDY}")
    if place.is_file():
        return "archive", place
    if any(place.glob("*.webp")):
        return "sheets", place
    for folder in (place, place / FOLDER):
        if (folder / "data_batch_1").is_file():
            return "folder", folder
    if (place / ARCHIVE).is_file():
        return "archive", place / ARCHIVE
    raise DataError(f"{place} holds neither the {FOLDER} folder, nor {ARCHIVE}, nor contact sheets (*.webp). {REMEDY}")


def _read_batch(file, path):
    """Return the images and labels of one official batch, a pickled dictionary."""
    try:
        with file:
            # numpy and bytes only: a pickle from an unknown hand may run code, so nothing else is looked up.
            batch = _PlainUnpickler(file, encoding="bytes").load()
        images, labels = batch[b"data"], np.array(batch[b"labels"], dtype=np.int64)
        images = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except (OSError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged or no CIFAR-10 batch ({error!r}): fetch it again. {REMEDY}") from error
    if len(images) != len(labels) or images.dtype != np.uint8:
        raise DataError(f"{path} has {len(images)} images of {images.dtype} and {len(labels)} labels. {REMEDY}")
    return np.ascontiguousarray(images), _checked(labels, path)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module.split(".")[0] == "numpy" or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch does")


def _read_archive(path, train):
    if md5(path) != ARCHIVE_MD5:
        raise DataError(f"{path} is cut short or altered: its MD5 is not {ARCHIVE_MD5}. Delete it. {REMEDY}")
    with tarfile.open(path) as archive:
        return [_read_batch(archive.extractfile(f"{FOLDER}/{name}"), path) for name in _batch_names(train)]


def _batch_names(train):
    return [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]


def _read_sheet(folder, name):
    """Return the images and labels of one contact sheet: 32×32 tiles, row by row, as many as there are labels."""
    picture, text = folder / f"{name}.webp", folder / f"{name}.labels.txt"
    if not text.is_file():
        raise DataError(f"{picture} has no {text.name} beside it. {REMEDY}")
    try:
        labels = np.array([int(line) for line in _lines(text)], dtype=np.int64)
    except ValueError as error:
        raise DataError(f"{text}: a line is not a whole number ({error}). {REMEDY}") from error
    try:
        with Image.open(picture) as opened:
            sheet = np.asarray(opened.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(f"{picture} is damaged or cut short ({error}): copy it again. {REMEDY}") from error
    height, width = sheet.shape[:2]
    if height % 32 or width % 32:
        raise DataError(f"{picture} is {width}×{height} pixels; both must be multiples of 32. {REMEDY}")
    rows, columns = height // 32, width // 32
    if not (rows - 1) * columns < len(labels) <= rows * columns:
        raise DataError(
            f"{picture} has {rows} rows of {columns} tiles, but {text.name} has {len(labels)} labels. {REMEDY}"
        )
    tiles = sheet.reshape(rows, 32, columns, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
    return tiles[: len(labels)], _checked(labels, text)


def _sheet_names(folder, train):
    names = sorted(path.stem for path in folder.glob("data_batch*.webp" if train else "test_batch*.webp"))
    if not names:
        raise DataError(f"{folder} holds no contact sheet for {'training' if train else 'testing'}. {REMEDY}")
    return names


def _lines(path):
    return [line for line in path.read_text().split("\n") if line.strip()]


def _checked(labels, path):
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise DataError(
            f"{path}: label {labels[wrong[0]]} of image {wrong[0]} is not from 0 to {len(CLASSES) - 1}. {REMEDY}"
        )
    return labels


def write_sheet(folder, name, images, labels, columns=100):
    """Write ``images (N, 32, 32, 3) uint8`` as the contact sheet ``folder/name.webp``, lossless, and their labels.

    WebP's least effort: 10,000 images take seconds, not minutes, and 4 % more bytes than its best does.
    """
    rows = -(-len(images) // columns)
    tiles = np.zeros((rows * columns, 32, 32, 3), dtype=np.uint8)
    tiles[: len(images)] = images
    sheet = tiles.reshape(rows, columns, 32, 32, 3).swapaxes(1, 2).reshape(rows * 32, columns * 32, 3)
    Image.fromarray(sheet).save(Path(folder) / f"{name}.webp", lossless=True, quality=0, method=0)
    (Path(folder) / f"{name}.labels.txt").write_text("".join(f"{label}\n" for label in labels))


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
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as part:
        for train in (True, False):
            images, labels = load_cifar10(train, place)
            if kind == "sheets":
                _copy_sheets(place, part, train)
            else:
                for start, name in zip(range(0, len(labels), 10_000), _batch_names(train), strict=False):
                    write_sheet(part, name, images[start : start + 10_000], labels[start : start + 10_000])
            for written, read in zip(load_cifar10(train, part), (images, labels), strict=True):
                if not np.array_equal(written, read):
                    raise DataError(f"what was written to {part} differs from {place}: is the disk full, or failing?")
            count += len(labels)
        folder.mkdir(exist_ok=True)
        for file in Path(part).iterdir():
            file.replace(folder / file.name)
    return count


def _copy_sheets(place, folder, train):
    names = [f"{name}.{end}" for name in _sheet_names(place, train) for end in ("webp", "labels.txt")]
    for name in [*names, *(["approximate.txt"] if (place / "approximate.txt").exists() else [])]:
        shutil.copyfile(place / name, Path(folder) / name)
