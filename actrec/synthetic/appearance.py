"""What a person looks like: skin, hair, clothes, their colours and patterns."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actrec.synthetic.skeleton import Body

SKINS = np.array([(245, 214, 190), (229, 190, 160), (206, 160, 125), (170, 120, 85), (128, 84, 56), (84, 54, 38)])
HAIRS = np.array(
    [(25, 20, 18), (45, 32, 24), (80, 55, 35), (130, 95, 55), (190, 160, 105), (150, 150, 150), (110, 45, 25)]
)
SOBER = np.array(
    [
        (25, 27, 32),
        (45, 50, 70),
        (70, 72, 78),
        (95, 100, 120),
        (130, 130, 128),
        (190, 188, 182),
        (235, 235, 232),
        (60, 75, 110),
        (85, 70, 55),
    ]
)


@dataclass(frozen=True)
class Look:
    """Colours are RGB floats; flags say which pieces are worn."""

    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    inner: np.ndarray
    bottom: np.ndarray
    shoes: np.ndarray
    sleeves: int  # 0 none, 1 short, 2 long
    trousers: int  # 0 shorts, 1 long
    skirt: float  # 0, or how far it reaches down the thigh (1 = knee)
    cut: str  # hair: "bald", "short", "bob", "long", "bun", "cap", "helmet", "scarf"
    jacket: bool
    glasses: bool
    beard: bool
    pattern: str  # "", "stripes", "bars", "logo", "check"
    accent: np.ndarray
    loose: float  # wideness of the clothes
    neckline: float  # how deep the collar is cut, 1 = closed
    folds: np.ndarray  # [n, 4]: places of folds on the torso's front, -1..1


def vivid(rng: np.random.Generator) -> np.ndarray:
    """Any colour a cloth may have: often sober, sometimes saturated."""
    if rng.random() < 0.5:
        return np.clip(SOBER[rng.integers(len(SOBER))] * rng.uniform(0.8, 1.15) + rng.normal(0, 6, 3), 8, 248)
    hsv = np.array([[[rng.integers(180), rng.integers(60, 240), rng.integers(50, 245)]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def draw_body(rng: np.random.Generator) -> Body:
    """Mostly grown-ups of 1.5 to 1.95 m, a few children."""
    stature = rng.uniform(1.15, 1.5) if rng.random() < 0.07 else np.clip(rng.normal(1.71, 0.1), 1.48, 1.98)
    child = stature < 1.45
    return Body(
        float(stature),
        float(np.clip(rng.normal(1.02, 0.14), 0.78, 1.5)),
        float(rng.normal(1.0, 0.06)),
        float(rng.normal(1.16 if child else 1.02, 0.04)),
    )


def draw_look(rng: np.random.Generator) -> Look:
    """A random person."""
    low, high = sorted(rng.choice(len(SKINS) - 1, 2) + rng.random(2))
    at = rng.uniform(low, high)
    skin = SKINS[int(at)] + (at % 1) * (SKINS[int(at) + 1] - SKINS[int(at)])
    cuts = ("bald", "short", "bob", "long", "bun", "cap", "helmet", "scarf")
    cut = str(rng.choice(cuts, p=(0.04, 0.44, 0.13, 0.17, 0.07, 0.07, 0.03, 0.05)))
    patterns = ("", "stripes", "bars", "logo", "check")
    top = vivid(rng)
    dressed = rng.random()
    return Look(
        skin=skin,
        hair=np.clip(HAIRS[rng.integers(len(HAIRS))] + rng.normal(0, 8, 3), 5, 240)
        if cut not in ("cap", "helmet", "scarf")
        else vivid(rng),
        top=top,
        inner=vivid(rng),
        bottom=top * rng.uniform(0.85, 1.0) if rng.random() < 0.12 else vivid(rng),
        shoes=vivid(rng),
        sleeves=int(rng.choice((0, 1, 2), p=(0.06, 0.4, 0.54))),
        trousers=int(rng.random() < 0.87),
        skirt=0.0 if dressed < 0.86 else float(rng.uniform(0.5, 1.5)),
        cut=cut,
        jacket=bool(rng.random() < 0.22),
        glasses=bool(rng.random() < 0.2),
        beard=bool(rng.random() < 0.2 and cut in ("bald", "short", "cap")),
        pattern=str(rng.choice(patterns, p=(0.58, 0.11, 0.07, 0.18, 0.06))),
        accent=top + rng.uniform(0.3, 1.0) * (vivid(rng) - top),
        loose=float(rng.uniform(0.9, 1.3)),
        neckline=float(rng.uniform(0.7, 1.0)),
        folds=rng.uniform(-1, 1, (int(rng.integers(2, 6)), 4)),
    )
