"""The recipes of torchvision's public Kinetics-400 models: each clip prepared as its publisher does.

Their weights do not ship; `python -m actrec fetch` gets them when asked. Scores over 400 real classes, no "unknown".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from actrec import sampling
from actrec.models.torchvision_models import MEASURED, Preparation, preparation, reference
from actrec.systems.fusion import average
from actrec.systems.system import Input, Protocol, System, Views
from actrec.systems.views import channels_first, newest, starts, window
from actrec.video import Clip

PAPER = "torchvision, Kinetics-400"


def view(frames: np.ndarray, prepared: Preparation) -> Views:
    """Frames at the publisher's rate, resized and cropped in the centre; mean and deviation are in the network."""
    if isinstance(prepared.resize, int):
        small = sampling.short_side(frames, prepared.resize)
    else:
        small = sampling.resize(frames, *prepared.resize)
    height, width = small.shape[1:3]
    down, right = prepared.crop
    top, left = (height - down) // 2, (width - right) // 2
    return {"clip": channels_first(small[:, top : top + down, left : left + right])}


def one(clip: Clip, prepared: Preparation) -> list[Views]:
    return [view(newest(clip, prepared.frames, prepared.fps), prepared)]


def over(clip: Clip, prepared: Preparation) -> list[Views]:
    """As many windows as the publisher measured with, spread over the clip."""
    seconds = (prepared.frames - 1) / prepared.fps
    begins = starts(clip, seconds, prepared.clips)
    return [view(window(clip, prepared.frames, prepared.fps, start), prepared) for start in begins]


def training_view(clip: Clip, rng: np.random.Generator) -> Views:
    raise NotImplementedError("Public models are used as they were published; this project does not train them.")


def public(name: str) -> System:
    prepared = preparation(name)
    several = Protocol(partial(over, prepared=prepared), average)
    return System(
        name=name,
        title=name,
        paper=PAPER,
        size="public",
        inputs={"clip": Input(3, prepared.frames, prepared.crop[0], mean=0.0, std=1.0)},
        network=partial(reference, name),
        seconds=(prepared.frames - 1) / prepared.fps,
        training_view=training_view,
        protocols={"one": Protocol(partial(one, prepared=prepared), average), "clip": several, "paper": several},
        schedules={},
    )


def systems() -> list[System]:
    return [public(name) for name in MEASURED]
