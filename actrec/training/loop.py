"""The training loop: the same numbers whether it ran through or was cut off and went on."""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from actrec.data.source import open_source
from actrec.data.split import Source, Split
from actrec.machine import Numbers, choose_device
from actrec.systems import System, named
from actrec.systems.system import Schedule
from actrec.training.finish import finish
from actrec.training.numbers import arrange_weights, planned
from actrec.training.objective import objective
from actrec.training.run import Run, Settings
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
    settings = run.settings()
    system = named(settings.system)
    torch.set_num_threads(settings.threads)
    device = choose_device(settings.device)
    run.forget_stop()
    run.set_status("running", "Preparing the clips.")
    source = open_source(
        settings.data,
        clips_per_class=settings.clips_per_class,
        seed=settings.seed,
        told=lambda sentence: run.set_status("running", sentence),
    )
    schedule = chosen(system.schedules[settings.preset], settings)
    torch.manual_seed(settings.seed)
    network = system.network(len(source.labels)).to(device)
    numbers = planned(run, system, network, device, schedule.batch)
    arrange_weights(network, numbers)
    optimiser = make_optimiser(network, schedule)
    progress = Progress()
    if run.checkpoint.exists():
        progress = Progress(**read_state(run.checkpoint, network, optimiser))
        run.log("resumed", epoch=progress.epoch)
    steps = len(source.train) // schedule.batch
    run.log(
        "started", device=str(device), numbers=vars(numbers), threads=torch.get_num_threads(), labels=source.labels, steps=steps,
        epochs=schedule.epochs, training=len(source.train), validation=len(source.validation),
    )  # fmt: skip
    while progress.epoch < schedule.epochs and not run.asked_to_stop():
        _epoch(run, settings, system, schedule, source, network, optimiser, progress, steps, device, numbers)
        write_state(run.checkpoint, network, optimiser, vars(progress))
    if run.asked_to_stop() and progress.epoch < schedule.epochs:
        run.log("stopped", epoch=progress.epoch)
        run.set_status("stopped", f"Stopped after epoch {progress.epoch}. Resume goes on from there.")
        return
    run.set_status("running", "Measuring and writing the weights.")
    card = finish(run, settings, system, source, network, device)
    run.log("finished", measured=card.measured)
    run.set_status("finished", f"Finished. The weights are in '{run.weights}'.")


def chosen(schedule: Schedule, settings: Settings) -> Schedule:
    """The preset with what the settings change."""
    changes = {
        name: getattr(settings, name) for name in ("epochs", "batch", "rate") if getattr(settings, name) is not None
    }
    return Schedule(**{**vars(schedule), **changes})


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


def _epoch(
    run: Run, settings: Settings, system: System, schedule: Schedule, source: Source, network: nn.Module,
    optimiser: torch.optim.Optimizer, progress: Progress, steps: int, device: torch.device, numbers: Numbers,
) -> None:  # fmt: skip
    epoch, began, waited = progress.epoch, time.perf_counter(), 0.0
    compute = objective(system, schedule, numbers)
    network.train()
    total, right, seen = 0.0, 0, 0
    batches = ahead(system, source.train, schedule.batch, settings.seed, epoch)
    for step in range(steps):
        waiting = time.perf_counter()
        views, labels = next(batches)
        waited += time.perf_counter() - waiting
        for group in optimiser.param_groups:
            group["lr"] = rate(schedule, epoch + step / steps)
        torch.manual_seed(settings.seed * 1_000_003 + epoch * 10_007 + step)  # dropout: a function of the moment
        inputs = {name: numbers.lay_out(value) for name, value in system.tensors(views, device).items()}
        targets = torch.from_numpy(labels).to(device)
        loss, scores = compute(network, inputs, targets)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(
                f"The loss became {loss.item()} in epoch {epoch + 1}. Lower the learning rate; "
                "the last good checkpoint is kept."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        total += loss.item()
        right += int((scores.argmax(1) == targets).sum())
        seen += len(labels)
        if step % 10 == 9 or step == steps - 1:
            done = (epoch + (step + 1) / steps) / schedule.epochs
            run.log(
                "step", epoch=epoch, step=step, loss=round(total / (step + 1), 4), accuracy=round(right / seen, 4),
                rate=optimiser.param_groups[0]["lr"], clips_per_second=round(seen / (time.perf_counter() - began), 1),
                waiting=round(waited / (time.perf_counter() - began), 3),
            )  # fmt: skip
            run.set_status("running", f"Epoch {epoch + 1} of {schedule.epochs}.", done=round(done, 4))
    accuracy, loss = validate(system, network, source.validation, device)
    progress.epoch += 1
    progress.seconds += time.perf_counter() - began
    if accuracy > progress.best_accuracy:
        progress.best_epoch, progress.best_accuracy = epoch, accuracy
    run.log("epoch", epoch=epoch, accuracy=accuracy, loss=loss, seconds=round(progress.seconds, 1))


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


def is_chief() -> bool:
    """Whether this process writes the run folder."""
    return int(os.environ.get("RANK", "0")) == 0
