"""A failed training is shown in the status line, continued by a button, and gives its name back."""

from __future__ import annotations

import time
from pathlib import Path

import gradio as gr
import pytest

from actrec.cli import machine_report
from actrec.core import number_formats
from actrec.core.number_formats import Finding
from actrec.training.run import Run, Settings
from demo.server.services import Services
from demo.shared import status_strip
from demo.shared.trainings import Trainings, resume, slower, start
from demo.tabs import train

STOPPED = "The loss or its gradient is not a number any more. Go on with a third of the learning rate."


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(tmp_path / "weights", runs=tmp_path / "runs")


def run_of(services: Services, name: str, state: str, **facts: object) -> Run:
    run = Run.create(services.runs / name, Settings("asym3d", "synthetic:six", name))
    run.set_status(state, STOPPED, **facts)
    time.sleep(0.01)
    return run


def test_a_failed_training_is_a_red_badge_until_it_is_resumed_removed_or_a_newer_one_starts(services):
    assert status_strip.failed(services) == "" and "<b>Training</b>none" in status_strip.strip(services)
    run_of(services, "older", "finished")
    run = run_of(services, "mine", "failed")
    assert status_strip.failed(services) == "mine failed: see the Train tab"
    assert '<span class="broken" title=""><b>Training</b>mine failed' in status_strip.strip(services)
    run.set_status("running", "Epoch 1 of 2.")
    assert 'class="broken"' not in status_strip.strip(services) and "mine, running" in status_strip.strip(services)
    run.set_status("failed", STOPPED)
    newer = run_of(services, "newer", "stopped")
    assert status_strip.failed(services) == ""
    (newer.folder / "settings.json").unlink()
    assert status_strip.failed(services)
    (run.folder / "settings.json").unlink()
    assert status_strip.failed(services) == ""


def test_formats_that_were_refused_are_named_in_the_status_line_and_by_doctor(services, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    assert "Number format" not in status_strip.strip(services) and list(machine_report.number_formats()) == []
    finding = Finding("float32 contiguous", {}, {"bfloat16 channels-last": "mm of [2, 2] is inf away"})
    number_formats.remember_finding("training asym3d", 2, finding)
    html = status_strip.strip(services)
    assert "float32 where bfloat16 failed its check" in html and "for training asym3d: mm of [2, 2]" in html
    (check,) = machine_report.number_formats()
    assert (
        check.state == machine_report.NOTE
        and "training asym3d: mm of [2, 2] is inf away" in check.says
        and check.remedy
    )


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the page would start."""
    commands: list[list[str]] = []
    monkeypatch.setattr(Trainings, "begin", lambda self, name, words: commands.append(words))
    return commands


def test_the_remedy_of_a_loss_that_is_not_finite_is_a_button(services, begun):
    trainings = Trainings(services.runs)
    for name, facts, shown in (("mine", {"rate": 0.0006667}, True), ("other", {}, False)):
        run_of(services, name, "failed", **facts)
        button = train.show(trainings, name, None).slower
        assert isinstance(button, gr.Button) and button.visible is shown
        html = train.summary(trainings, name)
        assert "verdict broken" in html and "third of the learning rate" in html
    slower(trainings, "mine")
    assert begun == [["train", "--resume", trainings.path("mine"), "--rate", "0.0006667"]]
    with pytest.raises(gr.Error, match="did not end because of its learning rate"):
        slower(trainings, "other")
    resume(trainings, "other")
    assert begun[-1] == ["train", "--resume", trainings.path("other")]


def test_what_happened_to_the_number_format_is_shown_as_long_as_the_run_is(services):
    run = run_of(services, "mine", "finished")
    trainings = Trainings(services.runs)
    assert "data-format-changed" not in train.summary(trainings, "mine")
    run.log("number_format", epoch=1, step=1, dtype="float32", sentence="bfloat16 failed. It goes on in float32.")
    run.log("step", epoch=1, step=2, total=7, rate=0.1, loss=1.0, accuracy=0.5, clips_per_second=3.0, waiting=0.1)
    assert "bfloat16 failed. It goes on in float32." in train.summary(trainings, "mine")


def test_the_name_of_a_failed_training_can_be_used_again(services, begun):
    trainings = Trainings(services.runs)
    run_of(services, "mine", "failed")
    asked = {"data": "synthetic:six", "system": "asym3d", "epochs": 2}
    assert start(trainings, {**asked, "name": "mine"}) == "mine" and begun
    run_of(services, "good", "finished")
    with pytest.raises(gr.Error, match="already: resume it"):
        start(trainings, {**asked, "name": "good"})
