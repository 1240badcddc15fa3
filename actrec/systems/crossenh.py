"""The recipe of the cross-enhancement two-stream I3D, and of plain two-stream, 3D-Fused and I3D.

Cao, Xu and Zhang, "Cross-Enhancement Transform Two-Stream 3D ConvNets for Action Recognition", sec. 3 and 4. Ours, not
the paper's, in the light size: 16 frames over two seconds, letterboxed to 96×96, DIS flow at that resolution in
training and test alike; the student goes on from its plain training, which few clips do not pay for twice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from torch import Tensor, nn

from actrec import sampling
from actrec.metrics.accuracy import top
from actrec.models import crossenh, i3d
from actrec.models.fused3d import LIGHT_STEPS, STEPS, Fused3D, fused_3d, fused_3d_light
from actrec.systems.claim import Budget, Claim, Experiment, Figures
from actrec.systems.fusion import average
from actrec.systems.layers import Layer, as_is, plain
from actrec.systems.system import Input, Option, Protocol, Published, Schedule, System, Views, light_schedule
from actrec.systems.views import METHODS, Centre, Light, Paper, channels_first
from actrec.systems.workspace import Clips, Pupil, Workspace
from actrec.video import Clip
from actrec.weights.convert import i3d_channels, load_i3d

PAPER = "Cao, Xu and Zhang, Cross-Enhancement Transform Two-Stream 3D ConvNets for Action Recognition, AIIPCC 2019"
I3D_PAPER = "Carreira and Zisserman, Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, CVPR 2017"
FUSED_PAPER = (
    "Feichtenhofer, Pinz and Zisserman, Convolutional Two-Stream Network Fusion for Video Action Recognition, "
    "CVPR 2016, as 3D-Fused in Carreira and Zisserman, CVPR 2017"
)
FUSED_HEADLINE = {"UCF-101": 89.3, "HMDB-51": 56.8, "Kinetics": 67.2}  # of table 3 (UCF-101: its first split)
HEADLINE = {"UCF-101": 93.6, "HMDB-51": 66.6, "Kinetics": 74.5}
SHOWN = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")  # of I3D's layers
FPS = 25.0
REACH = {"light": 8.0, "paper": 20.0}  # pixels of flow that become the largest byte

SCRATCH = light_schedule(rate=1e-3, epochs=12, batch=16, weight_decay=0.03, label_smoothing=0.05)
FINE_TUNE = light_schedule(rate=1e-3, epochs=60, batch=12, weight_decay=0.05, label_smoothing=0.1)
# Sec. 4.3 gives rate, momentum, decay and batch; the number of epochs is not given in the paper. 40 for each network:
# with bridges 40 for the streams, 40 for the student, and 16 for the fusion layer.
IN_PAPER = Schedule("sgd", rate=1e-3, epochs=40, batch=6, at=(20, 30))
BRIDGED = replace(IN_PAPER, epochs=96)


def view(frames: np.ndarray, moved: np.ndarray | None = None, *, inputs: tuple[str, ...], reach: float) -> Views:
    """T + 1 frames of the network's size → T RGB frames and the flow from each to the next (`moved`, or DIS's)."""
    inputs_out = {}
    if "flow" in inputs:
        from actrec.motion.flow import encode, flow

        moved = flow(frames, "dis") if moved is None else moved
        inputs_out["flow"] = channels_first(encode(moved, reach))
    if "rgb" in inputs:
        inputs_out["rgb"] = channels_first(frames[:-1])
    return inputs_out


def alone(frames: np.ndarray, moved: np.ndarray | None = None, *, kind: str, reach: float) -> Views:
    """The same for a single stream, whose input is called `clip`."""
    return {"clip": view(frames, moved, inputs=(kind,), reach=reach)[kind]}


def snippets(frames: np.ndarray, moved: np.ndarray | None = None, *, steps: int, reach: float) -> Views:
    """T·steps + 1 frames → the middle frame of each snippet of `steps`, and the flow of its steps as channels: x and y
    of the first step, of the second, and so on (3D-Fused)."""
    both = view(frames, moved, inputs=("rgb", "flow"), reach=reach)
    flow = both["flow"].reshape(2, -1, steps, *frames.shape[1:3]).transpose(2, 0, 1, 3, 4)
    rgb = np.ascontiguousarray(both["rgb"][:, steps // 2 :: steps])
    return {"rgb": rgb, "flow": np.ascontiguousarray(flow.reshape(2 * steps, -1, *frames.shape[1:3]))}


def bridged(name: str) -> dict[str, Option]:
    """What a training over bridges leaves open; for plain two-stream nothing."""
    if not name.startswith("crossenh"):
        return {}
    teacher = "rgb" if name.endswith("flow") else "flow"
    student = "fresh" if name.startswith("crossenh-paper") else "trained"
    return {
        "bridge": Option("e", "the first bridge; best: all nine in turn", (*crossenh.BRIDGES, "best", "none")),
        "teacher": Option(teacher, "the stream that teaches; better: as validated", ("flow", "rgb", "better")),
        "student": Option(
            student, "the student: fresh, or trained as a plain stream before", ("fresh", "trained"),
            before="trained" if student == "fresh" else None,
        ),
        "second": Option("code", "what the second bridge joins", ("code", "scores")),
        "fusion": Option("scores", "what the fusion layer sees", ("scores", "codes")),
        "last": Option("fusion", "what learns when the bridges are gone", ("fusion", "complete")),
        "alpha": Option(1.0, "weight of the first bridge in the loss"),
        "beta": Option(1.0, "weight of the second bridge in the loss"),
        "gamma": Option(1.0, "weight of cross-entropy in the loss"),
    }  # fmt: skip


def network(base: Callable[..., nn.Module], options: Mapping[str, object]) -> Callable[..., nn.Module]:
    """The builder with what was chosen of teacher, second and fusion; built as it is used, without a bridge. Which
    stream is the better one turns out in training: until then the network's own default teaches."""
    chosen = {key: value for key, value in options.items() if key in ("teacher", "second", "fusion")}
    if chosen.get("teacher") == "better":
        del chosen["teacher"]
    return partial(base, bridge=None, **chosen)


