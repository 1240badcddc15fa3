"""The recipe of MS3D: three pathways drawn where something happens, codes judged by class centres.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D). Ours, not the
paper's, in the light size: the frames are drawn from 37 frames over three seconds, letterboxed to 96×96; a test view
draws with a fixed seed, so that the same clip gives the same answer; AdamW.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from actrec import sampling
from actrec.fusion import average
from actrec.models import ms3d
from actrec.motion.difference import variance_rate
from actrec.systems.system import Input, Protocol, Schedule, System, Views
from actrec.systems.views import Light, Paper, channels_first
from actrec.video import Clip

PAPER = "Man et al., The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks (MS3D)"
PASSES = 4  # p of eq. 6; not given in the paper

SCRATCH = Schedule("adamw", rate=1e-3, epochs=14, batch=24, weight_decay=0.02, cosine=True)
FINE_TUNE = Schedule("adamw", rate=3e-4, epochs=30, batch=24, weight_decay=0.05, cosine=True)
# Sec. IV: Adam, batch 64, 500 epochs; the rate is not given in the paper.
IN_PAPER = Schedule("adamw", rate=1e-3, epochs=500, batch=64, weight_decay=0.0)


def view(frames: np.ndarray) -> Views:
    """49 frames, pathway after pathway → the three pathways."""
    ends = np.cumsum(sampling.PATHWAYS)[:-1]
    parts = zip(("slow", "mid", "fast"), np.split(frames, ends), strict=True)
    return {name: channels_first(part) for name, part in parts}


def chosen(frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """The frames of all three pathways, drawn by the variance rate of a window (eq. 1)."""
    rate = variance_rate(frames[:, ::4, ::4].copy())
    return np.concatenate(sampling.pathways(rate, rng or np.random.default_rng(0)))


def draws(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    rng = rng or np.random.default_rng(0)
    rate = variance_rate(clip.frames) if len(clip) > 1 else np.ones(1)
    return [np.minimum(np.concatenate(sampling.pathways(rate, rng)), len(clip) - 1) for _ in range(count)]


def _system(
    name: str, size: str, network, side: int, recipe, protocols: dict, seconds: float, schedules: dict
) -> System:
    return System(
        name=name,
        title="MS3D" if size == "light" else name,
        paper=PAPER,
        size=size,
        inputs={each: Input(3, count, side) for each, count in ms3d.FRAMES.items()},
        network=network,
        seconds=seconds,
        training_view=recipe.training_view,
        protocols=protocols,
        schedules=schedules,
        loss="n-pair",
        decides="centres",
    )


def systems() -> list[System]:
    light = Light(37, 12.5, 96, view, chosen)
    paper = Paper(224, 256, view, draws)
    of_light = {
        "one": Protocol(light.one, average, light.moments),
        "clip": Protocol(partial(light.over, most=3, passes=2), average),
        "paper": Protocol(partial(light.over, most=1, passes=PASSES), average),
    }
    of_paper = {
        "one": Protocol(partial(paper.tested, windows=1, crops=1), average),
        "clip": Protocol(partial(paper.tested, windows=PASSES, crops=1), average),
        "paper": Protocol(partial(paper.tested, windows=PASSES, crops=1), average),
    }
    learned = {"scratch": SCRATCH, "fine-tune": FINE_TUNE}
    return [
        _system("ms3d", "light", ms3d.light, 96, light, of_light, light.seconds, learned),
        _system(
            "ms3d-paper", "paper", ms3d.MS3D, 224, paper, of_paper, 49 / 25, {"scratch": IN_PAPER, "paper": IN_PAPER}
        ),
    ]
