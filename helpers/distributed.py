"""Training on several GPUs and several machines: one process a GPU, started by torchrun.

On one machine with eight GPUs, 1,024 images a step (128 each)::

    torchrun --nproc-per-node 8 -m helpers.training --batch-size 1024 --lr 0.4 --name mine

What the processes share is what one process would do:

- The batch size and the learning rate of the recipe are those of the whole step, whatever the number of processes. Each
  gets every n-th image of each batch, so the batches of an epoch are those of one process, and so is the augmentation.
- Gradients are the mean over all the images of the step, also where the shares are unequal. Without BatchNorm the
  weights are those of one process, up to rounding.
- BatchNorm normalises each share by its own mean and variance, as is usual (synchronising them would stop every layer
  for a message). So 8 × 128 images train like eight batches of 128 whose gradients are averaged, not like one batch of
  1,024. The running statistics that evaluation needs are averaged over the processes after every epoch.
- Every test image is evaluated once, by one of the processes. The first process alone writes and prints.

Source: S. Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, VLDB 2020.
Notebook 10 shows this at work.
"""

import contextlib
import dataclasses
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

TORCHRUN = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))  # what it tells each process, and what holds without it


@dataclasses.dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them."""

    rank: int = 0  # which of the processes this is, from 0
    size: int = 1  # how many there are, on all machines
    local_rank: int = 0  # which of those on this machine, and so which of its GPUs

    @classmethod
    def join(cls, device):
        """Return the world that torchrun started this process for, and this process's ``torch.device`` in it.

        Raises ``ValueError`` where there are fewer GPUs than processes, or for a device that cannot share.
        """
        world = cls(*(int(os.environ.get(name, default)) for name, default in TORCHRUN))
        if world.size == 1:
            return world, device
        if device.type == "cuda":
            if world.local_rank >= torch.cuda.device_count():
                raise ValueError(f"there are {torch.cuda.device_count()} GPUs: lower --nproc-per-node to that")
            device = torch.device("cuda", world.local_rank)
            torch.cuda.set_device(device)
        elif device.type != "cpu":
            raise ValueError(f"several processes cannot share a device of type {device.type}: use --device cpu")
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return world, device

    def leave(self):
        """End the connection to the other processes, once all of them are here.

        They wait because DistributedDataParallel keeps gloo's threads alive: Python must not shut down while such a
        thread still lets go of the last message's tensor, or the process aborts ("terminate called without …").
        """
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()

    def wrap(self, network):
        """Return ``network`` as one that averages its gradients over the processes in each backward pass."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network, broadcast_buffers=False)

    def share_of_loss(self, loss, count):
        """Return the mean ``loss`` over ``count`` images such that the mean over processes is one over images.

        The processes' gradients are averaged with equal weight, but their shares of a batch may differ by an image.
        """
        if self.size == 1:
            return loss
        images = torch.full((), float(count), device=loss.device)  # filled there: a copy would stop a GPU
        dist.all_reduce(images)
        return loss * (count * self.size / images)

    def sum(self, *numbers):
        """Return each of the ``numbers`` (tensors on one device, or ints) summed over the processes."""
        if self.size == 1:
            return numbers
        device = next(number.device for number in numbers if isinstance(number, torch.Tensor))
        total = torch.stack([torch.as_tensor(number, dtype=torch.float64, device=device) for number in numbers])
        dist.all_reduce(total)
        return total.unbind()

    def gather(self, *tensors):
        """Return each of the ``tensors`` (on the CPU) with those of the other processes joined to it, rank by rank."""
        if self.size == 1:
            return tensors
        parts = [None] * self.size
        dist.all_gather_object(parts, tensors)
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def average_buffers(self, *modules):
        """Set BatchNorm's running statistics, gathered by each process over its own images, to their mean."""
        if self.size > 1:
            for buffer in (buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()):
                dist.all_reduce(buffer)
                buffer /= self.size

    def of_first(self, value):
        """Return the ``value`` that the first process has."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    @contextlib.contextmanager
    def first_goes_first(self):
        """Let the first process of each machine through the block before the others: it downloads, they only read."""
        if self.local_rank:
            dist.barrier()
        yield
        if self.size > 1 and not self.local_rank:
            dist.barrier()


ALONE = World()  # a process that trains by itself, and pays nothing for the others that there might be
