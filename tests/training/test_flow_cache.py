"""Flow that the papers' recipes need comes from the cache, survives a kill in its very write, and changes no bit."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from small_runs import command, small, train_here, write_films

from actrec.data.cache import ClipCache, FlowCache
from actrec.data.clips import clips_source
from actrec.data.open import open_set
from actrec.data.reading import ClipSettings
from actrec.motion.flow import between, flow
from actrec.systems import SYSTEMS, crossenh
from actrec.systems.views import resized_flow
from actrec.training.loop import train
from actrec.training.run import Run
from actrec.video import Clip

# The recipe of the paper's size (flow of whole frames, corner crops, mirrors) with the light network and a quick flow.
ADD = """
from functools import partial
from actrec.models.asym3d import light
from actrec.systems import SYSTEMS, asym3d
SYSTEMS["kept-flow"] = asym3d.paper("kept-flow", light, "rgbf", flow="dis")
"""
KILLED = """
import os, signal
import actrec.data.cache as cache, actrec.training.state as state
whole, written = os.replace, []
def replace(source, target):
    if "clips" in str(target) and os.path.getsize(source) > 1_000_000:  # an entry with flow
        written.append(target)
        if len(written) == 4:
            os.truncate(source, os.path.getsize(source) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
    whole(source, target)
cache.os.replace = replace
"""
KILLED_IN_THE_CHECKPOINT = """
import os, signal
import actrec.training.state as state
sync = os.fsync
def killed(handle):
    path = os.readlink(f"/proc/self/fd/{handle}")
    if "checkpoint" in path and os.path.exists(os.path.dirname(path) + "/checkpoint.safetensors"):
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    sync(handle)
state.os.fsync = killed
"""


@pytest.fixture(scope="module", autouse=True)
def kept_flow():
    exec(ADD)
    yield
    del SYSTEMS["kept-flow"]


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    return write_films(tmp_path_factory.mktemp("few"), 3)


def test_a_kill_in_the_flow_caches_write_and_one_in_the_checkpoints_change_no_bit(few, tmp_path, monkeypatch):
    options = {"system": "kept-flow", "epochs": 2, "batch": 3}
    through = train_here(tmp_path / "through", small(few, **options))
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))  # nothing of the first run's cache is found again
    run = Run.create(tmp_path / "cut", small(few, **options))
    process = command("--resume", run.folder, before=ADD + KILLED)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL, errors
    assert not run.checkpoint.exists() and run.status()["state"] == "cut off"
    half = [path for path in (tmp_path / "cache" / "clips").glob("*/.*") if path.is_file()]
    assert len(half) == 1, "half an entry lies there, under no entry's name"
    process = command("--resume", run.folder, before=ADD + KILLED_IN_THE_CHECKPOINT)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL and run.checkpoint.exists(), errors
    train(run)
    for name in ("checkpoint.safetensors", "best.safetensors"):
        ours, theirs = load_file(run.folder / name), load_file(through.folder / name)
        assert all(ours[key].equal(theirs[key]) for key in theirs), name
    assert [event for event in run.events() if event["event"] == "resumed"]
    assert not [event for event in run.events() if event["event"] == "inexact"]


def test_training_reads_flow_and_computes_none_once_it_is_kept(few, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    settings = small(few, system="kept-flow", epochs=1, batch=3)
    monkeypatch.setattr("actrec.motion.flow.dis", counted := Counted())
    train_here(tmp_path / "first", settings)
    assert counted.calls == 9, "once for each clip, whatever is drawn of it"
    again = train_here(tmp_path / "second", settings)
    assert counted.calls == 9 and again.status()["state"] == "finished"
    shutil.rmtree(tmp_path / "cache" / "clips")
    train_here(tmp_path / "third", settings)
    assert counted.calls == 18


class Counted:
    """DIS, and how often it was asked for more than a pair of frames."""

    def __init__(self) -> None:
        from actrec.motion.flow import dis

        self.calls, self.compute = 0, dis

    def __call__(self, frames: np.ndarray, **options: object) -> np.ndarray:
        self.calls += len(frames) > 2  # not the step from a short clip's end to its beginning
        return self.compute(frames, **options)


def test_a_view_is_the_same_from_the_cache_and_from_the_frames_alone(few, tmp_path):
    dataset, settings = open_set(few), ClipSettings(size=128, fit="short_side")
    cache = ClipCache(tmp_path / "cache")
    system = SYSTEMS["kept-flow"]
    for index in (0, 4):
        plain = cache.read(dataset.samples[index], settings)
        carrying = FlowCache(cache, "dis").read(dataset.samples[index], settings)
        assert plain.flow is None and carrying.flow.dtype == np.float16
        for seed in range(4):
            one, other = (system.training_view(c, np.random.default_rng(seed))["clip"] for c in (plain, carrying))
            assert np.array_equal(one, other)
    source = clips_source(
        few, seed=0, on_progress=lambda _: None, settings=settings, cache=tmp_path / "cache", flow="dis"
    )
    assert source.train.clip(0).flow_method == "dis" and source.validation.clip(0).flow is not None


def test_flow_between_drawn_frames_is_looked_up_where_they_are_neighbours():
    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 40, 3), np.uint8)
    known = np.arange(5)[:, None, None, None] * np.ones((5, 32, 40, 2), np.float16)
    clip = Clip(frames, np.arange(6) / 25, flow=known, flow_method="dis")
    moved = between(clip, np.array([3, 4, 5, 0, 1, 1, 2]), "dis")
    assert moved[:2, 0, 0, 0].tolist() == [3, 4]  # from the clip
    assert np.array_equal(moved[2], flow(frames[[5, 0]], "dis")[0].astype(np.float16))  # the video begins again
    assert moved[3, 0, 0, 0] == 0 and np.array_equal(moved[3], known[0])
    assert not moved[4].any()  # a frame held stands still
    assert moved[5, 0, 0, 0] == 1
    other = between(clip, np.array([0, 1, 2]), "farneback")
    assert np.array_equal(other, flow(frames[:3], "farneback").astype(np.float16)), "another method's flow is not taken"


def test_flow_grows_with_the_picture_and_turns_round_in_the_mirror():
    still = np.zeros((66, 64, 64, 3), np.uint8)
    to_the_right = np.zeros((65, 64, 64, 2), np.float16)
    to_the_right[..., 0] = 1.0
    clip = Clip(still, np.arange(66) / 25, flow=to_the_right, flow_method="tvl1")
    assert resized_flow(to_the_right, (128, 96))[0, 0, 0].tolist() == [1.5, 0]
    recipe = crossenh.systems()[2]  # crossenh-paper: short side 256, four times as large
    values = {int(recipe.training_view(clip, np.random.default_rng(seed))["flow"][0, 0, 0, 0]) for seed in range(8)}
    assert values == {128 + 25, 128 - 25}  # ± 4 pixels of 20, as bytes: 4 · 127 / 20 = 25.4


def test_a_clip_that_is_cut_keeps_its_part_of_the_flow_and_a_resampled_one_forgets_it():
    moved = np.arange(3)[:, None, None, None] * np.ones((3, 8, 8, 2), np.float16)
    clip = Clip(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) / 4, flow=moved, flow_method="dis")
    assert clip.at(np.array([0.0, 0.5])).flow is None
    cut = clip.between(0.25, 0.8)
    assert cut.flow[:, 0, 0, 0].tolist() == [1, 2] and cut.flow_method == "dis"
    assert clip.between(0.5, 0.6).flow.shape == (0, 8, 8, 2)
    with pytest.raises(ValueError, match=r"flow of \[4, 8, 8, 3\] frames"):
        Clip(clip.frames, clip.times, flow=np.zeros((4, 8, 8, 2), np.float16))


def test_a_cache_too_small_for_the_flow_is_told_before_and_its_size_can_be_set(few, tmp_path, monkeypatch):
    messages: list[str] = []
    monkeypatch.setenv("ACTREC_CACHE_GB", str(15e6 / (1 << 30)))
    settings = ClipSettings(size=128, fit="short_side")
    clips_source(few, seed=0, on_progress=messages.append, settings=settings, cache=tmp_path / "cache")
    assert not [sentence for sentence in messages if "ACTREC_CACHE_GB" in sentence]  # 9 clips of 20 × 128² × 3: 8.8 MB
    clips_source(few, seed=0, on_progress=messages.append, settings=settings, cache=tmp_path / "cache", flow="dis")
    assert any(sentence.startswith("With their flow") and "ACTREC_CACHE_GB" in sentence for sentence in messages)
    monkeypatch.setenv("ACTREC_CACHE_GB", "plenty")
    with pytest.raises(ValueError, match="a number of gigabytes above 0, not 'plenty'"):
        ClipCache(tmp_path / "cache")
