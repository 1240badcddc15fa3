"""The recipes of the Asymmetric 3D-CNN and of the dense networks it is measured against.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", sec. 4.
Ours, not the paper's, in the light size: 16 signed differences of neighbouring frames over two seconds, letterboxed,
in place of 16 consecutive RGB frames, because the wall behind a visitor says nothing about what the visitor does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import nn

from actrec import sampling
from actrec.models import asym3d, c3d
from actrec.motion.rgbf import rgbf
from actrec.systems.fusion import average
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views
from actrec.systems.views import METHODS, Light, Paper, channels_first, signed_difference
from actrec.video import Clip

PAPER = "Yang et al., Asymmetric 3D Convolutional Neural Networks for Action Recognition, Pattern Recognition 2019"
C3D_PAPER = "Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015"
FRAMES, SIZE = 16, 112
MODALITIES = ("difference", "rgb", "rgbf", "flow")
SEES = "what the network sees"

SCRATCH = Schedule("adamw", rate=2e-3, epochs=12, batch=24, weight_decay=0.02, cosine=True, label_smoothing=0.05)
FINE_TUNE = Schedule("adamw", rate=5e-4, epochs=30, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
# Sec. 4.3 and 4.6: pre-training ÷ 5 every 15 of 50 epochs, fine-tuning ÷ 10 every 8 of 20, the last FC layer × 10.
PRE_TRAINING = Schedule("sgd", rate=1e-3, epochs=50, batch=16, at=(15, 30, 45), divide=5)
PAPER_FINE_TUNE = Schedule("sgd", rate=1e-4, epochs=20, batch=16, at=(8, 16), last_layer=10)


def view(frames: np.ndarray, moved: np.ndarray | None = None, *, modality: str) -> Views:
    """17 frames of the network's size → 16 of the modality: difference, rgb, rgbf (eq. 7) or flow frames. `moved` is
    their flow; where it is not given, DIS finds it."""
    if modality == "difference":
        made = signed_difference(frames)
    elif modality == "rgb":
        made = frames[:-1]
    else:
        from actrec.motion.flow import flow, flow_frames

        moved = flow(frames, "dis") if moved is None else moved
        made = rgbf(frames[:-1], moved) if modality == "rgbf" else flow_frames(moved)
    return {"clip": channels_first(made)}


def windows(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    return list(sampling.dense_windows(len(clip), FRAMES + 1, count, rng))


def light(modality: str = "difference", name: str = "asym3d") -> System:
    """The network that is live. `modality` is one of MODALITIES."""
    recipe = Light(FRAMES + 1, 8.0, SIZE, partial(view, modality=modality))
    mean, std = (128 / 255, 0.06) if modality == "difference" else (0.5, 0.25)
    return System(
        name=name,
        title="Asymmetric 3D-CNN",
        paper=PAPER,
        size="light",
        inputs={"clip": Input(3, FRAMES, SIZE, mean, std)},
        network=asym3d.light,
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={"one": Protocol(recipe.one, average, recipe.moments), "clip": Protocol(recipe.over, average)},
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        flow="dis" if modality in ("rgbf", "flow") else "",
        options={"modality": Option(modality, SEES, MODALITIES)},
        remade=partial(light, name=name),
    )


def paper(
    name: str,
    network: Callable[[int], nn.Module],
    modality: str = "rgb",
    citation: str = PAPER,
    flow: str = "brox",
) -> System:
    """A network of the paper's tables: 16 frames of 112×112, tested on 25 clips × 10 crops, averaged."""
    moving = modality in ("rgbf", "flow")
    recipe = Paper(SIZE, (128, 171), partial(view, modality=modality), windows, flow=flow if moving else "")
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={"clip": Input(3, FRAMES, SIZE)},
        network=network,
        seconds=FRAMES / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=5, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=25, crops=10), average),
        },
        schedules={"scratch": PRE_TRAINING, "paper": PRE_TRAINING, "paper-fine-tune": PAPER_FINE_TUNE},
        flow=flow if moving else "",
        options={"modality": Option(modality, SEES, MODALITIES), "flow": Option(flow, "the flow's method", METHODS)},
        remade=partial(paper, name, network, citation=citation),
    )


def systems() -> list[System]:
    """The light network, and every network of Tables 2, 3 and 4 by the paper's names."""
    dense = [paper(name, build, citation=C3D_PAPER) for name, build in c3d.VARIANTS.items()]
    others = {name: build for name, build in asym3d.VARIANTS.items() if name not in ("asym3d", "asym3d-light")}
    return [
        light(),
        light("rgb", "asym3d-rgb"),
        light("rgbf", "asym3d-rgbf"),
        *dense,
        *(paper(name, build) for name, build in others.items()),
        paper("asym3d-paper", asym3d.asymmetric3d),
        paper("asym3d-paper-rgbf", asym3d.asymmetric3d, "rgbf"),
    ]
