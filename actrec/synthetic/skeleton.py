"""A body of 22 joints: its proportions, how it is posed, and its positions in metres.

Joint names and their order are those of the motion capture in `skeleton.json` of the Bandai-Namco
research data set, so that a recorded movement and a programmed one drive the same figure. Segment
lengths are fractions of the stature after Winter, "Biomechanics and Motor Control of Human Movement".

Axes of a figure: x to its left, y up, z where it faces. Angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

JOINTS = (
    *("joint_Root", "Hips", "Spine", "Chest", "Neck", "Head"),
    *("Shoulder_L", "UpperArm_L", "LowerArm_L", "Hand_L"),
    *("Shoulder_R", "UpperArm_R", "LowerArm_R", "Hand_R"),
    *("UpperLeg_L", "LowerLeg_L", "Foot_L", "Toes_L"),
    *("UpperLeg_R", "LowerLeg_R", "Foot_R", "Toes_R"),
)
INDEX = {name: i for i, name in enumerate(JOINTS)}
LEFT, RIGHT = 0, 1
SIGN = np.array([1.0, -1.0])  # x of the left and of the right side
SHOULDER, ELBOW, WRIST = np.array([7, 11]), np.array([8, 12]), np.array([9, 13])
CLAVICLE = np.array([6, 10])
HIP, KNEE, ANKLE, TOES = np.array([14, 18]), np.array([15, 19]), np.array([16, 20]), np.array([17, 21])


@dataclass(frozen=True)
class Body:
    """Segment lengths in metres."""

    stature: float = 1.72
    girth: float = 1.0  # thickness of everything, 1 = average
    shoulders: float = 1.0  # breadth of the shoulders, 1 = average
    head_scale: float = 1.0

    @property
    def thigh(self) -> float:
        return 0.245 * self.stature

    @property
    def shank(self) -> float:
        return 0.246 * self.stature

    @property
    def leg(self) -> float:
        return self.thigh + self.shank

    @property
    def ankle(self) -> float:
        return 0.039 * self.stature

    @property
    def upper_arm(self) -> float:
        return 0.18 * self.stature

    @property
    def forearm(self) -> float:
        return 0.15 * self.stature

    @property
    def arm(self) -> float:
        return self.upper_arm + self.forearm

    @property
    def hand(self) -> float:
        return 0.100 * self.stature

    @property
    def hip_half(self) -> float:
        return 0.052 * self.stature

    @property
    def shoulder_half(self) -> float:
        return 0.112 * self.stature * self.shoulders

    @property
    def shoulder_height(self) -> float:
        """Of the shoulder joint above the chest joint, in the chest's frame."""
        return 0.088 * self.stature


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.float64)


@dataclass
class Motion:
    """What a motion program sets, frame by frame; lengths in leg or arm lengths, so that any body fits.

    arms [T, 2, 4]: lift (0 hangs, π/2 level, π up), side (0 forward, π/2 outward), reach (1 = straight),
    swing of the elbow about the line from shoulder to wrist. feet [T, 2, 4]: out, up, forward, toe pitch,
    of the ankle in the root's frame. Rotations [T, 3] are pitch (forward), roll (to the left), yaw (left).
    """

    times: np.ndarray
    root: np.ndarray = field(init=False)
    heading: np.ndarray = field(init=False)
    pelvis: np.ndarray = field(init=False)
    hips: np.ndarray = field(init=False)
    spine: np.ndarray = field(init=False)
    head: np.ndarray = field(init=False)
    arms: np.ndarray = field(init=False)
    feet: np.ndarray = field(init=False)
    wrist: np.ndarray = field(init=False)
    glide: np.ndarray = field(init=False)  # [T, 3] metres travelled with the camera following
    spread: np.ndarray = field(init=False)
    seated: bool = False  # there is a chair
    sunk: float = 0.0  # how far the hips of a body that sits are lower, in leg lengths: for the camera
    reach: float = 0.0  # metres to the left and right that the picture should hold
    absent: bool = False  # of two people, the one who is not in the picture
    held: str = ""  # in the hand `holder`: "cup" or "phone"
    holder: int = RIGHT

    def __post_init__(self) -> None:
        t = len(self.times)
        self.root, self.glide, self.heading = zeros(t, 3), zeros(t, 3), zeros(t)
        self.pelvis, self.hips, self.spine, self.head = (zeros(t, 3) for _ in range(4))
        self.arms, self.feet = zeros(t, 2, 4), zeros(t, 2, 4)
        self.wrist, self.spread = zeros(t, 2, 3), zeros(t, 2)  # wrist: added to the forearm's direction


