"""The official files of CIFAR-10: six pickles, in a folder or in their archive. Notebook 01 says what they hold.

A pickle can run code when it is read. So only the very bytes that are published are read, and even of those nothing but
what makes an array.
"""

import hashlib
import io
import pickle
import tarfile

import numpy as np

from helpers.data.fetching import ARCHIVE, ARCHIVE_MD5, FOLDER, REMEDY, DataError, md5

BATCHES = {  # the MD5 of each as torchvision publishes it
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
ARRAYS = {  # all that an official batch asks for, by its names in old and new NumPy
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}


def batch_names(train):
    """Return the names of the training or test batches, in order."""
    return [name for name in BATCHES if name.startswith("data" if train else "test")]


def lacking(folder):
    """Return the names of the batches that are not in ``folder``."""
    return [name for name in BATCHES if not (folder / name).is_file()]


def read_folder(folder, train):
    """Return the training or test batches in ``folder``, ``(images (N, 32, 32, 3) uint8, labels (N,) int64)`` each.

    Raises ``DataError`` for a batch that is not what was published.
    """
    return [_read_batch((folder / name).read_bytes(), folder / name) for name in batch_names(train)]


def read_archive(path, train):
    """Return what ``read_folder`` does, from the official archive at ``path``; ``DataError`` where it is altered."""
    if md5(path) != ARCHIVE_MD5:
        remedy = f"is cut short or altered: its MD5 is not {ARCHIVE_MD5}. Delete it."
        raise DataError(f"{path} {remedy if path.name == ARCHIVE else 'is not the official archive.'} {REMEDY}")
    with tarfile.open(path) as archive:
        contents = {name: archive.extractfile(f"{FOLDER}/{name}").read() for name in batch_names(train)}
    return [_read_batch(content, path / name) for name, content in contents.items()]


def _read_batch(content, path):
    expected = BATCHES[path.name]
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:
        raise DataError(
            f"{path} is damaged or altered, so it is not opened: its MD5 is not {expected}. Fetch it again. {REMEDY}"
        )
    batch = ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(batch[b"labels"], dtype=np.int64)


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows arrays and nothing else, and imports nothing."""

    def find_class(self, module, name):
        """Return what the pickle asks for; ``pickle.UnpicklingError`` where no official batch needs it."""
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch does")
        return ARRAYS[module, name]
