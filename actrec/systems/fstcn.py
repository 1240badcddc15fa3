"""The recipe of FstCN: strided pairs of a clip and its differences, crops fused by how concentrated their scores are.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015, sec. 2.2,
3 and 4. Ours, not the paper's, in the light size: frames are drawn at 12.5 per second, which a webcam
reaches, with d_t = 4 and s_t = 3 (the paper's 9 and 5 at 25, nearly); the crops of a pair are two zooms and their
mirror images of the letterboxed frame; Adam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from actrec import sampling
from actrec.core.errors import BadValue
from actrec.metrics.accuracy import softmax, top
from actrec.models import fstcn
from actrec.systems.claim import Budget, Claim, Experiment, Figures
from actrec.systems.fusion import Fused, average, maximum, sci_fusion
from actrec.systems.layers import Layer
from actrec.systems.system import Features, Input, Option, Protocol, Schedule, System, Views, light_schedule
from actrec.systems.views import PLAIN, Light, Paper, Placing, channels_first
from actrec.systems.workspace import Workspace, trained
from actrec.video import Clip

PAPER = "Sun et al., Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks, ICCV 2015"
HEADLINE = {"UCF-101": 88.1, "HMDB-51": 59.1}
LENGTH, STRIDE, DISTANCE, PAIRS = 5, 5, 9, 5
LIGHT_STRIDE, LIGHT_DISTANCE = 3, 4
CROPS = (PLAIN, Placing(flip=True), Placing(zoom=1.2), Placing(zoom=1.2, flip=True))

SCRATCH = light_schedule(rate=1e-3, epochs=16, batch=24, weight_decay=0.02, label_smoothing=0.05)
FINE_TUNE = light_schedule(rate=1e-3, epochs=60, batch=12, weight_decay=0.05, label_smoothing=0.1)
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
    return [pair.ravel() for pair in drawn]


def options(name: str, size: str) -> dict[str, Option]:
    """What the paper ablates; a network that is named after its only path keeps it."""
    fixed = "-scl" in name or "-tcl" in name
    stages = Option(
        "pairs" if size == "light" or "-tcl" in name else "auxiliary",
        "pairs at once, or single frames first by the auxiliary classifier",
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
    built: dict[str, object] = {key: chosen[key] for key in ("path", "positions") if key in chosen}
    if "kernels" in chosen:
        built["kernels"] = tuple(int(size) for size in chosen["kernels"].split("+"))
    return partial(base, **built) if built else base


def chosen_loss(stages: str | float, path: str | float = "both", **_: object) -> str:
    if stages == "auxiliary" and path == "tcl":
        raise BadValue(
            "The auxiliary classifier is the rest of the spatial path: with --option path=tcl there is none."
        )
    return "auxiliary" if stages == "auxiliary" else "cross-entropy"


def fused(name: str, crops: int) -> Callable[[np.ndarray], Fused]:
    ways: dict[str, Callable[[np.ndarray], Fused]] = {
        "sci": partial(sci_fusion, crops=crops), "average": average, "maximum": maximum,
    }  # fmt: skip
    return ways[name]


def layers(network: fstcn.FstCN) -> list[Layer]:
    """The shared spatial layers, then the last of both paths where there are both."""
    frames = network.sizes.frames

    def of_both(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """The middle frame of the spatial path, then the frames of the temporal one, as far as there are both."""
        maps = maps.unflatten(0, (clips, -1)).transpose(1, 2)
        by_input: dict[str, Tensor] = {}
        if network.spatial is not None:
            by_input["frames"] = _alone_in_time(maps[:, :, 0], frames)
        if network.temporal is not None:
            by_input["difference"] = maps[:, :, -frames:]
        return by_input

    relus = [place for place, module in enumerate(network.lower) if isinstance(module, nn.ReLU)]
    listed = [Layer(f"SCL {n}", {f"lower.{place}": of_both}) for n, place in enumerate(relus, 1)]
    if network.temporal is not None and network.spatial is not None:
        place = next(n for n, module in enumerate(network.spatial.between) if isinstance(module, nn.ReLU))
        above = {
            f"spatial.between.{place}": lambda maps, clips: {"frames": _alone_in_time(maps, frames)},
            f"temporal.between.{place}": lambda maps, clips: {
                "difference": maps.unflatten(0, (clips, -1)).transpose(1, 2)
            },
        }
        listed.append(Layer("last of both paths", above))
    return listed


def _alone_in_time(maps: Tensor, frames: int) -> Tensor:
    """Maps `[B, C, Y, X]` of the middle frame → `[B, C, frames, Y, X]`."""
    still = torch.zeros_like(maps)
    return torch.stack([maps if t == frames // 2 else still for t in range(frames)], dim=2)


def _features(network: fstcn.FstCN, **inputs: Tensor) -> dict[str, Tensor]:
    return {name.replace("spatiotemporal", "spatio-temporal"): v for name, v in network.features(**inputs).items()}


FEATURES = Features(_features, "features of the spatial path, of the temporal path, and of both together", "fig. 4")


def light(name: str = "fstcn", base: Callable[..., nn.Module] = fstcn.light, **chosen: str) -> System:
    recipe = Light(sampling.pair_span(LENGTH, LIGHT_STRIDE, LIGHT_DISTANCE), 12.5, 112, view, chosen_frames)
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
            "clip": recipe.spread(fused(chosen.get("fusion", "sci"), len(CROPS)), most=PAIRS, placings=CROPS),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        loss=chosen_loss(**({"stages": "pairs"} | chosen)),
        options=options(name, "light"),
        remade=partial(light, name, base),
        layers=layers,
        features=FEATURES,
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
        layers=layers,
        features=FEATURES,
    )


# --- what the paper claims: paths, temporal kernels, and how the scores of many views become one ----

BUDGET = Budget(100, 24)
TUNING = Budget(60, 12)  # of the shipped weights, where the clips are not drawn
SHIPPED = "fstcn-synthetic"

CLAIMS = (
    Claim("fstcn-sci", "FstCN", "SCI is better than averaging", "views/sci", "views/average"),
    Claim("fstcn-many-clips", "FstCN", "Many clips are better than one", "views/average", "views/one"),
    Claim("fstcn-two-kernels-3", "FstCN", "Two temporal kernels are better than 3×3 alone", "fstcn/tcl", "fstcn/tcl-3"),
    Claim("fstcn-two-kernels-5", "FstCN", "Two temporal kernels are better than 5×5 alone", "fstcn/tcl", "fstcn/tcl-5"),
    Claim("fstcn-5-over-3", "FstCN", "The 5×5 kernel is better than the 3×3 one", "fstcn/tcl-5", "fstcn/tcl-3"),
    Claim("fstcn-both-over-scl", "FstCN", "SCL and TCL together are better than SCL", "fstcn/both", "fstcn/scl"),
    Claim("fstcn-both-over-tcl", "FstCN", "SCL and TCL together are better than TCL", "fstcn/both", "fstcn/tcl"),
)


def paths(**chosen: str) -> Experiment:
    """`path` is both, scl or tcl; `kernels` are those of the temporal layer."""
    return trained(light().with_options(chosen), BUDGET)


def views(fuse: Callable[[np.ndarray], np.ndarray]) -> Experiment:
    """The shipped network's scores of the pairs and crops of each clip, fused one way."""

    def measure(workspace: Workspace) -> Figures:
        scores = workspace.once("views", lambda: _all_views(workspace))
        return {"top1": top(np.stack([fuse(views) for views in scores]), workspace.source.validation.targets)}

    return Experiment(measure, f"{SHIPPED}; on real clips {TUNING} more")


