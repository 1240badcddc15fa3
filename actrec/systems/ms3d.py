"""The recipe of MS3D: three pathways drawn where something happens, codes judged by class centres.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D). Ours, not the
paper's, in the light size: the frames are drawn from 37 frames over three seconds, letterboxed to 96×96; a test view
draws with a fixed seed, so that the same clip gives the same answer; AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import nn

from actrec import sampling
from actrec.core.errors import BadValue
from actrec.models import ms3d
from actrec.motion.difference import variance_rate
from actrec.systems.fusion import average
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views
from actrec.systems.views import Light, Paper, channels_first
from actrec.video import Clip

PAPER = "Man et al., The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks (MS3D)"
PASSES = 4  # p of eq. 6; not given in the paper

SCRATCH = Schedule("adamw", rate=1e-3, epochs=14, batch=24, weight_decay=0.02, cosine=True)
FINE_TUNE = Schedule("adamw", rate=1e-3, epochs=60, batch=12, weight_decay=0.05, cosine=True)
# Sec. IV-B: Adam, batch 64, 500 epochs; the rate is not given in the paper.
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


OPTIONS = {
    "cameras": Option("1", "cameras: one for all pathways, or one for each", ("1", "3")),
    "alpha": Option(0.7, "share of the earlier layers that each layer hears, eq. 2", most=1.0),
    "redraw": Option("no", "connections drawn anew in each training step", ("no", "yes")),
    "stack": Option("time", "how the pathways are piled up", ("time", "channels")),
    "slice": Option("first", "the slice of time that eq. 4 favours", ("first", "middle")),
}


def chosen_network(base: Callable[..., nn.Module], alpha: float, redraw: str, stack: str, slice: str) -> Callable:
    return partial(base, alpha=alpha, redraw=redraw == "yes", stack=stack, start_slice=slice)


def of_cameras(views: Callable[..., list[Views]], clip: Clip, **told: object) -> list[Views]:
    """Every pathway from its own camera: slow from the clip, mid and fast from those beside it.

    Each pathway's frames are drawn by the variance rate that its own camera saw.
    """
    if len(clip.beside) < len(ms3d.PATHWAYS) - 1:
        raise BadValue(
            f"MS3D with a camera for each pathway needs {len(ms3d.PATHWAYS)} clips of the same seconds; there "
            f"{'is' if not clip.beside else 'are'} {1 + len(clip.beside)}."
        )
    seen = [views(each, **told) for each in (clip, *clip.beside)[: len(ms3d.PATHWAYS)]]
    paired = zip(*seen, strict=True)
    return [{name: view[name] for name, view in zip(ms3d.PATHWAYS, views, strict=True)} for views in paired]


def of_cameras_training(views: Callable[..., Views], clip: Clip, rng: np.random.Generator) -> Views:
    """The same in training: one window, one placing and one mirror for all cameras."""
    seed = int(rng.integers(2**63))
    return of_cameras(lambda each: [views(each, np.random.default_rng(seed))], clip)[0]


def _system(
    name: str, size: str, base, side: int, recipe, protocols: dict, seconds: float, schedules: dict, cameras: str,
    **network: object,
) -> System:  # fmt: skip
    training, moments = recipe.training_view, getattr(recipe, "moments", None)
    if cameras == "3":
        training = partial(of_cameras_training, training)
        protocols = {key: partial(of_cameras, views) for key, views in protocols.items()}
    return System(
        name=name,
        title="MS3D" if size == "light" else name,
        paper=PAPER,
        size=size,
        inputs={each: Input(3, count, side) for each, count in ms3d.FRAMES.items()},
        network=chosen_network(base, **network) if network else base,
        seconds=seconds,
        training_view=training,
        protocols={
            key: Protocol(views, average, moments if key == "one" else None) for key, views in protocols.items()
        },
        schedules=schedules,
        loss="n-pair",
        decides="centres",
        options=OPTIONS,
        remade=light if size == "light" else paper,
    )


def light(cameras: str = "1", **network: object) -> System:
    recipe = Light(37, 12.5, 96, view, chosen)
    protocols = {
        "one": recipe.one,
        "clip": partial(recipe.over, most=3, passes=2),
        "paper": partial(recipe.over, most=1, passes=PASSES),
    }
    learned = {"scratch": SCRATCH, "fine-tune": FINE_TUNE}
    return _system("ms3d", "light", ms3d.light, 96, recipe, protocols, recipe.seconds, learned, cameras, **network)


def paper(cameras: str = "1", **network: object) -> System:
    recipe = Paper(224, 256, view, draws)
    protocols = {
        "one": partial(recipe.tested, windows=1, crops=1),
        "clip": partial(recipe.tested, windows=PASSES, crops=1),
        "paper": partial(recipe.tested, windows=PASSES, crops=1),
    }
    learned = {"scratch": IN_PAPER, "paper": IN_PAPER}
    return _system("ms3d-paper", "paper", ms3d.MS3D, 224, recipe, protocols, 49 / 25, learned, cameras, **network)


def systems() -> list[System]:
    return [light(), paper()]
