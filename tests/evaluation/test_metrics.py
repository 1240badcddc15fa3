"""Metrics against answers worked out by hand and against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special
from sklearn import metrics as sk

from actrec.core.errors import BadValue
from actrec.evaluation.result import measure
from actrec.metrics.accuracy import as_logits, confusion, mean_class_accuracy, per_class, softmax, top
from actrec.metrics.calibration import (
    calibration_error,
    cautious_temperature,
    confidence_for,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from actrec.metrics.intervals import mean_and_deviation, proportion_interval, standard_error
from actrec.metrics.unknown import rejection


@pytest.fixture
def scored(rng):
    """300 clips of 7 classes with scores that are right more often than not."""
    targets = rng.integers(0, 7, 300)
    logits = rng.normal(size=(300, 7)) * 1.5
    logits[np.arange(300), targets] += 2.0
    return logits, targets


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_is_scikit_learns(scored, k):
    logits, targets = scored
    expected = sk.top_k_accuracy_score(targets, logits, k=k, labels=range(7))
    assert top(logits, targets, k) == pytest.approx(expected, abs=1e-12)


def test_the_confidence_from_which_four_of_five_answers_are_right_by_hand():
    confidence = np.array([0.55, 0.6, 0.7, 0.8, 0.9, 0.95])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    wrong_at = np.array([1, 0, 1, 0, 0, 0])  # the first class is right but for 0.55 and 0.7
    assert confidence_for(probabilities, wrong_at, 0.8) == 0.6  # 4 of 5; from 0.55 on 4 of 6
    assert confidence_for(probabilities, wrong_at, 0.9) == 0.8  # 3 of 3; from 0.7 on 3 of 4
    assert confidence_for(probabilities, np.ones(6, int), 0.5) == 1.0, "no answer is right"


def test_top_k_by_hand():
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.4, 0.35, 0.25], [0.2, 0.5, 0.3]])
    targets = np.array([0, 1, 2, 1])
    assert top(scores, targets) == 0.5
    assert top(scores, targets, 2) == 0.75
    assert top(scores, targets, 3) == 1.0


def test_scoring_all_classes_alike_earns_no_more_than_one_class():
    same = np.ones((6, 6))
    assert top(same, np.arange(6)) == pytest.approx(1 / 6)
    assert top(same, np.arange(6), 5) == pytest.approx(5 / 6)


def test_confusion_and_class_rows_are_scikit_learns(scored):
    logits, targets = scored
    answers = logits.argmax(axis=1)
    matrix = confusion(logits, targets)
    assert np.array_equal(matrix, sk.confusion_matrix(targets, answers, labels=range(7)))
    precision, recall, f1, support = sk.precision_recall_fscore_support(targets, answers, labels=range(7))
    for index, row in enumerate(per_class(matrix)):
        found = [row["precision"], row["recall"], row["f1"], row["clips"]]
        assert found == pytest.approx([precision[index], recall[index], f1[index], support[index]])
    assert mean_class_accuracy(matrix) == pytest.approx(sk.balanced_accuracy_score(targets, answers))


def test_a_class_without_clips_has_no_recall():
    matrix = np.array([[2, 1, 0], [0, 3, 0], [0, 0, 0]])
    rows = per_class(matrix)
    assert rows[2] == {"clips": 0, "recall": None, "precision": None, "f1": None}
    assert rows[0]["recall"] == pytest.approx(2 / 3)
    assert mean_class_accuracy(matrix) == pytest.approx((2 / 3 + 1) / 2)


def test_calibration_error_by_hand():
    # Two bins of ten: confidence 0.65 twice (one right), 0.95 twice (both right).
    # ECE = 2/4·|0.5 − 0.65| + 2/4·|1 − 0.95| = 0.1
    probabilities = np.array([[0.65, 0.35], [0.65, 0.35], [0.95, 0.05], [0.05, 0.95]])
    targets = np.array([0, 1, 0, 1])
    assert calibration_error(probabilities, targets, bins=10) == pytest.approx(0.1)


def test_calibration_error_agrees_with_a_count_bin_by_bin(scored):
    logits, targets = scored
    probabilities = special.softmax(logits, axis=1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    found = reliability(probabilities, targets)
    assert found.error == pytest.approx(expected, abs=1e-12)
    assert sum(found.count) == 300


def test_confidence_of_exactly_one_falls_into_the_last_bin():
    found = reliability(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]))
    assert found.count[-1] == 2
    assert found.error == pytest.approx(0.5)


def test_a_confidence_on_the_edge_of_two_bins_belongs_to_the_lower_one():
    found = reliability(np.array([[0.75, 0.25], [0.8, 0.2]]), np.array([0, 0]), bins=4)
    assert found.count == (0, 0, 1, 1)


def test_calibration_refuses_scores_that_are_no_probabilities(scored):
    with pytest.raises(ValueError, match="softmax"):
        calibration_error(*scored)


def test_likelihood_is_scikit_learns(scored):
    logits, targets = scored
    expected = sk.log_loss(targets, special.softmax(logits / 1.7, axis=1), labels=range(7))
    assert negative_log_likelihood(logits, targets, 1.7) == pytest.approx(expected)


def test_temperature_is_scipys_optimum(scored):
    logits, targets = scored

    def loss(log_temperature):
        scaled = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -scaled[np.arange(300), targets].mean()

    expected = np.exp(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10}).x)
    assert fit_temperature(logits, targets) == pytest.approx(expected, rel=1e-4)


def test_temperature_undoes_a_known_overconfidence(rng):
    # Targets drawn from softmax(logits): the logits are calibrated as they are, and three times as large at T = 3.
    logits = rng.normal(size=(20_000, 5)) * 2
    drawn = (special.softmax(logits, axis=1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    temperature = fit_temperature(3 * logits, drawn)
    assert temperature == pytest.approx(3, rel=0.03)
    before = calibration_error(softmax(3 * logits), drawn)
    after = calibration_error(softmax(3 * logits, temperature), drawn)
    assert before > 0.1
    assert after < 0.015


def test_temperature_of_clips_that_are_all_right_is_the_lowest():
    assert fit_temperature(np.eye(4), np.arange(4)) == pytest.approx(0.05)


def test_a_doubt_keeps_clips_that_are_all_right_from_being_certain():
    # By hand: with logits 1 and 0, p(right) = e / (e + 3) at T = 1; most likely is p = 1 − doubt, so
    # exp(1/T) = 3 (1 − doubt) / doubt.
    found = fit_temperature(np.eye(4), np.arange(4), doubt=0.1)
    assert found == pytest.approx(1 / np.log(27))
    assert softmax(np.eye(4), found).max(axis=1) == pytest.approx(0.9)
    # Four clips, all right: the next of two more may be wrong, so one in six.
    cautious = cautious_temperature(np.eye(4), np.arange(4))
    assert softmax(np.eye(4), cautious).max(axis=1) == pytest.approx(5 / 6)


def test_temperature_works_on_averaged_probabilities(scored):
    logits, targets = scored
    probabilities = special.softmax(logits, axis=1)
    assert softmax(as_logits(probabilities)) == pytest.approx(probabilities)
    found = fit_temperature(as_logits(probabilities), targets)
    assert found == pytest.approx(fit_temperature(logits, targets), rel=1e-5)


def test_auroc_and_roc_are_scikit_learns(rng):
    # Rounded, so that there are ties between known and unknown.
    known, unknown = rng.normal(1, 1, 80).round(1), rng.normal(0, 1, 120).round(1)
    truth, values = np.r_[np.ones(80), np.zeros(120)], np.r_[known, unknown]
    found = rejection(known, unknown)
    assert found.auroc == pytest.approx(sk.roc_auc_score(truth, values), abs=1e-12)
    false_positive, true_positive, thresholds = sk.roc_curve(truth, values, drop_intermediate=False)
    expected = {t: (f, 1 - p) for f, p, t in zip(false_positive, true_positive, thresholds, strict=True)}
    for threshold, accept, reject in zip(found.thresholds, found.false_accept, found.false_reject, strict=True):
        assert (accept, reject) == pytest.approx(expected[threshold])


def test_rejection_by_hand():
    found = rejection(known=np.array([0.9, 0.8, 0.4]), unknown=np.array([0.5, 0.2, 0.1, 0.1]))
    assert found.auroc == pytest.approx(11 / 12)
    at = dict(zip(found.thresholds, zip(found.false_accept, found.false_reject, strict=True), strict=True))
    assert at[0.5] == pytest.approx((1 / 4, 1 / 3))
    assert at[0.8] == pytest.approx((0, 1 / 3))
    assert at[0.1] == pytest.approx((1, 0))
    assert at[np.inf] == pytest.approx((0, 1))
    threshold, refused = found.at_false_accept(0.05)
    assert (threshold, refused) == pytest.approx((0.8, 1 / 3))


def test_equal_error_by_hand():
    # At 0.5: one of two unknown accepted, one of two known refused.
    assert rejection(np.array([0.9, 0.3]), np.array([0.5, 0.1])).equal_error == pytest.approx(0.5)
    assert rejection(np.array([3.0, 4.0]), np.array([1.0, 2.0])).equal_error == 0.0
    same = np.linspace(0, 1, 101)
    assert rejection(same, same).equal_error == pytest.approx(0.5, abs=0.01)


def test_mean_and_deviation_by_hand():
    assert mean_and_deviation([0.6, 0.7, 0.8]) == pytest.approx((0.7, 0.1))
    mean, deviation = mean_and_deviation([0.6])
    assert mean == 0.6
    assert np.isnan(deviation)


def test_standard_error_of_an_accuracy():
    right = np.array([1] * 75 + [0] * 25)
    assert standard_error(right) == pytest.approx(np.sqrt(0.75 * 0.25 / 100))
    # Clips that are copies of each other count once: ten groups of ten equal clips are ten witnesses.
    copied = np.repeat([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 10)
    groups = np.repeat(list("abcdefghij"), 10)
    assert standard_error(copied, groups) == pytest.approx(np.std([1] * 7 + [0] * 3, ddof=1) / np.sqrt(10))
    assert standard_error(copied) < standard_error(copied, groups) / 2


@pytest.mark.parametrize(
    ("scores", "targets", "words"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "nothing to evaluate"),
        (np.full((2, 3), np.nan), np.zeros(2, int), "not a number"),
        (np.zeros((2, 3)), np.array([0, 3]), "outside"),
        (np.zeros((2, 3)), np.zeros(3, int), "belong|not"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(scores, targets, words):
    with pytest.raises(ValueError, match=words):
        top(scores, targets)


@pytest.mark.parametrize(("right", "count"), [(11, 12), (12, 12), (0, 5), (17, 21), (450, 900)])
def test_the_interval_of_a_share_is_scipys(right, count):
    from scipy.stats import binomtest

    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert proportion_interval(right, count) == pytest.approx((expected.low, expected.high), abs=1e-6)
    with pytest.raises(BadValue):
        proportion_interval(count + 1, count)


def test_a_report_counts_what_is_first_and_what_is_among_the_five_first():
    scores = np.array([[0.3, 0.25, 0.2, 0.15, 0.07, 0.03]] * 4)
    result = measure(scores, np.array([0, 2, 4, 5]), list("abcdef"))  # places 1, 3, 5 and 6
    assert (result["top1"], result["top5"]) == (0.25, 0.75)
