"""The published I3D as a recognizer: what its views are, how it is found, and what it says of real clips."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import get_model_weights

from actrec.recognition.engines.check import checking_views
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError
from actrec.weights.checkpoint import fit, read_checkpoint, tensors_sum
from actrec.weights.find import find_weights
from actrec.weights.folders import WEIGHTS
from actrec.weights.kinetics import KINETICS_400

ROOT = Path(__file__).resolve().parents[1]


def counted(frames: int, fps: float, size: tuple[int, int] = (256, 340)) -> Clip:
    """A clip whose frames are grey by their number."""
    values = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return Clip(np.broadcast_to(values, (frames, *size, 3)).copy(), np.arange(frames) / fps)


def test_the_names_are_those_that_torchvision_lists():
    assert tuple(get_model_weights("r3d_18").DEFAULT.meta["categories"]) == KINETICS_400


def test_the_names_are_those_of_the_real_clips(shared_data):
    listed = (shared_data / "labels" / "kinetics400_label_map_i3d.txt").read_text().splitlines()
    assert list(KINETICS_400) == listed
    rows = [line.split("\t") for line in (shared_data / "everyday.tsv").read_text().splitlines()]
    assert len(rows) == 12 and {name for _, names in rows for name in names.split("|")} <= set(KINETICS_400)


def test_a_clip_is_seen_by_the_clock_in_three_windows():
    system = named("i3d-rgb")
    views = system.protocols["clip"].views(counted(200, 25.0))
    assert [view["clip"].shape for view in views] == [(3, 64, 224, 224)] * 3
    assert [int(view["clip"][0, 0, 0, 0]) for view in views] == [0, 68, 136]  # 200 frames less 64, in two steps
    assert np.diff(views[0]["clip"][0, :, 0, 0].astype(int)).tolist() == [1] * 63
    twice = system.protocols["clip"].views(counted(240, 50.0))  # another rate, the same speed
    assert set(np.diff(twice[0]["clip"][0, :, 0, 0].astype(int))) == {2}


class Noting:
    """An engine that notes the shapes of the views that it is asked about."""

    name, dtype = "noting", "float32"

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def answer(self, views: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        self.asked += [view["clip"].shape for view in views]
        return np.zeros((len(views), 3)), np.ones((len(views), 4))


def test_each_of_the_two_sizes_of_views_has_its_own_engine(monkeypatch):
    """OpenVINO compiles a network for one size; asked about another it would fail and never answer again."""
    system, labels = named("i3d-rgb"), ["a", "b", "c"]
    made: dict[str, Noting] = {}
    monkeypatch.setattr(
        Recognizer, "_first_engine", lambda self: made.setdefault(str(self.system.option("view")), Noting())
    )
    recognizer = Recognizer(system, system.network(3), Card("test", "i3d-rgb", labels, "nothing", "", 0), "cpu")
    clip = counted(200, 25.0)
    recognizer.predict(clip, "one")
    recognizer.predict(clip)
    assert made["full"].asked == [(3, 64, 224, 224)] * 3 and made["live"].asked == [(3, 32, 160, 160)]


@pytest.mark.parametrize("view", ["full", "live"])
def test_an_engine_is_checked_on_views_of_the_size_that_it_is_for(view):
    system = named("i3d-rgb", {"view": view})
    assert all(system.fits(each) for each in checking_views(system))


def test_proportion_is_kept_and_the_centre_is_seen_without_a_border():
    frames = np.full((70, 200, 400, 3), 90, np.uint8)
    frames[:, :, 200:] = 180
    view = named("i3d-rgb").protocols["clip"].views(Clip(frames, np.arange(70) / 25))[0]["clip"]
    assert set(np.unique(view[:, 0, :, :110])) == {90} and set(np.unique(view[:, 0, :, 114:])) == {180}


def test_the_live_view_is_smaller_and_ends_with_the_newest_frame():
    system = named("i3d-rgb")
    (view,) = system.protocols["one"].views(counted(200, 25.0))
    assert view["clip"].shape == (3, 32, 160, 160) and view["clip"][0, -1, 0, 0] == 199
    assert system.protocols["one"].moments(counted(200, 25.0))[[0, -1]].tolist() == pytest.approx([168 / 25, 199 / 25])
    live = named("i3d-rgb", {"view": "live"})
    assert [v["clip"].shape for v in live.protocols["clip"].views(counted(200, 25.0))] == [(3, 32, 160, 160)] * 3
    assert (live.inputs["clip"].frames, live.inputs["clip"].size) == (32, 160) and live.chosen == {"view": "live"}
    bytes_ = {"clip": np.array([0, 255], np.uint8).repeat(3 * 16 * 160 * 160).reshape(3, 32, 160, 160)}
    assert live.tensors([bytes_])["clip"].unique().tolist() == [-1, 1]  # as the published network wants it


def test_a_short_or_a_small_clip_is_seen_too():
    for clip in (counted(3, 25.0, (40, 30)), counted(1, 25.0)):
        (view,) = named("i3d-rgb").protocols["clip"].views(clip)
        assert view["clip"].shape == (3, 64, 224, 224)


def test_weights_that_were_not_fetched_say_how_to_fetch_them(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"'kinetics-i3d' are not on this machine\. Fetch it .*actrec fetch kinetics-i3d"
    ):
        find_weights("kinetics-i3d", ROOT / "weights")


# --- with the published weights --------------------------------------------------------------------


def test_the_fetched_network_is_the_published_one_to_the_bit(published_i3d):
    card, tensors = read_checkpoint(published_i3d)
    assert card.labels == list(KINETICS_400) and card.system == "i3d-rgb" and card.group == "everyday"
    # all 287 tables of numbers were compared once with what pickle.load and NumPy make of the published file
    assert tensors_sum(tensors) == "205ef86c21b866d79036403968c03d67e50702f547956cbb4b7334a0ffb8ead1"
    assert all(value.isfinite().all() for value in tensors.values())


def test_it_names_what_people_do_in_a_real_clip(published_i3d, shared_data):
    done = subprocess.run(
        [sys.executable, "-m", "actrec", "predict", str(shared_data / "everyday" / "gym_squat.mp4"),
         "--weights", "kinetics-i3d", "--json"], cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["label"] == "squat" and len(answer["scores"]) == 400
    assert sum(each["score"] for each in answer["scores"]) == pytest.approx(1, abs=1e-3)


def test_a_still_grey_picture_is_seen_alike_by_both_views_of_one_network(published_i3d):
    """Live and clip views go through the same network, whatever their size."""
    recognizer = Recognizer.load(published_i3d, "cpu")
    grey = Clip(np.full((80, 64, 64, 3), 128, np.uint8), np.arange(80) / 25)
    for views in ("one", "clip"):
        prediction = recognizer.predict(grey, views)
        assert np.isfinite(prediction.scores).all() and prediction.code.shape == (1024,)


def test_own_names_masked_the_shipped_weights_answer_as_the_published_network(published_i3d):
    card, tensors = read_checkpoint(WEIGHTS / "everyday")
    network = named(card.system).network(len(card.labels)).eval()
    fit(network, tensors, card)
    published_card, published = read_checkpoint(published_i3d)
    plain = named(published_card.system).network(400).eval()
    fit(plain, published, published_card)
    clip = torch.rand(2, 3, 16, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert torch.equal(network.code(clip), plain.code(clip))
        network.own.weight.zero_()
        network.own.bias.fill_(-1e4)
        ours, theirs = network(clip)[:, :400], plain(clip) * network.scale
        assert torch.allclose(torch.log_softmax(ours, 1), torch.log_softmax(theirs, 1), atol=1e-4)


def test_weights_are_asked_with_the_smaller_view_though_their_card_says_the_full_one(published_i3d):
    for name in ("kinetics-i3d", "everyday"):
        recognizer = Recognizer.load(name, "cpu", options={"view": "live"}, only_torch=True)
        assert (recognizer.system.inputs["clip"].frames, recognizer.system.inputs["clip"].size) == (32, 160)
