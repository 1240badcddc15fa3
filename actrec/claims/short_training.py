"""Short trainings in this process: a recipe, so many steps, a seed; by the learner that every training uses.

They compare, they do not ship: nothing is written, no epoch is chosen, the last weights are measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch import nn

from actrec.core.devices import choose_device
from actrec.core.number_formats import CANDIDATES, NumberFormat
from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import softmax, top
from actrec.systems import System, Views
from actrec.systems.claim import Budget
from actrec.systems.system import Network
from actrec.training.distributed import World
from actrec.training.loader import Batch, Feed, tested, workers
from actrec.training.number_format import arrange_weights
from actrec.training.objective import objective
from actrec.training.publish import class_centres, compared, gallery_of
from actrec.training.schedule import make_optimiser, rate
from actrec.training.start import start_from
from actrec.training.updates import Learner, Pieces
from actrec.training.whole_batch import Rows, see_whole_batch

NOMINAL = 10  # epochs for the cosine schedule: its warm-up is half of one
GALLERY = 20  # training clips of each class behind its centre


@dataclass
class Pupil:
    """A network while it learns; it may go on."""

    system: System
    network: nn.Module
    source: Source
    seed: int
    device: torch.device
    numbers: NumberFormat
    milliseconds: list[float] = field(default_factory=list)

    def learn(self, budget: Budget, *, stage: str = "", epoch: int = 0) -> Pupil:
        """So many steps more; with `stage` only that stage of the recipe's objective. `epoch` counts up where a pupil
        goes on, so that it sees other views."""
        world, rows = World(), Rows()
        aim = objective(self.system, self.system.schedules["scratch"], self.numbers)
        if stage:
            aim.stage = lambda epoch: stage  # type: ignore[method-assign]  # this objective's only
        schedule = replace(aim.schedule, epochs=NOMINAL, batch=budget.batch)
        see_whole_batch(self.network, rows, world, self.device)
        learner = Learner(
            self.system, self.network, aim, make_optimiser(self.network, schedule), self.numbers, world, self.device,
            rows, Pieces(budget.batch, lambda before, now: None),
        )  # fmt: skip
        aim.begin(self.network, epoch)
        feed = Feed(self.system, aim, self.source.train, self.seed, world, workers(self.device, world))
        with contextlib.closing(_endless(feed, budget.batch, epoch)) as batches:
            for step in range(budget.steps):
                views, targets, whole = next(batches)
                start = time.perf_counter()
                learner.update(
                    views, targets, whole, self.seed * 1_000_003 + epoch * 10_007 + step,
                    rate(schedule, NOMINAL * step / budget.steps, (0, NOMINAL)),
                )  # fmt: skip
                self.milliseconds.append(1000 * (time.perf_counter() - start))
        return self

    @torch.inference_mode()
    def outputs(self, split: Split, of: Callable | None = None) -> np.ndarray:
        """The network's outputs for the newest view of each clip: scores, or the result of `of(network, inputs)`."""
        self.network.eval()
        index, outputs = np.arange(len(split)), []
        for views in tested(self.system, split, index, workers(self.device, World())):
            inputs = {
                name: self.numbers.lay_out(value) for name, value in self.system.tensors(views, self.device).items()
            }
            outputs.append((of(self.network, inputs) if of else self.network(**inputs)).float().cpu())
        return torch.cat(outputs).numpy()

    @torch.inference_mode()
    def run(self, views: list[Views]) -> tuple[np.ndarray, np.ndarray]:
        """Scores and codes of views that are made already, as a recognizer gives them."""
        self.network.eval()
        inputs = self.system.tensors(views, self.device)
        network = cast(Network, self.network)
        codes = network.code(**{name: self.numbers.lay_out(value) for name, value in inputs.items()})
        return network.scores(codes).float().cpu().numpy(), codes.float().cpu().numpy()

    def centres(self) -> np.ndarray:
        """The mean code of each class over some training clips, as the system compares codes."""
        gallery = gallery_of(self.source.train, GALLERY, self.system)
        return class_centres(self.system, torch.from_numpy(self.outputs(gallery)), gallery.targets).numpy()

    def distances(self, split: Split) -> np.ndarray:
        """Euclidean distances [clips, classes] of codes, as the system compares them, to the centres."""
        codes = compared(self.system, torch.from_numpy(self.outputs(split)))
        return torch.cdist(codes, torch.from_numpy(self.centres())).numpy()

    def probabilities(self, split: Split) -> np.ndarray:
        if self.system.decides == "centres":
            return softmax(-np.square(self.distances(split)))
        return softmax(self.outputs(split))

    def figures(self) -> dict[str, float]:
        """Top-1 on the held-out clips, and training steps in a second (the middle one of all)."""
        held_out = self.source.validation
        quick = 1000 / float(np.median(self.milliseconds[2:] or self.milliseconds))
        return {"top1": top(self.probabilities(held_out), held_out.targets), "steps_per_second": quick}


def enrol(system: System, source: Source, seed: int, build: Callable[[int], nn.Module] | None = None) -> Pupil:
    """A network at its random start: the same numbers for the same seed and layers."""
    device = choose_device("auto")
    torch.manual_seed(seed)
    network = (build or system.network)(len(source.labels)).to(device)
    numbers = best_numbers(device)
    arrange_weights(network, numbers)
    return Pupil(system, network, source, seed, device, numbers)


def started(system: System, weights: str, source: Source, seed: int) -> Pupil:
    """A network that starts from a checkpoint."""
    pupil = enrol(system, source, seed)
    start_from(weights, pupil.network, system.network, system, source.labels)
    return pupil


def taught(system: System, source: Source, seed: int, budget: Budget) -> Pupil:
    """A network trained by the recipe's own objective."""
    return enrol(system, source, seed).learn(budget)


def best_numbers(device: torch.device) -> NumberFormat:
    """One format for all experiments, never timed: bfloat16 on a GPU that has it, float32 on a processor."""
    gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return CANDIDATES[1] if gpu else CANDIDATES[0]


def _endless(feed: Feed, batch: int, epoch: int) -> Generator[Batch, None, None]:
    while True:
        yield from feed.epoch(epoch, batch)
        epoch += 1000
