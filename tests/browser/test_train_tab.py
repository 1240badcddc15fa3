"""The Train tab: a training is started, watched, stopped, found again after a reload, and resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from visitors import come_again

from actrec.training.run import Run


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Two classes of four short clips: bands that go up or down."""
    for label, way in (("up", -2), ("down", 2)):
        for number in range(4):
            folder = tmp_path / "dataset" / label / f"{number}"
            folder.mkdir(parents=True)
            ground = np.random.default_rng(number).integers(0, 255, (48, 48, 3), np.uint8)
            for t in range(16):
                cv2.imwrite(str(folder / f"{t:02d}.png"), np.roll(ground, way * t, axis=0))
    return tmp_path / "dataset"


@pytest.fixture
def run(runs_folder) -> Run:
    run = Run(runs_folder / "browser-test")
    yield run
    if run.folder.exists():
        run.ask_to("stop")
    shutil.rmtree(run.folder, ignore_errors=True)


def _state(page, state: str) -> None:
    page.wait_for_selector(f"#train-status [data-state='{state}']", timeout=150_000)


def _open(page) -> None:
    page.click("button[role=tab]:has-text('Train')")
    page.wait_for_selector("#train-start", timeout=20_000)
    # What the page knows of other runs: until then Start may look free while the process of one before still ends.
    page.wait_for_selector("#train-status [data-state]", timeout=60_000)


def _fill(page, name: str, text: object) -> None:
    field = page.locator(f"#{name} input, #{name} textarea").first
    field.fill(str(text))
    field.press("Enter")
    field.press("Tab")


@pytest.mark.timeout(600)  # five processes start one after the other: seconds on a machine that is free
def test_a_training_is_started_stopped_found_again_and_resumed(page, run, dataset):
    _open(page)
    _fill(page, "train-name", run.name)
    _fill(page, "train-data", dataset)
    _fill(page, "train-epochs", 400)
    page.wait_for_function(f"document.querySelector('#train-command textarea').value.includes('--name {run.name}')")
    page.click("#train-start")
    _state(page, "running")
    assert run.settings().threads == 1 and run.settings().data == str(dataset)
    page.wait_for_selector("#train-loss polyline", timeout=150_000)
    drawn = page.get_attribute("#train-loss polyline", "points")
    page.wait_for_function(
        "was => document.querySelector('#train-loss polyline').getAttribute('points') !== was",
        arg=drawn, timeout=150_000,
    )  # fmt: skip
    assert page.is_disabled("#train-start")

    come_again(page)
    page.wait_for_selector("#status:has-text('Ready')", timeout=60_000)
    _open(page)
    _state(page, "running")
    page.wait_for_selector("#train-status:has-text('clips per second')", timeout=60_000)
    page.click("#train-pause")
    _state(page, "paused")
    page.click("#train-resume")
    _state(page, "running")
    page.click("#train-stop")
    _state(page, "stopped")
    assert run.status()["state"] == "stopped" and run.checkpoint.exists()
    epochs = len([event for event in run.events() if event["event"] == "epoch"])

    page.wait_for_function("!document.querySelector('#train-resume').disabled")
    page.click("#train-resume")
    _state(page, "running")
    page.wait_for_function("document.querySelector('#train-stop').disabled === false")
    while len([event for event in run.events() if event["event"] == "epoch"]) <= epochs:
        page.wait_for_timeout(200)
    assert any(event["event"] == "resumed" for event in run.events())
    page.click("#train-stop")
    _state(page, "stopped")


def test_what_cannot_be_learned_from_is_refused_with_a_sentence(page, run, tmp_path):
    (tmp_path / "empty").mkdir()
    _open(page)
    _fill(page, "train-name", run.name)
    _fill(page, "train-data", tmp_path / "empty")
    page.click("#train-start")
    page.wait_for_selector("#train-status:has-text('No clip was found')", timeout=150_000)
    assert not run.folder.exists()


@pytest.mark.timeout(600)
def test_a_zip_is_checked_learned_from_and_its_weights_are_used_in_every_tab(page, run, dataset, weights_folder):
    packed = shutil.make_archive(str(dataset.parent / "packed"), "zip", zipped(dataset))
    _open(page)
    with page.expect_file_chooser() as chooser:
        page.click("#train-zip")
    chooser.value.set_files(packed)
    page.wait_for_selector("#train-found:has-text('8 clips in 2 classes')", timeout=60_000)
    _fill(page, "train-name", run.name)
    _fill(page, "train-epochs", 2)
    page.wait_for_function("document.querySelector('#train-command textarea').value.includes('data/')")
    page.click("#train-start")
    page.wait_for_function(f"document.querySelector('#train-run input').value == '{run.name}'", timeout=60_000)
    _state(page, "running")
    _state(page, "finished")
    page.click("button:has-text('Learning rate, confusion and log')")
    page.wait_for_selector("#train-confusion rect", timeout=30_000)
    page.click("#train-use")
    page.wait_for_selector(f"#train-adopted [data-adopted='{run.name}']", timeout=30_000)
    assert (weights_folder / run.name / "card.json").is_file()
    page.click("button[role=tab]:has-text('Clip')")
    page.click("#clip-weights input")
    page.click(f"[role=option]:has-text('{run.name}')")
    page.wait_for_selector("#clip-about:has-text('recognises 2 actions')", timeout=30_000)
    page.click("#clip-squat")
    page.wait_for_selector("#clip-answer .verdict", timeout=60_000)
    assert page.get_attribute("#clip-answer .verdict", "data-label") in ("up", "down", "unknown")


def zipped(dataset: Path) -> Path:
    """The same clips as videos, for a zip accepts no folders of frames."""
    from actrec.video.write import write_mp4

    folder = dataset.parent / "videos"
    for clip in dataset.glob("*/*"):
        (folder / clip.parent.name).mkdir(parents=True, exist_ok=True)
        frames = np.stack([cv2.imread(str(path))[..., ::-1] for path in sorted(clip.iterdir())])
        write_mp4(folder / clip.parent.name / f"{clip.name}.mp4", frames, 8.0)
    return folder
