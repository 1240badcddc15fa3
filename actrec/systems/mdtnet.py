"""The recipe of MDT-Net, and of TSN, TSM and TEA on the same backbone.

Xu, Cao and Yi, "Video human action recognition by the fusion of significant motion and coarse-fine temporal
granularity features". Ours, not the paper's: salience is found at the network's size, from evenly spaced frames, of
which there are 128 at most; enhanced frames go to the motion path and raw ones to appearance; in the light size 40
frames of 96×96 cover 3.2 seconds. Those are evenly spaced, and eight segments of five take all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from actrec.systems.system import Input, Option, Protocol, Published, Schedule, System, Views, light_schedule
from actrec.systems.views import Light, channels_first
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
TEA_PAPER = "Li et al., TEA: Temporal Excitation and Aggregation for Action Recognition, CVPR 2020"
SETS = ("UCF-101", "HMDB-51", "Kinetics", "Something V1")
# Table 2 of MDT-Net's paper, its rows for the others too
HEADLINES = {
    mode: dict(zip(SETS, accuracies, strict=True))
    for mode, accuracies in {
        "mdtnet": (96.8, 73.5, 77.2, 53.5), "tsn": (94.0, 68.5, 72.5, 19.7),
        "tsm": (94.5, 70.7, 74.7, 44.8), "tea": (96.9, 73.3, 76.1, 51.9),
    }.items()
}  # fmt: skip
PER_SEGMENT = 5
SIZE, SHORT_SIDE = 224, 256
EVEN = 128  # evenly spaced frames of a clip that a transform runs over, at most
IMAGENET = {"mean": 0.449, "std": 0.226}

SCRATCH = light_schedule(rate=1e-3, epochs=14, batch=16, weight_decay=0.03, label_smoothing=0.05)
FINE_TUNE = light_schedule(rate=1e-3, epochs=60, batch=12, weight_decay=0.05, label_smoothing=0.1)
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
    "tea": ("TEA", TEA_PAPER, mdtnet.tea_net, mdtnet.tea_light),
}


CUTOFFS = tuple(str(number) for number in range(1, 9))


def options(mode: str, enhanced: str = "motion", mirror: str = "no", others: str = "") -> dict[str, Option]:
    return {
        "mode": Option(mode, "the network on the backbone", tuple(MODES)),
        "enhanced": Option(enhanced, "what motion salience multiplies", ("motion", "both", "none"), in_test=True),
        "salience": Option("amplitude", "the salience filter", ("amplitude", "phase"), in_test=True),
        "cutoff": Option(
            "1", "how many of the lowest frequencies salience leaves out, 1: what is constant", CUTOFFS, in_test=True
        ),
        "smoothing": Option(2.0, "σ of the Gaussian that smooths salience, in pixels", most=8.0, in_test=True),
        "strength": Option(1.0, "how much salience counts", most=1.0, in_test=True),
        "drawn": Option("random", f"the five frames of a segment{others}", ("random", "adjacent"), in_test=True),
        "mirror": Option(mirror, "mirror half of the training clips; not where left and right are classes",
                         ("no", "yes"), before="yes"),
    }  # fmt: skip


FOURIER = Option(
    "even", "the frames that the Fourier transform runs over: evenly spaced ones of the clip, or the drawn ones",
    ("even", "drawn"), before="drawn", in_test=True,
)  # fmt: skip


def view(
    frames: np.ndarray,
    even: np.ndarray | None = None,
    places: np.ndarray | None = None,
    *,
    enhanced: str = "motion",
    salience: str = "amplitude",
    cutoff: str = "1",
    smoothing: float = 2.0,
    strength: float = 1.0,
) -> Views:
    """The drawn frames raw and multiplied by their motion salience; with `none` raw twice (the ablation).

    Salience comes from `even` frames, among which the drawn ones lie at `places`; without, the drawn ones are even.
    """
    motion = frames
    if enhanced != "none":
        most = max(1, len(frames if even is None else even) // 2)  # of a clip of a few frames
        maps = salience_of(
            frames, variant=salience, cutoff=min(int(cutoff), most), smoothing=smoothing, even=even, places=places
        )
        motion = enhance(frames, maps, strength)
    shown = channels_first(motion if enhanced == "both" else frames)
    return {"frames": shown, "motion": shown if motion is frames else channels_first(motion)}


def salience_options(system: System) -> dict[str, Any]:
    """How a system of this paper finds salience, as arguments of `salience`; nothing for any other system."""
    if "cutoff" not in system.options:
        return {}
    return {
        "variant": str(system.option("salience")),
        "cutoff": int(system.option("cutoff")),
        "smoothing": float(system.option("smoothing")),
    }


def chosen_frames(segments: int, adjacent: bool, frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return sampling.segments(len(frames), segments, rng, frames=PER_SEGMENT, adjacent=adjacent).ravel()


def draws(segments: int, adjacent: bool, clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """One even draw for a single test view, seeded random ones for several: the paper samples ten times."""
    if rng is None and count > 1:
        rng = np.random.default_rng(0)
    drawn = partial(sampling.segments, len(clip), segments, rng, frames=PER_SEGMENT, adjacent=adjacent)
    return [drawn().ravel() for _ in range(count)]


@dataclass(frozen=True)
class BySegments:
    """The paper's way from a clip to views, by frame numbers: a short side of 256 pixels, a crop of 224×224 anywhere in
    training, and one or three in a test.

    With `even` the view also gets evenly spaced frames of the whole clip, cropped alike, and where among them its own
    frames lie.
    """

    segments: int
    adjacent: bool
    mirror: bool
    even: bool
    view: Callable[..., Views]

    def training_view(self, clip: Clip, rng: np.random.Generator) -> Views:
        index = draws(self.segments, self.adjacent, clip, 1, rng)[0]
        frames = sampling.short_side(clip.frames[index], SHORT_SIDE)
        height, width = frames.shape[1:3]
        crop = sampling.random_crop(height, width, SIZE, rng, flip=self.mirror)
        return self._view(crop, frames, index, *self._evenly(clip))

    def tested(self, clip: Clip, windows: int, crops: int) -> list[Views]:
        """So many draws over the clip, so many crops of each; the crops of one stand together."""
        even, views = self._evenly(clip), []
        for index in draws(self.segments, self.adjacent, clip, windows, None):
            frames = sampling.short_side(clip.frames[index], SHORT_SIDE)
            height, width = frames.shape[1:3]
            places = sampling.test_crops(height, width, SIZE, crops)
            views += [self._view(crop, frames, index, *even) for crop in places]
        return views

    def _evenly(self, clip: Clip) -> tuple[np.ndarray | None, int]:
        """Every frame of a short clip, every second one of a longer one, …, and how far they lie apart."""
        apart = -(-len(clip) // EVEN)
        return (sampling.short_side(clip.frames[::apart], SHORT_SIDE) if self.even else None), apart

    def _view(
        self, crop: sampling.Crop, frames: np.ndarray, index: np.ndarray, even: np.ndarray | None, apart: int
    ) -> Views:
        if even is None:
            return self.view(crop.of(frames))
        return self.view(crop.of(frames), crop.of(even), index / apart)


def layers(network: mdtnet.MDTNet) -> list[Layer]:
    def of_segments(maps: Tensor, clips: int) -> dict[str, Tensor]:
        """A key frame's maps stand for its segment."""
        return {"frames": maps.unflatten(0, (clips, -1)).transpose(1, 2).repeat_interleave(PER_SEGMENT, dim=2)}

    return [Layer(f"layer{n}", {f"backbone.layer{n}": of_segments}) for n in range(1, 5)]


