"""The recipe of MDT-Net, and of TSN and TSM on the same backbone.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". Ours, not the paper's: salience is computed over the drawn frames at the network's size, enhanced
frames go to the motion path and raw ones to appearance; in the light size 40 frames of 96×96 cover
3.2 seconds.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from actrec import sampling
from actrec.fusion import average
from actrec.models import mdtnet
from actrec.motion.salience import enhance, salience
from actrec.systems.system import Input, Protocol, Schedule, System, Views
from actrec.systems.views import Light, Paper, channels_first
from actrec.video import Clip

PAPER = (
    "Xu, Cao and Yi, Video human action recognition by the fusion of significant motion and coarse-fine temporal "
    "granularity features"
)
TSN_PAPER = "Wang et al., Temporal Segment Networks, ECCV 2016"
TSM_PAPER = "Lin, Gan and Han, TSM: Temporal Shift Module for Efficient Video Understanding, ICCV 2019"
PER_SEGMENT = 5
IMAGENET = {"mean": 0.449, "std": 0.226}

SCRATCH = Schedule("adamw", rate=1e-3, epochs=14, batch=16, weight_decay=0.03, cosine=True, label_smoothing=0.05)
FINE_TUNE = Schedule("adamw", rate=3e-4, epochs=30, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
IN_PAPER = Schedule("sgd", rate=1e-2, epochs=70, batch=32, weight_decay=1e-4, at=(30, 40, 50))


def view(frames: np.ndarray, enhanced: bool = True) -> Views:
    """The drawn frames raw and multiplied by their motion salience; with `enhanced=False` raw twice (the ablation)."""
    motion = enhance(frames, salience(frames)) if enhanced else frames
    return {"frames": channels_first(frames), "motion": channels_first(motion)}


def chosen(segments: int, frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return sampling.segments(len(frames), segments, rng, frames=PER_SEGMENT).ravel()


def draws(segments: int, clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """One even draw for a single test view, seeded random ones for several: the paper samples ten times."""
    if rng is None and count > 1:
        rng = np.random.default_rng(0)
    return [sampling.segments(len(clip), segments, rng, frames=PER_SEGMENT).ravel() for _ in range(count)]


def light(name: str, network, citation: str = PAPER, title: str = "MDT-Net", enhanced: bool = True) -> System:
    recipe = Light(40, 12.5, 96, partial(view, enhanced=enhanced), partial(chosen, 8))
    return System(
        name=name,
        title=title,
        paper=citation,
        size="light",
        inputs={each: Input(3, 8 * PER_SEGMENT, 96, **IMAGENET) for each in ("frames", "motion")},
        network=network,
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": Protocol(partial(recipe.over, most=5), average),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
    )


def paper(name: str, network, citation: str = PAPER, segments: int = 16) -> System:
    """224×224 of a short side of 256; one centre crop, or ten draws of three crops."""
    recipe = Paper(224, 256, view, partial(draws, segments), crop="random")
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={each: Input(3, segments * PER_SEGMENT, 224, **IMAGENET) for each in ("frames", "motion")},
        network=partial(network, segments=segments),
        seconds=segments * PER_SEGMENT / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=10, crops=3), average),
        },
        schedules={"scratch": IN_PAPER, "paper": IN_PAPER},
    )


def systems() -> list[System]:
    return [
        light("mdtnet", mdtnet.light),
        light("mdtnet-raw", mdtnet.light, title="MDT-Net without salience", enhanced=False),
        light("tsn-light", mdtnet.tsn_light, TSN_PAPER, "TSN"),
        light("tsm-light", mdtnet.tsm_light, TSM_PAPER, "TSM"),
        paper("mdtnet-paper", mdtnet.mdtnet),
        paper("tsn", mdtnet.tsn, TSN_PAPER),
        paper("tsm", mdtnet.tsm, TSM_PAPER),
    ]
