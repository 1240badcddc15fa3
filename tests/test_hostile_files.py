"""What damaged files once broke stays mended: each is refused with a sentence, or read past."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from actrec.recognition.recognizer import Recognizer
from actrec.recognition.repository import Repository, RepositoryError
from actrec.training import run_log
from actrec.training.run import Run, RunError
from actrec.training.settings import Settings
from actrec.weights.cards import WeightsError, cards, read_card
from benchmarks import fuzz
from demo.shared.trainings import Trainings
from demo.shared.weights_picker import sentences
from demo.tabs.train import charts_of, summary

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "weights" / "asym3d-synthetic"


@pytest.mark.parametrize(
    "damage",
    [
        {"centres": {"a": "../../etc/passwd"}},
        {"centres": {"a": [1.0, 2.0], "b": [1.0]}},
        {"centres": {"a": [{}]}},
        {"centres": {"a": [float("nan")]}},
        {"inputs": {"clip": 0}},
        {"inputs": 7},
        {"system": ["asym3d"]},
        {"measured": 0.5},
        {"measured": {"top1": "all"}},
        {"labels": []},
        {"labels": ["a", "a"]},
        {"labels": [["a"]]},
        {"temperature": "hot"},
        {"temperature": 0},
        {"threshold": {}},
        {"name": "x" * 5000},
        {"trained_on": None},
    ],
    ids=str,
)
def test_a_card_that_says_odd_things_is_refused(tmp_path, damage):
    home = tmp_path / "x"
    home.mkdir()
    card = json.loads((SOURCE / "card.json").read_text())
    (home / "card.json").write_text(json.dumps(card | damage))
    with pytest.raises(WeightsError, match="is not a card"):
        read_card(home)
    assert cards(tmp_path) == {}


def test_an_undamaged_card_is_taken(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "x")
    assert "recognises" in sentences(cards(tmp_path)["x"])
    assert Recognizer.load(tmp_path / "x", "cpu").labels


@pytest.mark.parametrize(
    "damage", [{"labels": [[], "b"]}, {"threshold": ""}, {"threshold": -1}, {"quantile": []}], ids=str
)
def test_a_repository_whose_card_says_odd_things_is_refused(tmp_path, damage):
    Repository.of({"a": np.eye(3)[:1], "b": np.eye(3)[1:2]}).save(tmp_path)
    path = tmp_path / "repository.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(RepositoryError, match="broken"):
        Repository.load(tmp_path)


@pytest.fixture
def run(tmp_path) -> Run:
    run = Run.create(tmp_path / "r", Settings(system="asym3d", data="synthetic:six", name="r"))
    run.log("started", steps=4, labels=["a", "b"], sentence="Started.")
    run.log("epoch", epoch=1, loss=1.0, accuracy=0.5, confusion=[[1, 0], [0, 1]])
    run.set_status("stopped", "Stopped.", done=0.5)
    return run


@pytest.mark.parametrize(
    "damage",
    [{"sentence": {}}, {"state": 0.1}, {"done": "half"}, {"done": []}, {"left": {}}, {"pid": "one"}, {"pid": -1}],
    ids=str,
)  # fmt: skip
def test_a_status_that_says_odd_things_is_none(run, damage):
    path = run.folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert run.status()["state"] == "new"
    assert "Not started" in summary(Trainings(run.folder.parent), "r")


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00", b"{", b"[]", b"null", b'{"event": "step", "time": 1}', b'{"event": 1, "time": 1}',
        b'{"event": "epoch", "time": 1, "epoch": "x", "loss": 1, "accuracy": 1}',
        b'{"event": "epoch", "time": 1, "epoch": 2, "loss": 1, "accuracy": 1, "confusion": [[1, 2], [3]]}',
        b'{"event": "started", "time": 1, "steps": {}}', b'{"event": "note", "time": 1e300}', b"[" * 3000,
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_line_of_the_log_is_read_past(run, line):
    whole = run.events()
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(line + b"\n")
    assert run.events() == whole
    assert run_log.confusion(run.events())[2] == 1 and "svg" in charts_of(run.events())["confusion"]


def test_a_start_without_labels_shows_no_confusion(run):
    run.log("started", steps=4)
    assert run_log.confusion(run.events()) is None


@pytest.mark.parametrize(
    "damage", [{"epochs": "many"}, {"options": []}, {"system": None}, {"seed": True}, {"data": ...}], ids=str
)
def test_settings_that_say_odd_things_are_refused(run, damage):
    path = run.folder / "settings.json"
    values = json.loads(path.read_text()) | damage
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))
    with pytest.raises(RunError, match="broken"):
        run.settings()
    path.write_text("[]")
    with pytest.raises(RunError, match="broken"):
        run.settings()


@pytest.mark.parametrize(("target", "count"), [("videos", 150), ("weights", 25), ("taught", 60), ("repository", 60),
                                               ("zips", 80), ("runs", 80)])  # fmt: skip
def test_a_sample_of_damaged_files_does_no_harm(target, count):
    """The first numbers of `python -m benchmarks.fuzz`; it takes thousands."""
    found = fuzz.run(target, 0, count, 10.0)
    assert found["failures"] == [] and sum(found["outcomes"].values()) == count
    refused = sum(number for word, number in found["outcomes"].items() if word not in fuzz.ACCEPTED)
    assert refused > count / 10


def test_the_fuzzer_sees_what_is_wrong(monkeypatch):
    """A reader that breaks, and one that never ends well, are failures, and they are made small."""
    from actrec.data import archive

    monkeypatch.setattr(archive, "_parts", lambda entry: entry.no_such_thing)
    found = fuzz.run("zips", 0, 40, 10.0)
    assert any("AttributeError" in each["what"] for each in found["failures"])
    for each in found["failures"]:
        (ROOT / each["kept"]).unlink()
