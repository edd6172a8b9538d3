"""How fast training is here, beside a plain pipeline: ``python -m helpers.bench`` (``make bench``).

The plain pipeline is what a first version would have: each image a PIL picture, augmented and normalised in one of two
workers, float32, pixels channel by channel, and the loss read after every step. Ours is ``helpers.training`` with
``Speed.best``. Both train ``session_net`` at batch 128 on the sample's images, side by side in one run; each figure is
the median of some repeats.
"""

import argparse
import statistics
import time

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from helpers import data
from helpers.augment import PIPELINES, pipeline
from helpers.networks import session_net
from helpers.training import Recipe, Speed, best_device, device_name, keep_freed_memory, train_epoch

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


def plain_epoch(network, batches, optimizer, device):
    """Train on every batch in float32; the loss is read after each step, as a progress bar would."""
    network.train()
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def seconds(function, device, repeats):
    """Return the median time of one call in seconds, after one call that does not count."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def plain(images, labels, device, repeats):
    """Return images a second of the plain pipeline: of the steps alone, and of an epoch with augmentation."""
    network = session_net().to(device)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)
    loader = DataLoader(PlainImages(images, labels), BATCH, shuffle=True, num_workers=2, drop_last=True)
    ready = list(loader)
    step = seconds(lambda: plain_epoch(network, ready, optimizer, device), device, repeats)
    epoch = seconds(lambda: plain_epoch(network, loader, optimizer, device), device, repeats)
    count = len(ready) * BATCH
    return count / step, count / epoch


def ours(images, labels, device, speed, repeats):
    """Return images a second of ``helpers.training``: of the steps alone, and of an epoch with augmentation."""
    memory_format = torch.channels_last if speed.channels_last else torch.contiguous_format
    network = session_net().to(device, memory_format=memory_format)
    network = torch.compile(network, dynamic=False) if speed.compile else network
    optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    scaler = torch.amp.GradScaler(device.type, enabled=speed.precision == "float16")
    dataset = data.Cifar10(images, labels, pipeline(Recipe().augment))
    loader = data.train_loader(dataset, BATCH, workers=speed.workers)
    ready = list(loader)

    def epoch(batches):
        train_epoch(network, batches, optimizer, schedule, device, speed, scaler)

    return (
        len(images) / seconds(lambda: epoch(ready), device, repeats),
        len(images) / seconds(lambda: epoch(loader), device, repeats),
    )


def main(arguments=None):
    """Measure both and print images a second and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m helpers.bench", description="How fast is training here?")
    parser.add_argument("--repeats", type=int, default=5, help="how often each is measured")
    parser.add_argument("--batches", type=int, default=30, help="batches of 128 images in an epoch")
    options = parser.parse_args(arguments)
    device = best_device()
    speed = Speed.best(device)
    images, labels = data.load_cifar10(True, data.SAMPLE)
    chosen = np.arange(options.batches * BATCH) % len(images)
    images, labels = images[chosen], labels[chosen]
    print(f"{device_name(device)}; {speed}")
    plain_step, plain_whole = plain(images, labels, device, options.repeats)
    if device.type == "cpu":
        keep_freed_memory()  # for the rest of this process, so after the plain pipeline
    our_step, our_whole = ours(images, labels, device, speed, options.repeats)
    print("                              plain        here   ratio")
    print(f"training steps alone     {plain_step:6.0f}/s    {our_step:6.0f}/s   {our_step / plain_step:.2f}×")
    print(f"epoch with augmentation  {plain_whole:6.0f}/s    {our_whole:6.0f}/s   {our_whole / plain_whole:.2f}×")
    print(f"here, an epoch takes {our_step / our_whole:.2f} times as long as its steps alone")


if __name__ == "__main__":
    main()
