"""A training survives being cut off at any moment: the same weights, to the bit, as one that ran through."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import command, small, train_here

from actrec.training.loop import train
from actrec.training.run import Run, RunError

# asym3d-rgbf draws its placing, drops out, and computes flow: everything that a draw could spoil.
SYSTEM = "asym3d-rgbf"


@pytest.fixture(scope="module")
def through(films, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was never cut off."""
    return train_here(tmp_path_factory.mktemp("runs") / "through", small(films, system=SYSTEM))


def same(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one), load_file(other)
    return set(ours) == set(theirs) and all(ours[name].equal(theirs[name]) for name in ours)


def events(run: Run, kind: str) -> list[dict]:
    return [event for event in run.events() if event["event"] == kind]


def wait_for(what: Callable[[], bool], process) -> None:
    deadline = time.monotonic() + 200
    while not what():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_run_ends_with_weights_that_load_and_a_card_that_says_how(through):
    from actrec.recognition.recognizer import Recognizer

    card = Recognizer.load(through.weights, "cpu").card
    assert card.labels == ["down", "left", "right"]
    assert set(card.centres) == set(card.labels) and card.threshold > 0 and card.temperature > 0
    assert card.command.startswith(f"python -m actrec train --system {SYSTEM} --data ")
    assert through.status()["state"] == "finished"
    assert [event["epoch"] for event in events(through, "epoch")] == [1, 2, 3]
    event = events(through, "started")[0]
    assert {"threads": 1, "dtype": "float32", "batch": 6, "micro_batch": 6, "processes": 1}.items() <= event.items()


def test_dropout_augmentation_and_flow_are_at_work_in_what_is_compared(films, through, tmp_path):
    from actrec.systems import named
    from actrec.training.distributed import World
    from actrec.training.whole_batch import WholeBatchDropout, see_whole_batch

    system = named(SYSTEM)
    network = see_whole_batch(system.network(3), None, World(), torch.device("cpu"))
    assert any(isinstance(module, WholeBatchDropout) and module.p > 0 for module in network.modules())
    clip = np.random.default_rng(0).integers(0, 255, (40, 48, 48, 3), np.uint8)
    from actrec.video import Clip

    one, other = (
        system.training_view(Clip(clip, np.arange(40) / 15), np.random.default_rng(n))["clip"] for n in (0, 1)
    )
    assert (one != other).any()
    again = train_here(tmp_path / "other-seed", small(films, system=SYSTEM, seed=1, epochs=1))
    assert not same(again.best, through.best)


KILLED_IN_THE_WRITE = """
import os, signal
import actrec.training.state as state
whole = state.os.fsync
def killed(handle):
    if "checkpoint" in os.readlink(f"/proc/self/fd/{handle}") and os.path.exists({checkpoint!r}):
        os.ftruncate(handle, os.fstat(handle).st_size // 2)  # half of it reached the disk
        os.kill(os.getpid(), signal.SIGKILL)
    whole(handle)
state.os.fsync = killed
"""


def test_kill_9_in_the_middle_of_an_epoch_and_inside_the_checkpoint_write_change_no_bit(films, through, tmp_path):
    run = Run(tmp_path / "cut")
    options = ["--system", SYSTEM, "--data", films, "--epochs", 3, "--batch", 6, "--name", "tiny", "--threads", 1]
    options += ["--numbers", "float32", "--device", "cpu", "--out", run.folder]
    process = command(*options)
    wait_for(lambda: len(events(run, "step")) > 0, process)  # no checkpoint has been written yet, or just the first
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run.status()["state"] == "cut off"
    if not run.checkpoint.exists():
        with pytest.raises(RunError, match="There is a run in"):
            train_here(run.folder, small(films))
    process = command(
        "--resume", run.folder, before=KILLED_IN_THE_WRITE.replace("{checkpoint!r}", repr(str(run.checkpoint)))
    )
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    assert (run.folder / ".checkpoint.safetensors.new").exists()  # half a checkpoint lies there
    assert run.checkpoint.exists() and not same(run.checkpoint, through.checkpoint)
    train(run)
    assert same(run.checkpoint, through.checkpoint) and same(run.best, through.best)
    assert (run.weights / "model.safetensors").read_bytes() == (through.weights / "model.safetensors").read_bytes()
    assert events(run, "resumed") and not events(run, "inexact")