def _all_views(workspace: Workspace) -> list[np.ndarray]:
    """Probabilities [views, classes] of every clip, a pair's crops standing together."""
    system, held_out = light(), workspace.source.validation
    if workspace.drawn:
        run = workspace.shipped(SHIPPED).run
    else:
        pupil = workspace.started(system, SHIPPED)
        pupil.learn(TUNING)
        run = pupil.run
    clips = (held_out.clip(number) for number in range(len(held_out)))
    return [softmax(run(system.protocols["clip"].views(clip))[0]) for clip in clips]


def one_pair(scores: np.ndarray) -> np.ndarray:
    """The first crop, which is the plain one, of the middle pair: one clip instead of many."""
    pairs = scores.reshape(-1, len(CROPS), scores.shape[-1])
    return pairs[len(pairs) // 2, 0]


def experiments() -> Mapping[str, Experiment]:
    return {
        "views/sci": views(lambda scores: sci_fusion(scores, crops=len(CROPS)).scores),
        "views/average": views(lambda scores: average(scores).scores),
        "views/one": views(one_pair),
        "fstcn/both": paths(),
        "fstcn/scl": paths(path="scl"),
        "fstcn/tcl": paths(path="tcl"),
        "fstcn/tcl-3": paths(path="tcl", kernels="3"),
        "fstcn/tcl-5": paths(path="tcl", kernels="5"),
    }


def systems() -> list[System]:
    built = {name: paper(name, build) for name, build in fstcn.VARIANTS.items() if name not in ("fstcn-light", "fstcn")}
    full = paper("fstcn-paper", fstcn.VARIANTS["fstcn"])
    return [
        replace(light(), claims=CLAIMS, experiments=experiments()),
        replace(full, headline=HEADLINE),
        *built.values(),
    ]
