"""The exercises of notebook 10: shares of time, of images, a slow wire, and a timer that can be trusted."""

import random

from helpers import data
from helpers.exercises.checking import called, exercise, hint, number, whole


@exercise("10.1")
def worth(answer):
    value = number(answer)
    new = 0.3 + 0.6 / 6 + 0.1
    hint(abs(value - 6) > 0.01, "only 60 % of the epoch became faster")
    hint(abs(value - new) > 0.01, "that is the new time: how many times faster is it?")
    hint(abs(value - 1 / new) < 0.01, "old time by new time: what is the new time, if the old is 1?")


@exercise("10.2")
def last_batch(answer):
    given = whole(answer, "a number of images")
    sampler = data.ShuffledBatches(50_000, 1024, share=(0, 8))
    hint(given != 1024 // 8, "that is what they get in the other batches")
    hint(given == len(list(sampler)[-1]), "how many images are left after the whole batches?")


@exercise("10.3")
def slow_wire(answer, exchange):
    value = number(answer, "a time in milliseconds")
    least = 1e3 * exchange
    hint(not 0.98 < 1e3 * value / least < 1.02, "in milliseconds: times 1,000")
    hint(value > 0 and abs(value / least - 1) < 0.02, "8 · step / (step + exchange) = 4: solve for the step")


class Device:
    """A clock and work on a pretended device: a call returns at once, and its time passes when it is waited for."""

    def __init__(self, times):
        self.times, self.now, self.queued, self.calls = list(times), 0.0, 0.0, 0

    def clock(self):
        return self.now

    def work(self):
        self.queued += self.times[self.calls % len(self.times)]
        self.calls += 1

    def wait(self):
        self.now += self.queued
        self.queued = 0.0


@exercise("10.4")
def timer(answer):
    for _ in range(5):
        quick = random.uniform(1, 2)
        device = Device([100 * quick] + [quick * random.uniform(1, 5) for _ in range(200)])
        given = number(called(answer, device.work, device.wait, device.clock, shown_as="work, wait, clock"), "a time")
        hint(
            device.calls >= 4, f"the work was done {device.calls} times: once to warm up, and then at least three times"
        )
        hint(given > 0, "the clock was read before the device was done: wait() first")
        durations = [device.times[call % 201] for call in range(1, device.calls)]
        hint(given < 50 * quick, "the first call compiles and allocates: it is not what you want to know")
        hint(
            any(abs(given - min(durations[warm:])) < 1e-6 for warm in range(len(durations) - 2)),
            f"the calls took {', '.join(f'{t:.2f}' for t in durations[:6])} … s: other work can only add to a time",
        )