def from_imagenet(network: mdtnet.MDTNet, tensors: Mapping[str, Tensor]) -> str:
    """ImageNet weights into the 2-D backbone: of a ResNet, or of a Res2Net-50 (26w × 4s) into TEA's, whose temporal
    layers keep their start.

    The two embeddings of differences start from its first layer too: its kernel's mean over R, G, B, for each input
    channel, scaled to the number of channels (ours; so does TSN for its flow network).
    """
    own = network.backbone.state_dict()
    only_tea = {name: value for name, value in own.items() if ".me." in name or ".times." in name}
    report = load_imagenet(network.backbone, {**only_tea, **tensors})
    if network.differences is not None:
        for embedding in (network.differences.fine[0], network.differences.coarse[0]):
            _start_from_rgb(cast(nn.Conv2d, embedding), network.backbone.conv1.weight)
    return f"{report.loaded - len(only_tea)} tensors of ImageNet's ResNet"


@torch.no_grad()
def _start_from_rgb(conv: nn.Conv2d, kernel: Tensor) -> None:
    mean = kernel.mean(dim=1, keepdim=True)
    conv.weight.copy_(mean.expand_as(conv.weight) * (3 / conv.in_channels))


def imagenet_start(mode: str) -> Published:
    return Published(from_imagenet, () if mode == "tea" else BACKBONES)


def light(
    name: str, mode: str = "mdtnet", *, drawn: str = "random", mirror: str = "yes", title: str = "", **salience: Any
) -> System:
    """`salience` are the options of `view`. Half of the training clips are mirrored, as for all light networks."""
    meant, citation, _, network = MODES[mode]
    chosen = partial(chosen_frames, 8, drawn == "adjacent")
    recipe = Light(40, 12.5, 96, partial(view, **salience), chosen, mirror=mirror == "yes")
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
        options=options(mode, salience.get("enhanced", "motion"), "yes", "; in the light size it has no others"),
        remade=partial(light, name, title=title),
        layers=layers,
        published=imagenet_start(mode),
    )


def paper(
    name: str,
    mode: str = "mdtnet",
    *,
    segments: str = "16",
    drawn: str = "random",
    mirror: str = "no",
    fourier: str = "even",
    **salience: Any,
) -> System:
    """224×224 of a short side of 256; one centre crop, or ten draws of three crops. The paper crops and does not
    mirror: left and right are classes of Something-Something."""
    count, seen = int(segments), partial(view, **salience)
    even = fourier == "even" and salience.get("enhanced") != "none"
    recipe = BySegments(count, drawn == "adjacent", mirror == "yes", even, seen)
    _, citation, network, _ = MODES[mode]
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={path: Input(3, count * PER_SEGMENT, SIZE, **IMAGENET) for path in ("frames", "motion")},
        network=partial(network, segments=count),
        seconds=count * PER_SEGMENT / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=10, crops=3), average),
        },
        schedules={"scratch": IN_PAPER, "paper": IN_PAPER},
        options=options(mode) | {"fourier": FOURIER, "segments": Option("16", "segments of a video", ("8", "16"))},
        remade=partial(paper, name),
        layers=layers,
        published=imagenet_start(mode),
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
        light("tea-light", "tea"),
        replace(paper("mdtnet-paper"), headline=HEADLINES["mdtnet"]),
        *(replace(paper(mode, mode), headline=HEADLINES[mode]) for mode in ("tsn", "tsm", "tea")),
    ]
