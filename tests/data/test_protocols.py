"""Who trains and who is judged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from actrec.data.clips import choose_fold
from actrec.data.datasets import DataSet
from actrec.data.open import open_set
from actrec.data.protocols import Fold, folds, hold_out, leave_one_group_out, official, straddling
from actrec.data.samples import DataError, Sample


def made(labels, groups=None, parts=None) -> DataSet:
    groups = groups or [""] * len(labels)
    parts = parts or [{}] * len(labels)
    samples = (
        Sample(Path(f"{i}.mp4"), label, group, part)
        for i, (label, group, part) in enumerate(zip(labels, groups, parts, strict=True))
    )
    return DataSet("made", tuple("abcdefgh"[: max(labels) + 1]), tuple(samples))


def test_official_splits_come_from_the_parts_of_the_clips():
    three = [{"split 1": "train", "split 2": "test"}, {"split 1": "test", "split 2": "train"}, {"split 1": "train"}]
    one, two = official(made([0, 1, 0], parts=three))
    assert (one.name, one.train, one.test, one.validation) == ("split 1", (0, 2), (1,), ())
    assert (two.name, two.train, two.test) == ("split 2", (1,), (0,))
    assert official(made([0, 1])) == []


def test_a_set_without_a_test_part_is_judged_on_its_validation_part():
    fold = official(made([0, 1, 1], parts=[{"official": "train"}, {"official": "train"}, {"official": "validation"}]))[
        0
    ]
    assert (fold.train, fold.test, fold.validation) == ((0, 1), (2,), ())
    with_all = [{"persons": part} for part in ("train", "validation", "test")]
    assert official(made([0, 0, 0], parts=with_all))[0] == Fold("persons", (0,), (2,), (1,))


def test_a_fold_with_a_clip_on_both_sides_is_refused():
    with pytest.raises(ValueError, match="two parts"):
        Fold("x", (0, 1), (1, 2))


def test_leaving_one_group_out_judges_every_clip_once():
    dataset = made([0, 1] * 6, groups=[f"g{i // 2}" for i in range(12)])
    all_folds = leave_one_group_out(dataset)
    assert [fold.name for fold in all_folds] == ["g0", "g1", "g2", "g3", "g4", "g5"]
    assert sorted(index for fold in all_folds for index in fold.test) == list(range(12))
    assert all(straddling(dataset, fold) == [] for fold in all_folds)
    with pytest.raises(DataError, match="class/group/clip"):
        leave_one_group_out(made([0, 1]))


def test_ut_interaction_has_its_ten_folds(shared_data):
    all_folds = leave_one_group_out(open_set(shared_data / "ut_interaction" / "set1"))
    assert [(len(fold.train), len(fold.test)) for fold in all_folds].count((54, 6)) >= 8
    assert sum(len(fold.test) for fold in all_folds) == 60


@pytest.mark.parametrize("seed", range(5))
def test_a_share_is_held_out_of_every_class(seed):
    dataset = made([0] * 50 + [1] * 10 + [2] * 2 + [3])
    fold = hold_out(dataset, 0.2, np.random.default_rng(seed))
    judged = Counter(dataset[index].label for index in fold.test)
    assert judged == {0: 10, 1: 2, 2: 1}  # the class with a single clip keeps it to train on
    assert sorted((*fold.train, *fold.test)) == list(range(63))
    assert hold_out(dataset, 0.2, np.random.default_rng(seed)) == fold
    assert hold_out(dataset, 0.2, np.random.default_rng(seed + 1)) != fold


@pytest.mark.parametrize("seed", range(8))
def test_groups_stay_whole_and_no_class_loses_its_last_clip(seed):
    rng = np.random.default_rng(seed)
    groups = [f"g{g}" for g in rng.integers(0, 9, 60)]
    dataset = made([int(label) for label in rng.integers(0, 4, 60)], groups)
    fold = hold_out(dataset, 0.25, np.random.default_rng(seed), part="validation")
    assert straddling(dataset, fold) == []
    assert {dataset[index].label for index in fold.train} == {0, 1, 2, 3}
    assert 5 <= len(fold.validation) <= 30
    assert fold.test == ()


@pytest.mark.parametrize("seed", range(8))
def test_a_class_that_only_one_group_shows_is_kept_to_train_on(seed):
    dataset = made([0, 1] * 10 + [2, 2], groups=[f"g{i // 4}" for i in range(20)] + ["g0", "g0"])
    fold = hold_out(dataset, 0.4, np.random.default_rng(seed))
    assert {20, 21} <= set(fold.train)
    assert len(fold.test) >= 4


@pytest.mark.parametrize("seed", range(4))
def test_where_every_group_is_the_last_of_a_class_the_one_goes_that_costs_fewest(seed):
    dataset = made([0, 3, 3, 3, 1, 2, 3], groups=["ann"] * 4 + ["ben"] * 3)  # ann alone shows 0, ben alone 1 and 2
    fold = hold_out(dataset, 0.2, np.random.default_rng(seed), part="validation")
    assert fold.validation == (0, 1, 2, 3) and fold.train == (4, 5, 6)


def test_folds_of_single_clips_are_balanced_exactly(rng):
    dataset = made([0] * 40 + [1] * 20 + [2] * 5)
    for fold in folds(dataset, 5, rng):
        assert Counter(dataset[index].label for index in fold.test) == {0: 8, 1: 4, 2: 1}


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_judge_every_clip_once_and_spread_the_classes(grouped):
    rng = np.random.default_rng(3)
    groups = [f"g{i % 20}" for i in range(100)] if grouped else None
    dataset = made([int(label) for label in rng.integers(0, 3, 100)], groups)
    all_folds = folds(dataset, 5, rng)
    assert sorted(index for fold in all_folds for index in fold.test) == list(range(100))
    for fold in all_folds:
        assert straddling(dataset, fold) == []
        assert 14 <= len(fold.test) <= 26
        assert len({dataset[index].label for index in fold.test}) == 3
    with pytest.raises(DataError, match=r"ask for fewer|cannot be made"):
        folds(made([0, 1, 0], groups=["a", "a", "b"]), 3, rng)


def test_what_is_judged_is_never_used_for_validation():
    parts = [{"split 1": "test" if index % 4 == 0 else "train"} for index in range(80)]
    dataset = made([index % 2 for index in range(80)], parts=parts)
    fold = choose_fold(dataset, None, seed=0)
    assert set(fold.test) == {index for index in range(80) if index % 4 == 0}
    assert len(fold.validation) == 12
    assert len(fold.train) + len(fold.validation) == 60


def test_an_unknown_protocol_names_the_known_ones():
    dataset = made([0, 1, 0, 1], groups=["ann", "ann", "ben", "ben"])
    assert choose_fold(dataset, "ben", seed=0).test == (2, 3)
    with pytest.raises(DataError, match="It has: ann, ben"):
        choose_fold(dataset, "cid", seed=0)
