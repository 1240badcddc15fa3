"""The recipe of MS3D: three pathways drawn where something happens, decisions by class centres.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D). Ours, not the
paper's, in the light size: the frames are drawn from 37 frames over three seconds, letterboxed to 96×96; a test view
draws with a fixed seed, so that the same clip gives the same answer; AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from actrec import sampling
from actrec.core.errors import BadValue
from actrec.metrics.accuracy import top
from actrec.metrics.unknown import auroc
from actrec.models import ms3d
from actrec.models.layers import start_classifier
from actrec.motion.difference import variance_rate
from actrec.systems import asym3d
from actrec.systems.claim import OURS, Budget, Claim, Experiment, Figures
from actrec.systems.fusion import average
from actrec.systems.layers import Layer, as_is
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views, light_schedule
from actrec.systems.views import Light, Paper, channels_first
from actrec.systems.workspace import Clips, Workspace, as_shipped, trained
from actrec.video import Clip

PAPER = "Man et al., The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks (MS3D)"
HEADLINE = {"UCF-101": 92.4, "HMDB-51": 72.1, "Kinetics": 82.9}
PASSES = 4  # p of eq. 6; not given in the paper

SCRATCH = light_schedule(rate=1e-3, epochs=14, batch=24, weight_decay=0.02)
FINE_TUNE = light_schedule(rate=1e-3, epochs=60, batch=12, weight_decay=0.05)
# Sec. IV-B: Adam, batch 64, 500 epochs; the rate is not given in the paper.
IN_PAPER = Schedule("adamw", rate=1e-3, epochs=500, batch=64, weight_decay=0.0, balanced=True)


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
    "alpha": Option(0.7, "fraction of the earlier layers that each layer receives, eq. 2", most=1.0),
    "redraw": Option("no", "connections drawn anew in each training step", ("no", "yes")),
    "stack": Option("time", "how the pathways are piled up", ("time", "channels")),
    "slice": Option("first", "the slice of time that eq. 4 favours", ("first", "middle")),
}


def chosen_network(base: Callable[..., nn.Module], alpha: float, redraw: str, stack: str, slice: str) -> Callable:
    return partial(base, alpha=alpha, redraw=redraw == "yes", stack=stack, start_slice=slice)


def of_cameras(views: Callable[..., list[Views]], clip: Clip, **options: object) -> list[Views]:
    """Every pathway from its own camera: slow from the clip, mid and fast from those beside it.

    Each pathway's frames are drawn by the variance rate of its own camera.
    """
    if len(clip.beside) < len(ms3d.PATHWAYS) - 1:
        raise BadValue(
            f"MS3D with a camera for each pathway needs {len(ms3d.PATHWAYS)} clips of the same seconds; there "
            f"{'is' if not clip.beside else 'are'} {1 + len(clip.beside)}."
        )
    by_camera = [views(camera, **options) for camera in (clip, *clip.beside)[: len(ms3d.PATHWAYS)]]
    paired = zip(*by_camera, strict=True)
    return [{name: view[name] for name, view in zip(ms3d.PATHWAYS, views, strict=True)} for views in paired]


def of_cameras_training(views: Callable[..., Views], clip: Clip, rng: np.random.Generator) -> Views:
    """The same in training: one window, one placing and one mirror for all cameras."""
    seed = int(rng.integers(2**63))
    return of_cameras(lambda camera: [views(camera, np.random.default_rng(seed))], clip)[0]


def layers(network: ms3d.MS3D) -> list[Layer]:
    """The pathways side by side, then the sparse blocks that see them stacked."""
    frames = list(ms3d.FRAMES.values())

    def stacked(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """Pathway after pathway along time, pooled → each pathway's own frames."""
        size = (sum(frames), *maps.shape[-2:])
        spread = nn.functional.interpolate(maps, size=size, mode="nearest").split(frames, dim=2)
        return dict(zip(ms3d.FRAMES, spread, strict=True))

    blocks = [name for name, _ in network.densenet.named_children() if name.startswith("block")]
    pathways = Layer("pathways", {f"pathways.{name}": as_is(name) for name in ms3d.FRAMES})
    return [pathways, *(Layer(f"sparse {name}", {f"densenet.{name}": stacked}) for name in blocks)]


def _system(
    name: str, size: str, base: Callable[..., ms3d.MS3D], side: int, recipe: Light | Paper,
    protocols: dict[str, Protocol], seconds: float, schedules: dict,
    cameras: str, **network: Any,
) -> System:  # fmt: skip
    training = recipe.training_view
    if cameras == "3":
        training = partial(of_cameras_training, training)
        protocols = {
            key: replace(protocol, views=partial(of_cameras, protocol.views)) for key, protocol in protocols.items()
        }
    return System(
        name=name,
        title="MS3D" if size == "light" else name,
        paper=PAPER,
        size=size,
        inputs={pathway: Input(3, count, side) for pathway, count in ms3d.FRAMES.items()},
        network=chosen_network(base, **network) if network else base,
        seconds=seconds,
        training_view=training,
        protocols=protocols,
        schedules=schedules,
        loss="n-pair",
        decides="centres",
        options=OPTIONS,
        remade=light if size == "light" else paper,
        layers=layers,
    )


def light(cameras: str = "1", **network: object) -> System:
    recipe = Light(37, 12.5, 96, view, chosen)
    protocols = {
        "one": Protocol(recipe.one, average, recipe.moments),
        "clip": recipe.spread(average, most=3, passes=2),
        "paper": recipe.spread(average, most=1, passes=PASSES),
    }
    learned = {"scratch": SCRATCH, "fine-tune": FINE_TUNE}
    return _system("ms3d", "light", ms3d.light, 96, recipe, protocols, recipe.seconds, learned, cameras, **network)


