"""The recipe of MS3D: three pathways drawn where something happens, decisions by class centres.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D). Ours, not the
paper's, in the light size: the frames are drawn from four seconds of thirty frames each, of which those that a slower
camera repeats have p = 0; p counts every fourth pixel both ways; frames are letterboxed to 96×96; a penalty on the
embeddings' length, and embeddings of length one; AdamW. A test view draws with a fixed seed, so that the same clip
gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from actrec.systems.claim import OURS, Budget, Claim, Experiment, Figures
from actrec.systems.fusion import average
from actrec.systems.layers import Layer, as_is
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views, light_schedule
from actrec.systems.views import Light, Paper, channels_first, newest
from actrec.systems.workspace import Clips, Workspace, as_shipped, trained
from actrec.tailor.geometry import ETA, XI
from actrec.tailor.option import KINDS, Tailor
from actrec.video import Clip

PAPER = "Man et al., The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks (MS3D)"
HEADLINE = {"UCF-101": 92.4, "HMDB-51": 72.1, "Kinetics": 82.9}
PASSES = 4  # p of eq. 6; not given in the paper
TAILORED_SIDE = 240  # pixels of a clip's short side as light tailored clips are kept, and as the page reads them

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
    return np.concatenate(sampling.pathways(variance_rate(frames), rng or np.random.default_rng(0)))


def newest_window(system: System, clip: Clip) -> np.ndarray:
    """The frames of the newest seconds that the light recipe draws from, tailored where its option says so."""
    frames, fps = PAIRS[str(system.option("pairs"))]
    kind, eta, xi = (system.option(name) for name in ("tailor", "eta", "xi"))
    if kind != "none":
        clip = Tailor(str(kind), float(eta), float(xi)).newest(clip, (frames - 1) / fps)
    return newest(clip, frames, fps)


def draws(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    rng = rng or np.random.default_rng(0)
    rate = variance_rate(clip.frames) if len(clip) > 1 else np.ones(1)
    return [np.minimum(np.concatenate(sampling.pathways(rate, rng)), len(clip) - 1) for _ in range(count)]


PAIRS = {"120": (121, 30.0), "36": (37, 12.5)}  # of neighbouring frames in a window: its frames, and how many a second

OPTIONS = {
    "tailor": Option(
        "none", "what clips are cut close to, sec. IV-B: nothing, what moves, or the people", KINDS, in_test=True
    ),
    "eta": Option(ETA, "factor of the pixels inside the tailor's box, eq. 7", in_test=True),
    "xi": Option(
        XI, "factor of the pixels outside it, once more for each ring of five pixels, eq. 8", most=1.0, in_test=True
    ),
    "cameras": Option("1", "cameras: one for all pathways, or one for each", ("1", "3")),
    "alpha": Option(0.7, "fraction of the earlier layers that each layer receives, eq. 2", most=1.0),
    "redraw": Option("no", "connections drawn anew in each training step", ("no", "yes")),
    "stack": Option("time", "how the pathways are piled up", ("time", "channels")),
    "slice": Option("first", "the slice of time that eq. 4 favours", ("first", "middle")),
}
LENGTH = "penalty on the squared length of the embeddings, beside eq. 5"
EMBEDDINGS = "compare embeddings at length one, or at the length they have (eq. 6)"
LIGHT_OPTIONS = OPTIONS | {
    "pairs": Option("120", "pairs of frames that the pathways draw from", tuple(PAIRS), before="36", in_test=True),
    "length": Option(1e-3, LENGTH),
    "embeddings": Option("unit", EMBEDDINGS, ("unit", "free"), before="unit"),
}
PAPER_OPTIONS = OPTIONS | {
    "length": Option(0.0, LENGTH, before=1e-3),
    "embeddings": Option("free", EMBEDDINGS, ("free", "unit"), before="unit"),
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


@dataclass(frozen=True)
class Ways:
    """How a clip becomes views: in training, by each protocol, and for the centre of its class; and which part of its
    frames they show."""

    training_view: Callable[[Clip, np.random.Generator], Views]
    protocols: Mapping[str, Protocol]
    gallery: Callable[[Clip], list[Views]]
    window: Callable[[Clip], np.ndarray] | None = None

    def tailored(self, tailor: Tailor, seconds: float) -> Ways:
        """The same of tailored clips; where `one` sees the newest `seconds` alone, what acts is looked for in them."""

        def last(clip: Clip) -> Clip:
            return tailor.newest(clip, seconds) if seconds else tailor(clip)

        protocols = {
            name: replace(
                protocol,
                views=after(last if name == "one" else tailor, protocol.views),
                moments=protocol.moments and after(last, protocol.moments),
            )
            for name, protocol in self.protocols.items()
        }
        window = partial(tailor.newest_window, seconds=seconds) if seconds else tailor.window
        return Ways(after(tailor, self.training_view), protocols, after(last, self.gallery), window)

    def of_cameras(self) -> Ways:
        """The same with a camera for each pathway."""
        protocols = {
            name: replace(protocol, views=partial(of_cameras, protocol.views))
            for name, protocol in self.protocols.items()
        }
        training = partial(of_cameras_training, self.training_view)
        return Ways(training, protocols, partial(of_cameras, self.gallery), self.window)


def after(edit: Callable[[Clip], Clip], views: Callable[..., Any]) -> Callable[..., Any]:
    """`views` of the edited clip."""
    return lambda clip, *more: views(edit(clip), *more)


def _system(
    name: str, size: str, base: Callable[..., ms3d.MS3D], side: int, ways: Ways, seconds: float, schedules: dict,
    options: Mapping[str, Option], *, tailor: str, eta: float, xi: float, cameras: str, embeddings: str,
    fps: float = 0.0, stored_side: int = 0, **network: Any,
) -> System:  # fmt: skip
    if tailor != "none":
        ways = ways.tailored(Tailor(tailor, eta, xi, square=size == "paper"), seconds if size == "light" else 0.0)
    if cameras == "3":
        ways = ways.of_cameras()
    return System(
        name=name,
        title="MS3D" if size == "light" else name,
        paper=PAPER,
        size=size,
        inputs={pathway: Input(3, count, side) for pathway, count in ms3d.FRAMES.items()},
        network=chosen_network(base, **network) if network else base,
        seconds=seconds,
        training_view=ways.training_view,
        protocols=ways.protocols,
        gallery=ways.gallery,
        window=ways.window,
        unit_length=embeddings == "unit",
        fps=fps,
        stored_side=stored_side,
        schedules=schedules,
        loss="n-pair",
        decides="centres",
        options=options,
        remade=light if size == "light" else paper,
        layers=layers,
    )


def light(
    pairs: str = "120", tailor: str = "none", eta: float = ETA, xi: float = XI, cameras: str = "1",
    embeddings: str = "unit", length: float = 0.0, **network: Any,
) -> System:  # fmt: skip
    del length  # the objective's
    frames, fps = PAIRS[pairs]
    recipe = Light(frames, fps, 96, view, chosen)
    ways = Ways(
        recipe.training_view,
        {
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": recipe.spread(average, most=3, passes=2),
            "paper": recipe.spread(average, most=1, passes=PASSES),
        },
        partial(recipe.one, passes=PASSES),
    )
    return _system(
        "ms3d", "light", ms3d.light, 96, ways, recipe.seconds, {"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        LIGHT_OPTIONS, tailor=tailor, eta=eta, xi=xi, cameras=cameras, embeddings=embeddings,
        fps=fps if pairs != "36" else 0.0, stored_side=TAILORED_SIDE if tailor != "none" else 0, **network,
    )  # fmt: skip


def paper(
    tailor: str = "none", eta: float = ETA, xi: float = XI, cameras: str = "1", embeddings: str = "free",
    length: float = 0.0, **network: Any,
) -> System:  # fmt: skip
    del length  # the objective's
    recipe = Paper(224, 256, view, draws)
    views = {
        name: partial(recipe.tested, windows=count, crops=1)
        for name, count in (("one", 1), ("clip", PASSES), ("paper", PASSES))
    }
    protocols = {name: Protocol(ways, average) for name, ways in views.items()}
    return _system(
        "ms3d-paper", "paper", ms3d.MS3D, 224, Ways(recipe.training_view, protocols, views["paper"]), 49 / 25,
        {"scratch": IN_PAPER, "paper": IN_PAPER}, PAPER_OPTIONS, tailor=tailor, eta=eta, xi=xi, cameras=cameras,
        embeddings=embeddings, **network,
    )  # fmt: skip


# --- this project's own questions: which frames, what decides, and the tailor ------------------------

BUDGET, UNKNOWN_BUDGET = Budget(60, 24), Budget(60, 20)
TAILORED_BUDGET = Budget(180, 24)  # after sixty steps the network hardly knows more than chance
SHIPPED: dict[str, Any] = {"pairs": "36"}  # what the shipped weights learned with

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


def evenly_drawn(pairs: str = "120") -> System:
    """The light recipe, its pathways drawn from all frames alike in place of the variance rate (eq. 1)."""
    recipe = Light(*PAIRS[pairs], 96, view, _evenly)  # as in `light`
    one = Protocol(recipe.one, average, recipe.moments)
    gallery = partial(recipe.one, passes=PASSES)
    system = light().with_options({"pairs": pairs})
    return replace(system, training_view=recipe.training_view, protocols={"one": one}, gallery=gallery)


def _evenly(frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """All frames alike that differ from the one before: those that a slow camera repeats are left out here, too."""
    moving = (variance_rate(frames) > 0).astype(np.float64)
    return np.concatenate(sampling.pathways(moving, rng or np.random.default_rng(0)))


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

    return Experiment(measure, f"{UNKNOWN_BUDGET}; one class left out; drawn from 120 pairs")


def tailored(to: str, **options: object) -> System:
    """The light recipe on clips cut close to what acts: `to` is a value of the option `tailor`."""
    return light().with_options({"tailor": to, **options})


def experiments() -> Mapping[str, Experiment]:
    drawn_from, tailored_from = (f"{budget}; drawn from 120 pairs" for budget in (BUDGET, TAILORED_BUDGET))
    shipped = "ms3d-synthetic"
    return {
        "pathways/variance-rate": replace(trained(light(), BUDGET), settings=drawn_from),
        "pathways/uniform": replace(trained(evenly_drawn(), BUDGET), settings=drawn_from),
        "unknown/centres": unknown(True),
        "unknown/softmax": unknown(False),
        **{f"tailor/{to}": replace(trained(tailored(to), TAILORED_BUDGET), settings=tailored_from) for to in KINDS},
        "drawing/variance-rate": as_shipped(light().with_options(SHIPPED), shipped),
        "drawing/uniform": as_shipped(evenly_drawn(**SHIPPED), shipped),
        **{f"window/{to}": as_shipped(tailored(to, **SHIPPED), shipped) for to in KINDS},
    }


def systems() -> list[System]:
    return [replace(light(), claims=CLAIMS, experiments=experiments()), replace(paper(), headline=HEADLINE)]
