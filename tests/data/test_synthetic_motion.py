"""The motion programs, judged from outside: by where hands, feet and hips go."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.data.synthetic import ACTIONS
from actrec.data.synthetic.skeleton import ANKLE, HIP, INDEX, KNEE, SHOULDER, WRIST, Body, pose

SEEDS = range(24)
TIMES = np.arange(48) / 8.0  # long enough for one whole repetition of everything
BODY = Body()


def poses(action: str) -> list:
    return [pose(BODY, ACTIONS[action](np.random.default_rng(s), BODY, TIMES, False)) for s in SEEDS]


def palms(p) -> np.ndarray:
    """Middles of the palms [T, 2, 3]."""
    return p.joints[:, WRIST] + 0.42 * BODY.hand * p.hands


def travel(p) -> float:
    """Mean speed of hands, feet, hips and head in m/s."""
    spots = p.joints[:, [*WRIST, *ANKLE, INDEX["Hips"], INDEX["Head"]]]
    return float(np.linalg.norm(np.diff(spots, axis=0), axis=-1).mean() * 8)


def test_segments_keep_their_length():
    for action in ACTIONS:
        p = pose(BODY, ACTIONS[action](np.random.default_rng(1), BODY, TIMES, False)).joints
        for a, b, length in ((SHOULDER, WRIST - 1, BODY.upper_arm), (WRIST - 1, WRIST, BODY.forearm)):
            assert np.linalg.norm(p[:, a] - p[:, b], axis=-1) == pytest.approx(length, abs=1e-6)
        for a, b, length in ((HIP, KNEE, BODY.thigh), (KNEE, ANKLE, BODY.shank)):
            assert np.linalg.norm(p[:, a] - p[:, b], axis=-1) == pytest.approx(length, abs=1e-6)


def test_idle_moves_least_but_is_not_frozen():
    speed = {a: np.median([travel(p) for p in poses(a)]) for a in ACTIONS}
    assert min(speed, key=speed.get) == "idle"
    assert all(v > 1.5 * speed["idle"] for a, v in speed.items() if a != "idle")
    assert speed["idle"] > 0.01


def test_hands_meet_in_a_clap_and_part_again():
    for p in poses("clap"):
        gap = np.linalg.norm(np.diff(palms(p), axis=1)[:, 0], axis=-1)
        assert gap.min() < 0.07
        assert gap.max() > gap.min() + 0.1


def test_raised_arms_bring_both_wrists_above_the_head():
    for p in poses("raise arms"):
        above = p.joints[:, WRIST, 1] > p.joints[:, [INDEX["Head"]], 1] + 0.1
        assert above.all(1).any()


def test_a_wave_keeps_one_hand_up_and_moving():
    for p in poses("wave"):
        up = p.joints[:, WRIST, 1] > p.joints[:, SHOULDER, 1] - 0.12
        assert up.any(0).sum() == 1
        side = int(up.any(0).argmax())
        fingers = p.joints[:, WRIST[side]] + BODY.hand * p.hands[:, side]
        steps = np.diff(fingers[up[:, side]], axis=0)[:, :]
        assert (np.diff(np.sign(steps[:, 0])) != 0).sum() >= 2  # there and back, more than once


def test_a_squat_lowers_the_hips_by_a_quarter_of_the_leg():
    for p in poses("squat"):
        height = p.joints[:, INDEX["Hips"], 1]
        assert np.ptp(height) >= 0.25 * BODY.leg
        assert p.joints[:, ANKLE, 1].max() < 0.15  # feet stay on the ground


def test_in_a_jumping_jack_feet_are_apart_while_hands_are_above_the_head():
    for p in poses("jumping jack"):
        apart = np.linalg.norm(np.diff(p.joints[:, ANKLE], axis=1)[:, 0], axis=-1)
        high = (p.joints[:, WRIST, 1] > p.joints[:, [INDEX["Head"]], 1]).all(1)
        assert (high & (apart > 0.45)).any()
        assert apart.min() < 0.4


def test_left_and_right_are_used_alike():
    count = 0
    for s in range(80):
        p = pose(BODY, ACTIONS["wave"](np.random.default_rng(s), BODY, TIMES, False))
        height = p.joints[:, WRIST, 1].max(0)
        count += height[0] > height[1]
    assert 24 <= count <= 56  # 40 ± 3.6 standard deviations