@dataclass(frozen=True)
class Pose:
    """Positions [T, 22, 3] in metres, the head's rotation [T, 3, 3], where each hand points [T, 2, 3]."""

    joints: np.ndarray
    head: np.ndarray
    hands: np.ndarray
    spread: np.ndarray

    def __len__(self) -> int:
        return len(self.joints)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def turn(angle: np.ndarray, axis: int) -> np.ndarray:
    """Rotations [..., 3, 3] about one axis."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((*np.shape(angle), 3, 3))
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    out[..., axis, axis] = 1
    out[..., i, i], out[..., i, j], out[..., j, i], out[..., j, j] = c, -s, s, c
    return out


def rotation(pitch_roll_yaw: np.ndarray) -> np.ndarray:
    """Yaw, then forward pitch, then roll to the left."""
    p, r, y = np.moveaxis(pitch_roll_yaw, -1, 0)
    return turn(y, 1) @ turn(p, 0) @ turn(-r, 2)


def bend(start: np.ndarray, end: np.ndarray, first: float, second: float, towards: np.ndarray) -> tuple:
    """The middle joint of two segments between `start` and `end`, and the end that can be reached."""
    line = end - start
    length = np.linalg.norm(line, axis=-1, keepdims=True)
    direction = line / np.maximum(length, 1e-9)
    length = np.clip(length, abs(first - second) + 0.15 * min(first, second), 0.999 * (first + second))
    along = (first**2 - second**2 + length**2) / (2 * length)
    off = np.sqrt(np.maximum(first**2 - along**2, 0))
    towards = unit(towards - (towards * direction).sum(-1, keepdims=True) * direction)
    return start + direction * along + towards * off, start + direction * length


def about(axis: np.ndarray, v: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """`v` turned about the unit vector `axis`; both at right angles to each other."""
    c, s = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return c * v + s * np.cross(axis, v)


def arm_angles(body: Body, target: np.ndarray) -> np.ndarray:
    """lift, side and reach [..., 3] of wrists at `target` [..., 3] in metres (x outward from the body's
    middle line, y above the shoulders, z forward) in the chest's frame."""
    v = np.asarray(target, dtype=np.float64) - np.array([body.shoulder_half, 0.0, 0.0])
    r = np.linalg.norm(v, axis=-1)
    lift = np.arccos(np.clip(-v[..., 1] / np.maximum(r, 1e-6), -1, 1))
    return np.stack([lift, np.arctan2(v[..., 0], v[..., 2]), r / body.arm], axis=-1)


