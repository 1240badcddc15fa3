"""A training survives being cut off: the same weights, to the bit, as one that ran through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from actrec.training.run import Run, RunError, Settings

ROOT = Path(__file__).resolve().parents[2]


def _train(folder: Path, *words: str, wait: bool = True) -> subprocess.Popen:
    new = ["--out", str(folder), "--clips-per-class", "8", "--epochs", "3", "--batch", "12", "--name", "tiny"]
    words = words or tuple(new)
    process = subprocess.Popen(
        [sys.executable, "-m", "actrec", "train", "--threads", "1", "--numbers", "float32", *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if wait:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    return process


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was never cut off."""
    folder = tmp_path_factory.mktemp("runs") / "through"
    _train(folder)
    return Run(folder)


def test_a_run_ends_with_weights_that_load_and_a_card_that_says_how(through):
    from actrec.recognizer import Recognizer

    recognizer = Recognizer.load(through.weights, "cpu")
    card = recognizer.card
    assert card.labels == ["idle", "wave", "clap", "raise arms", "squat", "jumping jack"]
    assert set(card.centres) == set(card.labels) and card.threshold > 0 and card.temperature > 0
    assert card.command.startswith("python -m actrec train --system asym3d")
    assert through.status()["state"] == "finished"
    epochs = [event for event in through.events() if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [1, 2, 3]


def test_kill_9_and_resume_give_the_same_weights_to_the_bit(through, tmp_path):
    process = _train(
        tmp_path / "cut", "--out", str(tmp_path / "cut"), "--clips-per-class", "8", "--epochs", "3", "--batch", "12",
        "--name", "tiny", wait=False,
    )  # fmt: skip
    run = Run(tmp_path / "cut")
    deadline = time.monotonic() + 200
    while not run.checkpoint.exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run.status()["state"] == "cut off"
    (run.folder / ".checkpoint.safetensors.new").write_bytes(b"half a checkpoint")
    _train(run.folder, "--resume", str(run.folder))
    ours, theirs = load_file(run.checkpoint), load_file(through.checkpoint)
    assert set(ours) == set(theirs)
    assert [name for name in ours if not ours[name].equal(theirs[name])] == []
    assert any(event["event"] == "resumed" for event in run.events())


def test_stop_ends_after_the_epoch_and_says_so(tmp_path):
    folder = tmp_path / "stopped"
    process = _train(
        folder, "--out", str(folder), "--clips-per-class", "8", "--epochs", "50", "--batch", "12", wait=False
    )
    run = Run(folder)
    deadline = time.monotonic() + 200
    while not any(event["event"] == "step" for event in run.events()):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    run.ask_to_stop()
    process.communicate(timeout=120)
    assert run.status()["state"] == "stopped"
    assert run.checkpoint.exists()


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    Run.create(tmp_path / "run", Settings(system="asym3d", data="synthetic:six", name="x"))
    with pytest.raises(RunError, match="There is a run in"):
        Run.create(tmp_path / "run", Settings(system="asym3d", data="synthetic:six", name="x"))


def test_a_run_from_another_version_is_refused_before_any_time_is_spent(tmp_path):
    run = Run.create(tmp_path / "run", Settings(system="asym3d", data="synthetic:six", name="x"))
    path = run.folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(RunError, match="format 99"):
        run.settings()


def test_an_event_log_that_a_crash_cut_off_is_still_read(tmp_path):
    run = Run.create(tmp_path / "run", Settings(system="asym3d", data="synthetic:six", name="x"))
    run.log("epoch", epoch=1)
    with open(run.folder / "events.jsonl", "a") as file:
        file.write('{"event": "ep')
    assert [event["event"] for event in run.events()] == ["epoch"]
