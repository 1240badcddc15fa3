"""`weights/make.py` trains what ships, by the commands on the cards."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from actrec.cli import train
from actrec.systems import named
from actrec.training.run import Settings

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted(path.parent.name for path in (ROOT / "weights").glob("*-*/card.json") if "detector" not in str(path))


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_weights", ROOT / "weights" / "make.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()


def _settings(words: list[str]) -> Settings:
    """What a command asks of a training; where the data lie and how many threads there are differ by machine."""
    parser = argparse.ArgumentParser()
    train.add(parser)
    settings = train._settings(parser.parse_args(words[words.index("train") + 1 :]))
    epochs = settings.epochs or named(settings.system).schedules[settings.preset].epochs
    return replace(settings, threads=0, epochs=epochs)


def test_every_checkpoint_that_ships_has_a_training():
    assert sorted(training.name for training in SCRIPT.TRAININGS if training.ships) == CARDS


@pytest.mark.parametrize("name", CARDS)
def test_the_command_is_the_one_on_the_card(name):
    card = json.loads((ROOT / "weights" / name / "card.json").read_text())
    command = SCRIPT.BY_NAME[name].command("../shared/data")
    assert _settings(command) == _settings(shlex.split(card["command"]))


def test_a_training_comes_after_the_one_that_it_continues_from():
    done = set()
    for training in SCRIPT.TRAININGS:
        assert not training.continues or training.continues in done, training.name
        done.add(training.name)


def test_some_weights_bring_the_trainings_before_them():
    names = [training.name for training in SCRIPT.with_those_before(["ms3d-ut"])]
    assert names == ["ms3d-synthetic", "ms3d-pairs", "ms3d-pairs2", "ms3d-ut"]


def test_a_dry_run_prints_every_command_and_makes_no_run(tmp_path):
    shown = subprocess.run(
        [sys.executable, str(ROOT / "weights" / "make.py"), "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(shown) == len(SCRIPT.TRAININGS)
    assert all(line.startswith("python -m actrec train --system ") for line in shown)
    assert list(tmp_path.iterdir()) == []


def test_real_clips_that_are_needed_are_asked_for():
    refused = subprocess.run(
        [sys.executable, str(ROOT / "weights" / "make.py"), "--only", "asym3d-ut"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2 and "--data is needed" in refused.stderr