def paper(cameras: str = "1", **network: object) -> System:
    recipe = Paper(224, 256, view, draws)
    protocols = {
        "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
        "clip": Protocol(partial(recipe.tested, windows=PASSES, crops=1), average),
        "paper": Protocol(partial(recipe.tested, windows=PASSES, crops=1), average),
    }
    learned = {"scratch": IN_PAPER, "paper": IN_PAPER}
    return _system("ms3d-paper", "paper", ms3d.MS3D, 224, recipe, protocols, 49 / 25, learned, cameras, **network)


# --- this project's own questions: which frames, what decides, and the tailor ------------------------
# The tailor stands in front of the network that learns fastest, since it changes clips and not the network.

BUDGET, UNKNOWN_BUDGET = Budget(60, 24), Budget(60, 20)

CLAIMS = (
    Claim(
        "ours-variance-rate", OURS, "The shipped network does better on frames drawn by the variance rate than evenly",
        "drawing/variance-rate", "drawing/uniform",
    ),
    Claim(
        "ours-variance-rate-taught", OURS, "Networks taught on frames drawn by the variance rate are better",
        "pathways/variance-rate", "pathways/uniform",
    ),
    Claim(
        "ours-unknown", OURS, "Centres with N-pair are better than softmax at “unknown”",
        "unknown/centres", "unknown/softmax", "auroc",
    ),
    Claim(
        "ours-tailoring", OURS, "The shipped network does better on clips tailored to the people that are found",
        "window/people", "window/none",
    ),
    Claim(
        "ours-tailoring-moving", OURS, "The shipped network does better on clips tailored to what moves",
        "window/moving", "window/none",
    ),
    Claim(
        "ours-tailoring-taught", OURS, "A network taught on clips tailored to the people that are found is better",
        "tailor/people", "tailor/none",
    ),
    Claim(
        "ours-tailoring-moving-taught", OURS, "A network taught on clips tailored to what moves is better",
        "tailor/moving", "tailor/none",
    ),
)  # fmt: skip


def evenly_drawn() -> System:
    """The light recipe, its pathways drawn from all frames alike in place of the variance rate (eq. 1)."""
    recipe = Light(37, 12.5, 96, view, _evenly)  # as in `light`
    one = Protocol(recipe.one, average, recipe.moments)
    return replace(light(), training_view=recipe.training_view, protocols={"one": one})


def _evenly(frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return np.concatenate(sampling.pathways(np.ones(len(frames) - 1), rng or np.random.default_rng(0)))


class Classified(nn.Module):
    """The light network with a classifier on its embeddings, for the softmax that centres are compared with."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = ms3d.light()
        self.classifier = nn.Linear(self.network.sizes.code, classes)
        start_classifier(self.classifier)

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.classifier(self.network.code(**inputs))


def unknown(centres: bool) -> Experiment:
    """One class is left out of training (the seed's); its clips are the unknown ones."""
    system = light()
    if not centres:
        system = replace(system, network=Classified, loss="cross-entropy", decides="scores")

    def measure(workspace: Workspace) -> Figures:
        known, strange = workspace.without_class(workspace.seed % len(workspace.source.labels))
        pupil = known.taught(system, UNKNOWN_BUDGET)

        def nearness(split: Clips) -> np.ndarray:
            return -pupil.distances(split).min(1) if centres else pupil.probabilities(split).max(1)

        held_out = known.source.validation
        return {
            "auroc": auroc(nearness(held_out), nearness(strange)),
            "top1": top(pupil.probabilities(held_out), held_out.targets),
        }

    return Experiment(measure, f"{UNKNOWN_BUDGET}; one class left out")


def tailored(to: str, workspace: Workspace) -> Workspace:
    """The clips cut close to their people, inside and outside weighted by eq. 7 and 8; windows found once.

    `to` is none, moving (the moving region) or people (found by the shipped detector).
    """
    if to == "none":
        return workspace
    from actrec.people.find import find_people, open_detector
    from actrec.tailor.crop import tailor

    detector = open_detector() if to == "people" else None
    if to == "people" and detector is None:
        raise BadValue("There is no person detector in weights/person-detector; this experiment waits for it.")
    return workspace.edited(
        lambda clip: find_people(clip, detector, every=12), lambda clip, people: tailor(clip, people=people).clip
    )


def taught_on(to: str) -> Experiment:
    system = asym3d.light()
    return Experiment(
        lambda workspace: tailored(to, workspace).taught(system, asym3d.BUDGET).figures(), str(asym3d.BUDGET)
    )


def experiments() -> Mapping[str, Experiment]:
    shown = {to: as_shipped(asym3d.light(), "asym3d-synthetic", partial(tailored, to)) for to in ("moving", "people")}
    return {
        "pathways/variance-rate": trained(light(), BUDGET),
        "pathways/uniform": trained(evenly_drawn(), BUDGET),
        "unknown/centres": unknown(True),
        "unknown/softmax": unknown(False),
        **{f"tailor/{to}": taught_on(to) for to in ("none", "moving", "people")},
        "drawing/variance-rate": as_shipped(light(), "ms3d-synthetic"),
        "drawing/uniform": as_shipped(evenly_drawn(), "ms3d-synthetic"),
        "window/none": as_shipped(asym3d.light(), "asym3d-synthetic"),
        **{f"window/{to}": experiment for to, experiment in shown.items()},
    }


def systems() -> list[System]:
    return [replace(light(), claims=CLAIMS, experiments=experiments()), replace(paper(), headline=HEADLINE)]
