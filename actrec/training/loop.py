"""The training loop: the same numbers whether it ran through or was cut off and went on."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from actrec.data.source import open_source
from actrec.data.split import Split
from actrec.machine import choose_device
from actrec.systems import Schedule, System, Views, named
from actrec.training.finish import finish
from actrec.training.numbers import arrange_weights, planned
from actrec.training.objective import objective
from actrec.training.run import Run, RunError, Settings
from actrec.training.state import read_state, write_state


@dataclass
class Progress:
    """Where a training is; everything here is in the checkpoint."""

    epoch: int = 0
    best_epoch: int = -1
    best_accuracy: float = -1.0
    seconds: float = 0.0


def train(run: Run) -> None:
    """Train until the schedule ends or someone asks to stop; goes on from the run's checkpoint if there is one."""
    Training(run).go_on()


class Training:
    """One run in this process: its recipe, its clips, its network, and how far it has come."""

    def __init__(self, run: Run) -> None:
        self.run, self.settings = run, run.settings()
        self.system = named(self.settings.system)
        if self.settings.preset not in self.system.schedules:
            known = ", ".join(self.system.schedules)
            raise RunError(f"'{self.system.name}' has no preset '{self.settings.preset}'. It has: {known}.")
        self.schedule = chosen(self.system.schedules[self.settings.preset], self.settings)
        torch.set_num_threads(self.settings.threads)
        self.device = choose_device(self.settings.device)
        run.forget_stop()
        self.source = open_source(
            self.settings.data,
            clips_per_class=self.settings.clips_per_class,
            seed=self.settings.seed,
            told=lambda sentence: run.set_status("running", sentence),
        )
        self.steps = len(self.source.train) // self.schedule.batch
        if self.steps == 0:
            raise RunError(
                f"{len(self.source.train)} clips are less than one batch of {self.schedule.batch}. "
                "Add clips or lower --batch."
            )
        torch.manual_seed(self.settings.seed)
        self.network = self.system.network(len(self.source.labels)).to(self.device)
        self.numbers = planned(run, self.system, self.network, self.device, self.schedule.batch)
        arrange_weights(self.network, self.numbers)
        self.optimiser = make_optimiser(self.network, self.schedule)
        self.compute = objective(self.system, self.schedule, self.numbers)
        self.progress = Progress()

    def go_on(self) -> None:
        """From the checkpoint, or from the start, to the end of the schedule."""
        run, progress = self.run, self.progress
        if run.checkpoint.exists():
            vars(progress).update(read_state(run.checkpoint, self.network, self.optimiser))
            run.log("resumed", epoch=progress.epoch)
        run.log(
            "started", device=str(self.device), numbers=vars(self.numbers), threads=torch.get_num_threads(),
            labels=self.source.labels, steps=self.steps, epochs=self.schedule.epochs,
            training=len(self.source.train), validation=len(self.source.validation),
        )  # fmt: skip
        while progress.epoch < self.schedule.epochs and not run.asked_to_stop():
            self.epoch()
            write_state(run.checkpoint, self.network, self.optimiser, vars(progress))
        if progress.epoch < self.schedule.epochs:
            run.log("stopped", epoch=progress.epoch)
            run.set_status("stopped", f"Stopped after epoch {progress.epoch}. Resume goes on from there.")
            return
        run.set_status("running", "Measuring and writing the weights.")
        card = finish(run, self.settings, self.system, self.source, self.network, self.device)
        run.log("finished", measured=card.measured)
        run.set_status("finished", f"Finished. The weights are in '{run.weights}'.")

    def epoch(self) -> None:
        """One pass over the training clips, then the validation clips once."""
        progress, began = self.progress, time.perf_counter()
        meter = Meter()
        self.network.train()
        batches = ahead(self.system, self.source.train, self.schedule.batch, self.settings.seed, progress.epoch)
        for step in range(self.steps):
            waiting = time.perf_counter()
            views, labels = next(batches)
            meter.waited += time.perf_counter() - waiting
            self.step(step, views, labels, meter)
            if step % 10 == 9 or step == self.steps - 1:
                self._tell(step, meter)
        accuracy, loss = validate(self.system, self.network, self.source.validation, self.device)
        progress.epoch += 1
        progress.seconds += time.perf_counter() - began
        if accuracy > progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = progress.epoch, accuracy
        self.run.log("epoch", epoch=progress.epoch, accuracy=accuracy, loss=loss, seconds=round(progress.seconds, 1))

    def step(self, step: int, views: list[Views], labels: np.ndarray, meter: Meter) -> None:
        """One update of the weights; its dropout is a function of seed, epoch and step."""
        epoch = self.progress.epoch
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.schedule, epoch + step / self.steps)
        torch.manual_seed(self.settings.seed * 1_000_003 + epoch * 10_007 + step)
        inputs = self.system.tensors(views, self.device)
        inputs = {name: self.numbers.lay_out(value) for name, value in inputs.items()}
        targets = torch.from_numpy(labels).to(self.device)
        loss, scores = self.compute(self.network, inputs, targets)
        if not math.isfinite(loss.item()):
            raise RunError(
                f"The loss became {loss.item()} in epoch {epoch + 1}. Lower the learning rate; "
                "the last good checkpoint is kept."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        meter.add(loss.item(), int((scores.argmax(1) == targets).sum()), len(labels))

    def _tell(self, step: int, meter: Meter) -> None:
        epoch = self.progress.epoch
        self.run.log(
            "step", epoch=epoch + 1, step=step + 1, rate=self.optimiser.param_groups[0]["lr"], **meter.figures()
        )  # fmt: skip
        done = (epoch + (step + 1) / self.steps) / self.schedule.epochs
        self.run.set_status("running", f"Epoch {epoch + 1} of {self.schedule.epochs}.", done=round(done, 4))


class Meter:
    """Loss, accuracy, speed and waiting of the epoch so far."""

    def __init__(self) -> None:
        self.began, self.waited = time.perf_counter(), 0.0
        self.loss, self.steps, self.right, self.seen = 0.0, 0, 0, 0

    def add(self, loss: float, right: int, seen: int) -> None:
        self.loss += loss
        self.steps += 1
        self.right += right
        self.seen += seen

    def figures(self) -> dict[str, float]:
        taken = time.perf_counter() - self.began
        return {
            "loss": round(self.loss / self.steps, 4),
            "accuracy": round(self.right / self.seen, 4),
            "clips_per_second": round(self.seen / taken, 1),
            "waiting": round(self.waited / taken, 3),
        }


def chosen(schedule: Schedule, settings: Settings) -> Schedule:
    """The preset with what the settings change."""
    wanted = {name: getattr(settings, name) for name in ("epochs", "batch", "rate")}
    return replace(schedule, **{name: value for name, value in wanted.items() if value is not None})


def make_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """SGD or Adam(W); biases and norms are not decayed."""
    learned = [each for each in network.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in learned if each.dim() > 1], "weight_decay": schedule.weight_decay},
        {"params": [each for each in learned if each.dim() <= 1], "weight_decay": 0.0},
    ]
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=schedule.rate, momentum=schedule.momentum, nesterov=True)
    return torch.optim.AdamW(groups, lr=schedule.rate)


