"""The functions of helpers/analysis.py against scikit-learn, SciPy, and cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modules import MANY
from scipy import optimize, special, stats
from sklearn import calibration, metrics

from helpers import analysis

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 10, 2000)
LOGITS = rng.normal(size=(2000, 10)) + 2 * np.eye(10)[LABELS]
PROBABILITIES = special.softmax(LOGITS, axis=1)
CONFIDENCE, RIGHT = PROBABILITIES.max(axis=1), PROBABILITIES.argmax(axis=1) == LABELS


@MANY
@given(st.integers(1, 20_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_wilson_interval_is_scipys(case):
    interval = stats.binomtest(*case).proportion_ci(method="wilson")
    assert analysis.wilson_interval(*case) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_wilson_interval_takes_arrays_and_refuses_what_is_no_share():
    low, high = analysis.wilson_interval([0, 763], [10, 1000])
    assert low == pytest.approx([0, 0.7356], abs=1e-3) and high == pytest.approx([0.2775, 0.7883], abs=1e-3)
    for correct, count in ((5, 4), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match=f"{correct:.1f} of {count:.1f}"):
            analysis.wilson_interval(correct, count)


def test_wilson_interval_holds_what_it_promises():
    share, count = 0.9, 30
    low, high = analysis.wilson_interval(rng.binomial(count, share, 20_000), count)
    assert 0.93 < np.mean((low <= share) & (share <= high)) < 0.98


def test_difference_interval_of_two_counts():
    """Newcombe's own example, table II (a); two shares whose own intervals overlap; the ends of the scale."""
    assert analysis.difference_interval((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    low, high = analysis.difference_interval((763, 1000), (801, 1000))
    assert (low, high) == pytest.approx((0.0018, 0.0741), abs=5e-5)
    assert analysis.wilson_interval(763, 1000)[1] > analysis.wilson_interval(801, 1000)[0]
    assert analysis.difference_interval((801, 1000), (763, 1000)) == pytest.approx((-high, -low))
    low, high = analysis.difference_interval((0, 10), (10, 10))
    assert 0.5 < low < high == pytest.approx(1)


def test_difference_interval_holds_what_it_promises():
    one, other = rng.binomial(200, 0.8, 4000), rng.binomial(100, 0.7, 4000)
    within = [
        low < -0.1 < high
        for low, high in (analysis.difference_interval((a, 200), (b, 100)) for a, b in zip(one, other, strict=True))
    ]
    assert 0.93 < np.mean(within) < 0.97


def test_confused_pairs_add_both_directions():
    assert analysis.confused_pairs([[9, 1, 5], [3, 9, 0], [1, 2, 9]]) == [(0, 2, 6), (0, 1, 4), (1, 2, 2)]


@MANY
@given(st.permutations(range(10)))
def test_similar_order_restores_a_chain(shuffled):
    chain = np.exp(-np.abs(np.subtract.outer(np.arange(10), np.arange(10))))  # neighbours are confused most
    order = analysis.similar_order(chain[np.ix_(shuffled, shuffled)])
    assert order.index(0) < order.index(9)
    assert [shuffled[k] for k in order] in (list(range(10)), list(range(9, -1, -1)))


def test_softmax_is_scipys_and_survives_large_logits():
    assert np.allclose(analysis.softmax(LOGITS, 2.5), special.softmax(LOGITS / 2.5, axis=1))
    assert np.allclose(analysis.softmax(np.array([[1e4, 0.0]])), [[1, 0]])


def test_log_loss_is_scikit_learns():
    assert analysis.log_loss(PROBABILITIES, LABELS) == pytest.approx(metrics.log_loss(LABELS, PROBABILITIES))


@pytest.mark.parametrize("factor", [0.2, 1, 5])
def test_fit_temperature_finds_the_least_log_loss(factor):
    def loss(temperature):
        return metrics.log_loss(LABELS, special.softmax(factor * LOGITS / temperature, axis=1))

    best = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-7}).x
    assert analysis.fit_temperature(factor * LOGITS, LABELS) == pytest.approx(best, abs=1e-3)


