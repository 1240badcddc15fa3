"""Two I3D streams, and the bridges over which the better one teaches the other.

Cao, Xu and Zhang, "Cross-enhancement transform two-stream 3D ConvNets for action recognition", AIIPCC 2019. Sec. 3.1:
flow teaches RGB (HMDB-51, UCF-101; Table 3 agrees, a sentence of sec. 4.2 says the reverse); sec. 3.2: RGB teaches
flow (Kinetics). The first bridge is one of nine connections `a` … `i`, chosen by validation; the second joins the
outputs. α = β = 0 is plain two-stream I3D (Carreira and Zisserman 2017), α = 0 resembles MARS (Crasto et al. 2019).
Ours, not the paper's: front, middle and rear are Mixed_3c, Mixed_4f and Mixed_5c; the letters run over the student's
positions first; the adapter; the outputs that the second bridge joins are the pooled 1024 numbers (option: scores)
and those that the fusion layer sees are the scores (option: codes), where it starts as the plain average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.models.i3d import I3D, LIGHT
from actrec.models.layers import Size3, start_classifier

POSITIONS = ("Mixed_3c", "Mixed_4f", "Mixed_5c")  # front, middle, rear
# letter → (position in the teacher, position in the student)
BRIDGES = {letter: (POSITIONS[place // 3], POSITIONS[place % 3]) for place, letter in enumerate("abcdefghi")}
OTHER = {"rgb": "flow", "flow": "rgb"}
STAGES = (*OTHER, "student", "fusion", "complete")


class Distillation(NamedTuple):
    """What the loss α·MSE + β·MSE + γ·CE compares: (first bridge, second bridge) of both, and the student's scores."""

    student: tuple[Tensor, Tensor]
    teacher: tuple[Tensor, Tensor]
    scores: Tensor


class Bridge(nn.Module):
    """The first bridge, which makes the student's map comparable with the teacher's where their shapes differ.

    Both are averaged down to the smaller of the two sizes along each axis. (Stretching a coarse student map over a
    fine teacher map would give the same gradients: the distance to many cells is that to their mean and a constant.)
    A 1×1×1 convolution gives the student's map the teacher's channels. Its random numbers come from a seed of its
    own, so that the network starts the same with and without a bridge.
    """

    def __init__(self, student_channels: int, teacher_channels: int, seed: int = 0) -> None:
        super().__init__()
        self.weight: nn.Parameter | None
        self.register_parameter("weight", None)
        if student_channels != teacher_channels:
            generator = torch.Generator().manual_seed(seed)
            shape = (teacher_channels, student_channels, 1, 1, 1)
            weight = torch.randn(shape, generator=generator, device="cpu") * student_channels**-0.5
            self.weight = nn.Parameter(weight.to(torch.get_default_device()))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        time, height, width = (min(pair) for pair in zip(student.shape[2:], teacher.shape[2:], strict=True))
        size = time, height, width
        student, teacher = _pooled(student, size), _pooled(teacher, size)
        return (student if self.weight is None else F.conv3d(student, self.weight)), teacher


class NineBridges(nn.ModuleDict):
    """All first bridges, each as it starts alone; students learn over one after another (`letter`)."""

    def __init__(self, channels: Mapping[str, int], seed: int = 0) -> None:
        super().__init__(
            {
                letter: Bridge(channels[of_student], channels[of_teacher], seed)
                for letter, (of_teacher, of_student) in BRIDGES.items()
            }
        )
        self.letter = next(iter(BRIDGES))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        return self[self.letter](student, teacher)


def _pooled(x: Tensor, size: Size3) -> Tensor:
    return x if tuple(x.shape[2:]) == size else F.adaptive_avg_pool3d(x.float(), size)


