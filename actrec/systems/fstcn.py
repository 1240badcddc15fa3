"""The recipe of FstCN: strided pairs of a clip and its differences, crops fused by how concentrated their scores are.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks", ICCV 2015, sec. 2.2,
3 and 4. Ours, not the paper's, in the light size: frames are drawn at 12.5 per second, which a webcam
reaches, with d_t = 4 and s_t = 3 (the paper's 9 and 5 at 25, nearly); the crops of a pair are two zooms and their
mirror images of the letterboxed frame; Adam. In both sizes: where single frames are learned first, the epochs for that
come on top of the schedule's; a single randomly selected clip (table 2) starts anywhere, in one of the test's crops.
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
from actrec.models import efficientnet_lite, fstcn
from actrec.systems.claim import Budget, Claim, Experiment, Figures
from actrec.systems.fusion import Fused, average, maximum, sci_fusion
from actrec.systems.layers import Layer
from actrec.systems.system import (
    Features,
    Input,
    Option,
    Protocol,
    Published,
    Schedule,
    System,
    Views,
    light_schedule,
)  # fmt: skip
from actrec.systems.views import PLAIN, Light, Paper, Placing, channels_first
from actrec.systems.workspace import Workspace, trained
from actrec.video import Clip
from actrec.weights.cards import WeightsError
from actrec.weights.convert import load_by_stage, load_trunk

PAPER = "Sun et al., Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks, ICCV 2015"
HEADLINE = {"UCF-101": 88.1, "HMDB-51": 59.1}
LENGTH, STRIDE, DISTANCE, PAIRS = 5, 5, 9, 5
LIGHT_STRIDE, LIGHT_DISTANCE = 3, 4
CROPS_OF_PAPER = 18
FUSIONS = ("sci", "average", "maximum", "one")
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


LIGHT = Light(sampling.pair_span(LENGTH, LIGHT_STRIDE, LIGHT_DISTANCE), 12.5, 112, view, chosen_frames)


def pairs(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    drawn = sampling.strided_pairs(len(clip), count, rng, length=LENGTH, stride=STRIDE, distance=DISTANCE)
    return [pair.ravel() for pair in drawn]


def with_stages(schedule: Schedule) -> Schedule:
    """The epochs of the auxiliary classifier's two stages, a third of all, come on top of those of the whole network:
    so its rates are those of a training that has the whole network from the start, and the rows of table 2 compare."""
    return replace(schedule, epochs=schedule.epochs * 3 // 2)


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
        "lower": Option("own", "the four spatial layers: the paper's, or a published picture network's", fstcn.LOWER),
        "fusion": Option(
            "sci", "how crops and pairs become one answer; one: a single clip at random", FUSIONS, in_test=True
        ),
        "draw": Option(0.0, "seed of the clip that fusion=one selects", most=2**32 - 1, in_test=True),
        "stages": stages,
    }


def chosen_network(base: Callable[..., nn.Module], chosen: Mapping[str, str]) -> Callable[..., nn.Module]:
    built: dict[str, object] = {key: chosen[key] for key in ("path", "positions", "lower") if key in chosen}
    if "kernels" in chosen:
        built["kernels"] = tuple(int(size) for size in chosen["kernels"].split("+"))
    return partial(base, **built) if built else base


def chosen_loss(stages: str | float, path: str | float = "both", **_: object) -> str:
    if stages == "auxiliary" and path == "tcl":
        raise BadValue(
            "The auxiliary classifier is the rest of the spatial path: with --option path=tcl there is none. "
            "Add --option stages=pairs."
        )
    return "auxiliary" if stages == "auxiliary" else "cross-entropy"


def chosen_schedules(stages: str | float, schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    return {name: with_stages(one) if stages == "auxiliary" else one for name, one in schedules.items()}


def chosen_inputs(side: int, lower: str = "own") -> dict[str, Input]:
    """V in the range that the lower layers know; V_diff around zero, which is the middle of it, alike for both."""
    known = {} if lower == "own" else {"mean": efficientnet_lite.MEAN, "std": efficientnet_lite.STD}
    return {"frames": Input(3, LENGTH, side, **known), "difference": Input(3, LENGTH, side, 0.0, 0.12)}


def fused(name: str, crops: int) -> Callable[[np.ndarray], Fused]:
    """`one` has a single view, so there is nothing to fuse."""
    ways: dict[str, Callable[[np.ndarray], Fused]] = {
        "sci": partial(sci_fusion, crops=crops), "average": average, "maximum": maximum, "one": average,
    }  # fmt: skip
    return ways[name]


# --- ImageNet start (sec. 2.3) ----------------------------------------------------------------------


def from_pictures(network: fstcn.FstCN, tensors: Mapping[str, Tensor]) -> str:
    """Published weights of a picture network into the lower layers; where those are the paper's own, also into the rest
    of the spatial path, as far as layers have the same shapes (ours: the paper does not say which network it took)."""
    trunk = network.lower[0]
    if isinstance(trunk, efficientnet_lite.Trunk):
        report = load_trunk(trunk, tensors, PICTURES)
        return f"the first {fstcn.STAGES} stages of {PICTURES}, {report.loaded} tensors, as the spatial layers"
    own = chosen_inputs(network.sizes.side)["frames"]
    by_stage = load_by_stage(stages_of(network), tensors, own.mean, own.std)
    if not by_stage.copied:
        raise WeightsError(
            f"None of its layers has the shape of ours; the first that differs is {by_stage.left[0]}. The start that "
            f"fits any size: --option lower={PICTURES} --start-from {PICTURES}."
        )
    left = f"; at random: {'; '.join(by_stage.left)}" if by_stage.left else ""
    return f"by stage {', '.join(by_stage.copied)}{left}"


def stages_of(network: fstcn.FstCN) -> dict[str, nn.Conv2d | nn.Linear]:
    """The layers of the paper's spatial path that a picture network has, too, by their names in a sentence."""
    kinds = (nn.Conv2d, nn.Linear)
    lower = [module for module in network.lower if isinstance(module, kinds)]
    layers = {f"spatial layer {number}": module for number, module in enumerate(lower, 1)}
    if network.spatial is not None:
        conv = next(module for module in network.spatial.between if isinstance(module, kinds))
        full = [module for module in network.spatial.fc if isinstance(module, kinds)]
        layers |= {"spatial layer 5": conv, "spatial FC 1": full[0], "spatial FC 2": full[1]}
    return layers


