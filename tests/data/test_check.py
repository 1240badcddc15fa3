"""What is found out about a data set before training."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from actrec.data import duplicates
from actrec.data.check import examine, header_facts, ready_to_train, shortcut, shortcut_auroc
from actrec.data.datasets import DataSet
from actrec.data.open import open_set
from actrec.data.protocols import Fold
from actrec.data.samples import Broken, DataError, Sample
from actrec.video.write import write_mp4


def moving_patch(seed, frames=16, height=48, width=64, reach=8):
    """A soft landscape in which a bright patch takes its own path."""
    rng = np.random.default_rng(seed)
    ground = np.kron(rng.integers(30, 150, (6, 8)), np.ones((height // 6, width // 8)))
    out = np.repeat(np.repeat(ground[None, ..., None], frames, 0), 3, 3).astype(np.uint8)
    path = np.clip(
        np.cumsum(rng.normal(0, 5, (frames, 2)), axis=0) + np.array([height, width]) / 2, 8, [height - 8, width - 8]
    )
    for index, (y, x) in enumerate(path.astype(int)):
        out[index, y - reach : y + reach, x - reach : x + reach] = 240
    return out


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two classes of four clips; one clip copied, one written anew smaller and harder pressed, one broken."""
    root = tmp_path_factory.mktemp("clips")
    for label in ("run", "wave"):
        (root / label).mkdir()
        for number in range(4):
            write_mp4(root / label / f"{number}.mp4", moving_patch(10 * len(label) + number), 12)
    shutil.copy(root / "run" / "0.mp4", root / "wave" / "copy.mp4")
    write_mp4(root / "run" / "pressed.mp4", moving_patch(31)[:, ::2, ::2], 12, crf=32)
    (root / "wave" / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(400))
    (root / "run" / "empty.mp4").touch()
    return root


def counted(*counts) -> DataSet:
    samples = (Sample(Path(f"{label}/{n}.mp4"), label) for label, count in enumerate(counts) for n in range(count))
    return DataSet("made", tuple(f"c{label}" for label in range(len(counts))), tuple(samples))


