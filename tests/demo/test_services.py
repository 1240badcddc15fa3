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
from actrec.video.read import read_clip
from actrec.weights.cards import WeightsError
from actrec.weights.default import FALLBACK
from demo.server.services import EXAMPLES, Services
from demo.shared import status_strip
from demo.tabs.motion import clues_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "weights" / FALLBACK, tmp_path / "weights" / "mine")
    return tmp_path / "weights"


def until(look_up, seconds: float = 240):
    """Ask again and again until there is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := look_up()) is not None:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_weights_that_appear_or_change_are_seen_and_loaded_anew(folder):
    services = Services(folder, "cpu")
    assert list(services.cards) == ["mine"] and services.default == "mine"
    services.start()
    services.start()  # a second time changes nothing
    first = services.recognizer()
    assert services.recognizer("mine") is first
    shutil.copytree(folder / "mine", folder / FALLBACK)
    assert set(services.cards) == {"mine", FALLBACK} and services.default == FALLBACK
    assert services.loaded() == ["mine"]
    sentence = services.at_once(FALLBACK)
    assert isinstance(sentence, str) and FALLBACK in sentence
    opened = until(lambda: None if isinstance(services.at_once(FALLBACK), str) else services.at_once(FALLBACK))
    assert opened.card.name == FALLBACK
    card = json.loads((folder / "mine" / "card.json").read_text())
    (folder / "mine" / "card.json").write_text(json.dumps(card | {"sha256": "0" * 64, "seed": 1}))
    sentence = until(lambda: services.at_once("mine") if "could not" in str(services.at_once("mine")) else None)
    assert "could not be loaded" in sentence


def test_memory_is_given_back_again_and_again_until_the_page_ends(monkeypatch, tmp_path):
    given, before = [], set(threading.enumerate())  # of other tests
    monkeypatch.setattr("actrec.core.memory.give_back", lambda: given.append(1))
    monkeypatch.setattr("demo.server.services.REST", 0.01)
    services = Services(tmp_path, "cpu", runs=tmp_path)
    services.start()
    until(lambda: len(given) > 2 or None)
    services.close()
    until(lambda: "tidier" not in {thread.name for thread in set(threading.enumerate()) - before} or None, 10)


def test_answers_come_at_once_and_the_strip_names_the_engine_that_was_found_meanwhile(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("demo.server.services.SETTLED_AFTER", 0.2)
    services = Services(folder, "cpu")
    services.start()
    recognizer = services.recognizer()
    assert "PyTorch float32" in services.status_line(), "PyTorch answers until something was found"
    clip = read_clip(EXAMPLES / "wave.mp4", short_side=120)
    first = recognizer.predict(clip)
    until(lambda: recognizer.settled or None)
    services.close()
    assert recognizer.engine.name in services.status_line() and first.label == recognizer.predict(clip).label
    again = Services(folder, "cpu")
    again.start()
    again.recognizer()
    assert recognizer.engine.name in again.status_line(), "it is remembered"
    again.close()


def test_without_weights_the_strip_says_what_to_do(tmp_path):
    services = Services(tmp_path, "cpu", runs=tmp_path)
    services.start()
    until(lambda: services.failed or None)
    assert "python -m actrec train" in status_strip.strip(services)
    assert "python -m actrec train" in services.at_once(None)


def test_damaged_default_weights_leave_the_others_to_answer(tmp_path):
    for name in (FALLBACK, "healthy"):
        shutil.copytree(ROOT / "weights" / FALLBACK, tmp_path / name)
    with (tmp_path / FALLBACK / "model.safetensors").open("r+b") as file:
        file.write(b"no weights")
    services = Services(tmp_path, "cpu", runs=tmp_path)
    services.start()
    assert services.recognizer("healthy").labels and services.recognizer() is services.recognizer("healthy")
    assert not services.failed and f"'{FALLBACK}' could not be loaded" in status_strip.strip(services).replace(
        "&#x27;", "'"
    )
    with pytest.raises(WeightsError, match="checksum differs"):
        services.recognizer(FALLBACK)


def test_weights_that_come_after_a_failed_start_are_asked(tmp_path):
    services = Services(tmp_path, "cpu", runs=tmp_path)
    services.start()
    until(lambda: services.failed or None)
    shutil.copytree(ROOT / "weights" / FALLBACK, tmp_path / "late")
    assert services.recognizer().labels and not services.failed


def test_the_strip_names_a_running_training_with_its_progress(tmp_path):
    run = Run.create(tmp_path / "mine", Settings(system="asym3d", data="synthetic:six", name="mine"))
    run.set_status("running", "Epoch 2 of 5.", done=0.4)
    services = Services(tmp_path, "cpu", runs=tmp_path)
    assert status_strip.training(services) == "mine, running, 40% done"
    assert "mine, running" in status_strip.strip(services)
    run.set_status("finished", "Done.")
    assert status_strip.training(services) == ""


def test_the_person_detector_is_opened_once(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("actrec.people.open_detector", lambda: opened.append(1))
    services = Services(tmp_path, "cpu")
    clip = Services(tmp_path, "cpu").read(EXAMPLES / "clap.mp4", short_side=64, stop=1.0)
    for _ in range(2):
        assert "tailor" in clues_of(services, clip, "dis", 0)
    assert opened == [1]


def test_the_page_is_built_without_torch_and_writes_no_stubs(tmp_path):
    """In a process of its own: what is imported here was imported by other tests."""
    (tmp_path / "own.py").write_text(
        "import gradio as gr\nclass Own(gr.HTML):\n    EVENTS = []\n    def __init__(self, *a, **k):\n"
        "        super().__init__(*a, **k)\n    def api_info(self):\n        return {}\n"
    )
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys; from demo.server.no_pyi import without_stubs; without_stubs(); "
            "from demo.server.services import Services; "
            "from demo.page import build; build(Services()); sys.path.insert(0, sys.argv[1]); import own; "
            "print([name for name in ('torch', 'torchvision', 'matplotlib', 'ultralytics', 'av', 'sklearn') "
            "if name in sys.modules])",
            str(tmp_path),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert not list(tmp_path.glob("*.pyi"))
