"""The recipe of the cross-enhancement two-stream I3D, and of plain two-stream and I3D.

"Cross-Enhancement Transform Two-Stream 3D ConvNets for Action Recognition", sec. 3 and 4. Ours, not the paper's, in the
light size: 16 frames over two seconds, letterboxed to 96×96, DIS flow at that resolution in training and test alike.
In the paper's size flow is computed on the crop, by TV-L1.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from actrec import sampling
from actrec.fusion import average
from actrec.models import crossenh, i3d
from actrec.systems.system import Input, Protocol, Schedule, System, Views
from actrec.systems.views import Light, Paper, channels_first
from actrec.video import Clip

PAPER = "Cross-Enhancement Transform Two-Stream 3D ConvNets for Action Recognition"
I3D_PAPER = "Carreira and Zisserman, Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, CVPR 2017"
REACH = {"light": 8.0, "paper": 20.0}  # pixels of flow that become the largest byte

SCRATCH = Schedule("adamw", rate=1e-3, epochs=12, batch=16, weight_decay=0.03, cosine=True, label_smoothing=0.05)
FINE_TUNE = Schedule("adamw", rate=3e-4, epochs=24, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
# Sec. 4.1 gives rate, momentum, decay and batch; the number of epochs is not given in the paper.
IN_PAPER = Schedule("sgd", rate=1e-3, epochs=40, batch=6, at=(20, 30))


def view(frames: np.ndarray, inputs: tuple[str, ...], method: str, reach: float) -> Views:
    """T + 1 frames of the network's size → T RGB frames and the flow from each to the next."""
    made = {}
    if "flow" in inputs:
        from actrec.motion.flow import encode, flow

        made["flow"] = channels_first(encode(flow(frames, method), reach))
    if "rgb" in inputs:
        made["rgb"] = channels_first(frames[:-1])
    return made


def alone(frames: np.ndarray, kind: str, method: str, reach: float) -> Views:
    """The same for a single stream, whose input is called `clip`."""
    return {"clip": view(frames, (kind,), method, reach)[kind]}


def windows(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    return list(sampling.dense_windows(len(clip), 65, count, rng))


def _inputs(kinds: tuple[str, ...], frames: int, size: int) -> dict[str, Input]:
    """Bytes become −1…1, as the published I3D wants them; byte 128 is no flow."""
    scale = {"rgb": (3, 0.5, 0.5), "flow": (2, 128 / 255, 127 / 255)}
    return {kind: Input(scale[kind][0], frames, size, *scale[kind][1:]) for kind in kinds}


def light(name: str, network, title: str = "Cross-enhancement two-stream") -> System:
    made = partial(view, inputs=("rgb", "flow"), method="dis", reach=REACH["light"])
    recipe = Light(17, 8.0, 96, made)
    return System(
        name=name,
        title=title,
        paper=PAPER,
        size="light",
        inputs=_inputs(("rgb", "flow"), 16, 96),
        network=network,
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": Protocol(partial(recipe.over, most=5), average),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        loss="cross-enhancement" if name == "crossenh" else "cross-entropy",
        flow="dis",
    )


def paper(name: str, network, kinds: tuple[str, ...] = ("rgb", "flow"), citation: str = PAPER) -> System:
    """64 frames of 224×224; a stream alone is I3D."""
    single = len(kinds) == 1
    made = partial(alone, kind=kinds[0]) if single else partial(view, inputs=kinds)
    recipe = Paper(224, 256, partial(made, method="tvl1", reach=REACH["paper"]), windows)
    inputs = _inputs(kinds, 64, 224)
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={"clip": inputs[kinds[0]]} if single else inputs,
        network=network,
        seconds=64 / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=3, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=3, crops=1), average),
        },
        schedules={"scratch": IN_PAPER, "paper": IN_PAPER},
        loss="cross-enhancement" if name.startswith("crossenh") else "cross-entropy",
        flow="tvl1" if "flow" in kinds else "",
    )


def systems() -> list[System]:
    """Built as they are used, without bridges; the training builds them with one: `network(classes, bridge="e")`."""
    built = crossenh.VARIANTS
    enhanced = {direction: partial(build, bridge=None) for direction, build in built.items() if "enhanced" in direction}
    return [
        light("crossenh", enhanced["multiple-enhanced-rgb-light"]),
        light("two-stream-light", built["two-stream-light"], "Plain two-stream"),
        paper("crossenh-paper", enhanced["multiple-enhanced-rgb"]),
        paper("crossenh-paper-flow", enhanced["multiple-enhanced-flow"]),
        paper("two-stream", built["two-stream"]),
        paper("i3d-rgb", i3d.rgb, ("rgb",), I3D_PAPER),
        paper("i3d-flow", i3d.flow, ("flow",), I3D_PAPER),
    ]
