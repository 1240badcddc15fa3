"""Fourier salience on signals whose transform is known by heart."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.motion.salience import enhance, salience


def clip_from(*pixels: list[int]) -> np.ndarray:
    """A clip one pixel high: for each pixel its grey values over time."""
    return np.array(pixels, np.uint8).T[:, None, :, None].repeat(3, 3)


BARE = {"smoothing": 0, "peak": 1.0, "floor": 0.0}


def test_what_is_constant_goes_and_the_energy_of_the_rest_stays():
    # 100 ± 50 and 80 ± 10 about their means: energies 2500 and 100; the third pixel never changes.
    frames = clip_from([50, 150, 50, 150], [90, 70, 90, 70], [200, 200, 200, 200])
    np.testing.assert_allclose(salience(frames, **BARE), [[[1, 0.04, 0]]] * 4, atol=1e-6)


def test_a_higher_cutoff_takes_the_slow_wave_too():
    # 100 + 30·cos(one cycle) + 20·cos(two cycles) = 150, 80, 90, 80.
    frames = clip_from([150, 80, 90, 80])
    all_but_constant = np.array([50, -20, -10, -20]) ** 2 / 2500
    np.testing.assert_allclose(salience(frames, cutoff=1, **BARE)[:, 0, 0], all_but_constant, atol=1e-6)
    np.testing.assert_allclose(salience(frames, cutoff=2, **BARE)[:, 0, 0], [1, 1, 1, 1], atol=1e-5)


def test_phase_only_forgets_the_amplitude():
    # Two pixels swing by 20 and by 80; their phases are the same.
    frames = clip_from([120, 80, 120, 80], [180, 20, 180, 20], [100, 100, 100, 100])
    equal = salience(frames, variant="phase", **BARE)
    np.testing.assert_allclose(equal, [[[1, 1, 0]]] * 4, atol=1e-3)


def test_phase_only_damps_what_is_weaker_than_the_floor():
    # |X| = 40 and 160 at the highest frequency; floor 20 → 20·√4 = 40: weights 40/80 and 160/200, squared.
    frames = clip_from([120, 80, 120, 80], [180, 20, 180, 20])
    found = salience(frames, variant="phase", smoothing=0, peak=1.0, floor=20)
    np.testing.assert_allclose(found, [[[0.25 / 0.64, 1]]] * 4, atol=1e-5)


@pytest.mark.parametrize("cutoff", [1, 2, 5])
def test_taking_slow_sines_away_equals_filtering_the_transform(rng, cutoff):
    frames = rng.integers(0, 256, (11, 6, 7, 1), np.uint8).repeat(3, 3)
    spectrum = np.fft.rfft(frames[..., 0].astype(float), axis=0)
    spectrum[:cutoff] = 0
    energy = np.fft.irfft(spectrum, n=11, axis=0) ** 2
    np.testing.assert_allclose(salience(frames, cutoff=cutoff, **BARE), energy / energy.max(), atol=1e-5)


@pytest.mark.parametrize("variant", ["amplitude", "phase"])
@pytest.mark.parametrize("cutoff", [1, 3])
def test_a_still_clip_has_zero_salience(rng, variant, cutoff):
    frames = rng.integers(0, 256, (1, 12, 16, 3), np.uint8).repeat(7, 0)
    assert salience(frames, variant=variant, cutoff=cutoff).max() < 1e-6


@pytest.mark.parametrize("variant", ["amplitude", "phase"])
def test_the_noise_of_an_empty_room_stays_dark(rng, variant):
    frames = (100 + rng.normal(0, 1.5, (16, 40, 50, 1)).round().clip(-5, 5)).astype(np.uint8).repeat(3, 3)
    assert salience(frames, variant=variant).max() < 0.35


def test_the_mover_is_salient_where_it_is_and_the_wall_is_not(rng):
    frames = rng.integers(90, 110, (1, 40, 60, 1), np.uint8).repeat(8, 0).repeat(3, 3)
    for t in range(8):
        frames[t, 15:25, 6 * t : 6 * t + 10] = 250
    found = salience(frames)
    for t in range(8):
        assert found[t, 17:23, 6 * t + 2 : 6 * t + 8].min() > 0.8
        assert found[t, 32:].max() < 0.05


def test_the_map_lies_between_0_and_1_in_float32(rng):
    found = salience(rng.integers(0, 256, (9, 21, 33, 3), np.uint8))
    assert (found.dtype, found.shape) == (np.float32, (9, 21, 33))
    assert found.min() >= 0 and found.max() == 1


def test_smoothing_spreads_a_lone_pixel():
    frames = np.zeros((2, 15, 15, 3), np.uint8)
    frames[1, 7, 7] = 255
    sharp, soft = (salience(frames, smoothing=s, peak=1.0, floor=0)[1] for s in (0, 2))
    assert sharp[7, 8] == 0 and 0.5 < soft[7, 8] < soft[7, 7] == 1


def test_enhancing_multiplies_by_the_map_as_strongly_as_asked():
    frames = np.full((1, 1, 3, 3), 200, np.uint8)
    weight = np.array([[[0, 0.5, 1]]], np.float32)
    assert enhance(frames, weight, 1.0)[0, 0, :, 0].tolist() == [0, 100, 200]
    assert enhance(frames, weight, 0.5)[0, 0, :, 1].tolist() == [100, 150, 200]
    assert enhance(frames, weight, 0.0)[0, 0, :, 2].tolist() == [200, 200, 200]


# --- frames that lie unevenly ---------------------------------------------------------------------

EVEN = 64  # frames of the clip
TIME = np.arange(EVEN) / EVEN
BLINKING, DRIFTING, SLOW = (np.cos(2 * np.pi * cycles * TIME) for cycles in (16, 1, 2))
UNEVEN = np.array([0, 1, 2, 3, 9, 17, 18, 33, 34, 35, 36, 37, 52, 60])  # as a random draw from segments gives them


def waves() -> np.ndarray:
    """Three pixels: one blinks sixteen times in the clip, one drifts up and down once, one twice."""
    return clip_from(*(np.rint(120 + 60 * wave).astype(int).tolist() for wave in (BLINKING, DRIFTING, SLOW)))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_cutoff_removes_a_drift_from_frames_that_lie_unevenly(stride):
    """What is left at each drawn frame is the square of its own wave: cutoff 1 keeps all three, 2 removes one cycle of
    a drift, 3 two of them, and the blinking stays as it is. With a stride the transform sees every second frame only.
    """
    frames = waves()
    squares = np.stack([BLINKING, DRIFTING, SLOW], 1)[UNEVEN] ** 2
    for cutoff, left in ((1, [1, 1, 1]), (2, [1, 0, 1]), (3, [1, 0, 0])):
        found = salience(frames[UNEVEN], cutoff=cutoff, even=frames[::stride], places=UNEVEN / stride, **BARE)
        np.testing.assert_allclose(found[:, 0], squares * left, atol=0.03)


def test_among_the_drawn_frames_alone_a_cutoff_would_not_know_the_drift():
    """The reason for all this: one cycle of the clip is not one cycle of frames that lie unevenly."""
    frames = waves()
    alone = salience(frames[UNEVEN], cutoff=2, **BARE)[:, 0, 1].max()
    even = salience(frames[UNEVEN], cutoff=2, even=frames, places=UNEVEN, **BARE)[:, 0, 1].max()
    assert even < 0.001 < 0.1 < alone


@pytest.mark.parametrize("variant", ["amplitude", "phase"])
@pytest.mark.parametrize("cutoff", [1, 3])
def test_drawn_frames_have_the_salience_that_they_have_among_all(rng, variant, cutoff):
    frames = rng.integers(0, 256, (24, 6, 7, 1), np.uint8).repeat(3, 3)
    bare = BARE | {"variant": variant, "cutoff": cutoff}
    whole = salience(frames, **bare)
    places = np.array([0, 2, 3, 11, 12, 23])
    drawn = salience(frames[places], even=frames, places=places, **bare)
    np.testing.assert_allclose(drawn, whole[places] / whole[places].max(), atol=1e-4)


def test_phase_between_two_even_frames_is_the_waves_own():
    """16 frames of a wave of three cycles: at place 2.5 its phase is 2π · 3 · 2.5 / 16; only the wave's sign and phase
    are left, so the energies are those of the cosine."""
    places = np.array([0, 1, 2.5, 6.25])
    wave = 100 * np.cos(2 * np.pi * 3 * np.arange(16) / 16)
    even = clip_from(np.rint(120 + wave).astype(int).tolist())
    found = salience(
        np.zeros((4, 1, 1, 3), np.uint8), variant="phase", even=even, places=places, **BARE | {"floor": 40}
    )
    expected = np.cos(2 * np.pi * 3 * places / 16) ** 2
    np.testing.assert_allclose(found[:, 0, 0], expected / expected.max(), atol=0.02)


def test_even_frames_and_places_go_together():
    with pytest.raises(ValueError, match="go together"):
        salience(np.zeros((4, 4, 4, 3), np.uint8), even=np.zeros((8, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="with 6 frames the cut-off lies between 1 and 3, not 4"):
        frames = np.zeros((40, 4, 4, 3), np.uint8)
        salience(frames, even=frames[:6], places=np.zeros(40), cutoff=4)


@pytest.mark.parametrize(("frames", "cutoff", "most"), [(8, 0, 4), (8, 5, 4), (5, 3, 2), (2, 2, 1)])
def test_a_cutoff_that_leaves_nothing_is_refused(frames, cutoff, most):
    with pytest.raises(ValueError, match=f"between 1 and {most}"):
        salience(np.zeros((frames, 4, 4, 3), np.uint8), cutoff=cutoff)


def test_an_unknown_variant_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="amplitude, phase"):
        salience(np.zeros((8, 4, 4, 3), np.uint8), variant="wavelet")
