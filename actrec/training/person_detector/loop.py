"""Training a person detector from scratch: ultralytics' network and loss, the project's frames and its own loop.

Small images first, large ones later: most of what has to be learnt can be seen at 60 % of the size for a third of the
work. The weights that are kept are a moving average. A training that was cut off goes on after its last whole epoch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from actrec.core.errors import Refusal
from actrec.people.detector import STRIDE, build
from actrec.training.person_detector.augment import GENTLE, STRONG, example
from actrec.training.person_detector.frames import Frame
from actrec.training.state import load_state, put_state, tensors_of, write_whole

if TYPE_CHECKING:
    from actrec.people.detector import DetectionModel

STATE = "state.safetensors"
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # of the loss's parts, as ultralytics weighs them
SHAPES = ((0.8, 1.0), (0.6, 1.0), (1.0, 1.0), (1.0, 0.8))  # height and width of a batch's images, × the image size
OFTEN = (0.5, 0.2, 0.15, 0.15)
LONGEST_GRADIENT = 10.0
CHANGEABLE = ("epochs", "pictures")  # of a plan, when a run goes on
OFTEN_RIGHT, ONCE_RIGHT = 0.01, 0.002  # fraction of places that answer for a person, by head: where the scores begin
AVERAGED, AVERAGE_WARMS = 0.998, 300  # fraction of the old average kept by an update, after so many updates

Report = Callable[[str], None]


class LearnError(Refusal):
    """A training that cannot begin or go on, in a sentence."""


@dataclass(frozen=True)
class Plan:
    """How a detector is trained; a run goes on only under the plan it began with, but for how long it takes."""

    architecture: str = "yolo26n.yaml"
    epochs: int = 12
    pictures: int = 0  # of an epoch; 0: every frame once
    batch: int = 16
    rate: float = 2e-3
    decay: float = 5e-4
    seed: int = 0
    size: int = 320
    small: int = 192
    small_share: float = 0.5  # of the epochs, at the beginning
    gentle_share: float = 0.2  # of the epochs, at the end: frames as the detector will see them

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.rate > 0:
            raise LearnError("Epochs and batch are at least 1, and the learning rate is above 0.")
        if self.size % STRIDE or self.small % STRIDE or min(self.size, self.small) < 2 * STRIDE:
            raise LearnError(f"Pictures are multiples of {STRIDE} pixels and at least {2 * STRIDE} of them.")

    def size_at(self, epoch: int) -> int:
        return self.small if epoch < math.ceil(self.small_share * self.epochs) else self.size

    def rate_at(self, moment: float) -> float:
        """The learning rate after `moment` of all updates, 0 to 1: a short rise, then a cosine."""
        rise = min(0.04, 1 / self.epochs)
        return self.rate * min(1.0, (moment + 1e-4) / rise) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * moment)))


def batch_of(frames: Sequence[Frame], chosen: np.ndarray, plan: Plan, epoch: int, number: int) -> dict:
    """What the loss asks for; every draw is a function of seed, epoch and number of the batch."""
    rng = np.random.default_rng([plan.seed, epoch, number])
    sides_of_size = SHAPES[rng.choice(len(SHAPES), p=OFTEN)]
    height, width = (max(1, round(plan.size_at(epoch) * side / STRIDE)) * STRIDE for side in sides_of_size)
    strength = GENTLE if epoch >= plan.epochs - round(plan.gentle_share * plan.epochs) else STRONG
    examples = [example(frames, int(k), (height, width), rng, strength) for k in chosen]
    images = torch.from_numpy(np.stack([example_frame.image for example_frame in examples]))
    boxes = torch.from_numpy(np.concatenate([example_frame.boxes for example_frame in examples]))
    middle, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    counts = torch.tensor([len(example_frame.boxes) for example_frame in examples])
    return {
        "img": images.permute(0, 3, 1, 2).float().div_(255),  # channels-last as it lies
        "bboxes": torch.cat([middle, sides], dim=1) / torch.tensor([width, height] * 2),
        "cls": torch.zeros(len(boxes), 1),
        "batch_idx": torch.repeat_interleave(torch.arange(len(examples)), counts).float(),
    }


def optimiser_of(network: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learned if parameter.dim() > 1], "weight_decay": plan.decay},
        {"params": [parameter for parameter in learned if parameter.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.rate)


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, updates: int) -> None:
    """Move the average towards the network; young averages forget faster."""
    weight = AVERAGED * (1 - math.exp(-updates / AVERAGE_WARMS))
    now = network.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - weight)
        else:
            value.copy_(now[name])


def begin_unsure(network: nn.Module) -> None:
    """Scores begin at the fraction of places that are right, for images of 320 pixels instead of ultralytics' 640."""
    head: Any = cast(nn.Sequential, network.model)[-1]  # ultralytics' own class, which has no types
    for layers, fraction in ((head.cv3, OFTEN_RIGHT), (getattr(head, "one2one_cv3", None), ONCE_RIGHT)):
        for layer in layers if layers is not None else ():
            nn.init.constant_(layer[-1].bias, math.log(fraction / (1 - fraction)))


