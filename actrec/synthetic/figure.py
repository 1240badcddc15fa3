"""A dressed figure: every piece of body, hair, face and clothes as the hull of a few spheres."""

from __future__ import annotations

from typing import Any

import numpy as np

from actrec.synthetic.appearance import Look
from actrec.synthetic.outline import SMOOTH, Part
from actrec.synthetic.skeleton import ANKLE, ELBOW, HIP, INDEX, KNEE, SHOULDER, TOES, WRIST, Body, Motion, Pose, unit


class Wardrobe:
    """Builds the parts of one dressed figure."""

    def __init__(self, body: Body, look: Look, pose: Pose, eye: np.ndarray) -> None:
        self.body, self.look, self.pose, self.eye = body, look, pose, eye
        self.h, self.g = body.stature, body.stature * body.girth
        self.parts: list[Part] = []
        self.j = pose.joints
        across = unit(self.j[:, SHOULDER[0]] - self.j[:, SHOULDER[1]])
        self.up = unit(self.j[:, INDEX["Neck"]] - self.j[:, INDEX["Spine"]])
        self.front = unit(np.cross(across, self.up))
        self.across = np.cross(self.up, self.front)

    def add(self, points: list[np.ndarray], radii: list[float], colour: np.ndarray, **options: Any) -> None:
        self.parts.append(Part(np.stack(points, axis=1), np.asarray(radii, dtype=np.float64), colour, **options))

    def build(self) -> list[Part]:
        self.legs()
        self.torso()
        self.pattern()
        self.arms()
        self.head()
        self.face()
        return self.parts

    def legs(self) -> None:
        j, g, look, h = self.j, self.g, self.look, self.h
        long = look.trousers and not look.skirt
        wide = look.loose if long else 0.95
        shank = look.bottom if long else look.skin
        for s in (0, 1):
            hip, knee, ankle, toes = (j[:, k[s]] for k in (HIP, KNEE, ANKLE, TOES))
            self.add([hip, knee], [0.05 * g, 0.033 * g * wide], look.bottom if not look.skirt else look.skin)
            if not look.trousers and not look.skirt:
                self.add([0.25 * hip + 0.75 * knee, knee], [0.036 * g, 0.031 * g], look.skin, bias=0.002)
            calf = 0.6 * knee + 0.4 * ankle
            ends = [0.03 * g * wide, 0.031 * g * wide, (0.027 if long else 0.019) * g * wide]
            self.add([knee, calf, ankle], ends, shank, bias=-0.004)
            heel = ankle - np.array([0, 0.018 * h, 0])
            self.add([heel, toes], [0.024 * h, 0.017 * h], look.shoes, bias=-0.006)

    def torso(self) -> None:
        j, g, look, h = self.j, self.g, self.look, self.h
        hips, spine, chest, neck = (j[:, INDEX[n]] for n in ("Hips", "Spine", "Chest", "Neck"))
        hip = [j[:, k] for k in HIP]
        self.add([hips, *hip], [0.07 * g, 0.056 * g, 0.056 * g], look.bottom, bias=0.0, corners=SMOOTH)
        sh = [0.8 * j[:, k] + 0.2 * neck - 0.02 * h * self.up for k in SHOULDER]
        belly = spine + 0.012 * g * self.front
        low = [hips + s * 0.045 * g * self.across for s in (1, -1)]
        parts = [*sh, chest + 0.008 * g * self.front, belly, *low]
        wide = 0.92 + 0.08 * look.loose
        radii = np.array([0.036 * g, 0.036 * g, 0.068 * g * wide, 0.066 * g * wide, 0.056 * g * wide, 0.056 * g * wide])
        self.add(parts, list(radii), look.top, bias=0.012, corners=SMOOTH)
        slope = [0.9 * j[:, k] + 0.1 * neck - 0.004 * h * self.up for k in SHOULDER]
        self.add([neck, *slope], [0.024 * g, 0.024 * g, 0.024 * g], look.top, bias=0.013, corners=SMOOTH)
        if look.skirt:
            drop = [j[:, HIP[s]] * (1 - 0.75 * look.skirt) + j[:, KNEE[s]] * 0.75 * look.skirt for s in (0, 1)]
            self.add(
                [hips, *hip, *drop],
                [0.066 * g, 0.058 * g, 0.058 * g, 0.07 * g, 0.07 * g],
                look.top,
                bias=0.01,
                corners=SMOOTH,
            )
        self.add([neck - 0.01 * h * self.up, j[:, 5]], [0.034 * g, 0.031 * g], look.skin, bias=0.008)

    def surface(self, x: float, y: float, depth: float, side: float) -> np.ndarray:
        """A point on the torso's front (side 1) or back (−1): x across −1..1, y from hips −1 to collar 1."""
        low, high = self.j[:, INDEX["Hips"]], self.j[:, INDEX["Neck"]] - 0.035 * self.h * self.up
        along = 0.5 * (y + 1)
        half = (0.078 + 0.03 * along) * self.g
        centre = low * (1 - along) + high * along
        return centre + x * half * self.across + side * depth * self.g * self.front

    def pattern(self) -> None:
        look, g = self.look, self.g
        to_eye = unit(self.eye - self.j[:, INDEX["Chest"]])
        facing = (self.front * to_eye).sum(-1)
        for side in (1.0, -1.0):
            seen = {"bias": 0.085, "shown": side * facing > 0.25}
            if look.pattern == "stripes":
                for y in np.linspace(-0.8, 0.75, 5):
                    ends = [self.surface(x, y, 0.062, side) for x in (-0.72, 0.72)]
                    self.add(ends, [0.008 * g] * 2, look.accent, shaded=False, **seen)
            elif look.pattern in ("bars", "check"):
                for x in (-0.55, 0.0, 0.55):
                    ends = [self.surface(x, y, 0.062, side) for y in (-0.9, 0.8)]
                    self.add(ends, [0.006 * g] * 2, look.accent, shaded=False, **seen)
                for y in (-0.5, 0.1, 0.6) if look.pattern == "check" else ():
                    ends = [self.surface(x, y, 0.062, side) for x in (-0.75, 0.75)]
                    self.add(ends, [0.006 * g] * 2, look.accent, shaded=False, **seen)
            elif look.pattern == "logo" and side > 0:
                spots = [
                    self.surface(x, y, 0.065, side) for x, y in ((-0.35, 0.1), (0.35, 0.1), (0.3, 0.5), (-0.3, 0.5))
                ]
                self.add(spots, [0.01 * g] * 4, look.accent, shaded=False, **seen)
            for x, y, dx, dy in look.folds:
                ends = [
                    self.surface(0.7 * x, 0.8 * y, 0.062, side),
                    self.surface(0.7 * x + 0.25 * dx, 0.8 * y + 0.25 * dy, 0.062, side),
                ]
                self.add(ends, [0.005 * g, 0.002 * g], look.top * (0.87 if dx > 0 else 1.06), shaded=False, **seen)
            if look.jacket and side > 0:
                strip = [
                    self.surface(x, y, 0.064, side) for x, y in ((-0.2, 0.95), (0.2, 0.95), (0.12, -0.9), (-0.12, -0.9))
                ]
                self.add(strip, [0.006 * g] * 4, look.inner, shaded=False, **{**seen, "bias": 0.08})
        if look.cut != "scarf":
            collar = [self.surface(x, 1.0, 0.05, 1.0) for x in (-0.24, 0.24)] + [
                self.surface(0.0, look.neckline, 0.06, 1.0)
            ]
            self.add(collar, [0.006 * g] * 3, look.skin, bias=0.09, shaded=False, shown=facing > 0.2)

    def arms(self) -> None:
        j, g, look, body = self.j, self.g, self.look, self.body
        for s in (0, 1):
            shoulder, elbow, wrist = j[:, SHOULDER[s]], j[:, ELBOW[s]], j[:, WRIST[s]]
            wide = look.loose if look.sleeves else 0.95
            upper = look.top if look.sleeves else look.skin
            self.add([shoulder, elbow], [0.031 * g * wide, 0.025 * g * wide], upper, bias=0.05)
            if look.sleeves == 1:
                self.add([0.4 * shoulder + 0.6 * elbow, elbow], [0.026 * g, 0.023 * g], look.skin, bias=0.052)
            long = look.sleeves == 2
            ends = [0.025 * g * (wide if long else 0.92), 0.019 * g * (wide if long else 0.85)]
            self.add([elbow, wrist], ends, look.top if long else look.skin, bias=0.055)
            self.hand(s, wrist, self.pose.hands[:, s], body.hand)

    def hand(self, s: int, wrist: np.ndarray, ahead: np.ndarray, length: float) -> None:
        """A palm, four fingers that spread and a thumb."""
        skin = self.look.skin * 1.03
        inward = unit(np.cross(ahead, np.cross(self.front + 0.3 * self.up, ahead)))  # across the palm
        aside = np.cross(ahead, inward)
        wide = self.pose.spread[:, [s]]
        palm = wrist + 0.42 * length * ahead
        self.add([wrist + 0.1 * length * ahead, palm], [0.17 * length, 0.22 * length], skin, bias=0.062)
        for k in (-1.5, -0.5, 0.5, 1.5):
            root = palm + 0.12 * k * length * aside
            reach = unit(ahead + 0.22 * wide * k * aside)
            tip = root + (0.5 - 0.05 * abs(k)) * length * reach
            self.add([root, tip], [0.075 * length, 0.05 * length], skin * 0.97, bias=0.063, shaded=False)
        thumb = (1 if s else -1) * aside
        root = wrist + 0.25 * length * ahead + 0.15 * length * thumb
        tip = root + 0.36 * length * unit(ahead + (0.3 + 0.6 * wide) * thumb)
        self.add([root, tip], [0.085 * length, 0.055 * length], skin * 0.98, bias=0.064, shaded=False)

    def head(self) -> None:
        h, look = self.h * self.body.head_scale, self.look
        left, up, ahead = (self.pose.head[:, :, k] for k in range(3))
        base = self.j[:, INDEX["Head"]]
        at = lambda x, y, z: base + h * (x * left + y * up + z * ahead)  # noqa: E731
        self.at, self.headsize = at, h
        self.add(
            [at(0, 0.066, 0.006), at(0, 0.02, 0.022)], [0.046 * h, 0.036 * h], look.skin, bias=0.02, corners=SMOOTH
        )
        for s in (1, -1):
            self.add(
                [at(0.046 * s, 0.045, -0.004), at(0.046 * s, 0.03, 0)], [0.009 * h] * 2, look.skin * 0.93, bias=0.021
            )
        if look.cut == "bald":
            return
        cap = {"short": 0.0, "bob": 0.004, "long": 0.004, "bun": 0.0, "cap": 0.004, "helmet": 0.012, "scarf": 0.008}[
            look.cut
        ]
        spheres = [at(0, 0.073, -0.012), at(0, 0.045, -0.02)]
        self.add(spheres, [(0.047 + cap) * h, (0.042 + cap) * h], look.hair, bias=0.016, corners=SMOOTH)
        fringe = [at(0.022 * s, 0.094, 0.022) for s in (1, -1)] + [at(0, 0.088, -0.012)]
        self.add(fringe, [(0.015 + cap) * h] * 2 + [(0.036 + cap) * h], look.hair, bias=0.03, corners=SMOOTH)
        if look.cut in ("bob", "long", "scarf"):
            low = {"bob": -0.02, "long": -0.1, "scarf": -0.06}[look.cut]
            for s in (1, -1):
                self.add(
                    [at(0.045 * s, 0.07, -0.008), at(0.047 * s, low, -0.012)],
                    [0.017 * h, 0.014 * h],
                    look.hair,
                    bias=0.024,
                )
            back = [at(0, 0.06, -0.025), at(0.02, low, -0.04), at(-0.02, low, -0.04)]
            self.add(back, [0.044 * h, 0.03 * h, 0.03 * h], look.hair, bias=-0.0, corners=SMOOTH)
        if look.cut == "bun":
            self.add([at(0, 0.1, -0.055)], [0.022 * h], look.hair, bias=0.0)
        if look.cut == "cap":
            self.add(
                [at(0.02, 0.09, 0.06), at(-0.02, 0.09, 0.06), at(0, 0.088, 0.04)],
                [0.014 * h] * 3,
                look.hair * 0.85,
                bias=0.03,
            )

    def face(self) -> None:
        h, at, look = self.headsize, self.at, self.look
        to_eye = unit(self.eye - self.j[:, INDEX["Head"]])
        facing = (self.pose.head[:, :, 2] * to_eye).sum(-1)
        seen = {"shown": facing > 0.15, "shaded": False}
        dark = np.array([35.0, 28.0, 26.0])
        for s in (1, -1):
            self.add([at(0.019 * s, 0.055, 0.047)], [0.0075 * h], look.skin * 0.78, bias=0.031, **seen)
            self.add([at(0.019 * s, 0.054, 0.049)], [0.0048 * h], dark, bias=0.034, **seen)
            brow = [at(0.011 * s, 0.066, 0.049), at(0.028 * s, 0.066, 0.044)]
            self.add(brow, [0.003 * h] * 2, look.skin * 0.45, bias=0.034, **seen)
            if look.glasses:
                self.add([at(0.019 * s, 0.054, 0.052)], [0.0125 * h], dark + 25, bias=0.032, **seen)
        self.add(
            [at(0, 0.05, 0.052), at(0, 0.036, 0.058)], [0.0045 * h, 0.0075 * h], look.skin * 0.9, bias=0.035, **seen
        )
        if look.beard:
            beard = [at(0.024, 0.02, 0.036), at(-0.024, 0.02, 0.036), at(0, 0.0, 0.042)]
            self.add(beard, [0.019 * h] * 3, HAIR_FLOOR + 0.6 * look.hair, bias=0.033, **seen)
        lips = look.skin * np.array([0.85, 0.6, 0.6])
        self.add([at(0.011, 0.018, 0.052), at(-0.011, 0.018, 0.052)], [0.004 * h] * 2, lips, bias=0.036, **seen)


