"""Whether maps are true, on a network whose evidence is known: one mover of two decides the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from actrec.data import synthetic
from actrec.explain import truth
from actrec.explain.over_time import Windows, film_of
from actrec.explain.saliency import METHODS, ClassSaliency
from actrec.explain.truth import cells_of, rank_correlation, taken_out
from actrec.fusion import average
from actrec.models.c3d import C3D
from actrec.models.layers import ConvReLU3d
from actrec.recognizer import Recognizer
from actrec.systems.system import Input, Protocol, System
from actrec.weights.cards import Card

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("asym3d", "fstcn", "ms3d", "mdtnet", "crossenh")
FRAMES, SIDE, SQUARE = 8, 32, 6


def scene(rng: np.random.Generator) -> tuple[np.ndarray, str, np.ndarray, np.ndarray]:
    """Frames `[T, S, S, 3]` in which a red square goes left or right, and a blue one too, whichever way it likes;
    the class is the red one's way. Also where each of the two is, as masks."""
    frames = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((2, FRAMES, SIDE, SIDE), bool)
    rows = rng.permutation([rng.integers(1, 9), rng.integers(17, 25)])
    ways = rng.integers(2, size=2)
    for mover, (row, way) in enumerate(zip(rows, ways, strict=True)):
        start = rng.integers(1, SIDE - SQUARE - 2 * FRAMES)
        for t in range(FRAMES):
            left = start + 2 * (t if way else FRAMES - 1 - t)
            frames[t, row : row + SQUARE, left : left + SQUARE, 0 if mover == 0 else 2] = 255
            masks[mover, t, row - 1 : row + SQUARE + 1, left - 1 : left + SQUARE + 1] = True
    return frames, ("left", "right")[ways[0]], masks[0], masks[1]


def view(frames: np.ndarray) -> dict[str, np.ndarray]:
    return {"clip": np.ascontiguousarray(frames.transpose(3, 0, 1, 2))}


