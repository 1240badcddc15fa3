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
from actrec.systems import Schedule, Views, named
from actrec.training.finish import class_centres, finish, some_of_each, unit
from actrec.training.numbers import arrange_weights, planned
from actrec.training.objective import objective
from actrec.training.run import Run, RunError, Settings
from actrec.training.state import read_facts, read_state, write_state


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
        blank = self.system.network(len(self.source.labels)).to(self.device)
        self.numbers = planned(run, self.system, blank, self.device, self.schedule.batch)
        self.objective = objective(self.system, self.schedule, self.numbers)
        self.steps = self.objective.steps(self.source.train, self.schedule.batch)
        if self.steps == 0:
            raise RunError(
                f"{len(self.source.train)} clips are less than one batch of {self.schedule.batch}. "
                "Add clips or lower --batch."
            )
        torch.manual_seed(self.settings.seed)
        self.network = self.objective.build(len(self.source.labels)).to(self.device)
        arrange_weights(self.network, self.numbers)
        self.optimiser = make_optimiser(self.network, self.schedule)
        self.progress = Progress()

    def go_on(self) -> None:
        """From the checkpoint, or from the start, to the end of the schedule."""
        run, progress = self.run, self.progress
        if run.checkpoint.exists():
            vars(progress).update(read_facts(run.checkpoint))
            self.objective.begin(self.network, progress.epoch)
            read_state(run.checkpoint, self.network, self.optimiser)
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
        stage = self.objective.begin(self.network, progress.epoch)
        batches = self.batches(progress.epoch)
        for step in range(self.steps):
            waiting = time.perf_counter()
            views, labels = next(batches)
            meter.waited += time.perf_counter() - waiting
            self.step(step, views, labels, meter)
            if step % 10 == 9 or step == self.steps - 1:
                self._tell(step, meter)
        accuracy, loss = self.validate()
        progress.epoch += 1
        progress.seconds += time.perf_counter() - began
        if accuracy > progress.best_accuracy:
            progress.best_epoch, progress.best_accuracy = progress.epoch, accuracy
        self.run.log(
            "epoch", epoch=progress.epoch, stage=stage, accuracy=accuracy, loss=loss,
            seconds=round(progress.seconds, 1),
        )  # fmt: skip

    def step(self, step: int, views: list[Views], labels: np.ndarray, meter: Meter) -> None:
        """One update of the weights; its dropout is a function of seed, epoch and step."""
        epoch = self.progress.epoch
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.schedule, epoch + step / self.steps)
        torch.manual_seed(self.settings.seed * 1_000_003 + epoch * 10_007 + step)
        inputs = self.system.tensors(views, self.device)
        inputs = {name: self.numbers.lay_out(value) for name, value in inputs.items()}
        targets = torch.from_numpy(labels).to(self.device)
        loss, right = self.objective(self.network, inputs, targets)
        if not math.isfinite(loss.item()):
            raise RunError(
                f"The loss became {loss.item()} in epoch {epoch + 1}. Lower the learning rate; "
                "the last good checkpoint is kept."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        meter.add(loss.item(), right, len(labels))

    def batches(self, epoch: int) -> Iterator[tuple[list[Views], np.ndarray]]:
        """An epoch's views, made by a thread a few steps ahead; they depend on seed, epoch and position alone."""
        seed, split = self.settings.seed, self.source.train
        place = 0

        def views() -> Iterator[tuple[list[Views], np.ndarray]]:
            nonlocal place
            for index in self.objective.batches(split, self.schedule.batch, np.random.default_rng([seed, epoch])):
                made = []
                for each in index:
                    rng = np.random.default_rng([seed, epoch, place])
                    made.append(self.system.training_view(split.clip(int(each)), rng))
                    place += 1
                yield made, split.targets[index]

        return ahead(views())

    @torch.inference_mode()
    def validate(self) -> tuple[float, float]:
        """Top-1 accuracy and loss on the newest view of each validation clip."""
        self.network.eval()
        split = self.source.validation
        if self.system.decides == "centres":
            few = some_of_each(self.source.train.targets, 20)
            centres = class_centres(unit(self._outputs(self.source.train, few)), self.source.train.targets[few])
            scores = -torch.cdist(unit(self._outputs(split, np.arange(len(split)))), centres).square()
        else:
            scores = self._outputs(split, np.arange(len(split)))
        targets = torch.from_numpy(split.targets)
        loss = nn.functional.cross_entropy(scores, targets)
        return round(float((scores.argmax(1) == targets).float().mean()), 4), round(float(loss), 4)

    def _outputs(self, split: Split, index: np.ndarray) -> torch.Tensor:
        """What the network says of one view of some clips: scores, or codes where centres decide."""
        outputs = []
        for start in range(0, len(index), 32):
            views = [self.system.protocols["one"].views(split.clip(int(each)))[0] for each in index[start : start + 32]]
            outputs.append(self.network(**self.system.tensors(views, self.device)).float().cpu())
        return torch.cat(outputs)

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


def ahead(batches: Iterator) -> Iterator:
    """The same batches, made by a thread a few steps ahead of whoever takes them."""
    ready: queue.Queue = queue.Queue(maxsize=6)
    over = threading.Event()

    def put(each: object) -> None:
        while not over.is_set():
            try:
                return ready.put(each, timeout=0.5)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for each in batches:
                put(each)
                if over.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    threading.Thread(target=make, name="loader", daemon=True).start()
    try:
        while (each := ready.get()) is not None:
            if isinstance(each, BaseException):
                raise each
            yield each
    finally:
        over.set()
