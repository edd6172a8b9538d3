"""The machine: which device there is, which precision it is fast at, how to use it well. Notebook 10 measures it."""

import contextlib
import ctypes
import dataclasses
import functools
import importlib.util
import math
import os
import platform
import shutil
import time
from pathlib import Path

import torch


def best_device():
    """Return the fastest ``torch.device`` there is: a CUDA GPU, an Apple GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def usable_device(name):
    """Return the ``torch.device`` called ``name``; ``ValueError`` where there is none that PyTorch can use."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        if device.type in ("cpu", "cuda", "mps"):
            return device
    except (RuntimeError, AssertionError, NotImplementedError):  # a wrong name; not compiled in; no such number
        pass
    there = " or ".join(dict.fromkeys((best_device().type, "cpu")))
    raise ValueError(f"{name!r} is no device that PyTorch can use here; --device may be {there}")


def environment_number(name, default):
    """Return the environment variable ``name`` as an int, ``default`` where it is not set or empty."""
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdigit():
        raise ValueError(f"the environment variable {name} is {text!r}; it must be a whole number")
    return int(text)


def device_name(device):
    """Return the name of the hardware behind ``device``, with the number of cores for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple {platform.machine()}"
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {available_cores()} cores"


QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's: microseconds of computing, and in how many they may be spent


def available_cores():
    """Return how many cores this process may use: a scheduler, or a container, can grant fewer than there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, QUOTA.read_text().split())
    except (OSError, ValueError):  # "max" is none
        return cores
    return min(cores, math.ceil(quota / period))


NVIDIA_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidia0", r"C:\Windows\System32\nvml.dll")


def idle_gpu():
    """Return one sentence on an NVIDIA GPU that PyTorch cannot use, with the remedy; None where all is well.

    PyTorch is silent about it: training would go on, on the CPU, for hours.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or torch.cuda.is_available() or not any(Path(place).exists() for place in NVIDIA_DRIVER):
        return None
    built = f"needs a driver for CUDA {torch.version.cuda}" if torch.version.cuda else "was built without CUDA"
    return (
        f"There is an NVIDIA driver here, but PyTorch {torch.__version__} cannot use it ({built}), so all is computed "
        "on the CPU. Update the driver, or install a PyTorch that fits it: https://pytorch.org/get-started/locally"
    )


def reduced_precision(device):
    """Return the 16-bit type that ``device`` has instructions for, "bfloat16" or "float16", or None."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bfloat16"
    return None


def precisions(device):
    """Return the types that ``device`` computes in with instructions of its own: float32, bfloat16, float16."""
    half = reduced_precision(device)
    return ["float32", *([half] if half else []), *(["float16"] if device.type == "cuda" and half != "float16" else [])]


@functools.cache
def _bfloat16_pays():
    """Return whether this CPU multiplies matrices faster in bfloat16 than in float32: some have slow instructions.

    By turns, and the best of twelve, so that whatever else the machine does meets both.
    """
    matrices = {dtype: torch.ones(768, 768, dtype=dtype) for dtype in (torch.bfloat16, torch.float32)}
    times = {dtype: [] for dtype in matrices}
    for _ in range(12):
        for dtype, a in matrices.items():
            started = time.perf_counter()
            a @ a
            times[dtype].append(time.perf_counter() - started)
    return min(times[torch.bfloat16]) < 0.8 * min(times[torch.float32])


@dataclasses.dataclass(frozen=True)
class Speed:
    """How to compute, which changes the time and, by rounding only, the result. ``Speed.best`` fits a device."""

    precision: str = "float32"  #: float32, bfloat16 or float16, of the convolutions; weights are always float32
    compile: bool = False  #: torch.compile: the network's layers fused, at the price of some seconds at the start
    graphs: bool = False  #: CUDA graphs, of a compiled network: its kernels are started by one call, not one by one
    channels_last: bool = True  #: the channels of a pixel side by side in memory
    workers: int = 0  #: processes that augment

    @classmethod
    def best(cls, device, compile=True):
        """Return what is fastest on ``device``; ``compile`` only where a compiler is there."""
        processes = environment_number("LOCAL_WORLD_SIZE", 1)  # set by torchrun: they share the machine's cores
        spare = max(available_cores() // processes - 1, 1)  # one is left to the process that trains
        half = reduced_precision(device)
        if device.type == "cuda":
            compile = compile and importlib.util.find_spec("triton") is not None
            alone = environment_number("WORLD_SIZE", 1) == 1  # with others, the gradients' messages are in between
            return cls(half, compile, graphs=compile and alone, workers=min(spare, 16))
        if device.type == "cpu":
            half = half if half and _bfloat16_pays() else "float32"
            compiler = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl"))
            return cls(half, compile and compiler, workers=1 if available_cores() > 1 else 0)
        return cls(workers=min(spare, 4))

    def autocast(self, device):
        """Return a context in which convolutions compute in this precision."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device.type, getattr(torch, self.precision))

    def laid_out(self, network, device):
        """Return ``network`` on ``device``, its weights and its maps laid out in memory as ``channels_last`` says.

        ``to_device`` makes images channels-last, and a convolution keeps to the layout of either of its inputs: so
        where all is to be contiguous, the network makes its images so first.
        """
        if self.channels_last:
            return network.to(device, memory_format=torch.channels_last)
        network.register_forward_pre_hook(lambda module, inputs: (inputs[0].contiguous(),))
        return network.to(device)

    def compiled(self, network):
        """Return ``network`` compiled for batches of fixed shape, or as it is where ``compile`` is off."""
        mode = "reduce-overhead" if self.graphs else "default"
        return torch.compile(network, dynamic=False, mode=mode) if self.compile else network


@contextlib.contextmanager
def real_float32():
    """Compute float32 as float32: by default convolutions on an NVIDIA GPU from Ampere on round it to 10 bits (TF32).

    A decorator, too. PyTorch's older switch, ``allow_tf32``, must not be mixed with these, nor read within.
    """
    switches = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


def keep_freed_memory():
    """Have the C library keep what a training step frees, since the next step asks for the same again.

    By default large blocks go back to the system and their pages are cleared anew at every step: notebook 10 measures
    what that takes, on two CPU cores about a fifth of the time. Does nothing where the C library is not glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt, trim_threshold, mmap_max = ctypes.CDLL(None).mallopt, -1, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