def rate(schedule: Schedule, epoch: float) -> float:
    """The learning rate at a moment of the training, with half an epoch of warm-up on the cosine."""
    if schedule.cosine:
        warm = min(1.0, (epoch + 1e-3) / 0.5)
        return schedule.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / schedule.epochs)))
    return schedule.rate / schedule.divide ** sum(epoch >= each for each in schedule.at)


@torch.inference_mode()
def validate(system: System, network: nn.Module, split: Split, device: torch.device) -> tuple[float, float]:
    """Top-1 accuracy and loss on one view of each clip."""
    network.eval()
    right, total = 0, 0.0
    for start in range(0, len(split), 32):
        index = range(start, min(start + 32, len(split)))
        views = [system.protocols["one"].views(split.clip(each))[0] for each in index]
        targets = torch.from_numpy(split.targets[start : start + 32]).to(device)
        scores = network(**system.tensors(views, device)).float()
        right += int((scores.argmax(1) == targets).sum())
        total += float(nn.functional.cross_entropy(scores, targets, reduction="sum"))
    return round(right / len(split), 4), round(total / len(split), 4)


def batches_of(system: System, split: Split, batch: int, seed: int, epoch: int) -> Iterator[tuple[list, np.ndarray]]:
    """One epoch of training views, class-balanced; what it draws depends on (seed, epoch, position) alone."""
    order = split.balanced_order(np.random.default_rng([seed, epoch]))
    for start in range(0, len(order) - batch + 1, batch):
        views = [
            system.training_view(split.clip(index), np.random.default_rng([seed, epoch, start + place]))
            for place, index in enumerate(order[start : start + batch])
        ]
        yield views, split.targets[order[start : start + batch]]


def ahead(system: System, split: Split, batch: int, seed: int, epoch: int) -> Iterator[tuple[list, np.ndarray]]:
    """The same batches, made by a thread a few steps ahead of the network."""
    ready: queue.Queue = queue.Queue(maxsize=6)
    over = threading.Event()

    def make() -> None:
        try:
            for each in batches_of(system, split, batch, seed, epoch):
                while not over.is_set():
                    try:
                        ready.put(each, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if over.is_set():
                    return
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=make, name="loader", daemon=True)
    thread.start()
    try:
        while (each := ready.get()) is not None:
            if isinstance(each, BaseException):
                raise each
            yield each
    finally:
        over.set()
