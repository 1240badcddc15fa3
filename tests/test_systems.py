"""Recipes: what they make of a clip is what their network takes, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from actrec.systems import SYSTEMS, named
from actrec.systems.asym3d import light
from actrec.systems.views import Placing, place, signed_difference, starts, window
from actrec.video import Clip

LIGHT = [name for name, system in SYSTEMS.items() if system.size == "light"]
# Views that the papers' protocols take of one video: 25 × 10, 5 × 18, 10 × 3, p passes.
PAPER_VIEWS = {"c3d-b8": 250, "fstcn-paper": 90, "mdtnet-paper": 30, "ms3d-paper": 4}


def _clip(frames: int = 60, size: tuple[int, int] = (72, 96), seed: int = 0) -> Clip:
    noise = np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), np.uint8)
    return Clip(noise, np.arange(frames) / 25)


def _shapes(system) -> dict:
    return {name: (each.channels, each.frames, each.size, each.size) for name, each in system.inputs.items()}


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("frames", [1, 3, 60])
def test_views_of_any_clip_are_what_the_network_takes(name, frames):
    system = named(name)
    clip = _clip(frames)
    for view in [system.training_view(clip, np.random.default_rng(0)), *system.protocols["clip"].views(clip)]:
        assert {key: value.shape for key, value in view.items()} == _shapes(system)
        assert all(value.dtype == np.uint8 for value in view.values())


@pytest.mark.parametrize("name", LIGHT)
def test_the_same_seed_draws_the_same_view_and_another_seed_another(name):
    system, clip = named(name), _clip()
    one, same, other = (system.training_view(clip, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one[key], same[key]) for key in one)
    assert not all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("name", "count"), PAPER_VIEWS.items())
def test_the_papers_protocols_take_the_papers_number_of_views(name, count):
    system = named(name)
    views = system.protocols["paper"].views(_clip(30, (60, 80)))
    assert len(views) == count
    assert {key: value.shape for key, value in views[0].items()} == _shapes(system)
    fused = system.protocols["paper"].fuse(np.full((count, 3), 1 / 3)) if system.decides == "scores" else None
    assert fused is None or fused.scores == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("name", LIGHT)
def test_every_light_network_takes_its_own_views_and_is_small(name):
    from actrec.models.counting import multiplications, weights

    system = named(name)
    with torch.device("meta"):
        network = system.network(101)
        blank = system.blank()
    assert weights(network) <= 1.5e6
    assert multiplications(network, blank) <= 3e9


def test_bytes_become_floats_by_mean_and_deviation():
    system = named("asym3d")
    view = {"clip": np.full((3, 16, 112, 112), 128, np.uint8)}
    assert system.tensors([view])["clip"].abs().max() < 1e-6
    view["clip"][0, 0, 0, 0] = 255
    assert system.tensors([view])["clip"][0, 0, 0, 0, 0] == pytest.approx((1 - 128 / 255) / 0.06, rel=1e-5)


def test_the_newest_frames_are_what_a_live_view_sees():
    frames = np.repeat(np.arange(0, 250, 5, dtype=np.uint8), 20 * 20 * 3).reshape(50, 20, 20, 3)
    clip = Clip(frames, np.arange(50) / 8)
    system = light("rgb", "test")
    seen = system.protocols["one"].views(clip)[0]["clip"][0, :, 56, 56]
    assert list(seen) == list(range(33 * 5, 49 * 5, 5))  # frames 33 … 48; the 49th closes the last difference


def test_windows_cover_a_clip_and_a_short_clip_has_one():
    assert starts(_clip(250), 2.0, 10)[0] == 0
    assert starts(_clip(250), 2.0, 10)[-1] == pytest.approx(249 / 25 - 2.0)
    assert len(starts(_clip(10), 2.0, 10)) == 1
    still = window(_clip(10), 5, 1.0, 100.0)
    assert all(np.array_equal(frame, still[0]) for frame in still)


def test_a_letterbox_keeps_proportion_and_a_mirror_is_a_mirror():
    frames = np.zeros((1, 40, 80, 3), np.uint8)
    frames[0, :, :40] = 200
    square = place(frames, 80)
    assert square[0, :19].max() == 0 and square[0, -19:].max() == 0
    assert square[0, 40, 10, 0] == 200 and square[0, 40, 70, 0] == 0
    mirrored = place(frames, 80, Placing(flip=True))
    assert np.abs(mirrored[0, :, ::-1].astype(int) - square[0]).max() <= 1


def test_another_light_tints_every_frame_alike_and_grey_has_no_colour():
    frames = np.broadcast_to(np.array([100, 60, 20], np.uint8), (2, 8, 8, 3))
    assert place(frames, 8, Placing(gain=(0.5, 1.0, 2.0), bias=10))[:, 4, 4].tolist() == [[60, 70, 50]] * 2
    grey = 0.299 * 100 + 0.587 * 60 + 0.114 * 20  # ITU-R BT.601
    assert place(frames, 8, Placing(grey=True))[0, 4, 4].tolist() == [round(grey)] * 3


def test_signed_differences_by_hand():
    frames = np.zeros((3, 1, 2, 3), np.uint8)
    frames[:, 0, 0] = np.array([10, 30, 20])[:, None]
    frames[:, 0, 1] = np.array([0, 255, 0])[:, None]
    # 128 + 20/2, 128 + 255/2 = 255.5 held at 255; 128 − 10/2, 128 − 255/2 = 0.5 rounded to even
    assert signed_difference(frames)[:, 0, :, 0].tolist() == [[138, 255], [123, 0]]


def test_an_unknown_system_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no system 'magic'.*ms3d.*c3d-b8"):
        named("magic")
