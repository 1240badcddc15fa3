"""Drawn sets are kept on disk, and make room for each other."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest

from actrec.core.errors import BadValue
from actrec.data import drawn
from actrec.data.drawn import actions_of, drawn_source, gallery_clips, make_room
from actrec.data.reading import ClipSettings
from actrec.data.samples import DataError
from actrec.evaluation.evaluate import open_trial
from actrec.synthetic import ACTIONS, render
from actrec.synthetic.skeleton import Body, pose
from actrec.systems import named
from actrec.training.load_data import check_settings, load_source, parts
from actrec.training.run import RunError
from actrec.training.settings import Settings
from actrec.weights.cards import Card

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder in which drawn sets are kept: its own, small, and with three of a megabyte each."""
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path))
    folder = tmp_path / "synthetic"
    folder.mkdir()
    for age, name in enumerate(("new", "older", "oldest")):
        (folder / f"{name}.npy").write_bytes(bytes(1 << 20))
        os.utime(folder / f"{name}.npy", (1e9 - age, 1e9 - age))
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_set_is_drawn_once_and_counts_as_used_when_it_is_read(kept, monkeypatch):
    messages = []
    first = gallery_clips(("wave", "idle"), 1, messages.append).clip(1).frames
    assert messages and len(names(kept)) == 4
    (made,) = set(names(kept)) - {"new.npy", "older.npy", "oldest.npy"}
    os.utime(kept / made, (5e8, 5e8))
    monkeypatch.setattr(drawn, "_render", None)  # nobody draws again
    messages.clear()
    assert np.array_equal(gallery_clips(("wave", "idle"), 1, messages.append).clip(1).frames, first)
    assert not messages and (kept / made).stat().st_mtime > 1e9


