"""Motion clues as images, fast enough for live use: look-up tables, one colour scale per meaning.

Salience is always the `INFERNO` scale, black (still) to pale yellow (moving). Flow is always the colour
wheel: hue says where to, saturation how far, white is still; `wheel` is both the look-up table and the
legend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np

from actrec.figures.scales import INFERNO, Scale, in_colours, laid_over

INK, FAINT, PAPER = (35, 38, 47), (205, 208, 214), (255, 255, 255)
PATHWAY_INKS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
)  # Okabe–Ito, distinct for colour-blind viewers
CURVE_LEFT, CURVE_RIGHT = 64, 54  # margins of the variance-rate curve
WHEEL = 255  # cells across the look-up table; odd, so that a still pixel has its own


def write_text(image: np.ndarray, text: str, at: tuple[int, int], size: float = 0.42, ink: tuple = INK) -> None:
    """Write one line of text into the image, its left end on the base line at (x, y)."""
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)


# --- salience -------------------------------------------------------------------------------------


def heat(salience_map: np.ndarray) -> np.ndarray:
    """A map `[H, W]` in [0, 1] in the salience colours, `uint8 [H, W, 3]`."""
    return in_colours(salience_map, INFERNO)


def overlay(frame: np.ndarray, salience_map: np.ndarray, strength: float = 0.65) -> np.ndarray:
    """One frame with its map over it: salient pixels take the map's colour, still ones stay as they are."""
    return laid_over(frame, salience_map, INFERNO, strength, power=1)


def heat_legend(height: int = 110) -> np.ndarray:
    """The salience colours, moving at the top and still at the bottom."""
    image = np.full((height, 62, 3), PAPER, np.uint8)
    image[20 : height - 20, 22:40] = heat(np.linspace(1, 0, height - 40, dtype=np.float32)[:, None].repeat(18, 1))
    write_text(image, "moving", (10, 13), 0.36)
    write_text(image, "still", (19, height - 7), 0.36)
    return image


def scale_legend(scale: Scale, least: str, most: str, width: int = 320) -> np.ndarray:
    """A scale as a strip with a word at both ends, for images that leave the page."""
    image = np.full((30, width, 3), PAPER, np.uint8)
    left, right = 10 + 7 * len(least), width - 10 - 7 * len(most)
    ramp = in_colours(np.linspace(0, 1, max(2, right - left), dtype=np.float32)[None].repeat(12, 0), scale)
    image[9:21, left : left + ramp.shape[1]] = ramp
    write_text(image, least, (4, 19), 0.38, INK)
    write_text(image, most, (right + 6, 19), 0.38, INK)
    return image


