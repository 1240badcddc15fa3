"""The motion programs, judged from outside: by where hands, feet and hips go."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.synthetic import ACTIONS
from actrec.synthetic.skeleton import ANKLE, HIP, INDEX, KNEE, SHOULDER, WRIST, Body, pose

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


# Speeds in m/s: comfortable walking 0.9–1.7 (Bohannon, 1997), transition to running near 2.
SPEEDS = {"walk": (0.6, 2.0), "jog": (1.6, 3.2), "run": (2.8, 6.0)}


@pytest.mark.parametrize("action", SPEEDS)
def test_gaits_have_human_speeds_and_feet_that_do_not_slide(action):
    found = 0
    for p in poses(action):
        hips = p.joints[:, INDEX["Hips"]][:, [0, 2]]
        speed = np.linalg.norm(hips[-1] - hips[0]) / (TIMES[-1] - TIMES[0])
        if speed < 0.2:
            continue  # on the spot
        found += 1
        assert SPEEDS[action][0] < speed < SPEEDS[action][1]
        feet = p.joints[:, ANKLE][:, :, [0, 2]]
        slow = np.linalg.norm(np.diff(feet, axis=0), axis=-1).min(1) * 8
        assert np.median(slow) < 0.5 * speed  # one foot stands while the body moves on
    assert found > 8


@pytest.mark.parametrize(("action", "first"), [("sit down", "high"), ("stand up", "low")])
def test_sitting_down_and_standing_up_go_opposite_ways(action, first):
    for p in poses(action):
        height = p.joints[:, INDEX["Hips"], 1]
        change = height[0] - height[-1]
        assert (change if first == "high" else -change) > 0.35 * BODY.leg


def test_a_bend_brings_the_head_down_and_forward_while_the_hips_stay():
    for p in poses("bend"):
        head, hips = p.joints[:, INDEX["Head"]], p.joints[:, INDEX["Hips"]]
        assert np.ptp(head[:, 1]) > 0.3
        assert np.ptp(hips[:, 1]) < 0.5 * np.ptp(head[:, 1])


def test_a_jump_leaves_the_ground_with_both_feet():
    times = np.arange(180) / 30.0
    for s in SEEDS:
        p = pose(BODY, ACTIONS["jump"](np.random.default_rng(s), BODY, times, False))
        lowest = p.joints[:, ANKLE, 1].min(1)
        assert lowest.max() > BODY.ankle + 0.07
        assert lowest.min() < BODY.ankle + 0.03


def test_a_turn_is_at_least_half_a_turn():
    for s in SEEDS:
        motion = ACTIONS["turn around"](np.random.default_rng(s), BODY, TIMES, False)
        assert np.ptp(motion.heading) > 0.85 * np.pi


@pytest.mark.parametrize(("action", "nearest"), [("drink", 0.22), ("phone", 0.45)])
def test_a_cup_reaches_the_mouth_and_a_telephone_comes_near_the_head(action, nearest):
    for p in poses(action):
        gap = np.linalg.norm(palms(p) - p.joints[:, [INDEX["Head"]]], axis=-1)
        assert gap.min() < nearest


def test_punches_of_a_boxer_stretch_the_arm():
    for p in poses("box"):
        out = np.linalg.norm(p.joints[:, WRIST] - p.joints[:, SHOULDER], axis=-1)
        assert out.max() > 0.85 * BODY.arm
        assert out.min() < 0.6 * BODY.arm


def test_a_pointing_arm_is_stretched_near_the_level_of_the_shoulder():
    for p in poses("point"):
        out = np.linalg.norm(p.joints[:, WRIST] - p.joints[:, SHOULDER], axis=-1) > 0.8 * BODY.arm
        level = p.joints[:, WRIST, 1] > p.joints[:, SHOULDER, 1] - 0.35
        assert (out & level).any()
