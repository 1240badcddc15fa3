"""Fusion against answers worked out by hand, and the SVM against scikit-learn's own decision."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.systems.fusion import FeatureSVM, average, maximum, sci, sci_fusion, softmax_fusion

# Two crops of one pair over four classes. SCI (eq. 5) with N = 4:
#   a = (0.7, 0.1, 0.1, 0.1): (4·0.7 − 1) / 3 = 0.6      b = (0.25, 0.4, 0.25, 0.1): (4·0.4 − 1) / 3 = 0.2
# eq. 6: weights 0.75 and 0.25 → (0.5875, 0.175, 0.1375, 0.1)
A, B = [0.7, 0.1, 0.1, 0.1], [0.25, 0.4, 0.25, 0.1]
PAIR = [0.5875, 0.175, 0.1375, 0.1]


def test_sci_of_a_one_hot_answer_is_one_and_of_a_uniform_one_zero():
    assert sci(np.array([[0, 1, 0, 0, 0], [0.2] * 5])) == pytest.approx([1, 0])
    assert sci(np.array([A, B])) == pytest.approx([0.6, 0.2])


def test_sci_fusion_of_the_worked_example():
    fused = sci_fusion(np.array([[A, B]]))
    assert fused.weights == pytest.approx(np.array([[0.75, 0.25]]))
    assert fused.scores == pytest.approx(PAIR)


def test_the_pairs_are_fused_by_the_largest_score_of_each_class_and_shown_as_shares():
    # Second pair: twice (0.1, 0.1, 0.2, 0.6). Element-wise maximum: (0.5875, 0.175, 0.2, 0.6), sum 1.5625.
    views = np.array([A, B, [0.1, 0.1, 0.2, 0.6], [0.1, 0.1, 0.2, 0.6]])
    fused = sci_fusion(views, crops=2)
    assert fused.scores == pytest.approx([0.5875, 0.175, 0.2, 0.6])
    assert fused.probabilities == pytest.approx([0.376, 0.112, 0.128, 0.384])
    assert fused.parts == pytest.approx(np.array([PAIR, [0.1, 0.1, 0.2, 0.6]]))
    assert fused.weights == pytest.approx([0.75, 0.25, 0.5, 0.5])


def test_a_pair_whose_crops_are_all_uniform_gets_the_plain_mean():
    fused = sci_fusion(np.full((2, 3, 5), 0.2))
    assert fused.scores == pytest.approx([0.2] * 5)
    assert fused.weights == pytest.approx(np.full((2, 3), 1 / 3))


def test_average_and_maximum_by_hand():
    mean = average(np.array([A, B]))
    assert mean.scores == pytest.approx([0.475, 0.25, 0.175, 0.1])
    assert mean.weights == pytest.approx([0.5, 0.5])
    most = maximum(np.array([A, B]))
    assert most.scores == pytest.approx([0.7, 0.4, 0.25, 0.1])
    assert most.weights == pytest.approx([1, 0])


def test_softmax_fusion_weighs_the_networks_it_is_told_to():
    fused = softmax_fusion([A, B], weights=[3, 1])
    assert fused.scores == pytest.approx(PAIR)  # 0.75 and 0.25, as above
    assert softmax_fusion([A, B]).scores == pytest.approx([0.475, 0.25, 0.175, 0.1])
    with pytest.raises(ValueError, match="as many weights"):
        softmax_fusion([A, B], weights=[1])


@pytest.mark.parametrize("fuse", [average, maximum, sci_fusion])
def test_scores_that_are_not_numbers_are_an_error_and_never_a_label(fuse):
    with pytest.raises(ValueError, match="not numbers"):
        fuse(np.array([A, [np.nan, 0, 0, 0]]))
    with pytest.raises(ValueError, match="at least one view"):
        fuse(np.empty((0, 4)))


def test_views_that_make_no_whole_pair_are_refused():
    with pytest.raises(ValueError, match="whole number of pairs"):
        sci_fusion(np.full((5, 4), 0.25), crops=2)


def features_of(rng: np.random.Generator, labels: np.ndarray) -> dict[str, np.ndarray]:
    """`rgb` tells class 0 from the rest, `idt` class 2 from the rest; only both together tell all three."""
    rgb, idt = rng.normal(0, 0.2, (len(labels), 6)), rng.normal(0, 30.0, (len(labels), 9))
    rgb[:, 0] += np.where(labels == 0, 2, -2)
    idt[:, 0] += np.where(labels == 2, 300, -300)
    return {"rgb": rgb, "idt": idt}


def test_the_svm_needs_both_sources_and_decides_as_scikit_learn_does(rng):
    from sklearn.svm import LinearSVC

    labels = np.repeat([0, 1, 2], 20)
    learn, ask = features_of(rng, labels), features_of(rng, labels)
    both = FeatureSVM().fit(learn, labels)
    assert (both.predict(ask) == labels).mean() == 1
    alone = FeatureSVM().fit({"rgb": learn["rgb"]}, labels)
    assert (alone.predict(ask) == labels).mean() < 0.9

    def joined(values):
        return np.hstack([v / np.linalg.norm(v, axis=1, keepdims=True) for v in values.values()])

    plain = LinearSVC(C=1.0, random_state=0).fit(joined(learn), labels)
    assert both.decide(ask) == pytest.approx(plain.decision_function(joined(ask)))


def test_the_svm_says_which_source_decided(rng):
    labels = np.repeat([0, 1, 2], 20)
    learn = features_of(rng, labels)
    machine = FeatureSVM().fit(learn, labels)
    one = machine.explain({name: values[-1] for name, values in learn.items()})
    assert one.scores.argmax() == 2
    assert one.weights[1] > 0.8  # class 2 shows in the second source
    assert one.parts.sum(0) + machine.offsets == pytest.approx(one.scores)


def test_an_svm_of_two_classes_has_a_column_for_each(rng):
    labels = np.repeat([4, 7], 10)
    features = {"code": rng.normal(0, 0.1, (20, 3)) + np.where(labels == 4, 1, -1)[:, None]}
    machine = FeatureSVM().fit(features, labels)
    assert machine.decide(features).shape == (20, 2)
    assert (machine.predict(features) == labels).all()


def test_missing_or_misshapen_features_are_named(rng):
    machine = FeatureSVM().fit({"code": rng.normal(size=(8, 3))}, np.repeat([0, 1], 4))
    with pytest.raises(ValueError, match="'code', and they are missing"):
        machine.predict({"other": np.zeros((1, 3))})
    with pytest.raises(ValueError, match=r"\[videos, 3\]"):
        machine.predict({"code": np.zeros((1, 4))})
