"""Two people: who comes near whom, with what, and what the other does then."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.synthetic import PAIRS
from actrec.synthetic.skeleton import ANKLE, INDEX, SHOULDER, WRIST, Body, pose

SEEDS = range(20)
TIMES = np.arange(64) / 8.0
BODIES = (Body(1.78), Body(1.66))


def acts(name: str, seed: int) -> tuple:
    motions = PAIRS[name](np.random.default_rng(seed), BODIES, TIMES)
    return motions, [pose(b, m).joints for b, m in zip(BODIES, motions, strict=True)]


def nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Per frame the smallest distance of any point of a [T, n, 3] to any of b [T, m, 3]."""
    return np.linalg.norm(a[:, :, None] - b[:, None], axis=-1).min((1, 2))


def trunk(joints: np.ndarray) -> np.ndarray:
    return joints[:, [INDEX[n] for n in ("Hips", "Spine", "Chest", "Neck", "Head", "UpperArm_L", "UpperArm_R")]]


@pytest.mark.parametrize("name", PAIRS)
def test_the_two_face_each_other_and_do_not_walk_through_each_other(name):
    for seed in SEEDS:
        _, (one, other) = acts(name, seed)
        gap = (other - one)[:, INDEX["Hips"], 0]
        assert gap.min() > 0.1
        assert gap[0] < 3.5


def test_right_hands_meet_in_a_handshake():
    for seed in SEEDS:
        _, (one, other) = acts("handshake", seed)
        gap = np.linalg.norm(one[:, WRIST[1]] - other[:, WRIST[1]], axis=-1)
        assert gap.min() < 0.27  # wrists: two palms lie between them
        assert gap[0] > 0.5


def test_arms_reach_around_the_other_in_a_hug():
    for seed in SEEDS:
        _, (one, other) = acts("hug", seed)
        behind = one[:, WRIST, 0].max(1) - other[:, INDEX["Chest"], 0]
        assert behind.max() > 0.0
        assert (other - one)[:, INDEX["Hips"], 0].min() < 0.5


def test_a_foot_goes_high_and_near_the_other_in_a_kick():
    for seed in SEEDS:
        _, (one, other) = acts("kick a person", seed)
        high = max(one[:, ANKLE, 1].max(), other[:, ANKLE, 1].max())
        assert high > 0.35
        assert min(nearest(one[:, ANKLE], trunk(other)).min(), nearest(other[:, ANKLE], trunk(one)).min()) < 0.75


@pytest.mark.parametrize(("name", "arms"), [("punch", 1), ("push", 2)])
def test_hands_come_close_to_the_other_who_then_gives_way(name, arms):
    for seed in SEEDS:
        _, (one, other) = acts(name, seed)
        near = [nearest(a[:, WRIST], trunk(b)) for a, b in ((one, other), (other, one))]
        k = int(np.argmin([n.min() for n in near]))
        a, b = ((one, other), (other, one))[k]
        assert near[k].min() < 0.38
        hit = int(near[k].argmin())
        out = np.linalg.norm(a[:, WRIST] - a[:, SHOULDER], axis=-1)[max(0, hit - 2) : hit + 3].max(0)
        assert np.sort(out)[-arms] > 0.42
        head = b[:, INDEX["Head"], 0]
        assert np.abs(head[hit:] - head[hit]).max() > 0.1


def test_one_arm_is_level_when_pointing_and_the_other_person_is_mostly_absent():
    absent = 0
    for seed in range(40):
        motions, joints = acts("point at a person", seed)
        assert not all(m.absent for m in motions)
        absent += any(m.absent for m in motions)
        seen = [j for m, j in zip(motions, joints, strict=True) if not m.absent]
        level = [np.abs(j[:, WRIST, 1] - j[:, SHOULDER, 1]).min() for j in seen]
        assert min(level) < 0.3
    assert 20 <= absent <= 38
