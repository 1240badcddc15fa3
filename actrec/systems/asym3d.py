"""The recipes of the Asymmetric 3D-CNN and of the dense networks it is measured against.

Yang et al., "Asymmetric 3D Convolutional Neural Networks for Action Recognition", sec. 4.
Ours, not the paper's, in the light size: 16 signed differences of neighbouring frames over two seconds, letterboxed,
in place of 16 consecutive RGB frames, because the wall behind a visitor does not depend on what the visitor does.
Ours in both sizes: where two networks are fused, one training teaches both, each by its own scores on the same crops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from torch import nn

from actrec import sampling
from actrec.metrics.accuracy import top
from actrec.models import asym3d, c3d
from actrec.models.layers import ConvReLU3d
from actrec.motion.rgbf import movement_confidences, weighted
from actrec.systems.claim import Budget, Claim, Experiment, Figures
from actrec.systems.fusion import FeatureSVM, average
from actrec.systems.layers import Layer, as_is, plain
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views, light_schedule
from actrec.systems.views import METHODS, Light, Paper, channels_first, signed_difference
from actrec.systems.workspace import Clips, Pupil, Workspace, trained
from actrec.video import Clip

PAPER = "Yang et al., Asymmetric 3D Convolutional Neural Networks for Action Recognition, Pattern Recognition 2019"
C3D_PAPER = "Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015"
FRAMES, SIZE = 16, 112
MODALITIES = ("difference", "rgb", "rgbf", "flow")
SEES = "what the network sees"
# Accuracy in per cent as the papers print it; that of C3D as Asymmetric 3D-CNN reports c3d-b8.
FULL = ("asym3d-paper", "asym3d-paper-rgbf", "asym3d-paper-rgb-rgbf")  # the whole network
# Of the whole network by what it sees (Table 4, sec. 4.7); with trajectories in an SVM the paper prints 92.6 and 65.4.
HEADLINES = {
    "rgb": {"UCF-101": 86.4, "HMDB-51": 58.9},
    "rgbf": {"UCF-101": 87.7, "HMDB-51": 61.2},
    "rgb+rgbf": {"UCF-101": 89.5, "HMDB-51": 63.5},
}
C3D_HEADLINE = {"UCF-101": 84.6, "HMDB-51": 56.7}

SCRATCH = light_schedule(rate=2e-3, epochs=12, batch=24, weight_decay=0.02, label_smoothing=0.05)
FINE_TUNE = light_schedule(rate=5e-4, epochs=30, batch=12, weight_decay=0.05, label_smoothing=0.1)
# Sec. 4.3 and 4.6: from scratch ÷ 5 every 15 of 50 epochs, fine-tuning ÷ 10 every 8 of 20, the last FC layer × 10.
IN_PAPER = Schedule("sgd", rate=1e-3, epochs=50, batch=16, at=(15, 30, 45), divide=5)
PAPER_FINE_TUNE = Schedule("sgd", rate=1e-4, epochs=20, batch=16, at=(8, 16), last_layer=10)
# Sec. 4.3: frames of 128×171; in pre-training they are cropped and resized to 256×320. What then becomes of 128×171 is
# not said: kept as the second step (`via`), because both sentences hold so, or left out.
FRAME, PRE_TRAINED = (128, 171), (256, 320)
FRAMES_FROM = {"128x171": (None, False), "via-256x320": (PRE_TRAINED, False), "256x320": (PRE_TRAINED, True)}
PRE_TRAINING = replace(IN_PAPER, brings={"frames": "via-256x320"})
SCHEDULES = {
    "scratch": IN_PAPER, "paper": IN_PAPER, "paper-pre-train": PRE_TRAINING, "paper-fine-tune": PAPER_FINE_TUNE,
}  # fmt: skip


def view(frames: np.ndarray, beside: np.ndarray | None = None, *, modality: str) -> Views:
    """17 frames of the network's size → 16 of the modality: difference, rgb, rgbf (eq. 7) or flow frames.

    `beside` is cut out as the frames are: for rgbf the movement confidence, which belongs to whole frames, for flow the
    flow. Where it is not given, these frames are whole ones, and DIS finds their flow.
    """
    if modality == "difference":
        frames_out = signed_difference(frames)
    elif modality == "rgb":
        frames_out = frames[:-1]
    else:
        from actrec.motion.flow import flow, flow_frames

        moved = flow(frames, "dis") if beside is None else beside
        if modality == "flow":
            frames_out = flow_frames(moved)
        else:
            frames_out = weighted(frames[:-1], movement_confidences(moved) if beside is None else beside)
    return {"clip": channels_first(frames_out)}


def both_views(frames: np.ndarray, beside: np.ndarray) -> Views:
    """The same frames as RGB and as RGBF."""
    return {name: view(frames, beside, modality=name)["clip"] for name in asym3d.INPUTS}


def windows(clip: Clip, count: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    return list(sampling.dense_windows(len(clip), FRAMES + 1, count, rng))


def layers(network: c3d.C3D) -> list[Layer]:
    """The groups of convolutions."""
    return plain((name for name, _ in network.features.named_children() if name.startswith("conv")), "features")


def layers_of_both(network: asym3d.TwoInputs) -> list[Layer]:
    """The same groups in both networks."""
    names = [name for name, _ in network.stream("rgb").features.named_children() if name.startswith("conv")]
    return [Layer(name, {f"streams.{of}.features.{name}": as_is(of) for of in asym3d.INPUTS}) for name in names]


def light(modality: str = "difference", name: str = "asym3d") -> System:
    """The network that is live. `modality` is one of MODALITIES."""
    weigh = movement_confidences if modality == "rgbf" else None
    recipe = Light(FRAMES + 1, 8.0, SIZE, partial(view, modality=modality), weigh=weigh)
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
        protocols={"one": Protocol(recipe.one, average, recipe.moments), "clip": recipe.spread(average)},
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        flow="dis" if modality in ("rgbf", "flow") else "",
        options={"modality": Option(modality, SEES, MODALITIES)},
        remade=partial(light, name=name),
        layers=layers,
    )


def fused_light(name: str = "asym3d-rgb-rgbf") -> System:
    """Two light networks, one for RGB and one for RGBF, whose probabilities are averaged (sec. 4.7)."""
    recipe = Light(FRAMES + 1, 8.0, SIZE, both_views, weigh=movement_confidences)
    return replace(
        light("rgbf", name),
        inputs={stream: Input(3, FRAMES, SIZE) for stream in asym3d.INPUTS},
        network=partial(asym3d.TwoInputs, asym3d.light),
        training_view=recipe.training_view,
        protocols={"one": Protocol(recipe.one, average, recipe.moments), "clip": recipe.spread(average)},
        loss="streams",
        options={},
        remade=None,
        layers=layers_of_both,
    )


def paper(
    name: str,
    network: Callable[..., c3d.C3D],
    modality: str = "rgb",
    citation: str = PAPER,
    flow: str = "brox",
    frames: str = "128x171",
) -> System:
    """A network of the paper's tables: 16 frames of 112×112, tested on 25 clips × 10 crops, averaged. With the modality
    `rgb+rgbf` two of them, whose probabilities are averaged (sec. 4.7)."""
    both, moving = modality == "rgb+rgbf", modality not in ("difference", "rgb")
    cut, straight = FRAMES_FROM[frames]
    recipe = Paper(
        SIZE, FRAME, both_views if both else partial(view, modality=modality), windows, flow=flow if moving else "",
        weigh=movement_confidences if both or modality == "rgbf" else None, cut=cut, straight=straight,
    )  # fmt: skip
    options = {
        "modality": Option(modality, SEES, MODALITIES), "flow": Option(flow, "the flow's method", METHODS),
        "frames": Option(frames, "the frames that training crops come from", (*FRAMES_FROM,)),
    }  # fmt: skip
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={stream: Input(3, FRAMES, SIZE) for stream in (asym3d.INPUTS if both else ("clip",))},
        network=partial(asym3d.TwoInputs, network) if both else network,
        seconds=FRAMES / 25,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=5, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=25, crops=10), average),
        },
        schedules=SCHEDULES,
        loss="streams" if both else "cross-entropy",
        flow=flow if moving else "",
        stored_side=0 if cut is None else min(cut),
        options={key: option for key, option in options.items() if not (both and key == "modality")},
        remade=partial(paper, name, network, citation=citation, **({"modality": modality} if both else {})),
        layers=layers_of_both if both else layers,
    )


# --- what the paper claims ------------------------------------------------------------------------

BUDGET = Budget(100, 16)
WHOLE_FRAMES = f"{BUDGET}; RGBF scaled over whole frames"
WIDTHS = (16, 32, 64, 96, 96)  # of c3d-b5's five groups, made light as the whole network is: strided, normed, averaged
WORDS = 16  # Gaussians of the trajectories' codebooks; the paper's 256 want more clips

CLAIMS = (
    Claim(
        "asym-faster", "Asymmetric", "Asymmetric layers train faster than dense ones",
        "layers/asymmetric-345", "layers/dense", "steps_per_second",
    ),
    Claim(
        "asym-no-loss", "Asymmetric", "Asymmetric layers lose nothing against dense ones",
        "layers/asymmetric-345", "layers/dense", margin=0.02,
    ),
    Claim(
        "asym-late", "Asymmetric", "Replacing a late layer is better than replacing an early one",
        "layers/asymmetric-5", "layers/asymmetric-3",
    ),
    Claim("asym-m2-over-m3", "Asymmetric", "MicroNet M2 is better than M3", "micro/M2", "micro/M3"),
    Claim("asym-m3-over-m1", "Asymmetric", "MicroNet M3 is better than M1", "micro/M3", "micro/M1"),
    Claim("asym-rgbf-over-rgb", "Asymmetric", "RGBF is better than RGB", "input/rgbf", "input/rgb"),
    Claim("asym-rgbf-over-flow", "Asymmetric", "RGBF is better than flow", "input/rgbf", "input/flow"),
    Claim(
        "asym-rgb-and-rgbf", "Asymmetric", "RGB and RGBF together are better than RGBF", "input/rgb+rgbf", "input/rgbf"
    ),
    Claim(
        "asym-trajectories", "Asymmetric", "Trajectories add to RGB and RGBF in a linear SVM",
        "input/svm+trajectories", "input/svm",
    ),
)  # fmt: skip


def groups(other: Callable[[int, int], nn.Module] | None = None, at: tuple[int, ...] = ()) -> Experiment:
    """c3d-b5 in a light size, the groups in `at` built otherwise (Tables 2 and 3)."""

    def network(classes: int) -> c3d.C3D:
        built: list[nn.Module] = [ConvReLU3d(3, WIDTHS[0], (3, 3, 3), stride=(1, 2, 2), norm=True)]
        for number, (c_in, c_out) in enumerate(pairwise(WIDTHS), start=2):
            built.append(other(c_in, c_out) if other and number in at else c3d.dense_group(c_in, c_out, 1, norm=True))
        return c3d.C3D(built, WIDTHS[-1], classes, fc=(128,), dropout=0.3, mean=True)

    return trained(replace(light(), network=network), BUDGET)


def asymmetric(*at: int) -> Experiment:
    return groups(partial(asym3d.AsymmetricConv3d, norm=True), at)


def micro(kind: str) -> Experiment:
    """In place of conv5, as in Table 3."""
    return groups(partial(asym3d.MicroNet, kind, norm=True), (5,))


def seeing(workspace: Workspace, modality: str) -> Pupil:
    """A network taught on one modality."""
    system = light().with_options({"modality": modality})
    return workspace.once(f"input {modality}", lambda: workspace.taught(system, BUDGET))


def modality(name: str) -> Experiment:
    settings = WHOLE_FRAMES if name == "rgbf" else str(BUDGET)
    return Experiment(lambda workspace: seeing(workspace, name).figures(), settings)


def _rgb_and_rgbf(workspace: Workspace) -> Figures:
    """The mean of the two networks' probabilities (sec. 4.7)."""
    held_out = workspace.source.validation
    both = [seeing(workspace, name).probabilities(held_out) for name in ("rgb", "rgbf")]
    return {"top1": top((both[0] + both[1]) / 2, held_out.targets)}


