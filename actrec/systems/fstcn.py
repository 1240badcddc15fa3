"""The recipe of FstCN: strided pairs of a clip and its differences, crops fused by how concentrated their scores are.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015, sec. 2.2,
3 and 4. Ours, not the paper's, in the light size: frames are drawn at 12.5 per second, which a webcam
reaches, with d_t = 4 and s_t = 3 (the paper's 9 and 5 at 25, nearly); the crops of a pair are two zooms and their
mirror images of the letterboxed picture; Adam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np
from torch import nn

from actrec import sampling
from actrec.core.errors import BadValue
from actrec.models import fstcn
from actrec.systems.fusion import Fused, average, maximum, sci_fusion
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views
from actrec.systems.views import PLAIN, Light, Paper, Placing, channels_first
from actrec.video import Clip

PAPER = "Sun et al., Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks, ICCV 2015"
LENGTH, STRIDE, DISTANCE, PAIRS = 5, 5, 9, 5
LIGHT_STRIDE, LIGHT_DISTANCE = 3, 4
CROPS = (PLAIN, Placing(flip=True), Placing(zoom=1.2), Placing(zoom=1.2, flip=True))

SCRATCH = Schedule("adamw", rate=1e-3, epochs=16, batch=24, weight_decay=0.02, cosine=True, label_smoothing=0.05)
FINE_TUNE = Schedule("adamw", rate=1e-3, epochs=60, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
# Sec. 2.5 gives batch, momentum and decay; the rate and its steps are not given in the paper.
IN_PAPER = Schedule("sgd", rate=1e-2, epochs=60, batch=32, at=(30, 50))


def view(frames: np.ndarray) -> Views:
    """The frames of V and the frames d_t later → V and |V(t) − V(t + d_t)|."""
    own, later = frames[:LENGTH], frames[LENGTH:]
    return {"frames": channels_first(own), "difference": channels_first(cv2.absdiff(own, later))}


def chosen_frames(frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """The pair that a window holds."""
    return sampling.strided_pairs(len(frames), 1, rng, length=LENGTH, stride=LIGHT_STRIDE, distance=LIGHT_DISTANCE)[
        0
    ].ravel()


def pairs(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    drawn = sampling.strided_pairs(len(clip), count, rng, length=LENGTH, stride=STRIDE, distance=DISTANCE)
    return [each.ravel() for each in drawn]


def options(name: str, size: str) -> dict[str, Option]:
    """What the paper ablates; a network whose name says which path it has keeps it."""
    fixed = "-scl" in name or "-tcl" in name
    stages = Option(
        "pairs" if size == "light" or "-tcl" in name else "auxiliary",
        "pairs at once, or single pictures first by the auxiliary classifier",
        ("pairs",) if "-tcl" in name else ("pairs", "auxiliary"),
    )
    paths = {
        "path": Option("both", "the paths behind the lower layers", ("both", "scl", "tcl")),
        "kernels": Option("3+5", "the temporal kernels", ("3+5", "3", "5")),
    }
    return ({} if fixed else paths) | {
        "positions": Option("channels", "the places of a map in the temporal layer", ("channels", "shared")),
        "fusion": Option("sci", "how crops and pairs become one answer", ("sci", "average", "maximum")),
        "stages": stages,
    }


def chosen_network(base: Callable[..., nn.Module], chosen: Mapping[str, str]) -> Callable[..., nn.Module]:
    told: dict[str, object] = {key: chosen[key] for key in ("path", "positions") if key in chosen}
    if "kernels" in chosen:
        told["kernels"] = tuple(int(size) for size in chosen["kernels"].split("+"))
    return partial(base, **told) if told else base


def chosen_loss(stages: str, path: str = "both", **_: object) -> str:
    if stages == "auxiliary" and path == "tcl":
        raise BadValue(
            "The auxiliary classifier is the rest of the spatial path: with --option path=tcl there is none."
        )
    return "auxiliary" if stages == "auxiliary" else "cross-entropy"


def fused(name: str, crops: int) -> Callable[[np.ndarray], Fused]:
    return {"sci": partial(sci_fusion, crops=crops), "average": average, "maximum": maximum}[name]


def light(name: str = "fstcn", base: Callable[..., nn.Module] = fstcn.light, **chosen: str) -> System:
    recipe = Light(sampling.pair_span(LENGTH, LIGHT_STRIDE, LIGHT_DISTANCE), 12.5, 112, view, chosen_frames)
    several = partial(recipe.over, most=PAIRS, placings=CROPS)
    return System(
        name=name,
        title="FstCN",
        paper=PAPER,
        size="light",
        inputs={"frames": Input(3, LENGTH, 112), "difference": Input(3, LENGTH, 112, 0.0, 0.12)},
        network=chosen_network(base, chosen),
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": Protocol(several, fused(chosen.get("fusion", "sci"), len(CROPS))),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        loss=chosen_loss(**({"stages": "pairs"} | chosen)),
        options=options(name, "light"),
        remade=partial(light, name, base),
    )


def paper(name: str, base: Callable[..., nn.Module], **chosen: str) -> System:
    """204×204, tested on five pairs of 18 crops each, fused by SCI. The size before cropping is not in the paper."""
    recipe = Paper(204, 240, view, pairs)
    fuse = fused(chosen.get("fusion", "sci"), 18)
    return System(
        name=name,
        title=name,
        paper=PAPER,
        size="paper",
        inputs={"frames": Input(3, LENGTH, 204), "difference": Input(3, LENGTH, 204, 0.0, 0.12)},
        network=chosen_network(base, chosen),
        seconds=sampling.pair_span(LENGTH, STRIDE, DISTANCE) / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=PAIRS, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=PAIRS, crops=18), fuse),
        },
        schedules={"scratch": IN_PAPER, "paper": IN_PAPER},
        loss=chosen_loss(**({"stages": options(name, "paper")["stages"].default} | chosen)),
        options=options(name, "paper"),
        remade=partial(paper, name, base),
    )


def systems() -> list[System]:
    built = {name: build for name, build in fstcn.VARIANTS.items() if name != "fstcn-light"}
    return [light(), *(paper("fstcn-paper" if name == "fstcn" else name, build) for name, build in built.items())]
