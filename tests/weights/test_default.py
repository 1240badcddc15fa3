"""Which weights answer where nobody names others, with and without the network that the everyday ones go on from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actrec import Recognizer
from actrec.cli import machine_report
from actrec.recognition.recognizer import open_recognizer
from actrec.weights.cards import Card, WeightsError
from actrec.weights.checkpoint import Trunk, write_checkpoint
from actrec.weights.default import FALLBACK, PREFERRED, default_of, default_weights
from actrec.weights.folders import WEIGHTS
from actrec.weights.starts import EVERYDAY, STARTS, starts_folder

ROOT = Path(__file__).resolve().parents[2]
TO_FETCH = "python -m actrec fetch kinetics-i3d"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The everyday weights and the fallback, beside a cache in which nothing was fetched."""
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    for name in PREFERRED:
        shutil.copytree(WEIGHTS / name, tmp_path / "weights" / name)
    return tmp_path / "weights"


def fetched(sha256: str = STARTS["kinetics-i3d"].member.sha256) -> None:
    """A card of the published network in the cache, as fetching leaves it; its numbers do not matter here."""
    card = Card(name="kinetics-i3d", system="i3d-rgb", labels=["a"], trained_on="", command="", seed=0,
                source={"sha256": sha256})  # fmt: skip
    write_checkpoint(starts_folder() / "kinetics-i3d", card, {})


def test_without_the_trunk_the_fallback_answers_and_says_what_to_fetch(folder):
    default = default_weights(folder)
    assert default.name == FALLBACK == "asym3d-people"
    assert TO_FETCH in default.notice and default.notice.endswith(f"Until then '{FALLBACK}' answers.")


def test_with_the_trunk_the_everyday_weights_answer_and_there_is_nothing_to_say(folder):
    fetched()
    assert default_weights(folder) == default_weights(folder, starts_folder())
    assert default_weights(folder).name == EVERYDAY and default_weights(folder).notice == ""


def test_a_trunk_that_was_converted_from_another_file_does_not_count(folder):
    fetched(sha256="0" * 64)
    assert default_weights(folder).name == FALLBACK and TO_FETCH in default_weights(folder).notice


def test_a_folder_without_the_preferred_weights_answers_by_its_first_ones(folder):
    shutil.rmtree(folder / EVERYDAY)
    assert default_weights(folder).name == FALLBACK and default_weights(folder).notice == ""
    shutil.move(folder / FALLBACK, folder / "mine")
    assert default_weights(folder).name == "mine"
    assert default_of([]) is None and default_of(["b", FALLBACK, EVERYDAY]) == EVERYDAY


def test_python_and_the_command_line_take_the_same_default(folder, monkeypatch):
    monkeypatch.setattr("actrec.weights.default.WEIGHTS", folder)
    assert Recognizer.load(device="cpu").card.name == FALLBACK
    assert open_recognizer(None, None, folder, "cpu").card.name == FALLBACK
    assert open_recognizer("asym3d", None, WEIGHTS, "cpu").card.name == "asym3d-synthetic"
    with pytest.raises(WeightsError, match=f"'everyday' go on from 'kinetics-i3d', .* {TO_FETCH}"):
        open_recognizer(None, EVERYDAY, folder, "cpu")


def test_weights_with_another_trunk_than_a_published_one_need_it_beside_them(folder):
    card = Card(name="branch", system="asym3d", labels=["a"], trained_on="", command="", seed=0)
    write_checkpoint(folder / EVERYDAY, card, {}, trunk=Trunk("stem", {}))
    assert "Put the folder 'stem' beside it." in default_weights(folder).notice
    shutil.copytree(folder / FALLBACK, folder / "stem")
    assert default_weights(folder).name == EVERYDAY


def test_doctor_says_which_weights_answer_and_what_better_ones_lack(folder):
    (finding,) = machine_report.default(folder)
    assert (finding.about, finding.state) == ("default weights", machine_report.NOTE)
    assert finding.says.startswith(FALLBACK) and TO_FETCH in finding.remedy
    fetched()
    (finding,) = machine_report.default(folder)
    assert finding.state == machine_report.GOOD and finding.says.startswith(EVERYDAY) and finding.remedy == ""
    assert list(machine_report.default(folder / "nowhere")) == []


def run(cache: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "actrec", *words], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env=os.environ | {"ACTREC_CACHE": str(cache)},
    )  # fmt: skip


def test_the_command_line_says_once_what_to_fetch_and_answers(cache_without_starts):
    clip = str(ROOT / "assets" / "examples" / "jumping-jack.mp4")
    done = run(cache_without_starts, "predict", clip, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["weights"] == FALLBACK
    assert done.stderr.count("\n") == 1 and TO_FETCH in done.stderr and FALLBACK in done.stderr
    named = run(cache_without_starts, "predict", clip, "--weights", FALLBACK)
    assert named.returncode == 0 and named.stderr == ""
    lacking = run(cache_without_starts, "predict", clip, "--weights", EVERYDAY)
    assert lacking.returncode == 2 and TO_FETCH in lacking.stderr and "Until then" not in lacking.stderr


def test_with_the_published_network_the_everyday_weights_answer_real_clips(published_i3d, shared_data):
    done = run(published_i3d.parents[1], "predict", str(shared_data / "everyday" / "gym_squat.mp4"), "--json")
    answer = json.loads(done.stdout)
    assert done.stderr == "" and (answer["weights"], answer["label"]) == (EVERYDAY, "squat")
