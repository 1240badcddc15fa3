"""Whether maps are true, on a network whose evidence is known: one mover of two decides the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actrec import synthetic
from actrec.explain.faithfulness import alike, cells_of, compared, rank_correlation, taken_out
from actrec.explain.over_time import Windows, clip_maps
from actrec.explain.saliency import METHODS, ClassSaliency
from actrec.recognition.recognizer import Recognizer
from benchmarks import movers

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("asym3d", "fstcn", "ms3d", "mdtnet", "crossenh")


@pytest.fixture(scope="module")
def trained() -> Recognizer:
    return movers.learned()


def test_most_of_the_saliency_lies_on_the_mover_that_decides(trained):
    """Of the whole picture's, frame by frame; the square and one pixel around it cover a fifth. The aim is 0.7; others
    that began differently reach less (`benchmarks.explain --only movers`), so here it is only that it stays so."""
    drawn = movers.scenes(99, 24)
    assert movers.accuracy(trained, drawn) > 0.9
    assert np.mean([right.mean() for _, _, right, _ in drawn]) < 0.2
    found = movers.parts_on_movers(trained, drawn)
    assert found["class saliency"][0] >= 0.6 and found["gradient × input"][0] >= 0.8
    assert found["class saliency"][1] < 0.15


def test_what_decides_beats_random_order_and_what_does_not_loses_to_it(trained):
    gains, against = [], []
    for frames, label, right, _ in movers.scenes(99, 12):
        right = right.astype(np.float32)
        found = compared(trained, movers.view(frames), label, {"true": {"clip": right}, "false": {"clip": 1 - right}})
        gains.append(found["true"].gain)
        against.append(found["false"].gain)
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / len(gains) ** 0.5
    assert np.mean(against) < 0


def test_curves_run_from_the_whole_clip_to_none_of_it(trained):
    frames, label, right, _ = movers.scenes(99, 1)[0]
    found = compared(trained, movers.view(frames), label, {"true": {"clip": right.astype(np.float32)}})["true"]
    empty = {"clip": np.ascontiguousarray(taken_out(movers.view(frames)["clip"]))}
    whole, none = trained.probabilities(*trained.run([movers.view(frames), empty]))[:, trained.labels.index(label)]
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


def test_frames_are_compared_one_by_one_and_those_that_say_nothing_not_at_all():
    """Which frames count more is the architecture's: a level of each frame's own changes nothing, nor does an input of
    which neither map says anything."""
    rng = np.random.default_rng(0)
    view = {name: rng.integers(0, 256, (3, 2, 16, 16), np.uint8) for name in "ab"}
    one, other = (rng.random((2, 16, 16)).astype(np.float32) for _ in range(2))
    level = np.array([1, 100], np.float32)[:, None, None]
    nothing = np.zeros_like(one)
    alone = rank_correlation({"a": one}, {"a": other}, view)
    assert abs(alone) < 0.5
    assert rank_correlation({"a": level * one, "b": nothing}, {"a": level * other, "b": nothing}, view) == alone
    half = one * np.array([1, 0], np.float32)[:, None, None]
    assert rank_correlation({"a": half}, {"a": half}, view) == pytest.approx(1)
    assert rank_correlation({"a": one}, {"a": half}, view) == pytest.approx(0.5)


def test_cells_are_eight_pixels_and_a_quarter_of_the_frames():
    cells = cells_of({"a": np.zeros((3, 8, 16, 24), np.uint8), "b": np.zeros((2, 2, 8, 8), np.uint8)})
    assert [np.bincount(cells["a"].ravel()).tolist(), cells["b"].min()] == [[2 * 8 * 8] * (4 * 2 * 3), 24]
    assert cells["a"][0, 0, 0] == cells["a"][1, 7, 7] != cells["a"][2, 0, 0]


@pytest.mark.parametrize("name", SHIPPED)
def test_shuffled_weights_give_another_map(name):
    """Adebayo et al.: a map that stays the same shows the picture, not what was learned."""
    saliency = ClassSaliency(Recognizer.load(ROOT / "weights" / f"{name}-synthetic", "cpu"))
    clip = synthetic.render("wave", 2_000_000_501, frames=36, size=(112, 112), fps=12, framing="whole")
    view = saliency.recognizer.system.protocols["one"].views(clip)[0]
    shuffled = saliency.shuffled()
    assert all(maps.any() for maps in shuffled.class_saliency([view], "wave").values())
    assert alike(saliency, saliency, view, "wave") == pytest.approx(1)
    assert alike(saliency, shuffled, view, "wave") < 0.5


def test_a_place_that_more_paths_lead_from_counts_no_more_for_it():
    """Before noise, the maps of networks with random weights say the same of the middle and of the border."""
    saliency = ClassSaliency(Recognizer.load(ROOT / "weights" / "fstcn-synthetic", "cpu"))
    rng = np.random.default_rng(0)
    blank = saliency.recognizer.system.blank()
    views = [{name: rng.integers(0, 256, each.shape[1:], np.uint8) for name, each in blank.items()} for _ in range(8)]
    ratios = []
    for maps in (saliency.shuffled(5).class_saliency(views, "wave"), saliency.chance()):
        mean = maps["difference"].mean((0, 1))
        ratios.append(mean[36:76, 36:76].mean() / np.concatenate([mean[:12].ravel(), mean[:, :12].ravel()]).mean())
    assert 0.6 < ratios[0] < 1.6 and ratios[1] > 2


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
        film = clip_maps(saliency, windows, "squat", method)
        assert film.maps.shape == (48, 60, 80) and film.clip.frames.shape == (48, 60, 80, 3)
        assert film.maps.min() >= 0 and film.maps.max() <= 1
        if method != "Grad-CAM":  # which may find nothing that speaks for a class
            assert film.maps.max() == 1 and film.influence.sum() == pytest.approx(1)
            assert sum(film.inputs.values()) == pytest.approx(1)


def test_a_clip_in_which_nothing_happens_is_told_so():
    system = Recognizer.load(ROOT / "weights" / "asym3d-synthetic", "cpu").system
    clip = synthetic.render("wave", 2_000_000_501, frames=36, size=(60, 80), fps=12)
    still = Windows.of(system, clip.at(np.full(36, 0.5)).__class__(clip.frames[[5] * 36], clip.times))
    assert "Nothing moves" in still.notes()[0]
    two = Windows.of(system, clip.__class__(clip.frames[:2], clip.times[:2]))
    assert "two frames" in two.notes()[0] and len(two.views) == 1
    one = Windows.of(system, clip.__class__(clip.frames[:1], clip.times[:1]))
    assert "one frame" in one.notes()[0]
