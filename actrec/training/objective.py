"""What a system's training minimises, and which part of its network learns when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from actrec.core.number_formats import NumberFormat
from actrec.data.sources import Split
from actrec.models.asym3d import TwoInputs
from actrec.models.crossenh import TwoStream
from actrec.models.fstcn import FstCN
from actrec.systems.losses import bridge_distillation, n_pair_of_batch, pair_batches
from actrec.systems.system import Schedule, System
from actrec.training.distributed import GatherFromAll, World

Inputs = Mapping[str, Tensor]


class Objective:
    """Cross-entropy on a network's scores. `loss` gives the loss and how many clips of the batch were right."""

    def __init__(
        self,
        system: System,
        schedule: Schedule,
        numbers: NumberFormat,
        world: World | None = None,
        started: bool = False,
    ) -> None:
        self.system, self.schedule, self.numbers, self.world = system, schedule, numbers, world or World()
        self.started = started  # from weights that were learned elsewhere

    def build(self, classes: int) -> nn.Module:
        """The network as it is trained."""
        return self.system.network(classes)

    def begin(self, network: nn.Module, epoch: int) -> str:
        """Prepare the network for an epoch; the name of the stage that it belongs to."""
        network.train()
        return self.stage(epoch)

    def stage(self, epoch: int) -> str:
        """Which part of the network learns in an epoch, by name."""
        return "all"

    def span(self, epoch: int) -> tuple[int, int]:
        """The first epoch of an epoch's stage, and the one after its last."""
        same = [index for index in range(self.schedule.epochs) if self.stage(index) == self.stage(epoch)]
        return min(same, default=epoch), max(same, default=epoch) + 1

    def end(self, network: nn.Module) -> None:
        """Make the network what it is when it is used."""
        return

    def last_stage(self, epoch: int) -> bool:
        """Whether validation in this epoch measures the network that will ship."""
        return True

    def parts(self, targets: np.ndarray, most: int) -> list[slice]:
        """A batch cut into micro-batches of at most `most` clips that can be learned from one after another."""
        return [slice(start, min(start + most, len(targets))) for start in range(0, len(targets), most)]

    def batches(self, split: Split, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """An epoch's clips, batch after batch."""
        order = split.order(rng, self.schedule.balanced)
        for start in range(0, len(order) - batch + 1, batch):
            yield order[start : start + batch]

    def steps(self, split: Split, batch: int) -> int:
        """How many batches an epoch has."""
        return len(split.order(np.random.default_rng(0), self.schedule.balanced)) // batch

    def __call__(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        with torch.autocast(targets.device.type, torch.bfloat16, enabled=self.numbers.dtype == "bfloat16"):
            return self.loss(network, inputs, targets)

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        scores = network(**inputs)
        return self.entropy(scores, targets), right(scores, targets)

    def outputs(self, network: nn.Module, inputs: Inputs) -> Tensor:
        """What validation measures: scores, or codes."""
        return network(**inputs)

    def entropy(self, scores: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores.float(), targets, label_smoothing=self.schedule.label_smoothing)


class NPair(Objective):
    """N-pair loss on codes (MS3D, eq. 5): groups of two clips of each class, as many groups as a batch holds."""

    def batches(self, split: Split, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        group = self._group(split, batch)
        groups, held = pair_batches(split.targets, group // 2, rng), []
        for pairs in groups:
            held.append(pairs)
            if len(held) == max(1, batch // group):
                yield np.concatenate(held)
                held = []

    def steps(self, split: Split, batch: int) -> int:
        return sum(1 for _ in self.batches(split, batch, np.random.default_rng(0)))

    def parts(self, targets: np.ndarray, most: int) -> list[slice]:
        """Whole groups: within a group every clip is compared with every other. Among processes nothing is cut."""
        if self.world.size > 1:
            return [slice(0, len(targets))]
        ends = _group_ends(torch.from_numpy(targets))
        cuts, start = [], 0
        for end, following in zip(ends, [*ends[1:], 2 * len(targets) + most], strict=True):
            if following - start > most:
                cuts.append(slice(start, end))
                start = end
        return cuts

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        codes, own = network(**inputs).float(), slice(0, len(targets))
        if self.world.size > 1:  # a group may stand in several processes: so each process sees all codes
            own = slice(self.world.rank * len(targets), (self.world.rank + 1) * len(targets))
            codes, targets = (GatherFromAll.apply(part, self.world) for part in (codes, targets))
        ends = _group_ends(targets)
        length = float(self.system.option("length")) if "length" in self.system.options else 0.0
        losses = [
            n_pair_of_batch(codes[a:b], targets[a:b], length=length) for a, b in zip([0, *ends], ends, strict=False)
        ]
        gaps = torch.cdist(codes.detach(), codes.detach()).fill_diagonal_(float("inf"))
        return torch.stack(losses).mean(), int((targets[gaps.argmin(1)] == targets)[own].sum())

    @staticmethod
    def _group(split: Split, batch: int) -> int:
        return 2 * min(len(np.unique(split.targets)), max(2, batch // 2))


class CrossEnhancement(Objective):
    """Three stages: both streams alone, the student under the frozen teacher, then the fusion layer alone (option: the
    complete network). Without a bridge the second one is left out.

    Not given in the paper: half of the epochs for the first stage, a third for the second. A short training has an
    epoch at least for the last one, without which the fusion layer would not have learned.
    """

    def build(self, classes: int) -> nn.Module:
        bridge = self.system.option("bridge")
        return self.system.network(classes, bridge=None if bridge == "none" else bridge)

    def stage(self, epoch: int) -> str:
        epochs = self.schedule.epochs
        if epoch < max(1, min(epochs // 2, epochs - 2)):
            return "streams"
        if self.system.option("bridge") != "none" and epoch < epochs - max(1, epochs // 6):
            return "student"
        return str(self.system.option("last"))

    def end(self, network: nn.Module) -> None:
        cast(TwoStream, network).begin(str(self.system.option("last")))  # without the bridge

    def last_stage(self, epoch: int) -> bool:
        return self.stage(epoch) not in ("streams", "student")

    def begin(self, network: nn.Module, epoch: int) -> str:
        self.now = self.stage(epoch)
        if self.now != "streams":  # there the bridge stays for the next stage; the streams' losses do not touch it
            cast(TwoStream, network).begin(self.now)
        network.train()
        return self.now

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        if self.now == "student":
            outputs = cast(TwoStream, network).distil(**inputs)
            weights = {name: float(self.system.option(name)) for name in ("alpha", "beta", "gamma")}
            distillation = bridge_distillation(outputs.student, outputs.teacher, outputs.scores, targets, **weights)
            return distillation.loss, right(outputs.scores, targets)
        if self.now != "streams":
            return super().loss(network, inputs, targets)
        streams = cast(TwoStream, network).streams
        rgb, flow = streams["rgb"](inputs["rgb"]), streams["flow"](inputs["flow"])
        return self.entropy(rgb, targets) + self.entropy(flow, targets), right(rgb + flow, targets)


class Streams(Objective):
    """Networks that answer together and learn apart: the sum of each one's cross-entropy on its own scores, in whose
    gradient no network sees another. What counts as right, and what validation measures, is the common answer."""

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        network = cast(TwoInputs, network)
        scores = [stream(inputs[name]) for name, stream in network.streams.items()]
        loss = torch.stack([self.entropy(of_one, targets) for of_one in scores]).sum()
        return loss, right(network.fused(scores), targets)


class Auxiliary(Objective):
    """FstCN's three stages (sec. 2.3): single random frames through the spatial path with a classifier of its own, then
    the last three of those layers, then the whole network on clip pairs.

    Not given in the paper: a sixth of the epochs for each of the first two stages. The recipe adds these epochs to its
    own (`actrec.systems.fstcn.with_stages`): the whole network learns as long, and at the same rates, as without them.
    The first stage stands for the paper's pre-training on ImageNet: a network that starts from weights begins with the
    second, which has the epochs of both.
    """

    def build(self, classes: int) -> nn.Module:
        network = cast(FstCN, super().build(classes))
        network.add_auxiliary(classes)
        return network

    def stage(self, epoch: int) -> str:
        epochs = self.schedule.epochs
        if 3 * epoch >= epochs or epoch >= epochs - 1:
            return "pairs"
        return "pictures" if 6 * epoch < epochs and not self.started else "last layers"

    def end(self, network: nn.Module) -> None:
        cast(FstCN, network).begin("pairs")  # without the auxiliary classifier

    def last_stage(self, epoch: int) -> bool:
        return self.stage(epoch) == "pairs"

    def begin(self, network: nn.Module, epoch: int) -> str:
        stage = self.stage(epoch)
        cast(FstCN, network).begin(stage)
        return stage

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        scores = self.outputs(network, inputs)
        return self.entropy(scores, targets), right(scores, targets)

    def outputs(self, network: nn.Module, inputs: Inputs) -> Tensor:
        network = cast(FstCN, network)
        return network(**inputs) if network.auxiliary is None else network.picture_scores(inputs["frames"])


class Lesson(nn.Module):
    """A network together with what it minimises: one forward pass gives the loss and how many clips were right."""

    def __init__(self, network: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        return self.objective(self.network, inputs, targets)


OBJECTIVES = {
    "cross-entropy": Objective,
    "n-pair": NPair,
    "cross-enhancement": CrossEnhancement,
    "auxiliary": Auxiliary,
    "streams": Streams,
}


def objective(
    system: System, schedule: Schedule, numbers: NumberFormat, world: World | None = None, started: bool = False
) -> Objective:
    """The objective that a recipe names."""
    return OBJECTIVES[system.loss](system, schedule, numbers, world, started)


def right(scores: Tensor, targets: Tensor) -> int:
    return int((scores.detach().argmax(1) == targets).sum())


def _group_ends(targets: Tensor) -> list[int]:
    """Where one group of pairs ends: each class stands in it exactly twice."""
    ends: list[int] = []
    counts: dict[int, int] = {}
    for place, label in enumerate(targets.tolist()):
        counts[label] = counts.get(label, 0) + 1
        following = targets[place + 1].item() if place + 1 < len(targets) else None
        if all(count == 2 for count in counts.values()) and (following is None or following in counts):
            ends.append(place + 1)
            counts = {}
    return ends
