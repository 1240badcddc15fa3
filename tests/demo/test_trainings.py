"""A training belongs to the machine: it goes on when the page that started it is gone, and the next page finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
import pytest

from actrec.synthetic import ACTIONS
from actrec.synthetic.skeleton import Body, pose
from demo.shared.trainings import Trainings, examined, from_zip, words

ROOT = Path(__file__).resolve().parents[2]
PAGE = """
import sys
from pathlib import Path
from demo.shared.trainings import Trainings, start
asked = {"name": "mine", "data": sys.argv[2], "system": "asym3d", "preset": "scratch", "start_from": "at random"}
start(Trainings(Path(sys.argv[1])), {**asked, "epochs": 400, "clips_per_class": None})
sys.stdout.write("started")
"""


def test_a_training_outlives_the_page_that_started_it(tmp_path):
    for label in ("up", "down"):
        for number in range(3):
            folder = tmp_path / "dataset" / label / f"{number}"
            folder.mkdir(parents=True)
            for t in range(12):
                image = np.random.default_rng(number).integers(0, 255, (48, 48, 3), np.uint8)
                cv2.imwrite(str(folder / f"{t:02d}.png"), np.roll(image, t if label == "up" else -t, axis=0))
    page = [sys.executable, "-c", PAGE, str(tmp_path / "runs"), str(tmp_path / "dataset")]
    done = subprocess.run(page, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "started"
    later = Trainings(tmp_path / "runs")
    _until(lambda: later.busy() == "mine")
    run = later.run("mine")
    pid = run.status()["pid"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    group = Path(f"/proc/{pid}/autogroup")  # a session of its own, which Linux may weigh as a whole
    assert not group.exists() or group.read_text().split()[-1] == "10"
    try:
        steps = len(run.events())
        _until(lambda: len(run.events()) > steps + 2)
    finally:
        run.ask_to("stop")
        _until(lambda: run.status()["state"] != "running")
    assert run.status()["state"] == "stopped" and later.busy() == ""


def test_what_a_killed_page_left_half_unpacked_goes_at_the_next_start(tmp_path):
    old, new = [], []
    for name in ("data/.unpacking-a", "data/.unfinished-b", "taught/.unfinished-c", "data/one-d"):
        for paths, age in ((old, 7200), (new, 0)):
            paths.append(tmp_path / f"{name}{age}")
            (paths[-1] / "clip").mkdir(parents=True)
            os.utime(paths[-1], (time.time() - age,) * 2)
    (tmp_path / "taught" / ".unfinished-file").touch()
    os.utime(tmp_path / "taught" / ".unfinished-file", (0, 0))
    Trainings(tmp_path)
    assert [path.exists() for path in old] == [False, False, False, True] and all(path.exists() for path in new)
    assert not (tmp_path / "taught" / ".unfinished-file").exists()


def test_where_others_get_in_their_clips_have_a_measure(tmp_path, monkeypatch):
    path = tmp_path / "clips.zip"
    monkeypatch.setattr("demo.shared.trainings.examined", lambda _: [])

    def bring(trainings: Trainings) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("wave/1.mp4", b"film")
        from_zip(trainings, str(path))

    shared = Trainings(tmp_path / "runs", [])
    bring(shared)
    there = set((tmp_path / "runs" / "data").iterdir())
    for what, value in (("MOST_BYTES", 4096), ("SPARE", 1 << 60)):
        with monkeypatch.context() as patch:
            patch.setattr(f"demo.shared.trainings.{what}", value)
            with pytest.raises(gr.Error, match="no disk space for more clips"):
                bring(shared)
            assert set((tmp_path / "runs" / "data").iterdir()) == there
            bring(Trainings(tmp_path / "alone"))
    bring(shared)


def _until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def test_recorded_movements_are_data_like_any_other(tmp_path):
    walked = pose(Body(), ACTIONS["walk"](np.random.default_rng(0), Body(), np.arange(60) / 30, False)).joints
    np.savez(tmp_path / "walk", **{f"take {number}": walked for number in range(4)})
    data = f"recorded:{tmp_path}"
    assert examined(data) == ["Recorded movements, which drawn figures repeat: 4 of walk."]
    asked = {"name": "mine", "data": data, "system": "asym3d", "clips_per_class": 20}
    options = words(Trainings(tmp_path / "runs"), asked)
    assert options[options.index("--clips-per-class") + 1] == "20" and options[options.index("--data") + 1] == data
    (tmp_path / "walk.npz").write_bytes(b"")
    with pytest.raises(gr.Error, match="cannot be read as recordings"):
        examined(data)
