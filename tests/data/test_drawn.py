"""Drawn sets are kept on disk, and make room for each other."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from actrec.data import drawn
from actrec.data.drawn import actions_of, drawn_source, gallery_clips, make_room
from actrec.data.synthetic import ACTIONS, captures
from actrec.data.synthetic.skeleton import Body, pose
from actrec.refusal import BadValue

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
    return sorted(each.name for each in folder.iterdir())


def test_a_set_is_drawn_once_and_counts_as_used_when_it_is_read(kept, monkeypatch):
    told = []
    first = gallery_clips(("wave", "idle"), 1, told.append).clip(1).frames
    assert told and len(names(kept)) == 4
    (made,) = set(names(kept)) - {"new.npy", "older.npy", "oldest.npy"}
    os.utime(kept / made, (5e8, 5e8))
    monkeypatch.setattr(drawn, "_render", None)  # nobody draws again
    told.clear()
    assert np.array_equal(gallery_clips(("wave", "idle"), 1, told.append).clip(1).frames, first)
    assert not told and (kept / made).stat().st_mtime > 1e9


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
    with pytest.raises(BadValue, match=r"take 1\.8 GB and .* has room for 0\.0 GB. Ask for fewer"):
        gallery_clips(("wave",), 1000, lambda sentence: None)
    assert names(kept) == ["new.npy"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_others_fill_meanwhile_is_the_same_sentence(kept, monkeypatch, code):
    def full(*given):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(BadValue, match="has room for"):
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
    """Five recorded walks, two runs, and a dance that the figures do not know."""
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "skeleton.json").write_text("{}")
    for kind, action, count in (("walk", "walk", 5), ("dash", "run", 2), ("dance", "jumping jack", 1)):
        moved = [ACTIONS[action](np.random.default_rng(n), Body(), np.arange(90) / 30, False) for n in range(count)]
        np.savez(folder / kind, **{f"take {n}": pose(Body(), each).joints for n, each in enumerate(moved)})
    return folder


def test_recordings_move_drawn_figures_and_no_recording_is_learned_and_judged(recordings, monkeypatch):
    jobs = []
    draw = drawn._drawn
    monkeypatch.setattr(drawn, "_drawn", lambda of, told: jobs.append(of) or draw(of, told))
    source = drawn_source(str(recordings), 6, 0, lambda sentence: None)
    assert source.labels == ["walk", "run"] == list(actions_of(str(recordings)))
    assert source.train.targets.tolist() == [0] * 6 + [1] * 6 and source.validation.targets.tolist() == [0]
    learned, held = ({(job[0], job[3].kind, job[3].name) for job in of} for of in jobs)
    assert held == {("walk", "walk", "take 3")}
    assert learned == {("walk", "walk", f"take {n}") for n in (0, 1, 2, 4)} | {
        ("run", "dash", "take 0"), ("run", "dash", "take 1"),
    }  # fmt: skip
    assert source.description == "6 clips of each of 2 actions recorded in recorded, drawn anew"
    assert "recordings" in source.licence
    film = source.train.clip(0).frames.astype(int)
    assert film.shape == (48, 112, 112, 3) and np.abs(film[24] - film[0]).max() > 30


def test_recordings_with_nobody_to_judge_are_learned_only(recordings):
    (recordings / "walk.npz").unlink()
    source = drawn_source(str(recordings), 2, 0, lambda sentence: None)
    assert (len(source.train), len(source.validation), source.labels) == (2, 0, ["run"])


def test_what_is_no_recording_is_a_sentence_that_names_it(recordings):
    np.savez(recordings / "walk", **{"take 0": np.zeros((9, 21, 3)), "take 1": np.full((9, 22, 3), np.nan)})
    for take in captures(recordings)[-2:]:
        with pytest.raises(BadValue, match=rf"'{take.name}' of .*walk\.npz is no recording: positions of 22 joints"):
            take.joints()
    (recordings / "dash.npz").write_bytes(b"PK and no more")
    with pytest.raises(BadValue, match=r"dash\.npz cannot be read as recordings"):
        actions_of(str(recordings))
    for each in ("dash", "walk"):
        (recordings / f"{each}.npz").unlink()
    with pytest.raises(BadValue, match="no recording of an action that the figures know"):
        actions_of(str(recordings))
