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
import datetime
import inspect
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from helpers.training.machine import environment_number

TORCHRUN = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))  # what it tells each process, and what holds without it


@dataclasses.dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them."""

    rank: int = 0  #: which of the processes this is, from 0
    size: int = 1  #: how many there are, on all machines
    local_rank: int = 0  #: which of those on this machine, and so which of its GPUs

    @classmethod
    def join(cls, device):
        """Return the world that torchrun started this process for, and this process's ``torch.device`` in it.

        Raises ``ValueError`` where there are fewer GPUs than processes, or for a device that cannot share.
        """
        world = cls(*(environment_number(name, default) for name, default in TORCHRUN))
        if world.size == 1:
            return world, device
        if device.type == "cuda":
            device = torch.device("cuda", world.gpu(torch.cuda.device_count()))
            torch.cuda.set_device(device)
            dist.init_process_group("nccl", device_id=device)  # told now, it need not guess at the first message
            return world, device
        if device.type != "cpu":
            raise ValueError(f"several processes cannot share a device of type {device.type}: use --device cpu")
        dist.init_process_group("gloo")
        return world, device

    def gpu(self, visible):
        """Return the number of this process's GPU among the ``visible`` ones; ``ValueError`` where it has none.

        torchrun shows every process all GPUs of the machine; srun may show each task one, its own, as number 0.
        """
        if visible == 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
            return 0
        if self.local_rank >= visible:
            raise ValueError(f"there are {visible} GPUs: lower --nproc-per-node to that (srun: --ntasks-per-node)")
        return self.local_rank

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
        newer = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters  # from torch 2.13 on
        return DistributedDataParallel(network, **{"forward_sync_buffers" if newer else "broadcast_buffers": False})

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
        """Return the ``numbers``, scalar tensors on one device, each summed over the processes, as one tensor."""
        total = torch.stack([number.float() for number in numbers])
        if self.size > 1:
            dist.all_reduce(total)
        return total

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
        """Let the first process of each machine through the block before the others: it downloads, they only read.

        They wait on the CPU, for hours if need be: NCCL would give up after ten minutes.
        """
        if self.size == 1:
            yield
            return
        patient = dist.new_group(backend="gloo", timeout=datetime.timedelta(hours=6))
        if self.local_rank:
            dist.barrier(patient)
        yield
        if not self.local_rank:
            dist.barrier(patient)


ALONE = World()  # a process that trains by itself, and pays nothing for the others that there might be