class Learning:
    """A training in progress: network, its average, optimiser, and the folder in which it survives."""

    def __init__(self, frames: Sequence[Frame], plan: Plan, folder: Path, start: nn.Module | None = None) -> None:
        if not any(len(frame.boxes) for frame in frames):
            raise LearnError("No frame shows a person, so there is nothing to learn: name clips of people.")
        self.frames, self.plan, self.folder = frames, plan, Path(folder)
        torch.manual_seed(plan.seed)
        self.network = build(plan.architecture, 1).to(memory_format=torch.channels_last).train()
        begin_unsure(self.network)
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.averaged = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = optimiser_of(self.network, plan)
        model: Any = self.network  # ultralytics' own class, which has no types
        model.args = SimpleNamespace(**GAINS, epochs=plan.epochs)
        self.criterion = model.init_criterion()
        self.epoch = 0
        self._resume()

    @property
    def updates(self) -> int:
        """How many an epoch has."""
        return max(1, min(len(self.frames), self.plan.pictures or len(self.frames)) // self.plan.batch)

    def _about(self) -> dict:
        people = int(sum(len(frame.boxes) for frame in self.frames))
        return {**asdict(self.plan), "frames": len(self.frames), "people": people}

    def _resume(self) -> None:
        path = self.folder / STATE
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            return
        facts, tensors = load_state(path)
        others = [f"{name} {facts['plan'].get(name)}, not {now}" for name, now in self._about().items()
                  if name not in CHANGEABLE and facts["plan"].get(name) != now]  # fmt: skip
        if others:
            raise LearnError(
                f"The training in {self.folder} was begun with {'; '.join(others)}. "
                "Go on with what it began with, or name another folder."
            )
        put_state(tensors, self.network, self.optimiser)
        mine = {name.removeprefix("kept/"): value for name, value in tensors.items() if name.startswith("kept/")}
        self.averaged.load_state_dict(mine)
        self.epoch = facts["epoch"]
        for _ in range(self.epoch):
            self._epoch_ends()

    def _epoch_ends(self) -> None:
        """YOLO26's loss moves its weight from the head that answers often to the one that answers once."""
        if hasattr(self.criterion, "update"):
            self.criterion.update()

    def save(self) -> None:
        tensors = tensors_of(self.network, self.optimiser)
        tensors |= {f"kept/{name}": value for name, value in self.averaged.state_dict().items()}
        write_whole(self.folder / STATE, tensors, {"plan": self._about(), "epoch": self.epoch})

    def update(self, chosen: np.ndarray, number: int) -> np.ndarray:
        """One batch; the loss's parts (box, class, distance)."""
        done = self.epoch * self.updates + number
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(done / (self.plan.epochs * self.updates))
        batch = batch_of(self.frames, chosen, self.plan, self.epoch, number)
        loss, parts = self.criterion(self.network(batch["img"]), batch)
        total = loss.sum() / len(chosen)
        if not torch.isfinite(total):
            raise LearnError("The loss is no longer a number: begin anew with a lower --rate.")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        self.optimiser.step()
        average(self.averaged, self.network, done + 1)
        return np.array([float(part) for part in parts.values()])

    def run_epoch(self, report: Report) -> None:
        """Every frame at most once as the first of its image; then the state is written."""
        order = np.random.default_rng([self.plan.seed, self.epoch]).permutation(len(self.frames))
        start, lost = time.monotonic(), np.zeros(3)
        for number in range(self.updates):
            lost += self.update(order[number * self.plan.batch : (number + 1) * self.plan.batch], number)
        seconds = time.monotonic() - start
        box, kind, distance = lost / self.updates
        pace = self.updates * self.plan.batch / seconds
        size = self.plan.size_at(self.epoch)
        self.epoch += 1
        self._epoch_ends()
        self.save()
        report(f"epoch {self.epoch} of {self.plan.epochs}, {size} px: loss of boxes {box:.3f}, of classes {kind:.3f}, "
            f"of distances {distance:.4f}; {pace:.1f} images a second, {seconds:.0f} s")  # fmt: skip


def learn(
    frames: Sequence[Frame], plan: Plan, folder: Path, report: Report = print, start: nn.Module | None = None
) -> DetectionModel:
    """The averaged network of a whole training, begun (from the weights of `start`) or gone on with in `folder`."""
    learning = Learning(frames, plan, folder, start)
    if learning.epoch:
        report(f"going on after epoch {learning.epoch}")
    while learning.epoch < plan.epochs:
        learning.run_epoch(report)
    return cast("DetectionModel", learning.averaged)
