"""Weights that go on from others ship what differs, and find the rest by name and sum."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError, read_card
from actrec.weights.checkpoint import Trunk, read_checkpoint, tensors_sum, write_checkpoint


def card(name: str, system: str = "asym3d", labels: tuple[str, ...] = ("a", "b")) -> Card:
    return Card(name=name, system=system, labels=list(labels), trained_on="nothing", command="", seed=0)


@pytest.fixture
def trunk(tmp_path) -> Path:
    """A tiny network with a classifier of three classes, to the bit."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(40, 30), nn.BatchNorm1d(30), nn.Linear(30, 3))
    write_checkpoint(tmp_path / "trunk", card("trunk", labels=("a", "b", "c")), net.state_dict(), exact=True)
    return tmp_path / "trunk"


def branch(trunk: Path, into: str = "") -> dict[str, torch.Tensor]:
    """The same network with a classifier of two classes."""
    tensors = {into + name: value for name, value in read_checkpoint(trunk)[1].items()}
    return tensors | {f"{into}2.weight": torch.ones(2, 30), f"{into}2.bias": torch.full((2,), 0.5)}


def test_only_what_differs_is_written_and_all_of_it_is_read(trunk, tmp_path):
    tensors = branch(trunk)
    write_checkpoint(tmp_path / "mine", card("mine"), tensors, trunk=Trunk.read(trunk))
    found, read = read_checkpoint(tmp_path / "mine")
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert found.trunk["name"] == "trunk" and found.trunk["without"] == []
    small, large = ((folder / "model.safetensors").stat().st_size for folder in (tmp_path / "mine", trunk))
    assert small < 600 < 5000 < large  # 62 numbers in float16 and their names, against 1 400 in float32


def test_a_trunk_may_be_a_part_and_lose_some_of_its_own(trunk, tmp_path):
    tensors = branch(trunk, "streams.rgb.")
    del tensors["streams.rgb.2.weight"], tensors["streams.rgb.2.bias"]
    tensors["other"] = torch.ones(3)
    write_checkpoint(tmp_path / "mine", card("mine"), tensors, trunk=Trunk.read(trunk, "streams.rgb."))
    found, read = read_checkpoint(tmp_path / "mine")
    assert sorted(found.trunk["without"]) == ["2.bias", "2.weight"]
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_without_its_trunk_a_checkpoint_says_what_to_do(trunk, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    write_checkpoint(tmp_path / "mine", card("mine"), branch(trunk), trunk=Trunk.read(trunk))
    shutil.rmtree(trunk)
    with pytest.raises(WeightsError, match=r"'mine' go on from 'trunk', which is not on this machine\. Put the folder"):
        read_checkpoint(tmp_path / "mine")
    path = tmp_path / "mine" / "card.json"
    about = json.loads(path.read_text())
    about["trunk"]["name"] = "kinetics-i3d"
    path.write_text(json.dumps(about))
    with pytest.raises(WeightsError, match=r"Fetch it when there is a network: python -m actrec fetch kinetics-i3d"):
        read_checkpoint(tmp_path / "mine")


def test_another_trunk_under_the_name_is_refused(trunk, tmp_path):
    write_checkpoint(tmp_path / "mine", card("mine"), branch(trunk), trunk=Trunk.read(trunk))
    other = {name: value + 1 for name, value in read_checkpoint(trunk)[1].items()}
    write_checkpoint(trunk, card("trunk"), other, exact=True)
    with pytest.raises(WeightsError, match="go on from other weights 'trunk' than those in"):
        read_checkpoint(tmp_path / "mine")


def test_a_trunk_that_grows_on_another_is_refused_and_none_grows_on_itself(trunk, tmp_path):
    write_checkpoint(tmp_path / "mine", card("mine"), branch(trunk), trunk=Trunk.read(trunk))
    with pytest.raises(WeightsError, match="'mine' go on from others and are no trunk"):
        Trunk.read(tmp_path / "mine")
    path = tmp_path / "mine" / "card.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"trunk": read_card(tmp_path / "mine").trunk | {"name": "mine"}})
    )
    with pytest.raises(WeightsError, match="are no trunk themselves"):
        read_checkpoint(tmp_path / "mine")


@pytest.mark.parametrize(
    "odd", [3, {"name": "x"}, {"name": "../x", "sha256": "", "into": "", "without": []},
            {"name": "x", "sha256": "", "into": "", "without": [3]}],
)  # fmt: skip
def test_a_card_with_an_odd_trunk_is_no_card(trunk, odd):
    path = trunk / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"trunk": odd}))
    with pytest.raises(WeightsError, match="trunk is odd"):
        read_card(trunk)


def test_the_sum_goes_by_numbers_not_by_files(trunk, tmp_path):
    tensors = read_checkpoint(trunk)[1]
    backwards = dict(reversed(tensors.items()))
    assert tensors_sum(tensors) == tensors_sum(backwards)
    assert tensors_sum(tensors | {"0.bias": tensors["0.bias"] + 1e-6}) != tensors_sum(tensors)
    assert tensors_sum({"a": torch.zeros(2, 3)}) != tensors_sum({"a": torch.zeros(3, 2)})


def test_a_recognizer_answers_alike_with_its_weights_whole_or_on_a_trunk(tmp_path, rng):
    system = SYSTEMS["asym3d"]
    torch.manual_seed(0)
    start = system.network(5).state_dict()
    write_checkpoint(tmp_path / "start", card("start", labels=tuple("abcde")), start)
    fine = system.network(2).state_dict()
    kept = read_checkpoint(tmp_path / "start")[1]
    tensors = {name: kept[name] if kept[name].shape == value.shape else value for name, value in fine.items()}
    write_checkpoint(tmp_path / "whole", card("whole"), tensors, exact=True)
    write_checkpoint(tmp_path / "branch", card("branch"), tensors, exact=True, trunk=Trunk.read(tmp_path / "start"))
    clip = Clip(rng.integers(0, 256, (20, 60, 80, 3), dtype=np.uint8), np.arange(20) / 10)
    answers = [Recognizer.load(tmp_path / name, "cpu").predict(clip).scores for name in ("whole", "branch")]
    assert answers[0].tolist() == answers[1].tolist()
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "branch")]
    assert sizes[1] < sizes[0] / 50
