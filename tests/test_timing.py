"""What is claimed about time is asked again, and what is not so stays so. The clock here is a pretended one."""

import os

import pytest
import torch

from helpers import timing

CPU = torch.device("cpu")


def test_works_are_called_in_turns_and_the_first_round_does_not_count():
    calls = []
    times = timing.in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, CPU, rounds=3)
    assert "".join(calls) == "abababab" and [len(taken) for taken in times.values()] == [3, 3]


def test_the_very_device_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    for name in ("cuda:1", "cuda", "cpu"):
        timing.wait_for(torch.device(name))
    assert waited == [torch.device("cuda:1"), torch.device("cuda")]


@pytest.fixture
def clock(monkeypatch):
    """A function that lets ``seconds`` of computing pass; on the wall ten times as many go by."""
    now = [0.0]

    def takes(seconds):
        now[0] += seconds

    monkeypatch.setattr(timing, "_computed", lambda: now[0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: 10 * now[0])
    return takes


def test_a_claim_is_asked_again_until_a_disturbance_is_over(clock):
    """The quick work is disturbed, first always, then at times; the slow one never."""
    calls = iter(range(100))
    works = {"quick": lambda: clock(9 if (call := next(calls)) < 12 or call % 4 else 1), "slow": lambda: clock(2)}
    assert timing.assert_holds(lambda least: least["quick"] < least["slow"], works) == {"quick": 1, "slow": 2}
    assert next(calls) == 4 * 6  # no longer than it takes: so in the third attempt of six calls each, and in the next


def test_one_attempt_is_not_enough(clock):
    """A disturbance of one work, all through an attempt, makes what is not so look so. It must look so twice."""
    calls = iter(range(1000))
    works = {"slow": lambda: clock(2), "quick": lambda: clock(9 if next(calls) < 6 else 1)}
    with pytest.raises(AssertionError, match="not so in 20 attempts"):
        timing.assert_holds(lambda least: least["slow"] < least["quick"], works)


def test_what_is_not_so_stays_so(clock):
    """Noise that hits the quick work most of the time does not make the slow one the quicker."""
    calls = iter(range(1000))
    works = {"quick": lambda: clock(1 if next(calls) % 6 == 5 else 9), "slow": lambda: clock(2)}
    with pytest.raises(AssertionError, match=r"not so in 20 attempts; quick: 1000.000 ms, slow: 2000.000 ms"):
        timing.assert_holds(lambda least: least["slow"] < 0.5 * least["quick"], works)


def test_quickest_calls_of_earlier_attempts_count(clock):
    """A work that was quick once is not made slow by being asked again."""
    calls = iter(range(1000))
    works = {"a": lambda: clock(1 if next(calls) < 6 else 9), "b": lambda: clock(5)}
    with pytest.raises(AssertionError, match=r"a: 1000.000 ms, b: 5000.000 ms"):
        timing.assert_holds(lambda least: least["a"] > least["b"], works)


def test_on_a_cpu_one_thread_computes_and_its_own_seconds_count(clock):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = []
        works = {"a": lambda: (seen.append(torch.get_num_threads()), clock(1))}
        assert timing.assert_holds(lambda least: True, works, CPU) == {"a": 1}
        assert timing.assert_holds(lambda least: True, works, torch.device("meta")) == {"a": 10}  # on the wall
        with pytest.raises(AssertionError):
            timing.assert_holds(lambda least: False, works, CPU, attempts=1)
        assert seen == [1] * 12 + [2] * 12 + [1] * 6 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not count a process's own seconds finely enough")
def test_the_clock_on_a_cpu_is_the_processs_own():
    """Waiting costs nothing."""
    works = {"wait": lambda: timing.time.sleep(0.05), "compute": lambda: sum(range(100_000))}
    assert timing.assert_holds(lambda least: least["wait"] < 0.01 and least["wait"] < least["compute"], works)