@pytest.mark.parametrize(
    ("dataset", "code", "words"),
    [
        (counted(0, 0), "empty", "holds no clip"),
        (counted(5), "one_class", r"one class only \(c0\)"),
        (counted(5, 0), "one_class", "two or more"),
        (counted(1, 1, 1), "one_clip", "one clip per class"),
        (
            replace(counted(0), broken=(Broken("a/x.mp4", "The file is empty."),)),
            "all_broken",
            "x.mp4: The file is empty",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_any_time_is_spent(dataset, code, words):
    with pytest.raises(DataError, match=words) as caught:
        ready_to_train(dataset)
    assert caught.value.code == code


def test_warnings_name_what_a_training_should_look_at_first():
    assert ready_to_train(counted(10, 12)) == []
    warnings = " ".join(ready_to_train(counted(100, 1, 0, 10)))
    for words in ("never used for testing: c1", "No clip at all: c2", "largest class has 100 clips, the smallest 1"):
        assert words in warnings
    assert any("folder per clip" in sentence for sentence in ready_to_train(counted(2, *[1] * 1200)))


def test_broken_clips_are_listed_once_with_the_reason_and_left_out(clips):
    kept, found = examine(open_set(clips))
    assert len(kept) == 10
    assert {Path(clip["path"]).name for clip in found.broken} == {"broken.mp4", "empty.mp4"}
    reasons = " ".join(clip["reason"] for clip in found.broken)
    assert "The file is empty" in reasons
    assert len(found.sentences()) == len(set(found.sentences()))
    assert found.classes == {"run": 5, "wave": 5}


def test_copies_are_found_by_bytes_and_by_looks_and_nothing_else_is(clips):
    fold = Fold("f", train=(1, 2, 3, 5, 11), test=(0, 6, 7, 8, 9))  # numbers that count the broken clips as well
    dataset = open_set(clips)
    assert [dataset[index].path.name for index in (4, 5, 10, 11)] == [
        "empty.mp4",
        "pressed.mp4",
        "broken.mp4",
        "copy.mp4",
    ]
    kept, found = examine(dataset, fold=fold)
    exact, pressed = found.copies
    assert (exact.exact, exact.clips, exact.labels) == (True, ("run/0.mp4", "wave/copy.mp4"), ("run", "wave"))
    assert exact.sides == ("test", "train")
    assert "the result will be too good" in exact.sentence()
    assert (pressed.exact, pressed.clips, pressed.sides) == (False, ("run/1.mp4", "run/pressed.mp4"), ("train",))
    assert 0.9 < pressed.likeness < 1
    together = {sample.group for sample in kept.samples if sample.name in pressed.clips}
    assert len(together) == 1
    assert len({sample.group for sample in kept.samples}) == 8


def test_two_takes_in_one_place_are_no_copies_and_a_mirrored_one_is():
    one, other = moving_patch(1, reach=3), moving_patch(2, reach=3)
    ground = np.median(one, axis=0)
    second_take = np.where(other == 240, 240, ground[None])
    tiny = np.stack([small(x) for x in (one, second_take, one[:, :, ::-1])])
    assert np.corrcoef(tiny[0].mean(axis=0).ravel(), tiny[1].mean(axis=0).ravel())[0, 1] > duplicates.ALIKE
    assert [(a, b) for a, b, _ in duplicates.same_take(tiny)] == [(0, 2)]


def test_still_clips_are_judged_by_their_picture(rng):
    one, other = rng.integers(0, 255, (2, 1, 48, 64, 3), dtype=np.uint8).repeat(16, axis=1)
    noisy = np.clip(one.astype(int) + rng.integers(-3, 4, one.shape), 0, 255).astype(np.uint8)
    flat = np.zeros_like(one)
    tiny = np.stack([small(x) for x in (one, other, noisy, flat)])
    assert [(a, b) for a, b, _ in duplicates.same_take(tiny)] == [(0, 2)]


def small(frames):
    from actrec.video import Clip

    return duplicates.signature(Clip(np.ascontiguousarray(frames).astype(np.uint8), np.arange(len(frames)) / 12))


def test_takes_are_linked_through_others():
    assert duplicates.takes(6, [(0, 1, 1.0), (3, 1, 0.9), (4, 5, 0.9)]) == [[0, 1, 3], [4, 5]]


def test_known_groups_are_not_replaced_by_takes():
    dataset = replace(counted(2, 2), samples=tuple(replace(s, group="ann") for s in counted(2, 2).samples))
    assert duplicates.keep_together(dataset, [(0, 1, 1.0)]) is dataset


@pytest.mark.parametrize("grouped", [True, False])
def test_the_shortcut_is_scikit_learns_nearest_neighbours(rng, grouped):
    targets = rng.integers(0, 3, 60)
    facts = rng.normal(size=(60, 5)) + targets[:, None] * [0.5, 0.2, 0, 1.0, 0]
    facts[:, 4] = 30  # a fact that is the same for all must not become not-a-number
    groups = np.array([f"g{i % 7}" for i in range(60)] if grouped else [""] * 60, dtype=object)
    found = shortcut(facts, targets, groups)
    how = LeaveOneGroupOut() if grouped else LeaveOneOut()
    points = StandardScaler().fit_transform(facts)
    folds = list(how.split(points, groups=groups if grouped else None))
    answers = cross_val_predict(KNeighborsClassifier(5, algorithm="brute"), points, targets, cv=folds)
    assert found.accuracy == pytest.approx((answers == targets).mean(), abs=1e-12)
    assert found.chance == np.bincount(targets).max() / 60


def test_the_shortcut_of_ut_interaction_is_the_known_one(shared_data):
    dataset = open_set(shared_data / "ut_interaction" / "set1")
    facts = np.array([header_facts(dataset, sample) for sample in dataset.samples])
    found = shortcut(facts, dataset.targets(), dataset.groups())
    assert found.accuracy == pytest.approx(0.57, abs=0.02)  # the data's own note: 57 % against 17 %
    assert found.chance == pytest.approx(1 / 6)
    assert "57% (leaving one group out); chance is 17%" in found.sentence()


def test_length_alone_tells_the_negatives_of_ut_interaction(shared_data):
    known = open_set(shared_data / "ut_interaction" / "set1")
    unknown = open_set(shared_data / "ut_interaction" / "set1_negatives")
    facts = [np.array([header_facts(dataset, sample) for sample in dataset.samples]) for dataset in (known, unknown)]
    assert shortcut_auroc(*facts)["frames"] == pytest.approx(0.97, abs=0.01)  # the data's own note


def test_headers_agree_with_the_list_of_the_clips(shared_data):
    rows = [line.split("\t") for line in (shared_data / "clips.tsv").read_text().splitlines()[1:]]
    listed = {row[0]: row for row in rows if row[0].startswith("ut_interaction/set1/")}
    dataset = open_set(shared_data / "ut_interaction" / "set1")
    assert len(listed) == len(dataset) == 60
    for sample in dataset.samples:
        row = listed[str(sample.path.relative_to(shared_data))]
        width, height, _, frames, fps = header_facts(dataset, sample)
        assert (f"{width}x{height}", round(fps, 2)) == (row[5], float(row[4]))
        assert 0 <= frames - int(row[3]) <= 2  # these headers count two packets that hold no picture
        assert (row[1], f"sequence {int(row[2]):02d}") == (dataset.labels[sample.label], sample.group)
