"""What a network's answers say about it: intervals, confusions, calibration, suspects, and tests of a difference.

Pure functions of arrays: ``labels (N,)`` and ``predictions (N,)`` are classes from 0, ``probabilities (N, K)`` and
``logits (N, K)`` a network's answers, ``right (N,) bool`` whether it was right. Notebook 08 uses every one of them.
"""

import math

import numpy as np

# How sure is a share? ----------------------------------------------------------------------------------------------


def wilson_interval(correct, count, z=1.959964):
    """Return the interval ``(low, high)`` of shares that fits ``correct`` right answers of ``count``, at 95 %.

    Numbers or arrays; ``z`` is how many standard deviations wide. Unlike ``p ± z · deviation`` it stays within 0 and 1
    and holds for small counts. Source: E. B. Wilson, JASA 22, 1927, doi:10.1080/01621459.1927.10502953.
    """
    correct, count = np.asarray(correct, float), np.asarray(count, float)
    if np.any(count <= 0) or np.any(correct < 0) or np.any(correct > count):
        raise ValueError(f"correct must lie between 0 and count, not {correct} of {count}")
    share = correct / count
    middle = share + z**2 / (2 * count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (middle - reach) / (1 + z**2 / count), (middle + reach) / (1 + z**2 / count)


def difference_interval(first, second):
    """Return the interval ``(low, high)`` of the second share less the first, at 95 %, of two independent counts.

    Each is a pair ``(correct, count)``. Two errors are rarely both large and in opposite directions, so it reaches less
    far than the two Wilson intervals together. Source: R. G. Newcombe, Statistics in Medicine 17, 1998, method 10,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    (p, q), (low_p, high_p), (low_q, high_q) = (
        (first[0] / first[1], second[0] / second[1]),
        wilson_interval(*first),
        wilson_interval(*second),
    )
    return q - p - math.hypot(q - low_q, high_p - p), q - p + math.hypot(high_q - q, p - low_p)


# What is taken for what? -------------------------------------------------------------------------------------------


def confused_pairs(confusion):
    """Return ``(a, b, mistakes)`` for each pair of classes, a < b, both directions added, the most mistakes first."""
    both = np.asarray(confusion) + np.asarray(confusion).T
    pairs = [(a, b, int(both[a, b])) for a in range(len(both)) for b in range(a + 1, len(both))]
    return sorted(pairs, key=lambda pair: -pair[2])


def similar_order(confusion):
    """Return an order of the classes in which those that are often confused stand close together, as a list.

    The classes are placed on a line so that ``mistakes · distance²``, summed over all pairs, is least: the second
    eigenvector of the Laplacian. Source: J. E. Atkins, E. G. Boman, B. Hendrickson, "A Spectral Algorithm for Seriation
    and the Consecutive Ones Problem", SIAM J. Comput. 28, 1998, doi:10.1137/S0097539795285771.
    """
    both = np.asarray(confusion, float) + np.asarray(confusion, float).T
    np.fill_diagonal(both, 0)
    places = np.linalg.eigh(np.diag(both.sum(axis=1)) - both)[1][:, 1]
    order = np.argsort(places).tolist()
    return order if order.index(0) < order.index(len(order) - 1) else order[::-1]  # an eigenvector has no direction


# Does it know what it does not know? -------------------------------------------------------------------------------


def softmax(logits, temperature=1.0):
    """Return probabilities ``(N, K)`` of ``logits (N, K) / temperature``; a temperature above 1 makes them humbler."""
    scaled = np.asarray(logits, float) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_loss(probabilities, labels):
    """Return the mean over the images of ``-log(probability of the label)``: the cross-entropy, in nats."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits, labels):
    """Return the temperature, from 0.05 to 20, with the least cross-entropy of ``softmax(logits, temperature)``.

    The cross-entropy is convex in b = 1 / temperature, and its slope is the mean of "logit expected under the
    probabilities minus logit of the label": the b at which the slope is zero is found by halving the interval.
    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    logits = np.asarray(logits, float)
    of_label = logits[np.arange(len(labels)), labels].mean()
    low, high = 1 / 20, 1 / 0.05
    for _ in range(50):
        b = (low + high) / 2
        slope = (softmax(logits, 1 / b) * logits).sum(axis=1).mean() - of_label
        low, high = (low, b) if slope > 0 else (b, high)
    return 2 / (low + high)


def reliability(confidence, right, bins=10):
    """Return ``(count, confidence, accuracy)`` of each of ``bins`` equal ranges of confidence, arrays ``(bins,)``.

    Confidence and accuracy are means over the images of a range, NaN where it has none. ``confidence (N,)`` is the
    probability of the predicted class; a value on a boundary belongs to the range below.
    """
    place = np.clip(np.ceil(np.asarray(confidence) * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return count, *(np.bincount(place, weights=values, minlength=bins) / count for values in (confidence, right))


def calibration_error(confidence, right, bins=10):
    """Return the expected calibration error: the mean over the images of ``|confidence − accuracy|`` of their range.

    A share, 0 at best. It depends on ``bins`` and is biased upwards on few images: compare like with like. Source: as
    ``fit_temperature``.
    """
    count, said, true = reliability(confidence, right, bins)
    some = count > 0
    return float((count[some] * np.abs(said - true)[some]).sum() / count.sum())


# Is the label wrong? -----------------------------------------------------------------------------------------------


def label_suspects(probabilities, labels):
    """Return the indices of images whose label looks wrong, the most suspicious first.

    Confident learning: class k's threshold is the mean probability of k over the images labelled k. A suspect is an
    image that reaches the threshold of classes of which the likeliest is not its label. The order is by the
    probability of the label less that of this class. The probabilities must come from a network that was not trained
    on these images. Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning", JAIR 70, 2021, arXiv:1911.00068.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == k, k].mean() if (labels == k).any() else 2 for k in range(classes)])
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    guess = reached.argmax(axis=1)
    suspects = np.flatnonzero((reached.max(axis=1) >= 0) & (guess != labels))
    margin = probabilities[suspects, labels[suspects]] - probabilities[suspects, guess[suspects]]
    return suspects[np.argsort(margin, kind="stable")]


# Is one network better than another? -------------------------------------------------------------------------------


def mcnemar(only_a, only_b):
    """Return the p-value of McNemar's exact test, of two networks on the same images.

    ``only_a`` images were right with A alone, ``only_b`` with B alone; where both are right, or both wrong, nothing is
    learned. If A and B were equally good, each of these images would be a toss of a coin: the p-value is the
    probability of a split at least as uneven. Source: Q. McNemar, Psychometrika 12, 1947, doi:10.1007/BF02295996.
    """
    only_a, only_b = int(only_a), int(only_b)  # NumPy's own would not hold 2**count
    count, fewer = only_a + only_b, min(only_a, only_b)
    ways = sum(math.comb(count, k) for k in range(fewer + 1))
    return min(1.0, 2 * ways / 2**count)


def paired_bootstrap(right_a, right_b, rounds=10_000, seed=0):
    """Return the difference of the two accuracies, A less B, on ``rounds`` resampled test sets: shares ``(rounds,)``.

    A test set is drawn from the images with replacement, the same for both networks. Only the difference counts, which
    is 1, 0 or -1 an image; so how often each occurs is drawn, which is the same. Source: B. Efron, R. Tibshirani, *An
    Introduction to the Bootstrap*, 1993.
    """
    difference = np.asarray(right_a, int) - np.asarray(right_b, int)
    shares = [(difference == value).mean() for value in (1, 0, -1)]
    counts = np.random.default_rng(seed).multinomial(len(difference), shares, size=rounds)
    return (counts[:, 0] - counts[:, 2]) / len(difference)
