"""One colour scale per meaning, with its legend: what influences a score, and what fires a neuron.

Motion salience keeps the scale of `actrec.figures.colour_maps`. A map in [0, 1] lies over a frame so that nothing
hides the frame where the map is zero.
"""

from __future__ import annotations

import cv2
import numpy as np

from actrec.figures.colour_maps import INK, PAPER, say

Scale = np.ndarray  # uint8 [256, 1, 3] in RGB, from none to most


def _between(*stops: tuple[int, int, int]) -> Scale:
    """A scale that passes through colours at even distances."""
    places = np.linspace(0, 255, len(stops))
    return np.stack([np.interp(np.arange(256), places, channel) for channel in zip(*stops, strict=True)], -1)[
        :, None
    ].astype(np.uint8)


INFLUENCE: Scale = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, :, ::-1].copy()
ACTIVATION: Scale = _between((12, 16, 40), (20, 60, 140), (60, 150, 235), (235, 248, 255))


def coloured(values: np.ndarray, scale: Scale) -> np.ndarray:
    """A map `[H, W]` in [0, 1] in the colours of a scale, `uint8 [H, W, 3]`."""
    return cv2.applyColorMap(cv2.convertScaleAbs(values, alpha=255), scale)


def laid_over(frame: np.ndarray, values: np.ndarray, scale: Scale, strength: float = 0.8) -> np.ndarray:
    """A frame with a map over it; where the map is zero the frame stays as it is."""
    if values.shape != frame.shape[:2]:
        values = cv2.resize(values, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    weight = np.multiply(np.clip(values, 0, 1) ** 0.75, strength, dtype=np.float32)
    return cv2.blendLinear(coloured(values, scale), np.ascontiguousarray(frame), weight, 1 - weight)


def stops(scale: Scale, count: int = 9) -> list[str]:
    """The scale's colours from none to most, as a page writes them."""
    return [f"rgb({r} {g} {b})" for r, g, b in scale[np.linspace(0, 255, count).astype(int), 0].tolist()]


def legend(scale: Scale, least: str, most: str, width: int = 320) -> np.ndarray:
    """The scale as a strip with a word at both ends, for pictures that leave the page."""
    picture = np.full((30, width, 3), PAPER, np.uint8)
    left, right = 10 + 7 * len(least), width - 10 - 7 * len(most)
    ramp = coloured(np.linspace(0, 1, max(2, right - left), dtype=np.float32)[None].repeat(12, 0), scale)
    picture[9:21, left : left + ramp.shape[1]] = ramp
    say(picture, least, (4, 19), 0.38, INK)
    say(picture, most, (right + 6, 19), 0.38, INK)
    return picture
