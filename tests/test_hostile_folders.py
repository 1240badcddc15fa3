"""Folders of weights and of runs that come from elsewhere: nothing in one hangs, fills or stops what lists them all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
import pytest

from actrec.evaluation.compare import Point
from actrec.machine import read_small
from actrec.recognizer import Recognizer, find_weights
from actrec.video import Clip
from actrec.weights.cards import WeightsError, cards
from demo.chart import accuracy_against_cost
from demo.lab import Lab

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
    lab = Lab(folder, "cpu")
    orjson.dumps([asdict(card) for card in lab.cards.values()])  # as the page sends them
    return list(cards(folder)) == list(lab.cards) == ["mine"]


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