def test_a_stop_takes_effect_at_the_next_step_and_resuming_changes_no_bit(films, through, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", small(films, system=SYSTEM))
    asked = iter([False, False, False, True])  # the second step of the second epoch
    with monkeypatch.context() as patched:
        patched.setattr(Run, "asked_to", lambda self, what: what == "stop" and next(asked, True))
        train(run)
    status = run.status()
    assert status["state"] == "stopped" and "epoch 2, step 2 of 2" in status["sentence"]
    train(run)
    assert run.status()["state"] == "finished"
    assert same(run.checkpoint, through.checkpoint) and same(run.best, through.best)


def test_a_pause_waits_in_memory_and_goes_on(films, tmp_path):
    import threading

    run = Run.create(tmp_path / "run", small(films, epochs=2))
    statuses = []

    def visitor() -> None:
        while run.status()["state"] != "paused":
            time.sleep(0.01)
        time.sleep(0.5)
        statuses.append((run.status()["state"], len(events(run, "step")), run.checkpoint.exists()))
        run.forget("pause")

    watching = threading.Thread(target=visitor)
    watching.start()
    forget = Run.forget
    Run.forget = lambda self, *words: (
        forget(self, *words) or (self.ask_to("pause") if words == ("stop", "pause") else None)
    )
    try:
        train(run)
    finally:
        Run.forget = forget
        watching.join()
    assert statuses == [("paused", 1, True)]
    assert run.status()["state"] == "finished"


def test_changed_threads_precision_or_batch_are_logged_as_a_break_of_exactness(films, tmp_path, monkeypatch):
    right = {"milliseconds": {"bfloat16 channels-last": 1.0}, "refused": {}}  # whatever this processor makes of it
    monkeypatch.setattr("actrec.training.number_format.in_child", lambda *_, **__: right)
    run = train_here(tmp_path / "run", small(films, epochs=1))
    run.change(epochs=2, batch=4, threads=2)
    train(run)
    changed = events(run, "inexact")[0]["changed"]
    assert changed == {"threads": [1, 2], "batch": [6, 4], "micro_batch": [6, 4], "epochs": [1, 2]}
    run.change(numbers="bfloat16")
    train(run)  # nothing is left to learn, but whoever goes on has been told
    assert events(run, "inexact")[1]["changed"]["dtype"] == ["float32", "bfloat16"]


def test_other_clips_are_noticed_on_resume_and_other_classes_refused(films, tmp_path):
    from small_runs import write_films

    folder = write_films(tmp_path / "films", 4, ("right", "left"))
    run = train_here(tmp_path / "run", small(folder, epochs=1, batch=4))
    (folder / "left" / "02").rename(folder / "left" / "99")
    for path in (folder / "left" / "99").iterdir():
        path.write_bytes((folder / "right" / "00" / path.name).read_bytes())
    run.change(epochs=2)
    train(run)
    assert "clips" in events(run, "inexact")[0]["changed"]
    (folder / "left").rename(folder / "sideways")
    run.change(epochs=3)
    with pytest.raises(RunError, match="other classes"):
        train(run)


def test_two_processes_do_not_train_in_one_folder(films, tmp_path):
    run = Run.create(tmp_path / "run", small(films))
    with run.held(), pytest.raises(RunError, match="another process"):
        train(Run(run.folder))


def test_a_second_run_in_the_same_folder_is_refused(films, tmp_path):
    Run.create(tmp_path / "run", small(films))
    with pytest.raises(RunError, match="There is a run in"):
        Run.create(tmp_path / "run", small(films))


def test_a_run_from_another_version_is_refused_before_any_time_is_spent(films, tmp_path):
    run = Run.create(tmp_path / "run", small(films))
    path = run.folder / "settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"format": 99}))
    with pytest.raises(RunError, match="another version"):
        run.settings()
    path.write_text(json.dumps(settings | {"spin": 1}))
    with pytest.raises(RunError, match=r"another version.*spin"):
        run.settings()


def test_an_event_log_that_a_crash_cut_off_is_still_read(films, tmp_path):
    run = Run.create(tmp_path / "run", small(films))
    run.log("epoch", epoch=1, loss=1.0, accuracy=0.5)
    with open(run.folder / "events.jsonl", "a") as file:
        file.write('{"event": "ep')
    assert [event["event"] for event in run.events()] == ["epoch"]
