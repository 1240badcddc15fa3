"""What moves by itself, on frames whose motion is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.motion.own_motion import BLOCK, compared_pairs, own_motion

HEIGHT, WIDTH = 96, 128  # so large that nothing is scaled, and a block is 8 × 8 pixels of the frame
BLOCKS = (HEIGHT // BLOCK) * (WIDTH // BLOCK)


def film(frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frames in grey, five of them a second, as colour frames with their times."""
    grey = np.clip(np.stack(frames), 0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), np.arange(len(grey)) / 5


def texture(rng: np.random.Generator, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Patches of 8 × 8 pixels between 60 and 180: many corners, nothing dark or bright."""
    return np.kron(rng.uniform(60, 180, (height // 8, width // 8)), np.ones((8, 8)))


def test_frames_are_compared_a_fifth_of_a_second_apart_whatever_the_rate():
    for fps in (10.0, 25.0, 50.0):
        times = np.arange(int(2 * fps)) / fps
        pairs = compared_pairs(times)
        assert 9 <= len(pairs) <= 10
        assert {round(times[other] - times[one], 6) for one, other in pairs} == {0.2}
    assert compared_pairs(np.array([0.0])) == []
    assert compared_pairs(np.array([0.0, 3.0])) == [(0, 1)] * len(compared_pairs(np.array([0.0, 3.0])))


def test_a_still_scene_does_not_move(rng):
    motion = own_motion(*film([texture(rng)] * 6))
    assert motion.moving.tolist() == motion.changing.tolist() == motion.noise.tolist() == [0.0] * 5


def test_a_square_that_jumps_moves_the_blocks_that_it_leaves_and_enters(rng):
    scene = texture(rng)

    def at(left: int) -> np.ndarray:
        frame = scene.copy()
        frame[32:64, left : left + 16] = 230
        return frame

    motion = own_motion(*film([at(16), at(48)]))
    wanted = 2 * (4 * 2)  # four rows of two blocks are left, as many entered
    reach = 2 * (4 * 2 + 4 * 2 + 4)  # smoothing may touch the blocks around them
    assert wanted / BLOCKS <= motion.moving[0] <= (wanted + reach) / BLOCKS


def test_white_noise_moves_nothing_however_strong(rng):
    for strength in (4.0, 30.0):
        motion = own_motion(*film([128 + rng.normal(0, strength, (HEIGHT, WIDTH)) for _ in range(8)]))
        assert np.quantile(motion.moving, 0.9) < 0.01
        # the median of the difference of two normal numbers: 0.6745 · √2 · σ
        assert np.median(motion.noise) == pytest.approx(0.6745 * 2**0.5 * strength, rel=0.15)


@pytest.mark.parametrize(("gain", "offset"), [(0.7, 0.0), (1.0, 40.0), (1.3, -20.0)])
def test_a_change_of_the_light_moves_nothing(rng, gain, offset):
    scene = texture(rng)
    motion = own_motion(*film([scene, gain * scene + offset, scene]))
    assert motion.moving.tolist() == [0.0, 0.0]


def test_a_pan_changes_much_and_moves_nothing_by_itself(rng):
    wide = texture(rng, HEIGHT, 2 * WIDTH)
    motion = own_motion(*film([wide[:, 5 * step : 5 * step + WIDTH] for step in range(6)]))
    assert motion.changing.min() > 0.3
    assert motion.moving.max() < 0.02


def test_what_moves_against_a_pan_moves_by_itself(rng):
    wide = texture(rng, HEIGHT, 2 * WIDTH)
    frames = []
    for step in range(6):
        frame = wide[:, 5 * step : 5 * step + WIDTH].copy()
        frame[32:64, 80 - 9 * step : 104 - 9 * step] = 235 if step % 2 else 10
        frames.append(frame)
    motion = own_motion(*film(frames))
    assert motion.moving.min() > (32 * 24) / (HEIGHT * WIDTH) / 2
