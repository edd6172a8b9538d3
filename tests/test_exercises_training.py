"""The exercises of notebooks 06 and 07: right answers in other forms, near misses, nonsense."""

import math

import torch
import torch.nn.functional as F
from answers import NONSENSE, assert_right, assert_waits, assert_wrong, forms
from scipy import stats

from helpers.records import read_record


def test_how_sure():
    share = read_record("session_62")["test"]["accuracy"] / 100
    error = 100 * math.sqrt(share * (1 - share) / 10_000)
    assert_right("06.1", [*forms(error), round(error, 2)])
    assert_wrong("06.1", [error / 100, 1.96 * error, error**2, error + 0.01, *NONSENSE])


def test_mean_of_means():
    assert_right("06.2", [1.6, *forms(1.6)])
    assert_wrong("06.2", [128 / 79, 0.625, 80, 50_000 / 391 / 128, *NONSENSE])


def rate(step, total, peak, share, start=25):
    top = share * total - 1
    low, high, part = (
        (peak / start, peak, step / top) if step <= top else (0, peak, (total - 1 - step) / (total - 1 - top))
    )
    return low + (high - low) * (1 - math.cos(math.pi * part)) / 2


def test_schedule():
    near = [
        lambda step, total, peak, share: peak,
        lambda step, total, peak, share: rate(step, total, peak, share, start=4),
        lambda step, total, peak, share: rate(step + 2, total + 2, peak, share),
        lambda step, total, peak, share: peak * (1 - step / total),
        lambda step, total, peak, share: rate(step, total, peak, 0.25),
        lambda step, total, peak, share: -rate(step, total, peak, share),
        lambda step, total: 0,
    ]
    assert_right("06.3", [rate, lambda *given: torch.tensor(rate(*given))])
    assert_wrong("06.3", [*near, *NONSENSE])
    assert_waits("06.3", [lambda *_: ...])


def step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def test_training_step():
    def in_another_order(network, optimizer, images, labels):
        network.train()
        loss = torch.nn.CrossEntropyLoss()(network(images), labels)
        loss.backward()
        optimizer.step()
        for parameter in network.parameters():
            parameter.grad = None
        return loss.item()

    def never_cleared(network, optimizer, images, labels):
        network.train()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    def never_stepped(network, optimizer, images, labels):
        network.train()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        return loss

    def in_evaluation(network, optimizer, images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    def cleared_too_late(network, optimizer, images, labels):
        network.train()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        return loss

    def summed(network, optimizer, images, labels):
        return step(network, optimizer, images, labels) * len(labels)

    def in_evaluation_afterwards(network, optimizer, images, labels):
        loss = step(network, optimizer, images, labels)
        network.eval()
        return loss

    assert_right("06.4", [step, in_another_order, in_evaluation_afterwards])
    assert_wrong("06.4", [never_cleared], "the first step is right and the second is not")
    assert_wrong("06.4", [in_evaluation], "network.train()")
    assert_wrong("06.4", [never_stepped, cleared_too_late, summed, lambda *_: None, lambda *_: 0.0, *NONSENSE])
    assert_waits("06.4", [lambda *_: ...])


def test_uneven_enough():
    for n in (60, 61, 100):
        right = min(k for k in range(n // 2, n + 1) if stats.binomtest(k, n).pvalue < 0.05)
        assert_right("07.1", forms(float(right)), n=n)
        assert_wrong("07.1", [right - 1, right + 1, n - right, n + 1, right + 0.5, *NONSENSE], n=n)


def test_same_epoch():
    longer, shorter = (read_record(name)["history"] for name in ("session_84", "session_62"))
    signs = [a["test_correct"] - b["test_correct"] for a, b in zip(longer, shorter, strict=False)]
    ahead = sum(sign > 0 for sign in signs)
    assert_right("07.2", forms(float(ahead)))
    assert_wrong("07.2", [ahead + 1, ahead - 1, 62 - ahead, -ahead, *NONSENSE])


def test_chance():
    def p(a, b):
        return stats.binomtest(a, a + b).pvalue

    def one_side(a, b):
        return p(a, b) / 2

    def by_normal(a, b):
        return math.erfc(abs(a - b) / math.sqrt(2 * (a + b)))

    assert_right("07.3", [p, lambda a, b: p(b, a), lambda a, b: torch.tensor(p(a, b), dtype=torch.float64)])

    def of_one_side_twice(a, b):
        return min(1, 2 * stats.binom.sf(a - 1, a + b, 0.5))

    near = [
        one_side,
        of_one_side_twice,
        by_normal,
        lambda a, b: 1 - p(a, b),
        lambda a, b: 100 * p(a, b),
        lambda a, b: None,
    ]
    assert_wrong("07.3", [*near, *NONSENSE])
    assert_waits("07.3", [lambda a, b: ...])
