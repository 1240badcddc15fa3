"""Folders of weights and of runs that come from elsewhere: nothing in one hangs, fills or stops what lists them all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import numpy as np
import orjson
import pytest

from actrec.core.files import read_small
from actrec.evaluation.compare import Point
from actrec.figures.cost_chart import accuracy_against_cost
from actrec.recognition.recognizer import Recognizer
from actrec.training import run_log
from actrec.training.run import Run, RunError, runs
from actrec.training.settings import Settings
from actrec.video import Clip
from actrec.weights.cards import WeightsError, cards
from actrec.weights.find import find_weights
from demo.server.services import Services
from demo.shared.status_strip import training
from demo.shared.trainings import Trainings
from demo.tabs.train import charts_of

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "weights" / "asym3d-synthetic"
CARD = json.loads((SOURCE / "card.json").read_text())
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
HALF = "\ud800"


@pytest.fixture(autouse=True)
def at_most_twenty_seconds() -> Iterator[None]:
    """A reader that hangs fails here instead of hanging the tests."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it took more than twenty seconds"))
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A weights folder with one good card."""
    put(tmp_path / "weights" / "mine", {})
    return tmp_path / "weights"


def put(home: Path, change: dict) -> None:
    home.mkdir(parents=True)
    (home / "card.json").write_text(json.dumps(CARD | change))


def lists_only_mine(folder: Path) -> bool:
    services = Services(folder, "cpu")
    orjson.dumps([asdict(card) for card in services.cards.values()])  # as the page sends them
    return list(cards(folder)) == list(services.cards) == ["mine"]


@pipes
def test_a_pipe_a_device_and_a_flood_are_no_cards(folder):
    for name in ("pipe", "device", "flood", "folder"):
        (folder / name).mkdir()
    os.mkfifo(folder / "pipe" / "card.json")
    (folder / "device" / "card.json").symlink_to("/dev/zero")
    with open(folder / "flood" / "card.json", "wb") as file:
        file.truncate(5 << 30)
    (folder / "folder" / "card.json").mkdir()
    assert lists_only_mine(folder)


@pipes
def test_weights_that_are_a_pipe_are_refused(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "x", ignore=shutil.ignore_patterns("*.safetensors"))
    os.mkfifo(tmp_path / "x" / "model.safetensors")
    with pytest.raises(WeightsError, match="cannot be read: it is no file"):
        Recognizer.load(tmp_path / "x", "cpu")


def test_a_folder_whose_name_nobody_can_read_is_left_out(folder):
    for name in (b"geh\xf6rt", b"a\nb", b"\xe2\x80\xaex"):
        os.makedirs(os.fsencode(folder) + b"/" + name)
        shutil.copy(folder / "mine" / "card.json", folder / os.fsdecode(name))
    assert lists_only_mine(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"measured": {"split": HALF}}, {"measured": {"more": [HALF]}}, {"options": {HALF: 1}}, {"centres": 7},
        {"centres": {HALF: [1.0]}}, {"inputs": {HALF: {}}}, {"labels": ["a", HALF]}, {"more": HALF},
        {"centres": {"a\n": [1.0]}}, {"measured": {"top1": -1e29}}, {"measured": {"top1": 1e29}},
        {"measured": {"top1": -0.1}},
        {"measured": {"split": 7}},
    ],
    ids=ascii,
)  # fmt: skip
def test_a_card_that_would_stop_the_page_is_left_out(folder, change):
    put(folder / "other", change)
    assert lists_only_mine(folder)


def test_a_chart_ends_whatever_the_accuracies():
    for accuracy in (-1e29, 0.0, 1.0):
        assert len(accuracy_against_cost([Point("x", 10**9, accuracy, False)])) < 20_000


def test_centres_that_do_not_fit_the_codes_are_a_sentence(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "x")
    short = CARD | {"centres": {label: row[:1] for label, row in CARD["centres"].items()}}
    (tmp_path / "x" / "card.json").write_text(json.dumps(short))
    clip = Clip(np.zeros((8, 16, 16, 3), np.uint8), np.arange(8) / 8)
    with pytest.raises(WeightsError, match="have 1 numbers each"):
        Recognizer.load(tmp_path / "x", "cpu").predict(clip)


def test_half_written_weights_are_not_offered_and_a_replaced_one_is(folder):
    for name in (".mine.new", ".mine.new123", ".mine.old", ".other.old"):
        put(folder / name, {"name": name})
    found = cards(folder)
    assert {name: card.name for name, card in found.items()} == {"mine": CARD["name"], "other": ".other.old"}
    assert find_weights("other", folder) == folder / "other"


def test_what_is_read_has_a_measure_and_may_be_no_link(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_small(tmp_path / "file") == read_small(tmp_path / "link") == b"12345"
    with pytest.raises(OSError, match="more than"):
        read_small(tmp_path / "file", 4)
    with pytest.raises(OSError):
        read_small(tmp_path / "link", links=False)


@pytest.fixture
def run(tmp_path) -> Run:
    """A run that this very process trains, as far as its status says."""
    run = Run.create(tmp_path / "runs" / "r", Settings(system="asym3d", data="synthetic:six", name="r"))
    run.set_status("running", "Epoch 1 of 5.")
    return run


def says(run: Run, **change: object) -> None:
    path = run.folder / "status.json"
    status = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in status.items() if value is not None}))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell processes apart")
@pytest.mark.parametrize("change", [{"pid": 1}, {"mark": "x 1"}, {"pid": 1, "mark": None}, {"mark": None}], ids=str)
def test_a_run_of_a_process_that_only_has_the_number_does_not_block_the_others(run, change):
    trainings = Trainings(run.folder.parent)
    assert run.status()["state"] == "running" and trainings.busy() == "r"
    says(run, **change)
    assert run.status()["state"] == "cut off" and trainings.busy() == ""


def test_a_training_that_began_before_statuses_had_a_mark_is_still_seen(run):
    says(run, mark=None)
    with run.held():
        assert run.status()["state"] == "running"


def test_where_processes_cannot_be_told_apart_the_number_counts(run, monkeypatch):
    monkeypatch.setattr("actrec.training.run.mark", lambda pid: "")
    assert run.status()["state"] == "running"
    says(run, mark="")
    assert run.status()["state"] == "running"
    run.set_status("running")
    assert run.status()["state"] == "running"


@pipes
def test_pipes_in_a_run_hang_nobody(run):
    for name in ("settings.json", "status.json", "events.jsonl"):
        (run.folder / name).unlink(missing_ok=True)
        os.mkfifo(run.folder / name)
    services = Services(run.folder.parent, "cpu", runs=run.folder.parent)
    assert training(services) == "" and run.status()["state"] == "new" and run.events() == []
    with pytest.raises(RunError, match="missing or broken"):
        run.settings()


def test_runs_that_nobody_can_name_are_left_out_and_one_that_goes_is_no_error(run, monkeypatch):
    for name in (".r.new", ".r.old", os.fsdecode(b"geh\xf6rt"), "a\nb"):
        shutil.copytree(run.folder, run.folder.parent / name)
    assert [each.name for each in runs(run.folder.parent)] == ["r"]
    gone = mock.Mock(side_effect=lambda pattern: [run.folder / "settings.json", run.folder.parent / "gone" / "x"])
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: gone(pattern))
    assert [each.name for each in runs(run.folder.parent)] == ["r", "gone"]


@pytest.mark.parametrize("total", [1e17, -1e299, 1e-310])
def test_curves_end_whatever_the_log_says(run, total):
    run.log("started", steps=1, labels=["a"])
    for at in (total, total, 0.0):
        run.log("step", total=at, loss=1, accuracy=1, rate=1, clips_per_second=1, waiting=0)
    assert all(len(picture) < 50_000 for picture in charts_of(run.events()[:-1]).values())
    assert all(len(picture) < 50_000 for picture in charts_of(run.events()).values())


def test_half_a_character_in_a_run_is_no_text(run):
    run.log("note", sentence="\U0001f600")
    run.log("note", sentence=HALF)
    run.log("epoch", epoch=1, loss=1, accuracy=1, confusion=[[1] * 2000] * 2000)
    assert [event["sentence"] for event in run.events()] == ["\U0001f600"]
    says(run, sentence=HALF)
    assert run.status()["state"] == "new"


@pytest.fixture
def finished(run) -> Run:
    shutil.copytree(SOURCE, run.weights)
    run.set_status("finished", "Done.")
    return run


def test_of_a_finished_run_two_files_are_taken_and_no_more(finished, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text("secret")
    (finished.weights / "all").symlink_to(tmp_path / "private")
    assert run_log.adopt(finished, tmp_path / "weights") == "r"
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["r"]
    assert sorted(path.name for path in (tmp_path / "weights").rglob("*")) == ["card.json", "model.safetensors", "r"]
    assert list(cards(tmp_path / "weights")) == ["r"]


def test_a_link_in_the_place_of_weights_is_not_taken(finished, tmp_path):
    for name in ("model.safetensors", "card.json"):
        kept = (finished.weights / name).read_bytes()
        (tmp_path / "private").write_bytes(kept)
        (finished.weights / name).unlink()
        (finished.weights / name).symlink_to(tmp_path / "private")
        with pytest.raises(RunError, match="cannot be put into"):
            run_log.adopt(finished, tmp_path / "weights")
        (finished.weights / name).unlink()
        (finished.weights / name).write_bytes(kept)
    assert not (tmp_path / "weights").exists()
