"""Serving CIFAR-10: in batches, augmented on the way by worker processes, and normalised on the device.

Notebook 01 shows it, section by section.
"""

import functools
import multiprocessing
import os
import shutil
import signal
import sys
import threading

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

MEAN = (0.4914, 0.4822, 0.4465)  # of the 50,000 training images, a channel each, on a scale of 0 to 1
STD = (0.2470, 0.2435, 0.2616)  # notebook 01 computes both
AHEAD = 8192  # images that all workers together prepare in advance: 25 MB of shared memory, of which Docker grants 64


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
        for label in (np.min(labels), np.max(labels)) if len(labels) else ():
            if not 0 <= label <= 9:
                raise ValueError(f"label {label} is not from 0 to 9")
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


def train_loader(dataset, batch_size=128, seed=0, workers=0, share=(0, 1), epochs=range(1, 2), device=None):
    """Return a ``DataLoader`` whose one iteration goes through all ``epochs``, as ``ShuffledBatches`` does.

    So the workers run ahead over the end of an epoch: while it is evaluated, they prepare the next. Take an epoch's
    batches off with ``itertools.islice``. When the iterator goes, finished or not, the workers end. Give the ``device``
    that the batches go to.
    """
    batches = ShuffledBatches(len(dataset), batch_size, seed, share, epochs)
    # Each batch that waits holds open files, of which a process may have a thousand or so.
    ahead = max(min(AHEAD // batch_size, 64) // max(workers, 1), 2)
    _check_shared_memory(workers, workers * ahead * min(batch_size, len(dataset)))
    return _loader(dataset, batches, device, workers, ahead)


def _check_shared_memory(workers, images, place="/dev/shm"):
    """Raise ``ValueError`` where ``images`` do not fit into the memory in which the ``workers`` hand them over.

    A worker would otherwise be killed in mid-run, and the others wait for it.
    """
    if not workers or not os.path.isdir(place):
        return
    needed, free = 3072 * images / 1e6, shutil.disk_usage(place).free / 1e6
    if needed > free:
        raise ValueError(
            f"{workers} workers prepare {needed:.0f} MB of images in {place}, which has {free:.0f} MB free: lower "
            "--workers or --batch-size, or give the container more (docker run --shm-size=1g)"
        )


def test_loader(dataset, batch_size=125, device=None):
    """Return a ``DataLoader`` over the data set in its own order; give the ``device`` that the batches go to.

    In larger batches a network's maps outgrow a CPU's caches, and it may take twice as long.
    """
    batches = [
        list(range(start, min(start + batch_size, len(dataset)))) for start in range(0, len(dataset), batch_size)
    ]
    return _loader(dataset, batches, device)


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


def _as_served(batch):
    return batch  # Cifar10 serves whole batches already


def start_method():
    """Return how to start worker processes: the context to give a ``DataLoader``; None, the usual one, but on Linux.

    There, before Python 3.14, the usual one is to fork, and a fork has its parent's locks but none of the threads that
    would open them. A fork server has no such threads. It imports what takes long, once.
    """
    if sys.platform != "linux":
        return None
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # the server imports it before helpers.augment does
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", "albumentations"])
    return context


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


def end(batches):
    """End the workers of a loader's iterator, if it has any, now.

    They end with it, but a traceback may hold it until Python's own end, which can then wait for them without end.
    """
    getattr(batches, "_shutdown_workers", lambda: None)()


def to_device(images, labels, device):
    """Copy a batch to ``device`` as bytes and normalise it there.

    ``images (B, 32, 32, 3) uint8`` come back as ``(B, 3, 32, 32) float32`` in channels-last
    memory: the pixels stay in the order they had, so nothing is moved.
    """
    ahead = torch.device(device).type == "cuda"  # an Apple GPU may read memory that was freed
    images = images.to(device, non_blocking=ahead).permute(0, 3, 1, 2)
    labels = labels.to(device, non_blocking=ahead)
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