PICTURES = "efficientnet-lite0"
IMAGENET_START = Published(from_pictures, networks=(PICTURES,))


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

    listed = [Layer(f"SCL {n}", {f"lower.{place}": of_both}) for n, place in enumerate(network.lower_ends, 1)]
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
    fusion, stages = chosen.get("fusion", "sci"), chosen.get("stages", "pairs")
    single = Protocol(partial(LIGHT.at_random, placings=CROPS, seed=int(chosen.get("draw", 0))), average)
    return System(
        name=name,
        title="FstCN",
        paper=PAPER,
        size="light",
        inputs=chosen_inputs(112, chosen.get("lower", "own")),
        network=chosen_network(base, chosen),
        seconds=LIGHT.seconds,
        training_view=LIGHT.training_view,
        protocols={
            "one": Protocol(LIGHT.one, average, LIGHT.moments),
            "clip": (
                single if fusion == "one" else LIGHT.spread(fused(fusion, len(CROPS)), most=PAIRS, placings=CROPS)
            ),
        },
        schedules=chosen_schedules(stages, {"scratch": SCRATCH, "fine-tune": FINE_TUNE}),
        loss=chosen_loss(**(chosen | {"stages": stages})),
        options=options(name, "light"),
        published=IMAGENET_START,
        remade=partial(light, name, base),
        layers=layers,
        features=FEATURES,
    )


def paper(name: str, base: Callable[..., nn.Module], **chosen: str) -> System:
    """204×204, tested on five pairs of 18 crops each, fused by SCI. The size before cropping is not in the paper.

    The protocol `clip` takes the centre crop alone, where SCI has nothing to choose from: there `sci` is the average.
    """
    recipe = Paper(204, 240, view, pairs, crop="random")
    fusion, stages = chosen.get("fusion", "sci"), chosen.get("stages", options(name, "paper")["stages"].default)
    tests: dict[str, Protocol] = {}
    for protocol, crops in (("clip", 1), ("paper", CROPS_OF_PAPER)):
        if fusion == "one":
            draw = partial(recipe.at_random, crops=crops, seed=int(chosen.get("draw", 0)))
            tests[protocol] = Protocol(draw, average)
        else:
            fuse = fused("average" if (fusion, crops) == ("sci", 1) else fusion, crops)
            tests[protocol] = Protocol(partial(recipe.tested, windows=PAIRS, crops=crops), fuse)
    return System(
        name=name,
        title=name,
        paper=PAPER,
        size="paper",
        inputs=chosen_inputs(204, chosen.get("lower", "own")),
        network=chosen_network(base, chosen),
        seconds=sampling.pair_span(LENGTH, STRIDE, DISTANCE) / 25,
        training_view=recipe.training_view,
        protocols={"one": Protocol(partial(recipe.tested, windows=1, crops=1), average), **tests},
        schedules=chosen_schedules(stages, {"scratch": IN_PAPER, "paper": IN_PAPER}),
        loss=chosen_loss(**(chosen | {"stages": stages})),
        options=options(name, "paper"),
        published=IMAGENET_START,
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


def views(fusion: str) -> Experiment:
    """The shipped network's answers to each clip with its views fused one way, all on the same weights."""

    def measure(workspace: Workspace) -> Figures:
        held_out, run = workspace.source.validation, workspace.once("network", lambda: _network(workspace))
        options = {"fusion": fusion} | ({"draw": workspace.seed} if fusion == "one" else {})
        test = light().with_options(options).protocols["clip"]

        def scores() -> list[np.ndarray]:
            """Probabilities [views, classes] of every clip, a pair's crops standing together."""
            clips = (held_out.clip(number) for number in range(len(held_out)))
            return [softmax(run(test.views(clip))[0]) for clip in clips]

        seen = scores() if fusion == "one" else workspace.once("views", scores)
        return {"top1": top(np.stack([test.fuse(views).scores for views in seen]), held_out.targets)}

    drawn = "; clip and crop at random" if fusion == "one" else ""
    return Experiment(measure, f"{SHIPPED}; on real clips {TUNING} more{drawn}")


def _network(workspace: Workspace) -> Callable[[list[Views]], tuple[np.ndarray, np.ndarray]]:
    """What gives scores and embeddings of views."""
    if workspace.drawn:
        return workspace.shipped(SHIPPED).run
    pupil = workspace.started(light(), SHIPPED)
    pupil.learn(TUNING)
    return pupil.run


def experiments() -> Mapping[str, Experiment]:
    return {
        **{f"views/{fusion}": views(fusion) for fusion in ("sci", "average", "one")},
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