def held(body: Body, pose: Pose, motion: Motion, colour: np.ndarray) -> list[Part]:
    """The cup or the telephone in a hand."""
    s = motion.holder
    ahead = pose.hands[:, s]
    palm = pose.joints[:, WRIST[s]] + 0.5 * body.hand * ahead
    inward = unit(np.cross(ahead, np.array([0.0, 1.0, 0.0])) * (1 - 2 * s))
    up = unit(np.cross(inward, ahead) * (1 - 2 * s))
    if motion.held == "cup":
        tip = np.array([0.0, 1.0, 0.0]) * 0.05
        ends = np.stack([palm + 0.02 * ahead - tip, palm + 0.02 * ahead + tip], 1)
        return [Part(ends, np.array([0.03, 0.038]), colour, bias=0.058)]
    flat = 0.03 * unit(np.cross(ahead, up))
    corners = [palm + k * 0.07 * ahead + m * flat + 0.02 * inward for k in (-0.6, 1.0) for m in (-1, 1)]
    return [Part(np.stack(corners, 1), np.full(4, 0.008), np.array([30.0, 32.0, 38.0]), bias=0.07, shaded=False)]


HAIR_FLOOR = np.array([10.0, 8.0, 8.0])


def dress(body: Body, look: Look, pose: Pose, eye: np.ndarray) -> list[Part]:
    """All parts of a figure seen from `eye` [3]."""
    return Wardrobe(body, look, pose, eye).build()
