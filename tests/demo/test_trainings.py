"""A training belongs to the machine: it goes on when the page that started it is gone, and the next page finds it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from demo.trainings import Trainings

ROOT = Path(__file__).resolve().parents[2]
PAGE = """
import sys
from pathlib import Path
from demo.trainings import Trainings, start
start(Trainings(Path(sys.argv[1])), "mine", sys.argv[2], "asym3d", "scratch", "at random", 400, None)
sys.stdout.write("started")
"""


def test_a_training_outlives_the_page_that_started_it(tmp_path):
    for label in ("up", "down"):
        for number in range(3):
            home = tmp_path / "films" / label / f"{number}"
            home.mkdir(parents=True)
            for t in range(12):
                picture = np.random.default_rng(number).integers(0, 255, (48, 48, 3), np.uint8)
                cv2.imwrite(str(home / f"{t:02d}.png"), np.roll(picture, t if label == "up" else -t, axis=0))
    page = [sys.executable, "-c", PAGE, str(tmp_path / "runs"), str(tmp_path / "films")]
    told = subprocess.run(page, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == "started"
    later = Trainings(tmp_path / "runs")
    _until(lambda: later.busy() == "mine")
    run = later.run("mine")
    try:
        steps = len(run.events())
        _until(lambda: len(run.events()) > steps + 2)
    finally:
        run.ask_to("stop")
        _until(lambda: run.status()["state"] != "running")
    assert run.status()["state"] == "stopped" and later.busy() == ""


def _until(found, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
