"""What a system's training minimises, and which part of its network learns when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from actrec.core.number_formats import NumberFormat
from actrec.data.sources import Split
from actrec.models.asym3d import TwoInputs
from actrec.models.crossenh import BRIDGES, OTHER, TwoStream
from actrec.models.fstcn import FstCN
from actrec.systems.losses import bridge_distillation, n_pair_of_batch, pair_batches
from actrec.systems.system import Network, Schedule, System
from actrec.training.distributed import GatherFromAll, World
from actrec.training.state import Kept

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Judged:
    """What validation says of a network, or of a part of it."""

    accuracy: float
    loss: float

    @property
    def rank(self) -> tuple[float, float]:
        """The higher the better: by accuracy, and where that is the same by the loss."""
        return self.accuracy, -self.loss


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
        self.facts: dict[str, Any] = {}  # what its stages have found out; the checkpoint holds it

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

    @property
    def epochs(self) -> int:
        """The epochs of all stages together."""
        return self.schedule.epochs

    def span(self, epoch: int) -> tuple[int, int]:
        """The first epoch of an epoch's stage, and the one after its last."""
        same = [index for index in range(self.epochs) if self.stage(index) == self.stage(epoch)]
        return min(same, default=epoch), max(same, default=epoch) + 1

    def enter(self, network: nn.Module, epoch: int, kept: Kept) -> None:
        """Prepare the network for the first step of a stage."""
        return

    def leave(self, network: nn.Module, epoch: int, parts: Mapping[str, Judged], kept: Kept) -> None:
        """Draw conclusions from the last validation of a stage, in which `parts` of the network were judged alone."""
        return

    def measured(self, parts: Mapping[str, float]) -> dict[str, object]:
        """What the card says about the training besides the accuracy of the network and its `parts`."""
        return {}

    def end(self, network: nn.Module) -> None:
        """Make the network what it is when it is used."""
        return

    def last_stage(self, epoch: int) -> bool:
        """Whether validation in this epoch measures the network that will ship."""
        return True

    def pieces(self, targets: np.ndarray, most: int) -> list[slice]:
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

    def with_parts(self, network: nn.Module, inputs: Inputs) -> dict[str, Tensor]:
        """`outputs` under an empty name, and the scores of the parts that answer for themselves."""
        code, parts = cast(Network, network).code(**inputs), self.system.parts
        return {"": cast(Network, network).scores(code), **(parts(network, code) if parts else {})}

    def clipped_apart(self, network: nn.Module) -> list[list[nn.Parameter]]:
        """The weights whose gradient is shortened together, group by group."""
        return [list(network.parameters())]

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

    def pieces(self, targets: np.ndarray, most: int) -> list[slice]:
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


class Streams(Objective):
    """Networks that answer together and learn apart, as in plain two-stream: each by its own loss, with a gradient of
    its own length."""

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        scores = [stream(inputs[name]) for name, stream in _streams(network).items()]
        loss = torch.stack([self.entropy(of_one, targets) for of_one in scores]).sum()
        together = network.fused(scores) if isinstance(network, TwoInputs) else torch.stack(scores).sum(0)
        return loss, right(together, targets)

    def clipped_apart(self, network: nn.Module) -> list[list[nn.Parameter]]:
        return [list(stream.parameters()) for stream in _streams(network).values()]


def _streams(network: nn.Module) -> nn.ModuleDict:
    return cast(TwoStream | TwoInputs, network).streams


