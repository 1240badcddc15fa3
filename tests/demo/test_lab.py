"""What all visitors share, without a page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from actrec.training.run import Run
from actrec.training.settings import Settings
from actrec.weights.cards import WeightsError
from demo.server.services import EXAMPLES, FIRST, Lab
from demo.shared import status_strip
from demo.tabs.motion import clues_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "weights" / FIRST, tmp_path / "weights" / "mine")
    return tmp_path / "weights"


def until(found, seconds: float = 240):
    """Ask again and again until there is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := found()) is not None:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_weights_that_appear_or_change_are_seen_and_loaded_anew(folder):
    lab = Lab(folder, "cpu")
    assert list(lab.cards) == ["mine"] and lab.default == "mine"
    lab.start()
    lab.start()  # a second time changes nothing
    first = lab.recognizer()
    assert lab.recognizer("mine") is first
    shutil.copytree(folder / "mine", folder / FIRST)
    assert set(lab.cards) == {"mine", FIRST} and lab.default == FIRST
    assert lab.loaded() == ["mine"]
    said = lab.at_once(FIRST)
    assert isinstance(said, str) and FIRST in said
    assert until(lambda: None if isinstance(lab.at_once(FIRST), str) else lab.at_once(FIRST)).card.name == FIRST
    card = json.loads((folder / "mine" / "card.json").read_text())
    (folder / "mine" / "card.json").write_text(json.dumps(card | {"sha256": "0" * 64, "seed": 1}))
    said = until(lambda: lab.at_once("mine") if "could not" in str(lab.at_once("mine")) else None)
    assert "could not be loaded" in said


def test_memory_is_given_back_again_and_again_until_the_page_ends(monkeypatch, tmp_path):
    given, before = [], set(threading.enumerate())  # of other tests
    monkeypatch.setattr("actrec.core.memory.give_back", lambda: given.append(1))
    monkeypatch.setattr("demo.server.services.REST", 0.01)
    lab = Lab(tmp_path, "cpu", runs=tmp_path)
    lab.start()
    until(lambda: len(given) > 2 or None)
    lab.close()
    until(lambda: "tidier" not in {thread.name for thread in set(threading.enumerate()) - before} or None, 10)


def test_without_weights_the_strip_says_what_to_do(tmp_path):
    lab = Lab(tmp_path, "cpu", runs=tmp_path)
    lab.start()
    until(lambda: lab.failed or None)
    assert "python -m actrec train" in status_strip.strip(lab)
    assert "python -m actrec train" in lab.at_once(None)


def test_damaged_default_weights_leave_the_others_to_answer(tmp_path):
    for name in (FIRST, "healthy"):
        shutil.copytree(ROOT / "weights" / FIRST, tmp_path / name)
    with (tmp_path / FIRST / "model.safetensors").open("r+b") as file:
        file.write(b"no weights")
    lab = Lab(tmp_path, "cpu", runs=tmp_path)
    lab.start()
    assert lab.recognizer("healthy").labels and lab.recognizer() is lab.recognizer("healthy")
    assert not lab.failed and f"'{FIRST}' could not be loaded" in status_strip.strip(lab).replace("&#x27;", "'")
    with pytest.raises(WeightsError, match="checksum differs"):
        lab.recognizer(FIRST)


def test_weights_that_come_after_a_failed_start_are_asked(tmp_path):
    lab = Lab(tmp_path, "cpu", runs=tmp_path)
    lab.start()
    until(lambda: lab.failed or None)
    shutil.copytree(ROOT / "weights" / FIRST, tmp_path / "late")
    assert lab.recognizer().labels and not lab.failed


def test_the_strip_names_a_running_training_with_its_progress(tmp_path):
    run = Run.create(tmp_path / "mine", Settings(system="asym3d", data="synthetic:six", name="mine"))
    run.set_status("running", "Epoch 2 of 5.", done=0.4)
    lab = Lab(tmp_path, "cpu", runs=tmp_path)
    assert status_strip.training(lab) == "mine, running, 40% done"
    assert "mine, running" in status_strip.strip(lab)
    run.set_status("finished", "Done.")
    assert status_strip.training(lab) == ""


def test_the_person_detector_is_opened_once(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("actrec.people.open_detector", lambda: opened.append(1))
    lab = Lab(tmp_path, "cpu")
    clip = Lab(tmp_path, "cpu").read(EXAMPLES / "clap.mp4", short_side=64, stop=1.0)
    for _ in range(2):
        assert "tailor" in clues_of(lab, clip, "dis", 0)
    assert opened == [1]


def test_the_page_is_built_without_torch_and_writes_no_stubs(tmp_path):
    """In a process of its own: what is imported here was imported by other tests."""
    (tmp_path / "own.py").write_text(
        "import gradio as gr\nclass Own(gr.HTML):\n    EVENTS = []\n    def __init__(self, *a, **k):\n"
        "        super().__init__(*a, **k)\n    def api_info(self):\n        return {}\n"
    )
    told = subprocess.run(
        [
            sys.executable, "-c",
            "import sys; from demo.server.no_pyi import without_stubs; without_stubs(); "
            "from demo.server.services import Lab; "
            "from demo.page import build; build(Lab()); sys.path.insert(0, sys.argv[1]); import own; "
            "print([name for name in ('torch', 'torchvision', 'matplotlib', 'ultralytics', 'av', 'sklearn') "
            "if name in sys.modules])",
            str(tmp_path),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    assert told.stdout.strip().splitlines()[-1] == "[]"
    assert not list(tmp_path.glob("*.pyi"))
