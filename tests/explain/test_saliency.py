"""Class saliency against derivatives found another way, and against where the drawn person is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from actrec import synthetic
from actrec.explain.layers import Recorded, layers_of, recorded
from actrec.explain.over_time import Windows
from actrec.explain.saliency import AT_ONCE, FINE, METHODS, ClassSaliency, _weighted, unletterboxed
from actrec.recognition.engines.opening import engine_names
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, crossenh
from actrec.systems.layers import Layer, as_is
from actrec.systems.views import place
from actrec.video import Clip
from actrec.weights.cards import Card

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "asym3d-synthetic"
LIGHT = [name for name, system in SYSTEMS.items() if system.size == "light"]


def untrained(name: str) -> Recognizer:
    """A light system with random weights, and random centres where it judges by them."""
    torch.manual_seed(3)
    system, labels = SYSTEMS[name], ["a", "b", "c"]
    network = system.network(len(labels))
    size = network.eval().code(**system.blank()).shape[1]
    rows = torch.nn.functional.normalize(torch.randn(3, size), dim=1).tolist()
    card = Card(name, name, labels, "nothing", "", 0, centres=dict(zip(labels, rows, strict=True)))
    return Recognizer(system, network, card, "cpu")


@pytest.fixture(scope="module")
def noise() -> Clip:
    """Square: in black bars neighbours are equal, and a maximum over equals has no slope."""
    frames = np.random.default_rng(0).integers(0, 256, (60, 112, 112, 3), np.uint8)
    return Clip(frames, np.arange(60) / 12.5)


@pytest.mark.parametrize("name", LIGHT)
def test_the_gradient_is_the_slope_of_the_score(name, noise):
    """A step of h along the sign of the gradient changes the score by h times the gradient's sum of magnitudes."""
    recognizer = untrained(name)
    saliency = ClassSaliency(recognizer)
    views = recognizer.system.protocols["one"].views(noise)[0]
    inputs = recognizer.system.tensors([views])
    found = saliency.gradients([views], "b")
    assert set(found) == set(inputs)
    step = 1e-7  # small: the networks have a bend at every ReLU; hence double precision for the two scores
    saliency.network.double()

    def score(times: float) -> float:
        moved = {name: inputs[name].double() + times * step * found[name].sign() for name in found}
        with torch.no_grad():
            return float(saliency.score(moved, "b"))

    whole = sum(float(slope.abs().sum()) for slope in found.values())
    assert whole > 0
    assert (score(1) - score(-1)) / (2 * step) == pytest.approx(whole, rel=0.05)


def test_the_score_of_centres_is_minus_the_squared_distance(noise):
    recognizer = untrained("ms3d")
    views = recognizer.system.protocols["one"].views(noise)
    code = recognizer.run(views)[1][0]
    code /= np.linalg.norm(code)
    saliency = ClassSaliency(recognizer)
    with torch.no_grad():
        found = {label: float(saliency.score(recognizer.system.tensors(views), label)) for label in "abc"}
    assert found == pytest.approx({label: -(gap**2) for label, gap in recognizer.distances(code).items()}, abs=0.02)


def test_a_network_that_sees_a_camera_smaller_is_explained_by_that_view_a_few_windows_at_a_time(noise, monkeypatch):
    monkeypatch.setattr(crossenh, "SEEN", {"full": (16, 112, 96), "live": (8, 96, 64)})
    system = crossenh.published_rgb()
    torch.manual_seed(3)
    card = Card("i3d", "i3d-rgb", ["a", "b", "c"], "nothing", "", 0)
    saliency = ClassSaliency(Recognizer(system, system.network(3), card, "cpu"))
    windows = Windows.of(system, Clip(noise.frames[:12], noise.times[:12]))
    assert len(windows.views) > AT_ONCE
    found = saliency.every(windows.views, "b", copies=1)
    shape = (len(windows.views), 8, 64, 64)
    assert {method: maps["clip"].shape for method, maps in found.items()} == dict.fromkeys(METHODS, shape)
    for method in ("class saliency", "Grad-CAM"):  # SmoothGrad's noise goes with the place in the batch
        maps = found[method]
        alone = [METHODS[method](saliency, [view], "b")["clip"][0] for view in windows.views]
        assert np.allclose(maps["clip"], alone, atol=1e-4 * maps["clip"].max()), method


