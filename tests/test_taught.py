"""Taught actions: centres, γ and strangers by hand; files that come back, and files that must not."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from actrec.recognition.repository import RepositoryError
from actrec.recognition.taught import Lesson, Taught, fewest_mistakes, mistakes
from actrec.recognition.taught_file import delete, file_name, open_saved, read, save_as, saved, write
from actrec.weights.cards import Card
from demo.tabs.teach import as_wide


def lesson(label: str | None, *codes: tuple[float, float], film: bytes = b"film") -> Lesson:
    return Lesson(label, np.array(codes, np.float32), "a clip", film)


@pytest.fixture
def taught() -> Taught:
    """Two classes on a line: clips at 0, 1, 2 and at 10, 11, 12; the weights know something at (4, 0)."""
    taught = Taught("some-weights", "abc", {"own": np.array([4.0, 0.0], np.float32)})
    for x in (0.0, 1.0, 2.0):
        taught = taught.add(lesson("left", (x, 0)))
    for x in (10.0, 11.0, 12.0):
        taught = taught.add(lesson("right", (x, 0)))
    return taught


def test_the_evidence_is_measured_without_the_clip_itself(taught):
    known, strangers = taught.evidence
    # A clip at 0 stands 1.5 from the mean of 1 and 2; at 1 it stands on the mean of 0 and 2.
    assert sorted(known) == pytest.approx([0, 0, 1.5, 1.5, 1.5, 1.5])
    # Left clips to the right centre 11: 11, 10, 9; right clips to the left centre 1: 9, 10, 11; the weights' own: 3.
    assert sorted(strangers) == pytest.approx([3, 9, 9, 10, 10, 11, 11])
    assert taught.threshold == pytest.approx((1.5 + 3) / 2)  # no mistake between 1.5 and 3: the middle
    assert taught.mistakes_now() == (0, 0)


def test_the_nearest_class_or_unknown_beyond_the_threshold_or_beside_a_neighbour(taught):
    assert taught.judge(np.array([0.5, 0])).label == "left"
    assert taught.judge(np.array([11.0, 2.2])).label == "right"
    beyond = taught.judge(np.array([11.0, 2.3]))  # γ is 2.25
    assert beyond.unknown and beyond.neighbour is None and beyond.nearest[0][0] == "right"
    beside = taught.judge(np.array([2.6, 0]))  # 1.6 from the centre at 1, 1.4 from the weights' own
    assert beside.unknown and beside.neighbour == "own"
    assert taught.judge(np.array([2.4, 0])).label == "left"


def test_a_class_that_is_taught_again_is_no_stranger(taught):
    alike = replace(taught, own={"own": np.array([1.0, 0.5], np.float32)}, own_threshold=1.0)
    assert len(alike.evidence[1]) == 6
    assert alike.judge(np.array([1.0, 0.5])).label == "left"


def test_a_neighbour_that_would_refuse_a_taught_clip_is_none(taught):
    # The clip at 2 stands 1.5 from the mean of the others, 1.4 from the weights' own class at 3.4.
    close = replace(taught, own={"own": np.array([3.4, 0.0], np.float32)})
    assert len(close.evidence[1]) == 6
    assert close.judge(np.array([2.6, 0])).label == "left"


def test_anything_else_is_no_class_and_makes_the_threshold_stricter(taught):
    stricter = taught.add(lesson(None, (1.0, 2.0)))
    assert stricter.labels == ("left", "right")
    assert stricter.threshold == pytest.approx((1.5 + 2) / 2)
    assert stricter.remove(None).threshold == taught.threshold


def test_the_fewest_mistakes_by_hand():
    known, strangers = np.array([1.0, 2.0, 5.0]), np.array([3.0, 6.0, 7.0, 8.0])
    # At 2.5 one known of three is refused; at 5.5 one stranger of four is accepted: the latter is less.
    assert fewest_mistakes(known, strangers) == pytest.approx(5.5)
    accepted, refused = mistakes(known, strangers, np.array([2.0, 2.5, 5.5]))
    assert accepted == pytest.approx([0, 0, 1 / 4])
    assert refused == pytest.approx([2 / 3, 1 / 3, 0])  # d = γ is refused: the paper asks for d < γ


def test_one_class_or_one_clip_is_enough_to_go_on():
    one = Taught("w", own_threshold=0.7).add(lesson("only", (0, 0)))
    assert one.threshold == 0.7 and one.tuning is None and one.curve() == ""
    two = one.add(lesson("only", (0, 3)))
    assert two.threshold == pytest.approx(3, abs=1e-6)  # each clip stands 3 from the other
    assert two.judge(np.array([0, 1.5])).label == "only"
    assert "only" in two.map()
    with pytest.raises(RepositoryError, match="Nothing has been taught"):
        Taught("w").judge(np.zeros(2))


def test_changes_make_new_sets_and_leave_the_old_one_alone(taught):
    renamed = taught.rename("left", "west")
    assert renamed.labels == ("west", "right") and taught.labels == ("left", "right")
    assert renamed.judge(np.array([0.5, 0])).label == "west"
    with pytest.raises(RepositoryError, match="already"):
        taught.rename("left", "right")
    assert taught.remove("left").labels == ("right",)
    with pytest.raises(RepositoryError, match="no action 'up'"):
        taught.remove("up")
    with pytest.raises(RepositoryError, match="printable"):
        taught.add(lesson("\n", (0, 0)))
    with pytest.raises(RepositoryError, match="different networks"):
        taught.add(Lesson("left", np.zeros((1, 3), np.float32)))
    with pytest.raises(RepositoryError, match="too much"):
        taught.add(replace(lesson("big", (0, 0)), video=bytes(151 << 20)))


def test_a_saved_set_comes_back_and_its_name_is_its_own(taught, tmp_path):
    kept = save_as(taught.with_threshold(2.0), "my set", tmp_path)
    assert saved(tmp_path) == ["my set"]
    back = open_saved("my set", tmp_path)
    assert back.threshold == 2.0 and back.labels == taught.labels and back.name == "my set"
    assert [lesson.video for lesson in back.lessons] == [b"film"] * 6
    assert np.array_equal(back.evidence[0], taught.evidence[0]) and list(back.own) == ["own"]
    with pytest.raises(RepositoryError, match="already"):
        save_as(taught, "my set", tmp_path)
    assert save_as(kept.remove("left"), "my set", tmp_path).labels == ("right",)
    assert open_saved("my set", tmp_path).labels == ("right",)
    delete("my set", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "<b>", "x" * 61, "end."])
def test_names_that_are_no_names_are_refused(name):
    with pytest.raises(RepositoryError, match="needs a name"):
        file_name(name)


def test_hostile_files_are_refused_with_a_sentence(taught, tmp_path):
    good = write(taught, tmp_path / "good.taught")
    files = {
        "zip": tmp_path / "a.zip",
        "text": tmp_path / "b.taught",
        "cut": tmp_path / "c.taught",
        "plain": tmp_path / "d.taught",
        "empty": tmp_path / "e.taught",
        "header": tmp_path / "f.taught",
    }
    with zipfile.ZipFile(files["zip"], "w") as archive:
        archive.writestr("../../evil", "x")
    files["text"].write_text("hello")
    files["cut"].write_bytes(good.read_bytes()[:-10])
    save_file({"codes": np.zeros((1, 2), np.float32)}, files["plain"])
    files["empty"].write_bytes(b"")
    files["header"].write_bytes(b"\xff" * 8 + b"{}")
    for path in files.values():
        with pytest.raises(RepositoryError, match="not a set of taught actions"):
            read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"lessons": []},
        {"lessons": [{"label": "a", "source": "", "views": 7, "bytes": 24}]},
        {"lessons": [{"label": "a\u0000b", "source": "", "views": 6, "bytes": 24}]},
        {"lessons": [{"label": "a", "source": "", "views": -6, "bytes": 24}]},
        {"by_hand": -1},
        {"by_hand": True},
        {"own": ["a", "b"]},
        {"format": 99},
    ],
)
def test_a_header_that_does_not_fit_its_content_is_refused(taught, tmp_path, change):
    from safetensors import safe_open

    path = write(taught, tmp_path / "good.taught")
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["taught"])
    tensors = load_file(path)
    save_file(tensors, path, {"taught": json.dumps(header)})
    assert read(path).labels == taught.labels
    save_file(tensors, path, {"taught": json.dumps(header | change)})
    with pytest.raises(RepositoryError):
        read(path)


def test_a_set_without_measure_is_refused_at_once(taught, tmp_path):
    """Wide codes, many views or many names cost whoever looks at the map."""
    wide = Taught("w", "abc", lessons=(Lesson("a", np.ones((1, 5000), np.float32)),))
    many = Taught("w", "abc", lessons=(Lesson("a", np.ones((65, 4), np.float32)),))
    much = Taught("w", "abc", lessons=(Lesson("a", np.ones((64, 4096), np.float32)),) * 65)
    named = replace(taught, own={str(number): np.ones(2, np.float32) for number in range(2001)})
    uneven = replace(taught, own={"own": np.ones(3, np.float32)})
    half = replace(taught, weights="\\ud800")
    for taught in (wide, many, much, named, uneven, half):
        path = write(taught, tmp_path / "x.taught")
        path.write_bytes(path.read_bytes().replace(b"\\\\ud800", b"\\ud800 "))
        with pytest.raises(RepositoryError, match="not a set of taught actions"):
            read(path)
    assert read(write(replace(wide, lessons=(Lesson("a", np.ones((20, 4096), np.float32)),)), path)).labels == ("a",)


def test_a_set_is_taken_as_it_is_only_where_its_codes_are_as_wide_as_those_of_its_weights(taught):
    card = Card("some-weights", "asym3d", ["own"], "", "", 0, centres={"own": [4.0, 0.0]})
    assert as_wide(taught, card) and as_wide(taught, replace(card, centres=None))
    assert not as_wide(taught, replace(card, centres={"own": [4.0, 0.0, 0.0]}))