def _embeddings(workspace: Workspace, split: Clips, part: str) -> dict[str, np.ndarray]:
    def embedded(name: str) -> np.ndarray:
        return seeing(workspace, name).outputs(split, lambda network, inputs: network.code(**inputs))

    return {name: workspace.once(f"codes {name} {part}", partial(embedded, name)) for name in ("rgb", "rgbf")}


def support_vectors(trajectories: bool) -> Experiment:
    """A linear SVM on the embeddings of both networks, with or without improved dense trajectories (sec. 4.7)."""

    def measure(workspace: Workspace) -> Figures:
        learned, held_out = workspace.source.train, workspace.source.validation
        lessons, trial = (
            _embeddings(workspace, split, part) for split, part in ((learned, "learned"), (held_out, "judged"))
        )
        if trajectories:
            code = workspace.once("trajectories", lambda: _fisher(workspace))
            lessons, trial = lessons | {"trajectories": code[0]}, trial | {"trajectories": code[1]}
        machine = FeatureSVM().fit(lessons, learned.targets)
        return {"top1": float((machine.predict(trial) == held_out.targets).mean())}

    return Experiment(measure, WHOLE_FRAMES + (f"; {WORDS} words" if trajectories else ""))


def _fisher(workspace: Workspace) -> tuple[np.ndarray, np.ndarray]:
    from actrec.motion.descriptors import describe
    from actrec.motion.fisher import TrajectoryCode
    from actrec.motion.trajectories import track

    def described(split: Clips) -> list[dict[str, np.ndarray]]:
        return [describe(track(clip), clip) for clip in map(split.clip, range(len(split)))]

    learned, held_out = described(workspace.source.train), described(workspace.source.validation)
    code = TrajectoryCode.fit(learned, np.random.default_rng(workspace.seed), WORDS)
    return np.stack([code.encode(clip) for clip in learned]), np.stack([code.encode(clip) for clip in held_out])


