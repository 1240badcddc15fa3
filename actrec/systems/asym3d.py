"""The recipe of the Asymmetric 3D-CNN.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", sec. 4.
Ours, not the paper's, in the light size: 16 signed differences of neighbouring frames over two seconds, letterboxed,
in place of 16 consecutive RGB frames, because the wall behind a visitor says nothing about what the visitor does.
"""

from __future__ import annotations

import numpy as np

from actrec.fusion import average
from actrec.models import asym3d
from actrec.systems.system import Input, Schedule, System, Views
from actrec.systems.views import (
    PLAIN,
    Placing,
    channels_first,
    newest,
    place,
    signed_difference,
    starts,
    window,
)
from actrec.video import Clip

PAPER = "Yang et al., Asymmetric 3D Convolutional Neural Networks for Action Recognition, Pattern Recognition 2019"
FRAMES, FPS, SIZE = 16, 8.0, 112
SECONDS = FRAMES / FPS


def view(frames: np.ndarray, placing: Placing = PLAIN) -> Views:
    """17 frames `[17, H, W, 3]` → the 16 differences between them."""
    return {"clip": channels_first(signed_difference(place(frames, SIZE, placing)))}


def training_view(clip: Clip, rng: np.random.Generator) -> Views:
    """A window anywhere in the clip, a little faster or slower, placed anyhow, with the noise of a camera."""
    fps = FPS * float(np.exp(rng.uniform(-0.2, 0.2)))
    latest = float(clip.times[-1]) - FRAMES / fps
    start = rng.uniform(clip.times[0], latest) if latest > clip.times[0] else latest
    return view(window(clip, FRAMES + 1, fps, float(start)), Placing.draw(rng))


def newest_view(clip: Clip) -> list[Views]:
    return [view(newest(clip, FRAMES + 1, FPS))]


def clip_views(clip: Clip) -> list[Views]:
    """Up to ten overlapping windows over the whole clip."""
    return [view(window(clip, FRAMES + 1, FPS, start)) for start in starts(clip, SECONDS, 10)]


def light() -> System:
    return System(
        name="asym3d",
        title="Asymmetric 3D-CNN",
        paper=PAPER,
        size="light",
        inputs={"clip": Input(channels=3, frames=FRAMES, size=SIZE, mean=128 / 255, std=0.06)},
        network=asym3d.light,
        seconds=SECONDS,
        training_view=training_view,
        views={"one": newest_view, "clip": clip_views},
        fuse=average,
        schedules={
            "scratch": Schedule(
                "adamw", rate=2e-3, epochs=12, batch=24, weight_decay=0.02, cosine=True, label_smoothing=0.05
            )
        },
    )
