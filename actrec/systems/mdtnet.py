"""The recipe of MDT-Net, and of TSN and TSM on the same backbone.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". Ours, not the paper's: salience is computed over the drawn frames at the network's size, enhanced
frames go to the motion path and raw ones to appearance; in the light size 40 frames of 96×96 cover
3.2 seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from actrec import sampling
from actrec.models import mdtnet
from actrec.motion.salience import enhance
from actrec.motion.salience import salience as salience_of
from actrec.systems.fusion import average
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views
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
FINE_TUNE = Schedule("adamw", rate=1e-3, epochs=60, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
IN_PAPER = Schedule("sgd", rate=1e-2, epochs=70, batch=32, weight_decay=1e-4, at=(30, 40, 50))


# mode → what it is called, whose it is, its network in the paper's size and the light one
MODES = {
    "mdtnet": ("MDT-Net", PAPER, mdtnet.mdtnet, mdtnet.light),
    "tsn": ("TSN", TSN_PAPER, mdtnet.tsn, mdtnet.tsn_light),
    "tsm": ("TSM", TSM_PAPER, mdtnet.tsm, mdtnet.tsm_light),
}


def options(mode: str, enhanced: str = "motion") -> dict[str, Option]:
    return {
        "mode": Option(mode, "the network on the backbone", tuple(MODES)),
        "enhanced": Option(enhanced, "what motion salience multiplies", ("motion", "both", "none")),
        "salience": Option("amplitude", "the salience filter", ("amplitude", "phase")),
        "strength": Option(1.0, "how much salience counts", most=1.0),
        "drawn": Option("random", "the five frames of a segment", ("random", "adjacent")),
    }


def view(frames: np.ndarray, enhanced: str = "motion", salience: str = "amplitude", strength: float = 1.0) -> Views:
    """The drawn frames raw and multiplied by their motion salience; with `none` raw twice (the ablation)."""
    motion = frames if enhanced == "none" else enhance(frames, salience_of(frames, variant=salience), strength)
    seen = channels_first(motion if enhanced == "both" else frames)
    return {"frames": seen, "motion": seen if motion is frames else channels_first(motion)}


def chosen_frames(segments: int, adjacent: bool, frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return sampling.segments(len(frames), segments, rng, frames=PER_SEGMENT, adjacent=adjacent).ravel()


def draws(segments: int, adjacent: bool, clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """One even draw for a single test view, seeded random ones for several: the paper samples ten times."""
    if rng is None and count > 1:
        rng = np.random.default_rng(0)
    drawn = partial(sampling.segments, len(clip), segments, rng, frames=PER_SEGMENT, adjacent=adjacent)
    return [drawn().ravel() for _ in range(count)]


def seen_by(
    enhanced: str = "motion", salience: str = "amplitude", strength: float = 1.0
) -> Callable[[np.ndarray], Views]:
    return partial(view, enhanced=enhanced, salience=salience, strength=strength)


def light(name: str, mode: str = "mdtnet", *, drawn: str = "random", title: str = "", **looks: object) -> System:
    meant, citation, _, network = MODES[mode]
    recipe = Light(40, 12.5, 96, seen_by(**looks), partial(chosen_frames, 8, drawn == "adjacent"))
    return System(
        name=name,
        title=title or meant,
        paper=citation,
        size="light",
        inputs={each: Input(3, 8 * PER_SEGMENT, 96, **IMAGENET) for each in ("frames", "motion")},
        network=network,
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": recipe.spread(average, most=5),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        options=options(mode, looks.get("enhanced", "motion")),
        remade=partial(light, name, title=title),
    )


def paper(name: str, mode: str = "mdtnet", *, segments: str = "16", drawn: str = "random", **looks: object) -> System:
    """224×224 of a short side of 256; one centre crop, or ten draws of three crops."""
    count = int(segments)
    recipe = Paper(224, 256, seen_by(**looks), partial(draws, count, drawn == "adjacent"), crop="random")
    _, citation, network, _ = MODES[mode]
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={each: Input(3, count * PER_SEGMENT, 224, **IMAGENET) for each in ("frames", "motion")},
        network=partial(network, segments=count),
        seconds=count * PER_SEGMENT / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=10, crops=3), average),
        },
        schedules={"scratch": IN_PAPER, "paper": IN_PAPER},
        options=options(mode) | {"segments": Option("16", "segments of a video", ("8", "16"))},
        remade=partial(paper, name),
    )


def systems() -> list[System]:
    return [
        light("mdtnet"),
        light("mdtnet-raw", title="MDT-Net without salience", enhanced="none"),
        light("tsn-light", "tsn"),
        light("tsm-light", "tsm"),
        paper("mdtnet-paper"),
        paper("tsn", "tsn"),
        paper("tsm", "tsm"),
    ]