class TwoStream(nn.Module):
    """`rgb` [B, 3, T, H, W] and `flow` [B, 2, T, H, W]; the code is both streams' codes side by side.

    `teacher` and `bridge` (a letter, or `best` for all nine) make it a cross-enhancement network for the length of its
    training; `stage` says which part is being trained and freezes the rest. What is not named here goes to both
    streams (width, dropout, generator).
    """

    def __init__(
        self,
        classes: int,
        *,
        teacher: str | None = None,
        bridge: str | None = None,
        second: str = "code",
        fusion: str = "average",
        bridge_seed: int = 0,
        **stream: Any,
    ) -> None:
        super().__init__()
        _one_of("teacher", teacher, (None, "rgb", "flow"))
        _one_of("bridge", bridge, (None, *BRIDGES, "best"))
        _one_of("second", second, ("code", "scores"))
        _one_of("fusion", fusion, ("average", "scores", "codes"))
        self.teacher, self.second, self.fusion, self.stage = teacher, second, fusion, "complete"
        self.student = OTHER.get(teacher or "")
        self.positions = BRIDGES.get(bridge or "")
        self.streams = nn.ModuleDict(
            {"rgb": I3D(classes, channels=3, **stream), "flow": I3D(classes, channels=2, **stream)}
        )
        self.fusion_layer = _fusion_layer(fusion, classes, self.code_length, stream.get("generator"))
        self.bridge: Bridge | NineBridges | None = None
        channels = self.stream("rgb").channels  # as many as the other stream's
        if teacher and self.positions:
            of_teacher, of_student = self.positions
            self.bridge = Bridge(channels[of_student], channels[of_teacher], bridge_seed)
        elif teacher and bridge == "best":
            self.bridge = NineBridges(channels, bridge_seed)

    def stream(self, name: str) -> I3D:
        """The stream `rgb` or `flow`."""
        return cast(I3D, self.streams[name])

    @property
    def code_length(self) -> int:
        """Numbers in one stream's code."""
        return self.stream("rgb").logits.in_features

    def code(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return torch.cat([self.stream("rgb").code(rgb), self.stream("flow").code(flow)], dim=1)

    def scores(self, code: Tensor) -> Tensor:
        if self.fusion == "codes" and self.fusion_layer is not None:
            return self.fusion_layer(code)
        alone = self.alone(code)
        if self.fusion_layer is None:
            return (alone["rgb"] + alone["flow"]) / 2
        return self.fusion_layer(torch.cat([alone["rgb"], alone["flow"]], dim=1))

    def alone(self, code: Tensor) -> dict[str, Tensor]:
        """Each stream's own scores."""
        rgb, flow = code.split(self.code_length, dim=1)
        return {"rgb": self.stream("rgb").scores(rgb), "flow": self.stream("flow").scores(flow)}

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.scores(self.code(rgb, flow))

    def teach(self, teacher: str, letter: str = "") -> None:
        """Name the stream that teaches the other, and of all nine bridges the one that is learned over next."""
        _one_of("teacher", teacher, ("rgb", "flow"))
        self.teacher, self.student = teacher, OTHER[teacher]
        if isinstance(self.bridge, NineBridges) and letter:
            self.bridge.letter, self.positions = letter, BRIDGES[letter]

    def begin(self, stage: str) -> None:
        """Freeze all but what this stage trains.

        `rgb`, `flow`: that stream alone (the teacher's training, and plain two-stream). `student`: the other stream
        and its bridge, under the frozen teacher. Then the bridges are removed, for `fusion` (the fusion layer alone)
        or `complete` (everything).
        """
        _one_of("stage", stage, STAGES)
        if stage == "student" and self.bridge is None:
            raise BadValue("There is no bridge to learn over: build the network with a teacher and a bridge.")
        if stage == "fusion" and self.fusion_layer is None:
            raise BadValue("Averaging has nothing to learn: build the network with fusion 'scores' or 'codes'.")
        if stage in ("fusion", "complete"):
            self.bridge = None
        self.stage = stage
        learning = self._learning()
        for part in self.children():
            part.requires_grad_(False)
        for part in learning:
            part.requires_grad_(True)
        if stage == "complete" and self.fusion == "codes":  # the codes go past the streams' own classifiers
            for name in self.streams:
                self.stream(name).logits.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> TwoStream:
        """Training mode for what the stage trains; a frozen stream keeps its statistics and drops nothing."""
        super().train(False)
        for part in self._learning():
            part.train(mode)
        self.training = mode
        return self

    def _learning(self) -> list[nn.Module]:
        parts: dict[str, list[nn.Module | None]] = {
            "rgb": [self.streams["rgb"]],
            "flow": [self.streams["flow"]],
            "student": [self.streams[self.student or "rgb"], self.bridge],
            "fusion": [self.fusion_layer],
            "complete": [self.streams, self.fusion_layer, self.bridge],
        }
        return [part for part in parts[self.stage] if part is not None]

    def distil(self, rgb: Tensor, flow: Tensor) -> Distillation:
        """One pass of student and frozen teacher (stage `student`): eq. 1 (flow teaches) or eq. 2 (RGB teaches)."""
        if self.bridge is None or self.positions is None or self.teacher is None or self.student is None:
            raise BadValue("There is no bridge to learn over: build the network with a teacher and a bridge.")
        clips = {"rgb": rgb, "flow": flow}
        of_teacher, of_student = self.positions
        teacher, student = self.stream(self.teacher), self.stream(self.student)
        with torch.no_grad():
            teacher_end, teacher_maps = teacher.features(clips[self.teacher], (of_teacher,))
            if self.second == "scores":
                teacher_end = teacher.scores(teacher_end)
        student_code, student_maps = student.features(clips[self.student], (of_student,))
        scores = student.scores(student_code)
        first = self.bridge(student_maps[of_student], teacher_maps[of_teacher])
        student_end = scores if self.second == "scores" else student_code
        return Distillation((first[0], student_end), (first[1], teacher_end), scores)


def _fusion_layer(fusion: str, classes: int, code_length: int, generator: torch.Generator | None) -> nn.Linear | None:
    if fusion == "average":
        return None
    if fusion == "scores":
        layer = nn.Linear(2 * classes, classes)
        nn.init.zeros_(layer.bias)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(classes).repeat(1, 2) / 2)
        return layer
    layer = nn.Linear(2 * code_length, classes)
    start_classifier(layer, generator)
    return layer