def experiments() -> Mapping[str, Experiment]:
    return {
        "layers/dense": groups(),
        "layers/asymmetric-3": asymmetric(3),
        "layers/asymmetric-5": asymmetric(5),
        "layers/asymmetric-345": asymmetric(3, 4, 5),
        **{f"micro/{kind}": micro(kind) for kind in ("M1", "M2", "M3")},
        **{f"input/{name}": modality(name) for name in ("rgb", "rgbf", "flow")},
        "input/rgb+rgbf": Experiment(_rgb_and_rgbf, WHOLE_FRAMES),
        "input/svm": support_vectors(False),
        "input/svm+trajectories": support_vectors(True),
    }


def systems() -> list[System]:
    """The light network, and every network of Tables 2, 3 and 4 by the paper's names."""
    dense = [paper(name, build, citation=C3D_PAPER) for name, build in c3d.VARIANTS.items()]
    others = {name: build for name, build in asym3d.VARIANTS.items() if name not in ("asym3d", "asym3d-light")}
    return [
        replace(light(), claims=CLAIMS, experiments=experiments()),
        light("rgb", "asym3d-rgb"),
        light("rgbf", "asym3d-rgbf"),
        fused_light(),
        *(replace(system, headline=C3D_HEADLINE) if system.name == "c3d-b8" else system for system in dense),
        *(paper(name, build) for name, build in others.items()),
        *(
            replace(paper(name, asym3d.asymmetric3d, seen), headline=HEADLINES[seen])
            for name, seen in zip(FULL, HEADLINES, strict=True)
        ),
    ]