def test_fit_temperature_recovers_the_one_that_made_the_labels():
    logits = 3 * rng.normal(size=(50_000, 10))
    drawn = (special.softmax(logits / 1.7, axis=1).cumsum(axis=1) > rng.random((50_000, 1))).argmax(axis=1)
    assert analysis.fit_temperature(logits, drawn) == pytest.approx(1.7, abs=0.05)


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_reliability_is_scikit_learns(bins):
    count, said, true = analysis.reliability(CONFIDENCE, RIGHT, bins)
    theirs = calibration.calibration_curve(RIGHT, CONFIDENCE, n_bins=bins)
    some = count > 0
    assert count.sum() == len(RIGHT)
    assert np.allclose(true[some], theirs[0]) and np.allclose(said[some], theirs[1])


def test_calibration_error_by_hand():
    confidence, right = np.array([0.55, 0.65, 0.95, 0.95]), np.array([True, False, True, True])
    assert analysis.reliability(confidence, right)[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert analysis.calibration_error(confidence, right) == pytest.approx((0.45 + 0.65 + 2 * 0.05) / 4)
    assert analysis.calibration_error(confidence, right, bins=2) == pytest.approx(abs(3.1 - 3) / 4)


def test_calibration_error_is_small_where_confidence_is_honest():
    confidence = rng.uniform(0.1, 1, 200_000)
    right = rng.random(200_000) < confidence
    assert analysis.calibration_error(confidence, right) < 0.01
    assert analysis.calibration_error(confidence**0.5, right) > 0.05


def test_label_suspects_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.45, 0.55], [0.05, 0.95]])
    labels = np.array([0, 0, 0, 1, 1, 0])  # thresholds 0.4625 and 0.725: images 2 and 5 are more like class 1 than most
    assert analysis.label_suspects(probabilities, labels).tolist() == [5, 2]


def test_label_suspects_finds_labels_that_were_changed():
    logits = rng.normal(size=(2000, 10)) + 6 * np.eye(10)[LABELS]
    changed = rng.choice(2000, 60, replace=False)
    labels = LABELS.copy()
    labels[changed] = (labels[changed] + rng.integers(1, 10, 60)) % 10
    suspects = analysis.label_suspects(special.softmax(logits, axis=1), labels)
    assert len(np.intersect1d(suspects, changed)) >= 50
    assert np.isin(suspects[:30], changed).mean() > 0.9


def test_label_suspects_passes_over_a_class_without_images():
    assert analysis.label_suspects(np.array([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0]]), np.array([1, 1])).tolist() == []


@MANY
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_a_toss_of_coins(only_a, only_b):
    theirs = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert analysis.mcnemar(only_a, only_b) == pytest.approx(theirs, abs=1e-9)
    assert analysis.mcnemar(only_a, only_b) == analysis.mcnemar(only_b, only_a)
    assert analysis.mcnemar(np.int64(only_a), np.int32(only_b)) == analysis.mcnemar(only_a, only_b)


def test_paired_bootstrap_is_the_bootstrap_of_the_images():
    right_a, right_b = rng.random(500) < 0.9, rng.random(500) < 0.8
    direct = stats.bootstrap(
        (right_a * 1.0, right_b * 1.0),
        lambda a, b, axis: (a - b).mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = analysis.paired_bootstrap(right_a, right_b)
    assert ours.mean() == pytest.approx(right_a.mean() - right_b.mean(), abs=0.001)
    assert np.percentile(ours, [2.5, 97.5]) == pytest.approx([direct.low, direct.high], abs=0.004)


def test_paired_bootstrap_knows_that_a_network_equals_itself():
    assert not analysis.paired_bootstrap(RIGHT, RIGHT, rounds=10).any()
