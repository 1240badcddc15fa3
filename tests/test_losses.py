"""Losses against literal sums, and what a batch for the N-pair loss must hold."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn import functional

from actrec.systems.losses import bridge_distillation, n_pair, n_pair_of_batch, pair_batches


def eq_5(anchors: torch.Tensor, positives: torch.Tensor) -> float:
    """The paper's sum, written as it is printed, as a mean over the classes."""
    total, count = 0.0, len(anchors)
    for i in range(count):
        inner = 0.0
        for j in range(count):
            if j != i:
                inner += math.exp(float(anchors[i] @ positives[j]) - float(anchors[i] @ positives[i]))
        total += math.log(1 + inner)
    return total / count


def test_n_pair_is_equation_5_written_out():
    random = torch.Generator().manual_seed(0)
    anchors, positives = (torch.randn(7, 5, generator=random) for _ in range(2))
    assert n_pair(anchors, positives).item() == pytest.approx(eq_5(anchors, positives), rel=1e-5)


def test_n_pair_by_hand_and_without_overflow():
    # Codes a = p = the unit vectors: every negative is exp(0 − 1), so log(1 + 2/e) for three classes.
    units = torch.eye(3)
    assert n_pair(units, units).item() == pytest.approx(math.log(1 + 2 / math.e))
    assert n_pair(units * 100, units * 100).item() == pytest.approx(0.0)
    assert n_pair(units * 100, units.roll(1, 0) * 100).item() == pytest.approx(1e4)  # exp(10 000) is infinite
    assert n_pair(units, units, length=0.5).item() == pytest.approx(math.log(1 + 2 / math.e) + 0.5)


def test_n_pair_finds_the_pairs_of_a_batch_in_any_order():
    random = torch.Generator().manual_seed(0)
    codes = torch.randn(8, 5, generator=random)
    labels = torch.tensor([3, 0, 5, 3, 9, 9, 0, 5])
    wanted = eq_5(codes[[1, 0, 2, 4]], codes[[6, 3, 7, 5]])
    assert n_pair_of_batch(codes, labels).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1, 1, 1]])
def test_n_pair_refuses_a_batch_without_two_clips_of_each_class(labels):
    with pytest.raises(ValueError, match="exactly two clips"):
        n_pair_of_batch(torch.randn(len(labels), 4), torch.tensor(labels))


def test_every_batch_holds_two_different_clips_of_each_class(rng):
    labels = np.repeat(np.arange(7), [2, 3, 5, 8, 13, 21, 34])
    batches = list(islice(pair_batches(labels, 4, rng), 10))
    for batch in batches:
        first, second = batch[:4], batch[4:]
        assert (labels[first] == labels[second]).all()
        assert len(set(labels[first])) == 4
        assert (first != second).all()


def test_classes_come_equally_often_and_clips_in_turn(rng):
    labels = np.repeat(np.arange(7), [2, 3, 5, 8, 13, 21, 34])
    epoch = np.concatenate(list(pair_batches(labels, 4, rng)))
    seen = np.bincount(labels[epoch], minlength=7)
    assert len(epoch) == 10 * 8  # 86 clips hold ten whole batches of eight
    assert seen.max() - seen.min() <= 2  # one pair
    times = np.bincount(epoch, minlength=len(labels))
    for name in range(7):
        of_class = times[labels == name]
        assert of_class.max() - of_class.min() <= 1


def test_batches_are_a_function_of_the_generator():
    labels = np.repeat(np.arange(5), 6)
    one, again, other = (list(pair_batches(labels, 5, np.random.default_rng(s))) for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_few_classes_and_single_clips_still_make_a_batch(rng):
    (batch,) = pair_batches(np.array([0, 1, 1]), 32, rng)
    assert sorted(batch) == [0, 0, 1, 2]
    with pytest.raises(ValueError, match="at least two classes"):
        next(pair_batches(np.array([4, 4]), 32, rng))


def test_bridge_distillation_is_the_weighted_sum_and_leaves_the_teacher_alone():
    scores, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    student = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    teacher = torch.tensor([0.0, 1.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    result = bridge_distillation(student, teacher, scores, labels, alpha=2, beta=3, gamma=0.5)
    # MSE (1 + 4) / 2 = 2.5 and 9; cross-entropy (log(1 + e⁻²) + log 2) / 2
    entropy = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert result.loss.item() == pytest.approx(2 * 2.5 + 3 * 9 + 0.5 * entropy)
    result.loss.backward()
    assert teacher[0].grad is None
    assert teacher[1].grad is None
    assert student[0].grad.tolist() == pytest.approx([2.0, 4.0])


def test_without_bridges_the_loss_is_exactly_cross_entropy():
    scores, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    broken = torch.full((2,), torch.inf)
    result = bridge_distillation((broken, broken), (broken, broken), scores, labels, alpha=0, beta=0)
    assert result.loss.item() == functional.cross_entropy(scores, labels).item()
    assert result.first is None
    assert result.end is None


def test_a_bridge_between_different_shapes_asks_for_an_adapter():
    two, three = torch.zeros(2), torch.zeros(3)
    with pytest.raises(ValueError, match="adapter"):
        bridge_distillation((two, two), (three, two), torch.zeros(1, 2), torch.tensor([0]))
