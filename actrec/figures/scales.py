"""One colour scale per meaning, built once: what moves, what influences a score, how strongly something answers.

Flow has the colour wheel of `actrec.figures.colour_maps`. A map in [0, 1] lies over a frame so that nothing hides the
frame where the map is zero.
"""

from __future__ import annotations

import cv2
import numpy as np

Scale = np.ndarray  # uint8 [256, 1, 3] in RGB, from none to most


def _opencv(kind: int) -> Scale:
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], kind)[:, :, ::-1].copy()


def _between(*stops: tuple[int, int, int]) -> np.ndarray:
    """A scale that passes through colours at even distances, [256, 1, 3]."""
    places = np.linspace(0, 255, len(stops))
    return np.stack([np.interp(np.arange(256), places, channel) for channel in zip(*stops, strict=True)], -1)[:, None]


INFERNO: Scale = _opencv(cv2.COLORMAP_INFERNO)  # salience: black is still, pale yellow moves
STRENGTH: Scale = _opencv(cv2.COLORMAP_VIRIDIS)  # how strongly a layer answers, dark to bright
INFLUENCE: Scale = STRENGTH  # what influences a score
ACTIVATION: Scale = _between((12, 16, 40), (20, 60, 140), (60, 150, 235), (235, 248, 255)).astype(np.uint8)
SIGNED: Scale = np.rint(  # what has a sign: blue below zero, pale at zero, red above
    _between((33, 102, 172), (146, 197, 222), (240, 240, 240), (244, 165, 130), (178, 24, 43))
).astype(np.uint8)
SCALES = {"strength": STRENGTH, "signed": SIGNED, "salience": INFERNO}


def in_colours(values: np.ndarray, scale: Scale) -> np.ndarray:
    """A map `[H, W]` in [0, 1] in the colours of a scale, `uint8 [H, W, 3]`."""
    return cv2.applyColorMap(cv2.convertScaleAbs(values, alpha=255), scale)


def laid_over(
    frame: np.ndarray, values: np.ndarray, scale: Scale, strength: float = 0.8, power: float = 0.75
) -> np.ndarray:
    """A frame with a map over it; where the map is zero the frame stays as it is. A power below one shows more of what
    is weak."""
    if values.shape != frame.shape[:2]:
        values = cv2.resize(values, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    opaque = values if power == 1 else np.clip(values, 0, 1) ** power
    weight = np.multiply(opaque, strength, dtype=np.float32)
    return cv2.blendLinear(in_colours(values, scale), np.ascontiguousarray(frame), weight, 1 - weight)


def stops(scale: Scale, count: int = 9) -> list[str]:
    """The scale's colours from none to most, as a page writes them."""
    return [f"rgb({r} {g} {b})" for r, g, b in scale[np.linspace(0, 255, count).astype(int), 0].tolist()]
