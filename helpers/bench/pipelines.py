"""Two ways to train, to be compared: a plain pipeline and ours. Notebook 10 takes both apart.

The plain pipeline is what a first version would have: each image a PIL picture, augmented and normalised in one of two
workers, float32, pixels channel by channel, and the loss read after every step. Ours is ``helpers.training`` with
``Speed.best``. Both train ``session_net``.
"""

import dataclasses
import random
import warnings

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from helpers import data, training
from helpers.augment import PIPELINES, Augment, pipeline
from helpers.networks import session_net
from helpers.training import Recipe, Speed

BATCH = 128


class PlainImages(Dataset):
    """One augmented, normalised float32 image ``(3, 32, 32)`` at a time, by way of PIL."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.transform = A.Compose([*PIPELINES[Recipe().augment](), A.Normalize(data.MEAN, data.STD), A.ToTensorV2()])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        picture = Image.fromarray(self.images[index])
        return self.transform(image=np.array(picture))["image"], int(self.labels[index])


def plain_loader(images, labels, workers=2):
    """Return the plain pipeline's ``DataLoader``; its workers stay, so that their start can be left out."""
    options = {"multiprocessing_context": data.start_method(), "persistent_workers": True} if workers else {}
    return DataLoader(PlainImages(images, labels), BATCH, shuffle=True, num_workers=workers, **options)


def plain_trainer(device):
    """Return a function that trains on batches in float32 and reads the loss after each, as a progress bar would.

    Float32 is as PyTorch has it by default: on an NVIDIA GPU, convolutions in TF32.
    """
    network = session_net().to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)

    def train(batches):
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return train


class PlainlySeeded(Augment):
    """``Augment`` with streams seeded in the usual way: a hash of the key makes the seeds of two generators."""

    def __init__(self, transforms, seed=0):
        super().__init__(transforms, seed)
        self.seed, self.numpy_stream, self.python_stream = seed, np.random.Generator(np.random.PCG64()), random.Random()
        self.pipeline.set_random_state(self.numpy_stream, self.python_stream)

    def restart(self, epoch, index):
        numpy_seed, python_seed = np.random.SeedSequence((self.seed, epoch, index)).generate_state(2, np.uint64)
        self.python_stream.seed(int(python_seed))
        self.numpy_stream.bit_generator.state = np.random.PCG64(int(numpy_seed)).state


def our_loader(images, labels, workers, device=None, epochs=range(1, 2)):
    """Return the ``DataLoader`` of ``helpers.training``, with its augmentation, fit for a stopwatch and few images.

    The workers run ahead by a sixth of an epoch, as they do with all of CIFAR-10; those of a loader of one epoch stay
    for its next iteration, which can be timed without their start.
    """
    served = data.Cifar10(images, labels, pipeline(Recipe().augment))
    loader = data.train_loader(served, BATCH, workers=workers, epochs=epochs, device=device)
    return DataLoader(
        served,
        batch_sampler=loader.batch_sampler,
        num_workers=workers,
        multiprocessing_context=loader.multiprocessing_context,
        collate_fn=loader.collate_fn,
        prefetch_factor=max(len(labels) // BATCH // workers // 6, 2) if workers else None,
        pin_memory=loader.pin_memory,
        persistent_workers=workers > 0 and len(epochs) == 1,
    )


def trainer(device, speed):
    """Return a function that trains on batches as ``helpers.training`` does, and the network that it trains."""
    network = speed.laid_out(session_net(), device)
    stepped = speed.compiled(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    scaler = torch.amp.GradScaler(device.type, enabled=speed.precision == "float16")
    parts = (optimizer, schedule, device, speed, scaler)
    return (lambda batches: training.train_epoch(stepped, batches, *parts)), network


def best_speed(device, compile=True):
    """Return ``Speed.best``, without ``torch.compile`` where a try shows that it does not work, as a warning says."""
    best = Speed.best(device, compile)
    black = torch.zeros(BATCH, 32, 32, 3, dtype=torch.uint8), torch.zeros(BATCH, dtype=torch.int64)
    try:
        if best.compile:
            trainer(device, best)[0]([black] * 3)  # CUDA graphs are recorded at the second step, started at the third
    except Exception as error:  # compilers fail in many ways
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        warnings.warn(f"torch.compile does not work here ({why}): measured without it", stacklevel=2)
        best = dataclasses.replace(best, compile=False)
    return best


def choices(device, best):
    """Return ``{name: Speed}``: one choice after the other, and at the end the ``best``, if that is compiled."""
    half = training.reduced_precision(device)
    found = {"float32": Speed(channels_last=False), "+ channels-last": Speed()}
    if half:
        found[f"+ {half}"] = Speed(half)
    if best.compile:
        found[f"{best.precision}, compiled"] = dataclasses.replace(best, workers=0)
    return found
