"""Frames over time that move together: one slider for all panels, and a curve that the slider runs along.

Every panel is one tall JPEG inside the page; the browser shows one frame of it (`frame_scrubber.js`). No server is
asked while scrubbing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np

from actrec.figures import svg
from actrec.figures.data_uri import jpeg_uri

WIDEST, MOST, TALLEST = 320, 96, 65_000  # pixels of a frame's width, frames, pixels that a JPEG may be tall
PLAYED = 8  # frames a second


@dataclass(frozen=True)
class Panel:
    """Frames `uint8 [N, H, W, 3]` under a title, with a sentence on what they show."""

    title: str
    caption: str
    frames: Sequence[np.ndarray]


def scrubber(
    panels: Iterable[Panel],
    seconds: Sequence[float],
    curve: Sequence[float] = (),
    curve_label: str = "",
    start: int = 0,
) -> str:
    """The panels side by side where there is room; below them a slider over the seconds and a curve."""
    chosen = np.unique(np.linspace(0, len(seconds) - 1, min(len(seconds), MOST)).round().astype(int))
    shown = [round(float(seconds[place]), 3) for place in chosen]
    start = int(np.abs(chosen - start).argmin())
    at = start / max(1, len(chosen) - 1)
    cells = "".join(_panel(panel, chosen) for panel in panels)
    return (
        f'<div class="scrub" data-rate="{PLAYED}" data-seconds="{shown}" style="--at:{at:.4f}">'
        f'<div class="scrub-panels">{cells}</div>'
        f'<div class="scrub-bar"><button type="button" class="scrub-play">▶ Play</button>'
        f'<div class="scrub-time">{_curve(curve, curve_label)}'
        f'<input type="range" min="0" max="{len(chosen) - 1}" value="{start}" aria-label="Moment of the clip"></div>'
        f"<output>{shown[start]:.1f} s</output></div></div>"
    )


def legend(colours: Sequence[str], least: str, most: str) -> str:
    """A colour scale with a word at both ends."""
    return (
        f'<p class="scale quiet"><span>{escape(least)}</span>'
        f'<span class="ramp" style="background:linear-gradient(90deg,{",".join(colours)})"></span>'
        f"<span>{escape(most)}</span></p>"
    )


def _panel(panel: Panel, chosen: np.ndarray) -> str:
    frames = [panel.frames[place] for place in chosen]
    height, width = frames[0].shape[:2]
    scale = min(1.0, WIDEST / width, TALLEST / (height * len(frames)))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    return (
        f'<figure class="view"><div class="strip-frame" role="img" aria-label="{escape(panel.title)}" '
        f'style="aspect-ratio:{width}/{height};background-image:url({jpeg_uri(np.concatenate(frames), 82)});'
        f'background-size:100% {len(frames) * 100}%"></div>'
        f"<figcaption><b>{escape(panel.title)}</b> {escape(panel.caption)}</figcaption></figure>"
    )


def _curve(values: Sequence[float], label: str) -> str:
    """How much each moment counts, as an area the slider runs along."""
    if len(values) < 2:
        return ""
    top = max(max(values), 1e-12)
    points = " ".join(f"{100 * n / (len(values) - 1):.2f},{30 - 28 * v / top:.2f}" for n, v in enumerate(values))
    area = svg.element("polygon", points=f"0,30 {points} 100,30")
    chart = svg.drawing(area, 100, 30, label, preserveAspectRatio="none")
    return f'<div class="scrub-curve" title="{escape(label)}">{chart}<i></i></div>'
