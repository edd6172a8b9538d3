"""The exercises of notebooks 06 and 07: errors and means, a schedule, a training step, chance, two runs compared."""

import copy
import itertools
import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from helpers.analysis import mcnemar
from helpers.exercises.checking import called, exercise, hint, number, whole
from helpers.records import read_record


@exercise("06.1")
def how_sure(answer):
    value = number(answer)
    test = read_record("session_62")["test"]
    share = test["correct"] / test["images"]
    error = 100 * math.sqrt(share * (1 - share) / test["images"])
    hint(abs(100 * value - error) > 0.006, "in percentage points: times 100")
    hint(abs(value - error) < 0.006, "the share that is right is p, the number of images is n")


@exercise("06.2")
def mean_of_means(answer):
    value = number(answer)
    times = 128 / (50_000 % 128)
    hint(abs(value - 1 / times) > 1e-6, "the other way round: it counts more, not less")
    hint(abs(value - times) < 1e-6, "how many images are left for the last batch?")


@exercise("06.3")
def schedule(answer):
    for total, peak, share in ((100, 0.1, 0.2), (37, 0.05, 0.3), (500, 1.0, 0.1)):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], peak)
        options = {"total_steps": total, "pct_start": share, "cycle_momentum": False}
        library = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, **options)
        for step in range(total):
            expected = library.get_last_lr()[0]
            given = number(called(answer, step, total, peak, share), "a learning rate")
            case = f"rate({step}, {total}, {peak}, {share})"
            hint(abs(given - expected) <= 0.02 * peak, f"{case} is {expected:.4g}, and not {given:.4g}")
            if step < total - 1:
                optimizer.step()
                library.step()


@exercise("06.4")
def training_step(answer):
    torch.manual_seed(random.randrange(2**31))
    first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    batches = [(torch.randn(5, 3, 8, 8), torch.randint(10, (5,))) for _ in range(3)]
    ours, theirs = copy.deepcopy(first).eval(), copy.deepcopy(first).eval()  # as after an evaluation
    optimizers = [torch.optim.SGD(network.parameters(), 0.1, momentum=0.9) for network in (ours, theirs)]
    for number_, (images, labels) in enumerate(batches, 1):
        ours.train()
        loss = F.cross_entropy(ours(images), labels)
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        given = called(answer, theirs, optimizers[1], images, labels, shown_as="network, optimizer, images, labels")
        given = number(given.detach() if isinstance(given, torch.Tensor) else given, "the batch's loss")
        right = abs(given - loss.item()) < 1e-4
        hint(right or theirs.training, "BatchNorm must take its numbers from the batch: network.train()")
        hint(right, f"the loss of batch {number_} is {loss.item():.4f}, and not {given:.4f}")
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        same = all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)
        hint(same or number_ > 1, "after one step the weights are not what they should be: is every call there?")
        hint(same, "the first step is right and the second is not: gradients add up until somebody clears them")


@exercise("07.1")
def uneven_enough(answer, n):
    k = whole(answer, "a number of images")
    hint(n / 2 <= k <= n, f"it lies between {n // 2} and {n}: one of the two is right on each of them")
    hint(mcnemar(k, n - k) < 0.05, f"by_chance({k}) is {mcnemar(k, n - k):.3f}")
    hint(mcnemar(k - 1, n - k + 1) >= 0.05, "there is a smaller number below 5 %")


@exercise("07.2")
def same_epoch(answer):
    longer, shorter = (read_record(name)["history"] for name in ("session_84", "session_62"))
    ahead = sum(a["test_correct"] > b["test_correct"] for a, b in zip(longer, shorter, strict=False))
    hint(whole(answer, "a number of epochs") == ahead, "compare epoch by epoch, on the test set; ties do not count")


@exercise("07.3")
def chance(answer):
    for a, b in itertools.chain(
        [(5, 5), (0, 1), (9, 0), (0, 9), (40, 20), (20, 40)], ((random.randint(0, 60), 3) for _ in range(10))
    ):
        given, expected = number(called(answer, a, b), "a probability"), float(mcnemar(a, b))
        hint(
            abs(given - expected / 2) > 1e-6 or abs(expected) < 1e-5 or a == b,
            f"for ({a}, {b}) that is one side: the other network could have been as far ahead",
        )
        hint(abs(given - expected) < 1e-6, f"for ({a}, {b}) it is {expected:.6f}, and not {given:.6f}")