def difference_gain(differences: np.ndarray, most: float = 8.0) -> float:
    """How much brighter differences may be shown so that 99.9 % of them stay below white; 1 to `most`."""
    flat = differences.reshape(-1)
    high = float(np.quantile(flat[:: max(1, len(flat) // 200_000)], 0.999))
    return min(most, max(1.0, 255 / max(high, 1.0)))


# --- flow -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def wheel() -> np.ndarray:
    """Colours of all flows up to length 1, `uint8 [255, 255, 3]`: x to the right, y down, 0 in the middle."""
    axis = np.linspace(-1, 1, WHEEL, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    length = np.minimum(np.hypot(x, y), 1)
    hue = np.rad2deg(np.arctan2(y, x)) % 360
    value = 1 - 0.15 * length
    colours = cv2.cvtColor(np.stack([hue, length, value], -1).astype(np.float32), cv2.COLOR_HSV2RGB)
    return np.rint(colours * 255).astype(np.uint8)


def flow_reach(flow: np.ndarray) -> float:
    """Length in pixels that gets the full colour: the 99 % quantile, at least 1, so that noise stays pale."""
    length = np.hypot(flow[..., 0], flow[..., 1]).ravel()
    step = max(1, len(length) // 100_000)
    return max(1.0, float(np.quantile(length[::step], 0.99)))


def flow_picture(flow: np.ndarray, reach: float | None = None) -> np.ndarray:
    """Flow `[H, W, 2]` in the colours of the wheel; `reach` is the length with the full colour."""
    reach = flow_reach(flow) if reach is None else reach
    half = WHEEL // 2
    cell = np.multiply(flow, np.float32(half / reach), dtype=np.float32)
    cell += np.float32(half)
    return cv2.remap(  # type: ignore[call-overload]  # without a second map, which OpenCV's types do not know
        wheel(), cell, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def wheel_legend(reach: float, size: int = 96) -> np.ndarray:
    """The colour wheel as a disc with the length, in pixels per frame, that its rim stands for."""
    disc = cv2.resize(wheel(), (size, size), interpolation=cv2.INTER_AREA)
    inside = np.zeros((size, size), np.uint8)
    cv2.circle(inside, (size // 2, size // 2), size // 2 - 1, 255, -1)
    image = np.full((size + 18, size, 3), PAPER, np.uint8)
    image[:size][inside > 0] = disc[inside > 0]
    cv2.circle(image, (size // 2, size // 2), size // 2 - 1, FAINT, 1, cv2.LINE_AA)
    text = f"rim {reach:.1f} px"
    write_text(image, text, ((size - 6 * len(text)) // 2, size + 13), 0.36)
    return image


def with_legend(image: np.ndarray, legend: np.ndarray) -> np.ndarray:
    """The image with a legend at its right side, where it hides nothing."""
    rows = max(image.shape[0], legend.shape[0])
    out = np.full((rows, image.shape[1] + legend.shape[1] + 8, 3), PAPER, np.uint8)
    out[: image.shape[0], : image.shape[1]] = image
    out[rows - legend.shape[0] :, -legend.shape[1] :] = legend
    return out


# --- variance rate --------------------------------------------------------------------------------


def variance_rate_curve(
    p: np.ndarray,
    drawn: Mapping[str, Sequence[int]] | None = None,
    size: tuple[int, int] = (640, 260),
) -> np.ndarray:
    """p(z) as a curve; below it a row of ticks per pathway at the frames it drew (`{"slow": [3, 9], …}`)."""
    drawn = drawn or {}
    width, height = size
    image = np.full((height, width, 3), PAPER, np.uint8)
    left, right, top, bottom = CURVE_LEFT, width - CURVE_RIGHT, 30, height - 42 - 20 * len(drawn)
    last, most = len(p), float(p.max())  # frames 0 … last; pair z ends at frame z + 1

    def x(frame: float) -> int:
        return round(left + (right - left) * frame / last)

    def y(value: float) -> int:
        return round(bottom - (bottom - top) * value / most)

    write_text(image, f"variance rate p(z) of {len(p)} neighbouring pairs", (left, 18))
    for value in (0, most / 2, most):
        cv2.line(image, (left, y(value)), (right, y(value)), FAINT, 1)
        write_text(image, f"{value:.3f}", (14, y(value) + 4), 0.36)
    if most > 0 and most > 1.001 / len(p):
        for start in range(left, right, 8):
            cv2.line(image, (start, y(1 / len(p))), (start + 3, y(1 / len(p))), INK, 1)
        write_text(image, "uniform", (right + 6, y(1 / len(p)) + 4), 0.36)
    points = np.array([(x(z + 1), y(value)) for z, value in enumerate(p)], np.int32)
    cv2.polylines(image, [points], False, INK, 1, cv2.LINE_AA)
    for frame in np.unique(np.linspace(0, last, min(9, last + 1)).round().astype(int)):
        write_text(image, str(frame), (x(frame) - 4 * len(str(frame)), height - 24), 0.36)
    write_text(image, "frame", ((left + right) // 2 - 20, height - 7), 0.36)
    for row, (name, frames) in enumerate(drawn.items()):
        base, ink = bottom + 20 + 20 * row, PATHWAY_INKS[row % len(PATHWAY_INKS)]
        write_text(image, f"{name} {len(frames)}", (6, base), 0.36, ink)
        for frame in frames:
            cv2.line(image, (x(frame), base - 11), (x(frame), base), ink, 2)
            cv2.circle(image, (x(frame), y(p[max(int(frame) - 1, 0)])), 3, ink, -1, cv2.LINE_AA)
    return image


def with_cursor(curve: np.ndarray, frame: int, pairs: int) -> np.ndarray:
    """A variance-rate curve with a line at the frame that is shown just now."""
    out = curve.copy()
    x = round(CURVE_LEFT + (out.shape[1] - CURVE_RIGHT - CURVE_LEFT) * frame / pairs)
    cv2.line(out, (x, 24), (x, out.shape[0] - 40), (200, 30, 30), 1)
    return out


def below(frame: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A frame in the middle above a wider image."""
    out = np.full((frame.shape[0] + image.shape[0], max(frame.shape[1], image.shape[1]), 3), PAPER, np.uint8)
    left = (out.shape[1] - frame.shape[1]) // 2
    out[: frame.shape[0], left : left + frame.shape[1]] = frame
    out[frame.shape[0] :, : image.shape[1]] = image
    return out


# --- rows -----------------------------------------------------------------------------------------


def rgbf_rows(frames: np.ndarray, flow: np.ndarray, rgbf: np.ndarray, columns: int = 5) -> np.ndarray:
    """RGB, flow and RGBF of the same moments, one under the other (fig. 5 of Asymmetric 3D-CNN)."""
    moments = np.unique(np.linspace(0, len(flow) - 1, min(columns, len(flow))).round().astype(int))
    reach = flow_reach(flow[moments])
    rows = [
        np.hstack([frames[t] for t in moments]),
        np.hstack([flow_picture(flow[t], reach) for t in moments]),
        np.hstack([rgbf[t] for t in moments]),
    ]
    for row, name in zip(rows, ("RGB", "Flow", "RGBF"), strict=True):
        cv2.rectangle(row, (0, 0), (12 + 9 * len(name), 20), PAPER, -1)
        write_text(row, name, (5, 15), 0.45)
    return np.vstack(rows)
