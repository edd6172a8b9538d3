"""Timing that other work on the machine disturbs little. Notebook 03 explains it, section 6.

``in_turns`` measures what one waits for: seconds on the clock, with all cores, for tables and pictures. What is
*claimed* about time is claimed by ``assert_holds``, which asks again: a measurement can be disturbed, a law cannot.
"""

import os
import time

import torch

CPU = torch.device("cpu")


def wait_for(device):
    """Wait until ``device`` has done all that it was told to: a GPU takes orders and works later."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def in_turns(works, device, rounds, clock=time.perf_counter):
    """Return ``{name: [seconds, …]}`` of the functions ``{name: function}``, called in turns ``rounds`` times.

    One more round goes before, to warm up, and does not count.
    """
    times = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            wait_for(device)
            started = clock()
            work()
            wait_for(device)
            times[name].append(clock() - started)
    return {name: taken[1:] for name, taken in times.items()}


def assert_holds(claim, works, device=CPU, rounds=5, attempts=20):
    """Return ``{name: seconds}``, the quickest calls of the functions ``works``, such that ``claim`` is true of them.

    They are called in turns until it is so twice running, ``attempts`` times at most, and a quickest call stays one:
    noise can only add, so with each attempt the times come nearer to the true ones. On a CPU the seconds are those that
    this process computes, in one thread: what other programs take does not count. Else ``AssertionError``, with the
    milliseconds.
    """
    threads, cpu = torch.get_num_threads(), device.type == "cpu"
    least, held = dict.fromkeys(works, float("inf")), False
    if cpu:
        torch.set_num_threads(1)  # several would wait for each other, and waiting may be spinning, which is computing
    try:
        for _ in range(attempts):
            for name, taken in in_turns(works, device, rounds, _computed if cpu else time.perf_counter).items():
                least[name] = min(least[name], *taken)
            before, held = held, claim(least)
            if before and held:
                return least
    finally:
        torch.set_num_threads(threads)
    milliseconds = ", ".join(f"{name}: {1e3 * seconds:.3f} ms" for name, seconds in least.items())
    raise AssertionError(f"not so in {attempts} attempts; {milliseconds}")


# Windows counts a process's own seconds in steps of a sixty-fourth.
_computed = time.perf_counter if os.name == "nt" else time.process_time
