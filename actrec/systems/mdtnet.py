"""The recipe of MDT-Net, and of TSN and TSM on the same backbone.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". Ours, not the paper's: salience is computed over the drawn frames at the network's size, enhanced
frames go to the motion path and raw ones to appearance; in the light size 40 frames of 96×96 cover
3.2 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from actrec import sampling
from actrec.models import mdtnet
from actrec.motion.salience import enhance
from actrec.motion.salience import salience as salience_of
from actrec.systems.claim import Budget, Claim, Experiment
from actrec.systems.fusion import average
from actrec.systems.layers import Layer
from actrec.systems.system import Input, Option, Protocol, Published, Schedule, System, Views
from actrec.systems.views import Light, Paper, channels_first
from actrec.systems.workspace import trained
from actrec.video import Clip
from actrec.weights.catalogue import PYTORCH, Entry
from actrec.weights.convert import load_imagenet

PAPER = (
    "Xu, Cao and Yi, Video human action recognition by the fusion of significant motion and coarse-fine temporal "
    "granularity features"
)
TSN_PAPER = "Wang et al., Temporal Segment Networks, ECCV 2016"
TSM_PAPER = "Lin, Gan and Han, TSM: Temporal Shift Module for Efficient Video Understanding, ICCV 2019"
HEADLINE = {"UCF-101": 96.8, "HMDB-51": 73.5, "Kinetics": 77.2, "Something V1": 53.5}
PER_SEGMENT = 5
IMAGENET = {"mean": 0.449, "std": 0.226}

SCRATCH = Schedule("adamw", rate=1e-3, epochs=14, batch=16, weight_decay=0.03, cosine=True, label_smoothing=0.05)
FINE_TUNE = Schedule("adamw", rate=1e-3, epochs=60, batch=12, weight_decay=0.05, cosine=True, label_smoothing=0.1)
IN_PAPER = Schedule("sgd", rate=1e-2, epochs=70, batch=32, weight_decay=1e-4, at=(30, 40, 50))


LICENCE = "BSD-3-Clause (torchvision); trained on ImageNet, for research"
BACKBONES = (
    Entry(
        "resnet18-imagenet",
        "imagenet",
        "ResNet-18",
        PYTORCH + "resnet18-f37072fd.pth",
        LICENCE,
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        bytes=46_830_571,
        note="69.8 % top-1",
    ),
    Entry(
        "resnet50-imagenet",
        "imagenet",
        "ResNet-50",
        PYTORCH + "resnet50-0676ba61.pth",
        LICENCE,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        bytes=102_530_333,
        note="76.1 % top-1, the recipe of the papers' time",
    ),
)


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
    motion_frames = channels_first(motion if enhanced == "both" else frames)
    return {"frames": motion_frames, "motion": motion_frames if motion is frames else channels_first(motion)}


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


def layers(network: mdtnet.MDTNet) -> list[Layer]:
    def of_segments(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """A key frame's maps stand for its segment."""
        return {"frames": maps.unflatten(0, (clips, -1)).transpose(1, 2).repeat_interleave(PER_SEGMENT, dim=2)}

    return [Layer(f"layer{n}", {f"backbone.layer{n}": of_segments}) for n in range(1, 5)]


def from_imagenet(network: mdtnet.MDTNet, tensors: Mapping[str, Tensor]) -> str:
    """ImageNet weights into the 2-D backbone.

    The two embeddings of differences start from its first layer too: its kernel's mean over R, G, B, for each input
    channel, scaled to the number of channels (ours; so does TSN for its flow network).
    """
    report = load_imagenet(network.backbone, tensors)
    if network.differences is not None:
        for embedding in (network.differences.fine[0], network.differences.coarse[0]):
            _start_from_rgb(cast(nn.Conv2d, embedding), network.backbone.conv1.weight)
    return f"{report.loaded} tensors of ImageNet's ResNet"


@torch.no_grad()
def _start_from_rgb(conv: nn.Conv2d, kernel: Tensor) -> None:
    mean = kernel.mean(dim=1, keepdim=True)
    conv.weight.copy_(mean.expand_as(conv.weight) * (3 / conv.in_channels))


IMAGENET_START = Published(from_imagenet, BACKBONES)


def light(name: str, mode: str = "mdtnet", *, drawn: str = "random", title: str = "", **salience: Any) -> System:
    """`salience` are the options of `seen_by`."""
    meant, citation, _, network = MODES[mode]
    recipe = Light(40, 12.5, 96, seen_by(**salience), partial(chosen_frames, 8, drawn == "adjacent"))
    return System(
        name=name,
        title=title or meant,
        paper=citation,
        size="light",
        inputs={path: Input(3, 8 * PER_SEGMENT, 96, **IMAGENET) for path in ("frames", "motion")},
        network=network,
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, recipe.moments),
            "clip": recipe.spread(average, most=5),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        options=options(mode, salience.get("enhanced", "motion")),
        remade=partial(light, name, title=title),
        layers=layers,
        published=IMAGENET_START,
    )


def paper(name: str, mode: str = "mdtnet", *, segments: str = "16", drawn: str = "random", **salience: Any) -> System:
    """224×224 of a short side of 256; one centre crop, or ten draws of three crops."""
    count = int(segments)
    recipe = Paper(224, 256, seen_by(**salience), partial(draws, count, drawn == "adjacent"), crop="random")
    _, citation, network, _ = MODES[mode]
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={path: Input(3, count * PER_SEGMENT, 224, **IMAGENET) for path in ("frames", "motion")},
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
        layers=layers,
        published=IMAGENET_START,
    )


# --- what the paper claims: what the motion path sees -----------------------------------------------

BUDGET = Budget(60, 16)

CLAIMS = (
    Claim(
        "mdt-salience", "MDT-Net", "Salience is better than raw frames in clutter", "salience/enhanced", "salience/raw"
    ),
    Claim(
        "mdt-salience-plain", "MDT-Net", "Salience gains less on plain ground than in clutter",
        "salience/enhanced", "salience/raw", against="plain",
    ),
)  # fmt: skip


def enhancing(what: str) -> Experiment:
    return trained(light("mdtnet").with_options({"enhanced": what}), BUDGET)


def systems() -> list[System]:
    return [
        replace(
            light("mdtnet"),
            claims=CLAIMS,
            experiments={"salience/raw": enhancing("none"), "salience/enhanced": enhancing("motion")},
        ),
        light("mdtnet-raw", title="MDT-Net without salience", enhanced="none"),
        light("tsn-light", "tsn"),
        light("tsm-light", "tsm"),
        replace(paper("mdtnet-paper"), headline=HEADLINE),
        paper("tsn", "tsn"),
        paper("tsm", "tsm"),
    ]
