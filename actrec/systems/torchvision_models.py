"""The recipes of torchvision's public Kinetics-400 models: each clip prepared as its publisher does.

Their weights do not ship; `python -m actrec fetch` gets them when asked. Scores over 400 real classes, no "unknown".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from actrec.models.torchvision_models import PREPARATIONS, reference
from actrec.systems.fusion import average
from actrec.systems.system import Input, Protocol, System, Views
from actrec.systems.views import Centre
from actrec.video import Clip

PAPER = "torchvision, Kinetics-400"


def training_view(clip: Clip, rng: np.random.Generator) -> Views:
    raise NotImplementedError("Public models are used as they were published; this project does not train them.")


def public(name: str) -> System:
    prepared = PREPARATIONS[name]
    recipe = Centre(prepared.frames, prepared.fps, prepared.resize, prepared.crop, windows=prepared.clips)
    several = Protocol(recipe.over, average, windows=recipe.begins)
    return System(
        name=name,
        title=name,
        paper=PAPER,
        size="public",
        inputs={"clip": Input(3, prepared.frames, prepared.crop[0], mean=0.0, std=1.0)},
        network=partial(reference, name),
        seconds=recipe.seconds,
        training_view=training_view,
        protocols={"one": Protocol(recipe.one, average, recipe.moments), "clip": several, "paper": several},
        schedules={},
    )


def systems() -> list[System]:
    return [public(name) for name in PREPARATIONS]