def _one_of(name: str, value: str | None, known: Sequence[str | None]) -> None:
    if value not in known:
        raise BadValue(f"'{value}' is not a {name}. Choose one of: {', '.join(str(choice) for choice in known)}.")


def two_stream(classes: int, **options: Any) -> TwoStream:
    """Plain two-stream I3D: each stream learns alone, scores are averaged; for 64×224×224."""
    return TwoStream(classes, **options)


def multiple_enhanced_rgb(classes: int, **options: Any) -> TwoStream:
    """Sec. 3.1: flow teaches RGB."""
    return TwoStream(classes, **{"teacher": "flow", "bridge": "e", "fusion": "scores", **options})


def multiple_enhanced_flow(classes: int, **options: Any) -> TwoStream:
    """Sec. 3.2: RGB teaches flow."""
    return TwoStream(classes, **{"teacher": "rgb", "bridge": "e", "fusion": "scores", **options})


def _light(build: Callable[..., TwoStream]) -> Callable[..., TwoStream]:
    """The same network, small enough to be live: narrow streams, for 16×112×112."""

    def light(classes: int, **options: Any) -> TwoStream:
        return build(classes, **{**LIGHT, **options})

    return light


VARIANTS: dict[str, Callable[..., TwoStream]] = {
    "two-stream": two_stream,
    "multiple-enhanced-rgb": multiple_enhanced_rgb,
    "multiple-enhanced-flow": multiple_enhanced_flow,
    "two-stream-light": _light(two_stream),
    "multiple-enhanced-rgb-light": _light(multiple_enhanced_rgb),
    "multiple-enhanced-flow-light": _light(multiple_enhanced_flow),
}
