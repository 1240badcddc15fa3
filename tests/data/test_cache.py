"""The cache of decoded clips: found again, bounded, safe for two writers, healed when damaged."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from actrec.data.cache import ClipCache, Damaged, content_hash, read_entry, write_entry
from actrec.data.reading import FILES, ClipSettings, fitted, read_frames, thinned
from actrec.data.samples import DataError, Sample
from actrec.video import Clip, VideoError
from actrec.video.write import write_mp4

SMALL = ClipSettings(size=32, frames=6)


def moving_square(seed=0, frames=12, height=48, width=64):
    """A bright square walking to the right over a gradient."""
    rng = np.random.default_rng(seed)
    clip = np.empty((frames, height, width, 3), np.uint8)
    clip[:] = np.linspace(20, 90, width, dtype=np.uint8)[None, None, :, None]
    top = int(rng.integers(4, height - 20))
    for index in range(frames):
        clip[index, top : top + 14, 3 + 2 * index : 17 + 2 * index] = rng.integers(180, 255, 3)
    return clip


@pytest.fixture
def video(tmp_path):
    return Sample(write_mp4(tmp_path / "walk.mp4", moving_square(), 12), 0)


@pytest.fixture
def cache(tmp_path):
    return ClipCache(tmp_path / "cache")


def entries(cache):
    return sorted(cache.folder.glob("*/*.safetensors"))


def test_a_clip_comes_back_as_it_was_decoded_and_is_decoded_once(cache, video):
    first, second = cache.read(video, SMALL), cache.read(video, SMALL)
    fresh = FILES.read(video, SMALL)
    for clip in (first, second):
        assert np.array_equal(clip.frames, fresh.frames)
        assert np.array_equal(clip.times, fresh.times)
        assert (clip.source, clip.notes) == (fresh.source, fresh.notes)
    assert (cache.misses, cache.hits) == (1, 1)
    under = second.frames
    while isinstance(under, np.ndarray) and under.base is not None:
        under = under.base
    assert isinstance(under, mmap.mmap)
    assert not second.frames.flags.writeable


def test_other_settings_are_another_entry(cache, video):
    assert cache.read(video, SMALL).frames.shape == (6, 32, 32, 3)
    assert cache.read(video, replace(SMALL, fit="short_side")).frames.shape == (6, 32, 43, 3)
    assert cache.read(video, replace(SMALL, frames=None)).frames.shape == (12, 32, 32, 3)
    assert cache.read(replace(video, start=0.0, stop=0.5), replace(SMALL, frames=None)).frames.shape[0] == 6
    assert len(entries(cache)) == 4


def test_a_copy_is_found_and_a_changed_file_is_not(cache, video, tmp_path):
    cache.read(video, SMALL)
    copied = Sample(shutil.copy(video.path, tmp_path / "other name.mp4"), 1)
    assert np.array_equal(cache.read(copied, SMALL).frames, cache.read(video, SMALL).frames)
    assert len(entries(cache)) == 1
    write_mp4(video.path, moving_square(seed=5), 12)
    changed = cache.read(video, SMALL)
    assert len(entries(cache)) == 2
    assert not np.array_equal(changed.frames, cache.read(copied, SMALL).frames)


def test_a_new_process_finds_what_an_old_one_kept_and_needs_no_decoder(cache, video):
    frames = cache.read(video, SMALL).frames
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['av', 'torch', 'gradio', 'ultralytics']))\n"
        "import pathlib; from actrec.data.cache import ClipCache; from actrec.data.samples import Sample\n"
        "from actrec.data.reading import ClipSettings\n"
        f"clip = ClipCache(pathlib.Path({str(cache.folder)!r})).read(\n"
        f"    Sample(pathlib.Path({str(video.path)!r}), 0), ClipSettings(size=32, frames=6))\n"
        "print(int(clip.frames.sum()))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(out.stdout) == int(frames.sum())


@pytest.mark.parametrize("damage", ["cut", "empty", "pixel", "header", "shape", "length"])
def test_a_damaged_entry_is_made_again(cache, video, damage):
    expected = np.array(cache.read(video, SMALL).frames)
    path = entries(cache)[0]
    body = bytearray(path.read_bytes())
    if damage == "cut":
        body = body[: len(body) // 2]
    elif damage == "empty":
        body = bytearray()
    elif damage == "pixel":
        body[-100] ^= 1
    elif damage == "header":
        body[12] ^= 255
    elif damage == "shape":
        body = body.replace(b"[6, 32, 32, 3]", b"[6, 16, 64, 3]")
    else:
        body[7] = 255
    path.write_bytes(body)
    again = ClipCache(cache.folder)
    assert np.array_equal(again.read(video, SMALL).frames, expected)
    assert again.rebuilt == 1
    assert np.array_equal(read_entry(path)[0]["frames"], expected)


def test_entries_are_safetensors_files(tmp_path):
    arrays = {
        "a": np.arange(7, dtype=np.uint8),
        "b": np.linspace(0, 1, 6).reshape(2, 3),
        "c": np.zeros((0, 2), np.float16),
        "d": np.arange(3, dtype=np.int64)[::-1],
    }
    size = write_entry(tmp_path / "x.safetensors", arrays, {"note": "ä"})
    assert size == (tmp_path / "x.safetensors").stat().st_size
    for found in (load_file(tmp_path / "x.safetensors"), read_entry(tmp_path / "x.safetensors")[0]):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
            assert found[name].flags.aligned
    assert read_entry(tmp_path / "x.safetensors")[1] == {"note": "ä"}
    with pytest.raises(FileNotFoundError):
        read_entry(tmp_path / "y.safetensors")
    (tmp_path / "z.safetensors").write_bytes(b"no such thing at all")
    with pytest.raises(Damaged):
        read_entry(tmp_path / "z.safetensors")


def test_the_limit_holds_and_what_was_used_longest_ago_goes_first(tmp_path):
    cache = ClipCache(tmp_path / "cache", limit=100_000)

    def make():
        return {"frames": np.zeros(20_000, np.uint8)}, {}

    names = [f"{index:064x}" for index in range(4)]
    for index, name in enumerate(names):
        cache.entry(name, make)
        os.utime(cache.folder / name[:2] / f"{name}.safetensors", (1000 + index, 1000 + index))
    cache.entry(names[0], make)  # used again: now the newest
    cache.entry("f" * 64, make)
    assert {path.stem for path in entries(cache)} == {names[0], names[2], names[3], "f" * 64}
    assert sum(path.stat().st_size for path in entries(cache)) <= 100_000


def test_an_orphan_of_a_killed_writer_is_cleared_away_and_a_fresh_one_is_not(cache):
    folder = cache.folder / "ab"
    folder.mkdir()
    old, new = folder / ".x.safetensors.1.1", folder / ".y.safetensors.2.2"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cache.sweep()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_map_outlives_the_eviction_of_its_entry(cache, video):
    clip = cache.read(video, SMALL)
    expected = np.array(clip.frames)
    cache.sweep(limit=0)
    assert entries(cache) == []
    assert np.array_equal(clip.frames, expected)
    assert np.array_equal(cache.read(video, SMALL).frames, expected)


def test_a_full_disk_costs_time_and_no_training(cache, video, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actrec.data.cache.os.replace", full)
    assert cache.read(video, SMALL).frames.shape == (6, 32, 32, 3)
    assert list(cache.folder.glob("*/.*.safetensors.*")) == []  # nothing half written stays


def fill(arguments):
    folder, paths, seed = arguments
    cache = ClipCache(folder, limit=150_000)
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(paths)), 5))
    return [int(cache.read(Sample(paths[index], 0), SMALL).frames.sum()) for index in order]


def test_writers_that_race_under_a_tight_limit_read_only_whole_clips(tmp_path):
    paths = [write_mp4(tmp_path / f"{seed}.mp4", moving_square(seed), 12) for seed in range(8)]
    expected = {int(FILES.read(Sample(path, 0), SMALL).frames.sum()) for path in paths}
    jobs = [(tmp_path / "cache", paths, seed) for seed in range(3)]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(fill, jobs)
    assert {value for values in found for value in values} == expected
    assert sum(path.stat().st_size for path in (tmp_path / "cache").glob("*/*.safetensors")) <= 200_000


def test_threads_share_one_cache_and_it_goes_to_a_child_process(cache, video):
    with ThreadPoolExecutor(8) as pool:
        sums = set(pool.map(lambda _: int(cache.read(video, SMALL).frames.sum()), range(40)))
    assert len(sums) == 1
    assert len(entries(cache)) == 1
    other = pickle.loads(pickle.dumps(cache))
    assert int(other.read(video, SMALL).frames.sum()) in sums
    assert other.misses == 0


def test_a_video_that_cannot_be_read_leaves_no_entry(cache, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"not a video")
    with pytest.raises(VideoError):
        cache.read(Sample(tmp_path / "bad.mp4", 0), SMALL)
    assert entries(cache) == []


def test_a_cache_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="Nothing can be written into"):
        ClipCache(tmp_path / "file" / "cache")


# Flow


def test_flow_is_kept_by_its_method_and_at_the_size_of_the_network(cache, video):
    from actrec.motion.flow import flow  # torch; the child processes of this file do without

    found = cache.flow(video, SMALL)
    assert (found.shape, found.dtype) == ((5, 32, 32, 2), np.float16)
    assert np.array_equal(found, flow(cache.read(video, SMALL).frames, "dis").astype(np.float16))
    misses = cache.misses
    assert np.array_equal(cache.flow(video, SMALL), found)
    assert cache.misses == misses
    other = cache.flow(video, SMALL, preset="medium")
    assert cache.misses == misses + 1
    assert not np.array_equal(other, found)
    # The square walks two of 64 pixels per frame; at half that size and every second frame, two again.
    moving = np.abs(other[2, ..., 0].astype(float)) > 1
    assert np.median(other[2][moving][:, 0]) == pytest.approx(2, abs=0.4)


# Frames and sizes


def test_letterbox_pads_with_black_and_keeps_the_aspect():
    clip = Clip(np.full((2, 30, 60, 3), 200, np.uint8), np.array([0.0, 0.1]))
    boxed = fitted(clip, ClipSettings(size=20)).frames
    assert boxed.shape == (2, 20, 20, 3)
    assert (boxed[:, 5:15] == 200).all()
    assert boxed[:, :5].max() == boxed[:, 15:].max() == 0
    assert fitted(clip, ClipSettings(size=20, fit="short_side")).frames.shape == (2, 20, 40, 3)
    assert fitted(clip, ClipSettings(size=20, fit="stretch")).frames.shape == (2, 20, 20, 3)
    assert fitted(clip, ClipSettings(fit="whole")) is clip


def test_frames_are_taken_from_the_middles_of_equal_parts():
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(3, -1)
    clip = Clip(frames, np.arange(12) / 12)
    assert thinned(clip, ClipSettings(frames=4)).frames[:, 0, 0, 0].tolist() == [1, 4, 7, 10]
    assert len(thinned(clip, ClipSettings(fps=6.0))) == 6
    assert thinned(clip, ClipSettings(frames=24)).frames[:, 0, 0, 0].tolist() == sorted([*range(12), *range(12)])


def test_settings_refuse_nonsense():
    for wrong in ({"fit": "crop"}, {"frames": 0}, {"size": -1}, {"frames": 4, "fps": 5.0}):
        with pytest.raises(ValueError):
            ClipSettings(**wrong)


def test_a_folder_of_frames_drops_what_cannot_be_read(tmp_path):
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8, 3), number * 20, np.uint8))
    (tmp_path / "3.png").write_bytes(b"x")
    clip = read_frames(tmp_path, fps=10)
    assert clip.frames[:, 0, 0, 0].tolist() == [20, 40, 200]  # 2 before 10
    assert clip.notes == ("1 frames could not be read and were left out",)
    before = content_hash(tmp_path)
    (tmp_path / "10.png").rename(tmp_path / "11.png")
    assert content_hash(tmp_path) != before
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="no image"):
        read_frames(tmp_path / "empty", fps=10)