@pytest.fixture(scope="module")
def trained() -> Recognizer:
    """A small 3-D network that learned the way of the red square."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    groups = [ConvReLU3d(3, 12, (3, 3, 3)), ConvReLU3d(12, 24, (3, 3, 3))]
    network = C3D(groups, 24, 2, fc=(16,), dropout=0.0, mean=True, generator=generator)
    toy = System(
        name="toy", title="Toy", paper="", size="light", inputs={"clip": Input(3, FRAMES, SIDE, 0.0, 1.0)},
        network=lambda classes: network, seconds=1.0, training_view=lambda clip, rng: {},
        protocols={"one": Protocol(lambda clip: [view(clip.frames[:FRAMES])], average)}, schedules={},
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
    for _ in range(160):
        drawn = [scene(rng) for _ in range(16)]
        targets = torch.tensor([("left", "right").index(each[1]) for each in drawn])
        loss = torch.nn.functional.cross_entropy(network(**toy.tensors([view(each[0]) for each in drawn])), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Recognizer(toy, network, Card("toy", "toy", ["left", "right"], "squares", "", 0), "cpu")


def held_out(count: int = 24) -> list[tuple]:
    rng = np.random.default_rng(99)
    return [scene(rng) for _ in range(count)]


def test_the_network_learned_the_way_of_the_red_square(trained):
    scenes = held_out()
    logits, _ = trained.run([view(each[0]) for each in scenes])
    assert np.mean([trained.labels[row.argmax()] == each[1] for row, each in zip(logits, scenes, strict=True)]) > 0.9


def test_what_decides_beats_random_order_and_what_does_not_loses_to_it(trained):
    gains, against = [], []
    for frames, label, right, _ in held_out(12):
        true = {"clip": right.astype(np.float32)}
        gains.append(truth.tested(trained, view(frames), label, true).gain)
        against.append(truth.tested(trained, view(frames), label, {"clip": 1 - true["clip"]}).gain)
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / len(gains) ** 0.5
    assert np.mean(against) < 0


def test_curves_run_from_the_whole_clip_to_none_of_it(trained):
    frames, label, right, _ = held_out(1)[0]
    found = truth.tested(trained, view(frames), label, {"clip": right.astype(np.float32)})
    empty = {"clip": np.ascontiguousarray(taken_out(view(frames)["clip"]))}
    whole, none = trained.shares(*trained.run([view(frames), empty]))[:, trained.labels.index(label)]
    ends = [found.deletion[0], found.insertion[-1], found.random_deletion[0]]
    assert ends == pytest.approx([whole] * 3, abs=1e-3)
    assert [found.deletion[-1], found.insertion[0]] == pytest.approx([none] * 2, abs=1e-3)


def test_the_rank_correlation_is_spearmans_where_something_changes():
    rng = np.random.default_rng(0)
    still = np.full((3, 2, 16, 16), 90, np.uint8)
    moving = still.copy()
    moving[:, 1, :8] = 200  # the upper half
    one = rng.random((2, 16, 16)).astype(np.float32)
    other = one.copy()
    other[:, 8:] = 1 - other[:, 8:]
    view = {"clip": moving}
    assert rank_correlation({"clip": one}, {"clip": other}, view) == pytest.approx(1)
    assert rank_correlation({"clip": one}, {"clip": 1 - one}, view) == pytest.approx(-1)
    assert rank_correlation({"clip": one}, {"clip": other}, {"clip": still}) < 0.9
    assert rank_correlation({"clip": one}, {"clip": np.zeros_like(one)}, view) == 0


def test_cells_are_eight_pixels_and_a_quarter_of_the_frames():
    cells = cells_of({"a": np.zeros((3, 8, 16, 24), np.uint8), "b": np.zeros((2, 2, 8, 8), np.uint8)})
    assert [np.bincount(cells["a"].ravel()).tolist(), cells["b"].min()] == [[2 * 8 * 8] * (4 * 2 * 3), 24]
    assert cells["a"][0, 0, 0] == cells["a"][1, 7, 7] != cells["a"][2, 0, 0]


def test_all_methods_at_once_are_what_they_are_one_by_one():
    saliency = ClassSaliency(Recognizer.load(ROOT / "weights" / "fstcn-synthetic", "cpu"))
    clip = synthetic.render("squat", 2_000_000_501, frames=36, size=(60, 80), fps=12)
    views = saliency.recognizer.system.protocols["one"].views(clip)
    together = saliency.every(views, "squat")
    assert list(together) == list(METHODS)
    for method, alone in METHODS.items():
        for name, maps in alone(saliency, views, "squat").items():
            assert np.allclose(maps, together[method][name], atol=1e-4 * maps.max())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_method_covers_the_whole_clip_on_one_scale(name):
    saliency = ClassSaliency(Recognizer.load(ROOT / "weights" / f"{name}-synthetic", "cpu"))
    clip = synthetic.render("squat", 2_000_000_501, frames=72, size=(60, 80), fps=12, framing="whole")
    windows = Windows.of(saliency.recognizer.system, clip)
    assert windows.notes() == []
    for method in METHODS:
        film = film_of(saliency, windows, "squat", method)
        assert film.maps.shape == (48, 60, 80) and film.pictures.frames.shape == (48, 60, 80, 3)
        assert film.maps.min() >= 0 and film.maps.max() <= 1
        if method != "Grad-CAM":  # which may find nothing that speaks for a class
            assert film.maps.max() == 1 and film.share.sum() == pytest.approx(1)
            assert sum(film.inputs.values()) == pytest.approx(1)


def test_a_clip_in_which_nothing_happens_is_told_so():
    system = Recognizer.load(ROOT / "weights" / "asym3d-synthetic", "cpu").system
    clip = synthetic.render("wave", 2_000_000_501, frames=36, size=(60, 80), fps=12)
    still = Windows.of(system, clip.at(np.full(36, 0.5)).__class__(clip.frames[[5] * 36], clip.times))
    assert "Nothing moves" in still.notes()[0]
    two = Windows.of(system, clip.__class__(clip.frames[:2], clip.times[:2]))
    assert "two pictures" in two.notes()[0] and len(two.views) == 1
    one = Windows.of(system, clip.__class__(clip.frames[:1], clip.times[:1]))
    assert "one picture" in one.notes()[0]