def windows(clip: Clip, count: int, rng: np.random.Generator | None, *, frames: int = 65) -> list[np.ndarray]:
    """Windows of neighbouring frames at 25 a second (sec. 4.3), whatever the file's rate: frames of a slower one come
    several times, of a faster one some are left out."""
    seconds = np.arange(max(1, round(clip.duration * FPS))) / FPS
    shown = clip.shown(float(clip.times[0]) + seconds)
    return list(shown[sampling.dense_windows(len(shown), frames, count, rng)])


def _inputs(kinds: tuple[str, ...], frames: int, size: int, steps: int = 0) -> dict[str, Input]:
    """Bytes become −1…1, as the published I3D wants them; byte 128 is no flow. With `steps` in `snippets`."""
    scale = {"rgb": (3, 0.5, 0.5), "flow": (2 * max(1, steps), 128 / 255, 127 / 255)}
    return {kind: Input(scale[kind][0], frames // max(1, steps), size, *scale[kind][1:]) for kind in kinds}


def layers_of_stream(network: i3d.I3D) -> list[Layer]:
    return plain(SHOWN, "layers")


def layers(network: crossenh.TwoStream) -> list[Layer]:
    """I3D's layers in both streams."""
    return [Layer(name, {f"streams.{of}.layers.{name}": as_is(of) for of in network.streams}) for name in SHOWN]


def layers_of_fused(network: Fused3D) -> list[Layer]:
    """The layers of both 2-D networks, and the maps that they share, shown over the RGB frames."""
    both = [Layer(name, {f"streams.{of}.{name}": as_is(of) for of in network.streams}) for name in SHOWN]
    return [*both, Layer("3-D fusion", {"fuse": as_is("rgb")})]


def parts(network: crossenh.TwoStream, code: Tensor) -> dict[str, Tensor]:
    """What each stream answers alone."""
    return network.alone(code)


def load_stream(network: i3d.I3D, tensors: Mapping[str, Tensor]) -> str:
    report = load_i3d(network, tensors, classifier=False)
    return f"{report.loaded} tensors of I3D, layout {report.layout}"


def load_one_of_two(network: crossenh.TwoStream, tensors: Mapping[str, Tensor]) -> str:
    """Published I3D weights into the stream with as many input channels."""
    name = {3: "rgb", 2: "flow"}.get(i3d_channels(tensors), "rgb")
    return f"{name} stream, {load_stream(cast(i3d.I3D, network.streams[name]), tensors)}"


def _loss(name: str, apart: bool) -> str:
    """What a recipe learns by: over bridges, each stream by itself (`apart`), or all of the network together."""
    return "cross-enhancement" if bridged(name) else "streams" if apart else "cross-entropy"


def _middles(recipe: Light, steps: int, clip: Clip) -> np.ndarray:
    """The seconds of the frames that stand for the snippets of a view."""
    return recipe.moments(clip)[:-1][steps // 2 :: steps]


def light(
    name: str,
    base: Callable[..., nn.Module],
    title: str = "Cross-enhancement",
    citation: str = PAPER,
    steps: int = 0,
    **options: object,
) -> System:
    """16 frames of 96×96; with `steps` in snippets of so many steps, for 3D-Fused."""
    make_view = partial(snippets, steps=steps) if steps else partial(view, inputs=("rgb", "flow"))
    recipe = Light(17, 8.0, 96, partial(make_view, reach=REACH["light"]))
    return System(
        name=name,
        title=title,
        paper=citation,
        size="light",
        inputs=_inputs(("rgb", "flow"), 16, 96, steps),
        network=base if steps else network(base, options),
        seconds=recipe.seconds,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(recipe.one, average, partial(_middles, recipe, steps) if steps else recipe.moments),
            "clip": recipe.spread(average, most=5),
        },
        schedules={"scratch": SCRATCH, "fine-tune": FINE_TUNE},
        loss=_loss(name, apart=not steps),
        flow="dis",
        options=bridged(name),
        remade=partial(light, name, base, title, citation, steps),
        layers=layers_of_fused if steps else layers,
        published=None if steps else Published(load_one_of_two),
        parts=None if steps else parts,
    )


def paper(
    name: str,
    base: Callable[..., nn.Module],
    kinds: tuple[str, ...] = ("rgb", "flow"),
    citation: str = PAPER,
    steps: int = 0,
    flow: str = "tvl1",
    **options: object,
) -> System:
    """64 frames of 224×224; a stream alone is I3D. With `steps` five snippets of so many steps, for 3D-Fused."""
    single, frames = len(kinds) == 1, 5 * steps or 64
    make_view = partial(alone, kind=kinds[0]) if single else partial(view, inputs=kinds)
    make_view = partial(snippets, steps=steps) if steps else make_view
    flow = flow if "flow" in kinds else ""
    draw = partial(windows, frames=frames + 1)
    recipe = Paper(224, 256, partial(make_view, reach=REACH["paper"]), draw, flow=flow)
    inputs = _inputs(kinds, frames, 224, steps)
    return System(
        name=name,
        title=name,
        paper=citation,
        size="paper",
        inputs={"clip": inputs[kinds[0]]} if single else inputs,
        network=base if single or steps else network(base, options),
        seconds=frames / FPS,
        training_view=recipe.training_view,
        protocols={
            "one": Protocol(partial(recipe.tested, windows=1, crops=1), average),
            "clip": Protocol(partial(recipe.tested, windows=3, crops=1), average),
            "paper": Protocol(partial(recipe.tested, windows=3, crops=1), average),
        },
        schedules=dict.fromkeys(("scratch", "paper"), BRIDGED if bridged(name) else IN_PAPER),
        loss=_loss(name, apart=not single and not steps),
        flow=flow,
        options=bridged(name) | ({"flow": Option(flow, "the flow's method", METHODS)} if flow else {}),
        remade=partial(paper, name, base, kinds, citation, steps),
        layers=layers_of_fused if steps else layers_of_stream if single else layers,
        published=None if steps else Published(load_stream if single else load_one_of_two),
        fps=FPS if flow else 0.0,
        parts=None if single or steps else parts,
    )


# --- what the paper claims: both streams learn alone, then one goes on under the other ------------

ALONE, TEACHING = Budget(60, 16), Budget(40, 16)

CLAIMS = (
    Claim(
        "cross-student", "Cross-enhancement", "The taught student is better than the plain stream",
        "cross/taught", "cross/plain",
    ),
    Claim(
        "cross-first-bridge", "Cross-enhancement", "The first bridge is better than none (α = 0)",
        "cross/taught", "cross/second-only",
    ),
    Claim(
        "cross-weak-teacher", "Cross-enhancement", "The weaker stream is the worse teacher",
        "cross/taught", "cross/reversed", "fused",
    ),
)  # fmt: skip


def taught_by(stronger: bool = True, alpha: float = 1.0, beta: float = 1.0) -> Experiment:
    """`top1` is the student's, `fused` that of both streams' mean, where the fusion layer starts."""

    def measure(workspace: Workspace) -> Figures:
        state, better = workspace.once("streams", partial(_streams, workspace))
        teacher = better if stronger else crossenh.OTHER[better]
        system = _plain().with_options({"teacher": teacher, "alpha": alpha, "beta": beta})
        pupil = workspace.enrolled(system, partial(system.network, bridge=system.option("bridge")))
        pupil.network.load_state_dict(state, strict=False)  # the bridge is new
        pupil.learn(TEACHING, stage="student", epoch=1)
        held_out = workspace.source.validation
        return {
            "top1": _right(pupil, held_out, crossenh.OTHER[teacher]),
            "fused": top(pupil.outputs(held_out), held_out.targets),
        }

    return Experiment(measure, f"{ALONE}, each stream by itself, then {TEACHING}")


def _streams(workspace: Workspace) -> tuple[dict[str, Tensor], str]:
    """Both streams trained alone, and the name of the one that is better on training clips."""
    pupil = workspace.taught(_plain().with_options({"bridge": "none"}), ALONE)
    right = {name: _right(pupil, workspace.source.train, name) for name in crossenh.OTHER}
    return copy.deepcopy(pupil.network.state_dict()), max(right, key=right.__getitem__)


def _right(pupil: Pupil, split: Clips, stream: str) -> float:
    scores = pupil.outputs(split, lambda network, inputs: network.streams[stream](inputs[stream]))
    return top(scores, split.targets)


def experiments() -> Mapping[str, Experiment]:
    return {
        "cross/taught": taught_by(),
        "cross/plain": taught_by(alpha=0.0, beta=0.0),
        "cross/second-only": taught_by(alpha=0.0),
        "cross/reversed": taught_by(stronger=False),
    }


def _plain() -> System:
    return light("crossenh", crossenh.VARIANTS["multiple-enhanced-rgb-light"])


# What an answer of the published I3D sees, as (frames, short side, centre): in full what it was trained with, or enough
# to name most everyday actions at a sixth of the work.
SEEN = {"full": (64, 256, 224), "live": (32, 160, 160)}
KINETICS_VIEWS = 3


def published_rgb(view: str = "full") -> System:
    """I3D's RGB stream as the published weights want it: windows by the clock, in proportion, without a border.

    Ours, not the paper's: three windows instead of the whole video, and the smaller view for a camera and for `live`.
    """
    asked = {
        name: Centre(frames, FPS, side, (size, size), KINETICS_VIEWS) for name, (frames, side, size) in SEEN.items()
    }
    # A timeline takes windows of the smaller view: the larger ones last twice as long.
    over = Protocol(asked[view].over, average, windows=asked[view].begins if view == "live" else None)
    frames, _, size = SEEN[view]
    return replace(
        paper("i3d-rgb", i3d.rgb, ("rgb",), I3D_PAPER),
        inputs={"clip": _inputs(("rgb",), frames, size)["rgb"]},
        seconds=asked["live"].seconds,
        protocols={"one": Protocol(asked["live"].one, average, asked["live"].moments), "clip": over, "paper": over},
        smaller={"view": "live"} if view == "full" else {},
        options={"view": Option("full", "what each of its three views of a clip sees", tuple(SEEN), in_test=True)},
        remade=published_rgb,
    )


def systems() -> list[System]:
    """Built as they are used, without bridges; the training builds them with one: `network(classes, bridge="e")`."""
    built = crossenh.VARIANTS
    return [
        replace(_plain(), claims=CLAIMS, experiments=experiments()),
        light("two-stream-light", built["two-stream-light"], "Plain two-stream"),
        replace(paper("crossenh-paper", built["multiple-enhanced-rgb"]), headline=HEADLINE),
        paper("crossenh-paper-flow", built["multiple-enhanced-flow"]),
        paper("two-stream", built["two-stream"]),
        published_rgb(),
        paper("i3d-flow", i3d.flow, ("flow",), I3D_PAPER),
        light("fused-3d-light", fused_3d_light, "3D-Fused", FUSED_PAPER, LIGHT_STEPS),
        replace(paper("fused-3d", fused_3d, citation=FUSED_PAPER, steps=STEPS), headline=FUSED_HEADLINE),
    ]