def test_what_was_used_longest_ago_makes_room(kept, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE_GB", str(3.5 / 1024))
    (kept / ".half.1.npy").write_bytes(b"a writer that was killed")
    (kept / ".other.2.npy").write_bytes(b"one that draws just now")
    (kept / "notes.txt").write_bytes(b"")
    for name in (".half.1.npy", "notes.txt"):
        os.utime(kept / name, (1e9, 1e9))
    make_room(kept, 1 << 20)
    assert names(kept) == [".other.2.npy", "new.npy", "notes.txt", "older.npy"]
    make_room(kept, 1 << 19)
    assert names(kept) == [".other.2.npy", "new.npy", "notes.txt", "older.npy"]
    os.utime(kept / "older.npy")
    make_room(kept, 100 << 20)
    assert names(kept) == [".other.2.npy", "notes.txt", "older.npy"]  # what is in use stays, whatever the limit


def test_a_disk_that_is_too_small_is_a_sentence_before_anything_is_drawn_or_thrown_away(kept, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, (3 - len(names(kept))) << 20))
    make_room(kept, 2 << 20)  # two sets go, although they are within the limit
    assert names(kept) == ["new.npy"]
    with pytest.raises(BadValue, match=r"take 1\.8 GB and .* has 0\.0 GB left. Use fewer"):
        gallery_clips(("wave",), 1000, lambda sentence: None)
    assert names(kept) == ["new.npy"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_others_fill_meanwhile_is_the_same_sentence(kept, monkeypatch, code):
    def full(*given):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(BadValue, match="GB left"):
        gallery_clips(("wave",), 1, lambda sentence: None)
    assert names(kept) == ["new.npy", "older.npy", "oldest.npy"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room")
def test_a_file_system_that_cannot_reserve_room_is_drawn_to_all_the_same(kept, monkeypatch):
    def unknown(*given):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    assert gallery_clips(("idle",), 1, lambda sentence: None).clip(0).frames.any()


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Five recorded walks, two runs, a kick, and a dance that the figures do not know."""
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "recorded"
    folder.mkdir()
    for kind, action, count in (("walk", "walk", 5), ("dash", "run", 2), ("kick", "kick", 1), ("dance", "jump", 1)):
        moved = [ACTIONS[action](np.random.default_rng(n), Body(), np.arange(90) / 30, False) for n in range(count)]
        np.savez(folder / kind, **{f"take {n}": pose(Body(), motion).joints for n, motion in enumerate(moved)})
    return folder


def test_recordings_move_drawn_figures_and_no_recording_is_learned_and_judged(recordings, monkeypatch):
    jobs = []
    draw = drawn._drawn
    monkeypatch.setattr(drawn, "_drawn", lambda of, on_progress: jobs.append(of) or draw(of, on_progress))
    source = drawn_source(recordings, 4, 0, lambda sentence: None)
    assert source.labels == ["kick", "walk", "run"] == list(actions_of(recordings))
    assert source.train.targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and source.validation.targets.tolist() == [1]
    learned, held = ({(job[0], job[3].kind, job[3].name) for job in of} for of in jobs)
    assert len(held) == 1 and not held & learned
    walks = {("walk", "walk", f"take {n}") for n in range(5)}
    assert held < walks and {clip for clip in learned if clip[0] == "walk"} == walks - held
    assert learned - walks == {("run", "dash", "take 0"), ("run", "dash", "take 1"), ("kick", "kick", "take 0")}
    assert source.description == "4 clips of each of 3 actions recorded in recorded, drawn anew"
    assert "recordings" in source.licence
    action, seed, _, take = jobs[0][0]
    shape = {"frames": drawn.FRAMES, "size": drawn.SIZE, "fps": drawn.FPS}
    assert np.array_equal(source.train.clip(0).frames, render(action, seed, capture=take, **shape).frames)
    assert not np.array_equal(source.train.clip(0).frames, render(action, seed, **shape).frames)


def test_other_recordings_under_the_same_name_are_other_clips(recordings):
    first = drawn_source(recordings, 1, 0, lambda sentence: None).train.clip(0).frames.copy()
    moved = ACTIONS["kick"](np.random.default_rng(9), Body(), np.arange(90) / 30, False)
    np.savez(recordings / "kick", **{"take 0": pose(Body(), moved).joints})
    assert not np.array_equal(drawn_source(recordings, 1, 0, lambda sentence: None).train.clip(0).frames, first)


def test_a_recorded_kick_is_one_persons_and_a_set_of_that_name_is_still_a_set(recordings, monkeypatch):
    both = f"synthetic:all+recorded:{recordings}"
    assert parts(both) == ["synthetic:all", f"recorded:{recordings}"]
    made = load_source(Settings("asym3d", both, "x", clips_per_class=2), named("asym3d"), lambda sentence: None)
    count = {label: int((made.train.targets == n).sum()) for n, label in enumerate(made.labels)}
    assert made.labels == list(drawn.SETS["all"])
    assert (count["kick"], count["walk"], count["kick a person"], count["clap"]) == (4, 4, 2, 2)
    monkeypatch.chdir(recordings.parent)
    recordings.rename(recordings.parent / "six")
    assert actions_of(drawn.drawn("synthetic:six")) == drawn.SETS["six"]


def test_recordings_with_nobody_to_judge_are_learned_beside_others_only(recordings):
    (recordings / "walk.npz").unlink()
    alone = Settings("asym3d", f"recorded:{recordings}", "x", clips_per_class=2)
    with pytest.raises(RunError, match="No clip is left to validate on"):
        load_source(alone, named("asym3d"), lambda sentence: None)
    with pytest.raises(RunError, match="have no folds: leave --fold out"):
        check_settings(replace(alone, fold="set 1"))
    card = Card("x", "asym3d", ["kick", "run"], "nothing", "none", 0, "none", "nobody")
    with pytest.raises(DataError, match="four recordings of an action are needed"):
        open_trial(alone.data, card, ClipSettings(), clips_per_class=2, seed=0)
    assert drawn.recorded(recordings) == [
        "Recorded movements, which drawn figures repeat: 1 of kick, 2 of run.",
        "With fewer than four recordings, these are trained and not validated: kick, run.",
    ]


def test_what_is_no_recording_is_a_sentence_that_names_it(recordings):
    whole = np.load(recordings / "walk.npz")["take 0"]
    for wrong in (whole[:, 1:], np.full((9, 22, 3), np.nan), np.zeros((9, 22, 3)), whole[:1], np.float64(30.0)):
        np.savez(recordings / "walk", take=wrong)
        with pytest.raises(BadValue, match=r"'take' of .*walk\.npz is no recording of somebody who stands"):
            actions_of(recordings)
    np.savez(recordings / "walk", take=np.array(["left", "right"]))
    with pytest.raises(BadValue, match=r"'take' of .*walk\.npz cannot be read"):
        actions_of(recordings)
    np.save(recordings / "walk.npy", whole)
    for broken in (b"PK and no more", b"", (recordings / "walk.npy").read_bytes()):
        (recordings / "walk.npz").write_bytes(broken)
        with pytest.raises(BadValue, match=r"walk\.npz cannot be read as recordings"):
            actions_of(recordings)
    for name in ("dash", "walk", "kick"):
        (recordings / f"{name}.npz").unlink()
    with pytest.raises(BadValue, match="no recording of an action that the figures can show"):
        actions_of(recordings)
    with pytest.raises(DataError, match="does not exist"):
        actions_of(recordings / "nowhere")