@pytest.mark.parametrize("name", engine_names())
def test_the_network_that_answers_is_left_alone(name):
    recognizer = Recognizer.load(WEIGHTS, "cpu")
    recognizer._engine = recognizer._choice.open(name)
    clip = synthetic.render("wave", 2_000_000_501, frames=36, size=(120, 160), fps=12)
    before = recognizer.predict(clip, views="one").scores
    ClassSaliency(recognizer).over(clip, "wave")
    assert np.array_equal(before, recognizer.predict(clip, views="one").scores)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in recognizer.network.parameters())


@pytest.mark.parametrize("action", ["clap", "squat", "raise arms"])
def test_a_trained_network_looks_at_the_person(action):
    """The saliency of the right class is higher where something moves than elsewhere; anywhere would give 1."""
    recognizer = Recognizer.load(WEIGHTS, "cpu")
    clip = synthetic.render(action, 2_000_000_501, frames=36, size=(120, 160), fps=12, framing="whole")
    assert recognizer.predict(clip, views="one").label == action
    found = ClassSaliency(recognizer).over(clip, action)
    moving = clip.frames[-24:].astype(np.float32).mean(-1).std(0) > 12
    assert found.shape == (120, 160) and 0.005 < moving.mean() < 0.3
    assert found[moving].mean() > 1.6 * found[~moving].mean()
    upside_down = found[::-1]
    assert upside_down[moving].mean() < found[moving].mean()


@pytest.mark.parametrize("size", [(240, 320), (320, 180), (60, 200)])
def test_a_map_comes_back_to_where_the_letterbox_took_it_from(size):
    frame = np.zeros((1, *size, 3), np.uint8)
    top, left = size[0] // 3, size[1] // 2
    frame[0, top : top + size[0] // 6, left : left + size[1] // 6] = 255
    back = unletterboxed(place(frame, 112)[0, ..., 0].astype(np.float32) / 255, *size)
    rows, columns = np.nonzero(back > 0.5)
    assert rows.mean() == pytest.approx(top + size[0] / 12, abs=2) and columns.mean() == pytest.approx(
        left + size[1] / 12, abs=2
    )


def test_a_pixels_derivative_is_the_largest_of_its_three_whatever_its_sign():
    """Of −0.6, 0.1 and 0.3 the largest is 0.6; of 0.2, 0.2 and −0.1 it is 0.2; per byte of a deviation of 0.06."""
    saliency = ClassSaliency(untrained("asym3d"))
    slopes = torch.tensor([[-0.6, 0.2], [0.1, 0.2], [0.3, -0.1]]).reshape(1, 3, 1, 1, 2)
    found = saliency._largest({"clip": slopes})["clip"]
    assert found.shape == (1, 1, 1, 2) and found.ravel().tolist() == pytest.approx([0.6 / 0.06, 0.2 / 0.06])


def test_grad_cam_weighs_each_map_by_its_summed_slopes_and_cuts_off_what_is_negative():
    """Two channels of two pixels: slopes that sum to 2 and −1. 2 · (1, 3) − (1, 8) = (1, −2), cut to (1, 0)."""
    layer = Layer("last", {"last": as_is("clip")})
    maps = torch.tensor([[1.0, 3.0], [1.0, 8.0]]).reshape(1, 2, 1, 1, 2)
    slopes = torch.tensor([[1.5, 0.5], [-2.0, 1.0]]).reshape(1, 2, 1, 1, 2)
    shown = _weighted(Recorded(layer, 1, {"last": maps}), {"last": slopes}, {"clip": torch.zeros(1, 3, 1, 1, 2)})
    assert shown["clip"].ravel().tolist() == [1, 0]


def test_grad_cam_takes_the_highest_layer_whose_maps_are_fine_enough():
    saliency = ClassSaliency(untrained("asym3d"))
    system, network = saliency.recognizer.system, saliency.network
    fine = []
    for layer in layers_of(system, network):
        with recorded(network, layer, 1) as record, torch.no_grad():
            network.code(**system.blank())
        fine.append(min(record.maps()["clip"].shape[-2:]) >= FINE)
    names = [layer.name for layer in layers_of(system, network)]
    highest = max(place for place, enough in enumerate(fine) if enough)
    assert highest > 0 and saliency.last_fine.name == names[highest]