class CrossEnhancement(Streams):
    """Three stages: both streams alone, the student under the frozen teacher, then the fusion layer alone (option: the
    complete network). Without a bridge the second one is left out; the best of nine bridges is found by nine of them,
    whose students start alike, and the one whose student validates best goes on.

    Not given in the paper: half of the epochs for the first stage, a third for the second; a fresh student learns as
    long as the streams did. A short training has an epoch at least for the last stage, without which the fusion layer
    would not have learned.
    """

    def build(self, classes: int) -> nn.Module:
        bridge = self.system.option("bridge")
        return self.system.network(classes, bridge=None if bridge == "none" else bridge)

    @property
    def epochs(self) -> int:
        return self.schedule.epochs + self.lengths()[1] * (len(self.letters()) - 1)

    def letters(self) -> list[str]:
        """The bridges that are learned over, one after another."""
        bridge = str(self.system.option("bridge"))
        return list(BRIDGES) if bridge == "best" else [bridge]

    def lengths(self) -> tuple[int, int]:
        """The epochs of the streams and of each student."""
        epochs, last = self.schedule.epochs, max(1, self.schedule.epochs // 6)
        streams = (epochs - last) // 2 if self.fresh() else min(epochs // 2, epochs - 2)
        streams = max(1, streams)
        return streams, 0 if self.system.option("bridge") == "none" else max(0, epochs - last - streams)

    def fresh(self) -> bool:
        """Whether the student goes back to where it started before it learns under the teacher."""
        return self.system.option("student") == "fresh" and self.system.option("bridge") != "none"

    def stage(self, epoch: int) -> str:
        streams, student = self.lengths()
        letters = self.letters()
        if epoch < streams:
            return "streams"
        if epoch < streams + student * len(letters):
            return "student" if len(letters) == 1 else f"student {letters[(epoch - streams) // student]}"
        return str(self.system.option("last"))

    def end(self, network: nn.Module) -> None:
        cast(TwoStream, network).begin(str(self.system.option("last")))  # without the bridge

    def last_stage(self, epoch: int) -> bool:
        return self.stage(epoch) in ("fusion", "complete")

    def begin(self, network: nn.Module, epoch: int) -> str:
        stage = self.stage(epoch)
        self.now, _, letter = stage.partition(" ")
        if self.now == "student":
            cast(TwoStream, network).teach(self.teacher(), letter)
        if self.now != "streams":  # there the bridge stays for the next stage; the streams' losses do not touch it
            cast(TwoStream, network).begin(self.now)
        network.train()
        return stage

    def teacher(self) -> str:
        """The stream that teaches: as chosen, or the one that validated better alone."""
        chosen = str(self.system.option("teacher"))
        return str(self.facts.get("teacher", "flow")) if chosen == "better" else chosen

    def enter(self, network: nn.Module, epoch: int, kept: Kept) -> None:
        streams, stage = cast(TwoStream, network).streams, self.stage(epoch)
        first = self.stage(self.lengths()[0])  # after the streams
        several = len(self.letters()) > 1
        keeps_start = stage == ("streams" if self.fresh() else first if several else "")
        if keeps_start and not kept.holds("start"):  # an epoch that begins again has left it
            kept.put("start", streams)
        if stage.startswith("student"):
            if self.fresh() or several:
                kept.restore("start", streams, OTHER[self.teacher()])
        elif several and "bridges" in self.facts:
            kept.restore("best_student", streams, OTHER[self.teacher()])

    def leave(self, network: nn.Module, epoch: int, parts: Mapping[str, Judged], kept: Kept) -> None:
        stage, _, letter = self.stage(epoch).partition(" ")
        if stage == "streams":
            better = max(("flow", "rgb"), key=lambda name: parts[name].rank)
            self.facts |= {"plain": {name: part.accuracy for name, part in parts.items()}, "teacher": better}
        elif letter:
            student = OTHER[self.teacher()]
            table = self.facts.setdefault("bridges", {})
            ranks = {name: Judged(**row).rank for name, row in table.items() if name != letter}
            table[letter] = dict(vars(parts[student]))
            kept.write("bridges.json", {"student": student, "bridges": table})
            if parts[student].rank > max(ranks.values(), default=(-1.0, 0.0)):
                kept.put("best_student", cast(TwoStream, network).streams, student)

    def measured(self, parts: Mapping[str, float]) -> dict[str, object]:
        student = OTHER[self.teacher()]
        plain, table = self.facts.get("plain", {}), self.facts.get("bridges", {})
        if self.system.option("bridge") == "none" or not plain:
            return {}
        facts: dict[str, object] = {"teacher": self.teacher(), "student": student}
        facts |= {"student_before": plain[student], "student_after": parts[student]}
        if table:
            best = max(table, key=lambda letter: Judged(**table[letter]).rank)
            facts |= {"bridge": best, "bridges": {letter: row["accuracy"] for letter, row in table.items()}}
        return facts

    def clipped_apart(self, network: nn.Module) -> list[list[nn.Parameter]]:
        return super().clipped_apart(network) if self.now == "streams" else [list(network.parameters())]

    def loss(self, network: nn.Module, inputs: Inputs, targets: Tensor) -> tuple[Tensor, int]:
        if self.now == "streams":
            return super().loss(network, inputs, targets)
        if self.now != "student":
            return Objective.loss(self, network, inputs, targets)
        outputs = cast(TwoStream, network).distil(**inputs)
        weights = {name: float(self.system.option(name)) for name in ("alpha", "beta", "gamma")}
        distillation = bridge_distillation(outputs.student, outputs.teacher, outputs.scores, targets, **weights)
        return distillation.loss, right(outputs.scores, targets)


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
