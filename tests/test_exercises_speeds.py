"""The exercises of notebook 10: right answers in other forms, near misses, nonsense."""

from answers import NONSENSE, assert_right, assert_waits, assert_wrong, forms


def test_worth():
    assert_right("10.1", [*forms(2.0), 1 / (0.3 + 0.6 / 6 + 0.1), 2.001])
    assert_wrong("10.1", [0.5, 6, 3.6, 1.5, 2.1, 50, *NONSENSE])


def test_last_batch():
    assert_right("10.2", forms(106.0))
    assert_wrong("10.2", [128, 848, 105, 107, 106.5, *NONSENSE])


def test_slow_wire():
    assert_right("10.3", [*forms(24.0), 24.3], exchange=0.024)
    assert_wrong("10.3", [0.024, 6, 12, 48, 24.6, *NONSENSE], exchange=0.024)


def trusted(work, wait, clock, calls=7, warm=1, choose=min):
    times = []
    for call in range(calls + warm):
        started = clock()
        work()
        wait()
        if call >= warm:
            times.append(clock() - started)
    return choose(times)


def test_timer():
    def without_waiting(work, wait, clock):
        return trusted(work, lambda: None, clock)

    def one_call(work, wait, clock):
        return trusted(work, wait, clock, calls=1)

    def cold(work, wait, clock):
        return trusted(work, wait, clock, warm=0, choose=lambda times: times[0])

    def mean(work, wait, clock):
        return trusted(work, wait, clock, choose=lambda times: sum(times) / len(times))

    def all_at_once(work, wait, clock):
        work(), wait()
        started = clock()
        for _ in range(6):
            work()
        wait()
        return (clock() - started) / 6

    assert_right("10.4", [trusted, lambda *given: trusted(*given, warm=3), lambda *given: trusted(*given, warm=0)])
    assert_wrong("10.4", [without_waiting], "wait()")
    assert_wrong("10.4", [one_call, cold, mean, all_at_once, lambda *_: None, lambda *_: 1.0, *NONSENSE])
    assert_waits("10.4", [lambda *_: ...])
