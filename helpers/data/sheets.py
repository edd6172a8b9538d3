"""Contact sheets: pictures of many tiles of 32×32 pixels, with a file of labels beside each; no code can hide in them.

``images/cifar10_sample/README.md`` describes the format; notebook 01 reads one.
"""

import filecmp
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data.fetching import REMEDY, DataError

NAMES = re.compile("data_batch|data_batch_[1-5]|test_batch")
FULL = 10_000  # images on a sheet of the whole data set, which has five of them for training


def sheets_in(folder, train):
    """Return the paths of the training or test sheets in ``folder``, in order, whatever their names go on like."""
    return sorted(folder.glob(f"{'data' if train else 'test'}_batch*.webp"))


def read_sheets(folder, train):
    """Return the training or test sheets in ``folder``, ``(images (N, 32, 32, 3) uint8, labels (N,) int64)`` each.

    Raises ``DataError`` for a sheet that is missing, twice there, cannot be decoded, or does not go with its labels.
    A bit that flipped on the way is not noticed: the format has no checksum.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:  # decoding releases the interpreter; two, to spare memory
        return list(pool.map(_read_sheet, complete(folder, train)))


def complete(folder, train):
    """Return the paths of the training or test sheets in ``folder``; ``DataError`` where they are no whole set."""
    paths = sheets_in(folder, train)
    if not paths:
        raise DataError(f"{folder} holds no contact sheet for {'training' if train else 'testing'}. {REMEDY}")
    for path in paths:
        if not NAMES.fullmatch(path.stem):
            raise DataError(f"{path}: no sheet is called that. Is it a copy? Move it away. {REMEDY}")
    names = [path.stem for path in paths]
    whole = train and any(len(labels_beside(path)) == FULL for path in paths)
    expected = [f"data_batch_{i + 1}" for i in range(5 if whole else len(paths))]
    if train and names not in (expected, ["data_batch"]):
        raise DataError(f"{folder} holds the sheets {', '.join(names)}, not {', '.join(expected)}. {REMEDY}")
    for one, other in itertools.combinations(paths, 2):
        if one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False):
            raise DataError(f"{one} and {other.name} are one and the same picture: copy both again. {REMEDY}")
    return paths


def labels_beside(picture):
    """Return the lines of the file of labels beside a sheet, a label each; ``DataError`` where there is none."""
    text = picture.with_suffix(".labels.txt")
    if not text.is_file():
        raise DataError(f"{picture} has no {text.name} beside it. {REMEDY}")
    return lines(text)


def lines(path):
    """Return the lines of a text file that are not empty; ``DataError`` where it is no UTF-8."""
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 ({error.reason}): copy it again. {REMEDY}") from error


def _read_sheet(picture):
    """Return the images and labels of one contact sheet: 32×32 tiles, row by row, as many as there are labels."""
    text = picture.with_suffix(".labels.txt")
    try:
        labels = np.array([int(line) for line in labels_beside(picture)], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{text}: a line is not a whole number ({error}). {REMEDY}") from error
    try:
        with Image.open(picture, formats=["WEBP"]) as opened:
            sheet = np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{picture} is damaged or cut short ({error}): copy it again. {REMEDY}") from error
    height, width = sheet.shape[:2]
    if height % 32 or width % 32:
        raise DataError(f"{picture} is {width}×{height} pixels; both must be multiples of 32. {REMEDY}")
    rows, columns = height // 32, width // 32
    if not (rows - 1) * columns < len(labels) <= rows * columns:
        raise DataError(
            f"{picture} has {rows} rows of {columns} tiles, but {text.name} has {len(labels)} labels. {REMEDY}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if len(wrong):
        raise DataError(f"{text}: label {labels[wrong[0]]} of image {wrong[0]} is not from 0 to 9. {REMEDY}")
    tiles = sheet.reshape(rows, 32, columns, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
    return tiles[: len(labels)], labels


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