def _arms(body: Body, motion: Motion, chest: np.ndarray, frame: np.ndarray, joints: np.ndarray) -> None:
    lift, side, reach, swing = np.moveaxis(motion.arms, -1, 0)  # each [T, 2]
    direction = np.stack([np.sin(lift) * np.sin(side) * SIGN, -np.cos(lift), np.sin(lift) * np.cos(side)], axis=-1)
    shrug = 0.022 * body.stature * np.clip((lift - 1.2) / 1.9, 0, 1)  # raised arms lift the shoulders
    shoulder = np.stack(
        [
            SIGN * (body.shoulder_half - 0.4 * shrug),
            body.shoulder_height + shrug,
            np.full_like(lift, -0.01 * body.stature),
        ],
        axis=-1,
    )
    hint = np.stack([0.55 * SIGN + 0 * lift, -0.6 + 0 * lift, -0.75 + 0 * lift], axis=-1)
    hint = unit(hint - (hint * direction).sum(-1, keepdims=True) * direction)
    hint = about(direction, hint, swing * -SIGN)
    elbow, wrist = bend(
        shoulder, shoulder + direction * reach[..., None] * body.arm, body.upper_arm, body.forearm, hint
    )
    to_world = lambda p: chest[:, None] + np.einsum("tij,tsj->tsi", frame, p)  # noqa: E731
    joints[:, SHOULDER], joints[:, ELBOW], joints[:, WRIST] = map(to_world, (shoulder, elbow, wrist))
    inner = shoulder * np.array([0.35, 0.9, 1.0])
    joints[:, CLAVICLE] = to_world(inner)


def _legs(body: Body, motion: Motion, root: np.ndarray, pelvis: np.ndarray, joints: np.ndarray) -> None:
    out, up, forward, pitch = np.moveaxis(motion.feet, -1, 0)
    local = np.stack([SIGN * (body.hip_half + out * body.leg), body.ankle + up * body.leg, forward * body.leg], axis=-1)
    target = motion.root[:, None] + np.einsum("tij,tsj->tsi", root, local)
    hip = np.stack([SIGN * body.hip_half, np.zeros(2), np.zeros(2)], axis=-1)
    hip = joints[:, [INDEX["Hips"]]] + np.einsum("tij,sj->tsi", pelvis, hip)
    knees = np.stack([0.25 * SIGN, np.zeros(2), np.ones(2)], axis=-1)
    knees = np.einsum("tij,sj->tsi", pelvis, knees)
    knee, ankle = bend(hip, target, body.thigh, body.shank, knees)
    joints[:, HIP], joints[:, KNEE], joints[:, ANKLE] = hip, knee, ankle
    foot = np.stack([0.2 * SIGN + 0 * pitch, -0.25 - np.sin(pitch), np.cos(pitch)], axis=-1)
    foot = np.einsum("tij,tsj->tsi", root, unit(foot))
    joints[:, TOES] = ankle + 0.1 * body.stature * foot
    joints[:, TOES, 1] = np.maximum(joints[:, TOES, 1], 0.012 * body.stature)


def pose(body: Body, motion: Motion) -> Pose:
    """Joint positions from what the program set: spine by rotations, arms and legs by their ends."""
    t = len(motion.times)
    joints = zeros(t, len(JOINTS), 3)
    h = body.stature
    root = turn(motion.heading, 1)
    up = np.array([0.0, 1.0, 0.0])
    stand = body.leg * (motion.pelvis + 0.988 * up) + body.ankle * up
    hips = motion.root + np.einsum("tij,tj->ti", root, stand)
    pelvis = root @ rotation(motion.hips)
    middle = pelvis @ rotation(0.5 * motion.spine)
    chest = pelvis @ rotation(motion.spine)
    head = chest @ rotation(motion.head)
    joints[:, 0] = motion.root
    joints[:, 1] = hips
    joints[:, 2] = hips + 0.06 * h * pelvis[..., 1]
    joints[:, 3] = joints[:, 2] + 0.13 * h * middle[..., 1]
    joints[:, 4] = joints[:, 3] + 0.115 * h * chest[..., 1]
    joints[:, 5] = joints[:, 4] + 0.045 * h * (0.5 * chest[..., 1] + 0.5 * head[..., 1])
    _arms(body, motion, joints[:, 3], chest, joints)
    _legs(body, motion, root, pelvis, joints)
    forearm = unit(joints[:, WRIST] - joints[:, ELBOW])
    hands = unit(forearm + np.einsum("tij,tsj->tsi", chest, motion.wrist * np.stack([SIGN, SIGN**2, SIGN**2], -1)))
    return Pose(joints, head, hands, motion.spread)
