"""The training loop: the same numbers whether it ran through or was cut off and went on."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
import torch

from actrec.core.devices import choose_device
from actrec.core.files import write_json
from actrec.core.number_formats import FLOAT32, NumberFormat
from actrec.systems import Schedule, recorded
from actrec.training.distributed import World
from actrec.training.load_data import load_source, too_few
from actrec.training.loader import Feed, workers
from actrec.training.meter import Meter
from actrec.training.number_format import arrange_weights, change_format, planned, refuse
from actrec.training.objective import Judged, objective
from actrec.training.publish import finish
from actrec.training.reproducibility import Conditions, fingerprint
from actrec.training.run import NotFiniteError, Run, RunError
from actrec.training.schedule import chosen, make_optimiser, patience, rate
from actrec.training.start import start_from
from actrec.training.state import Kept, load_state, put_state, write_state, write_whole
from actrec.training.tensorboard import Board
from actrec.training.updates import DivergedError, Learner, Pieces
from actrec.training.validation import Validation
from actrec.training.whole_batch import Rows, see_whole_batch

SAVED_EVERY = 600.0  # seconds after which a long epoch writes a checkpoint in its middle


@dataclass
class Progress:
    """Where a training is; everything here is in the checkpoint."""

    epoch: int = 0
    step: int = 0  # steps of this epoch that are done
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf
    early: bool = False  # ended by patience
    seconds: float = 0.0


def train(run: Run, world: World | None = None, device: torch.device | None = None) -> None:
    """Train until the schedule or patience ends, or someone asks to stop; goes on from the run's checkpoint."""
    world = world or World()
    threads, drawing = torch.get_num_threads(), cv2.getNumThreads()
    with run.held():
        try:
            Training(run, world, device).go_on()
        finally:
            torch.set_num_threads(threads)
            cv2.setNumThreads(drawing)


class Training:
    """One run in this process: its recipe, its clips, its network, and how far it has come."""

    def __init__(self, run: Run, world: World, device: torch.device | None = None) -> None:
        self.run, self.world = run, world
        self.settings = world.from_first(run.settings)
        self.system = recorded(self.settings.system, self.settings.options)
        self.schedule = chosen(self.system, self.settings)
        self.device = device or choose_device(self.settings.device)
        torch.set_num_threads(self.settings.threads)
        cv2.setNumThreads(1)
        _repeatable(self.device)
        run.forget("stop", "pause")
        run.set_status("running", "Opening the clips.")
        self.source = world.one_after_another(
            lambda: load_source(self.settings, self.system, self.note, str(self.device))
        )
        self.prepare()

    def prepare(self) -> None:
        """Network, objective, optimiser and clips' feed, before the first step."""
        run, world, settings, classes = self.run, self.world, self.settings, len(self.source.labels)
        started = bool(settings.start_from)
        self.objective = objective(self.system, self.schedule, FLOAT32, world, started)
        self.schedule, self.steps = self.fitting_batch()
        self.loading = workers(self.device, world)
        self.validation = Validation(self.system, self.source, world, self.loading)
        pieces = Pieces(self._micro_batch(), self.short_of_memory)
        self.objective.numbers = self.number_format(pieces.most)
        torch.manual_seed(settings.seed)
        self.network = self.objective.build(classes)
        if settings.start_from and not world.from_first(run.checkpoint.exists):
            build, labels = self.objective.build, self.source.labels
            self.note(start_from(settings.start_from, self.network, build, self.system, labels))
        rows = Rows()
        self.network = see_whole_batch(self.network, rows, world, self.device).to(self.device)
        arrange_weights(self.network, self.objective.numbers)
        self.learner = Learner(
            self.system, self.network, self.objective, make_optimiser(self.network, self.schedule),
            self.objective.numbers, world, self.device, rows, pieces,
        )  # fmt: skip
        self.feed = Feed(self.system, self.objective, self.source.train, settings.seed, world, self.loading)
        self.progress, self.board = Progress(), Board(run.folder / "tensorboard")
        self.clips, self.kept = fingerprint(self.source), Kept(run.folder, world)
        self.parts: dict[str, Judged] = {}  # of the network, as the newest validation judged them

    def fitting_batch(self) -> tuple[Schedule, int]:
        """The schedule and its steps per epoch; a preset's batch gives way to a small set, one that was asked for
        does not."""
        train, schedule = self.source.train, self.schedule
        if self.settings.batch is None:
            in_epoch = len(train.order(np.random.default_rng(0), schedule.balanced))
            most = in_epoch // (2 * self.world.size) * 2 * self.world.size
            if 0 < most < schedule.batch:
                self.note(f"Fewer clips than a batch of {schedule.batch}: it is {most}.")
                schedule = replace(schedule, batch=most)
        steps = self.objective.steps(train, schedule.batch)
        if steps == 0:
            raise RunError(too_few(len(train), schedule.batch))
        first = next(self.objective.batches(train, schedule.batch, np.random.default_rng(0)))
        if len(first) % self.world.size:
            raise RunError(
                f"A batch of {len(first)} clips cannot be divided evenly among {self.world.size} processes. "
                "Choose another --batch."
            )
        return schedule, steps

    def number_format(self, most: int) -> NumberFormat:
        """The format to compute in, `most` clips at once: of those that are right on this machine the fastest."""
        goal, schedule, world, classes = self.objective, self.schedule, self.world, len(self.source.labels)
        first = next(goal.batches(self.source.train, schedule.batch, np.random.default_rng(0)))
        targets = self.source.train.targets[first]
        if world.size > 1:  # in any order that a loss of pairs takes, too
            targets = np.tile(np.arange(len(first) // world.size // 2), 2)
        stages = {goal.stage(epoch): epoch for epoch in reversed(range(goal.epochs))}
        validation_sizes = self.validation.batch_sizes(most)
        facts = {
            "system": self.system.name, "options": dict(self.system.chosen), "schedule": asdict(schedule),
            "targets": targets.tolist(), "most": most, "classes": classes, "epochs": sorted(stages.values()),
            "started": goal.started, "validation_sizes": validation_sizes, "device": str(self.device),
            "threads": self.settings.threads,
        }  # fmt: skip
        options = "".join(f" {name}={value}" for name, value in self.system.chosen.items())
        self.topic = (
            f"training {self.system.name}{options} ({classes} classes, {len(targets)} clips, {most} at once, "
            f"{', '.join(map(str, validation_sizes))} to judge, {'+'.join(sorted(stages))}, {self.device})"
        )
        return world.from_first(lambda: planned(self.run, self.topic, facts, self.note))

    def note(self, sentence: str) -> None:
        """Log a message about the clips or the start, and show it as the run's status."""
        self.run.log("note", sentence=sentence)
        self.run.set_status("running", sentence)

    def conditions(self) -> Conditions:
        return Conditions.here(
            self.learner.numbers, self.schedule, self.learner.pieces.most, self.world, self.device, self.clips
        )

    def go_on(self) -> None:
        """From the checkpoint, or from the start, to the end of the schedule."""
        self.restore()
        self.run.log(
            "started", numbers=vars(self.learner.numbers), labels=self.source.labels,
            steps=self.steps, training=len(self.source.train), validation=len(self.source.validation),
            balanced=self.schedule.balanced, longest_gradient=self.schedule.longest_gradient,
            **asdict(self.conditions()),
        )  # fmt: skip
        while not self.over():
            try:
                if not self.epoch():
                    return self.stopped()
            except DivergedError as error:
                raise self.not_finite(error) from error
        self.board.close()
        return self.ship()

    def over(self) -> bool:
        return self.progress.early or self.progress.epoch >= self.objective.epochs

    def restore(self) -> None:
        """Put the checkpoint back, if there is one, and log which conditions have changed."""
        run = self.run
        state = self.world.from_first(lambda: load_state(run.checkpoint) if run.checkpoint.exists() else None)
        if state is None:
            self.learner.begin(0)
            return
        facts, tensors = state
        vars(self.progress).update(facts["progress"])
        if facts["labels"] != self.source.labels:
            raise RunError(f"The clips of '{run.name}' have other classes than at its start. Start it anew.")
        self.objective.facts = facts.get("objective", {})
        self.objective.begin(self.network, self.progress.epoch)
        put_state(tensors, self.network, self.learner.optimiser)
        self.learner.begin(self.progress.epoch)
        self.board.first = self.progress.epoch * self.steps + self.progress.step
        run.log("resumed", epoch=self.progress.epoch, step=self.progress.step)
        changed = self.conditions().changed(facts["conditions"])
        if changed:
            run.log("inexact", changed=changed)
        if "batch" in changed or "clips" in changed:
            self.progress.step = 0  # the places in the epoch are others: it begins again

    def save(self) -> None:
        facts = {
            "progress": vars(self.progress), "conditions": asdict(self.conditions()), "labels": self.source.labels,
            "objective": self.objective.facts,
        }  # fmt: skip
        if self.world.first:
            write_state(self.run.checkpoint, self.network, self.learner.optimiser, facts)

    def epoch(self) -> bool:
        """One pass over the training clips, then the validation clips once; False when asked to stop on the way."""
        progress, settings = self.progress, self.settings
        start = saved = time.perf_counter()
        stage, span = self.learner.begin(progress.epoch), self.objective.span(progress.epoch)
        if (progress.epoch, progress.step) == (span[0], 0):  # a stage starts anew, and so does the optimiser
            self.learner.optimiser.state.clear()
            self.objective.enter(self.network, progress.epoch, self.kept)
        meter = Meter()
        feed = self.feed.epoch(progress.epoch, self.schedule.batch, progress.step)
        with contextlib.closing(feed):
            for step in range(progress.step, self.steps):
                views, targets, whole = meter.timed(feed)
                seed = settings.seed * 1_000_003 + progress.epoch * 10_007 + step
                now = rate(self.schedule, progress.epoch + step / self.steps, span)
                before = self.learner.numbers
                loss, right = self.learner.update(views, targets, whole, seed, now)
                progress.step = step + 1
                if self.learner.numbers != before:
                    self._changed_format(before, "gave a loss or a gradient that is not finite", step)
                asked = self._together(meter, loss, right, len(targets))
                if step % 10 == 9 or progress.step == self.steps or asked:
                    self._log_step(meter)
                if asked and self._stop_or_wait():
                    return False
                if time.perf_counter() - saved > SAVED_EVERY:
                    self.save()
                    saved = time.perf_counter()
        accuracy, loss, mistaken = self._validated()
        if progress.epoch == span[1] - 1:
            self.objective.leave(self.network, progress.epoch, self.parts, self.kept)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.seconds += time.perf_counter() - start
        self._keep_best(accuracy, loss)
        self.save()
        self.run.log(
            "epoch", epoch=progress.epoch, stage=stage, accuracy=accuracy, loss=loss,
            seconds=round(progress.seconds, 1), total=progress.epoch * self.steps,
            best=progress.best_epoch == progress.epoch, confusion=mistaken,
            **({"parts": {name: part.accuracy for name, part in self.parts.items()}} if self.parts else {}),
            **{f"training_{k}": v for k, v in meter.figures().items()},
        )  # fmt: skip
        self._show(accuracy, loss, meter)
        return True

    def _together(self, meter: Meter, loss: float, right: int, count: int) -> bool:
        """Add up all processes' figures; whether someone asked to stop or to pause, in all of them at once."""
        asked = self.world.first and (self.run.asked_to("stop") or self.run.asked_to("pause"))
        figures = torch.tensor([loss * count, right, count, float(asked)], dtype=torch.float64)
        loss, right, count, asked = self.world.total(figures).tolist()
        meter.add(loss / count, int(right), int(count))
        return bool(asked)

    def _stop_or_wait(self) -> bool:
        """Save, and wait as long as a pause lasts; whether to stop."""
        self.save()
        if self.world.first and not self.run.asked_to("stop"):
            self.run.log("paused", epoch=self.progress.epoch, step=self.progress.step)
            self.run.set_status("paused", "Paused. The weights stay in memory.", done=self._done())
            while self.run.asked_to("pause") and not self.run.asked_to("stop"):
                time.sleep(0.2)
            self.run.log("went on")
        return self.world.from_first(lambda: self.run.asked_to("stop"))

    def stopped(self) -> None:
        self.board.close()
        where = f"epoch {self.progress.epoch + 1}, step {self.progress.step} of {self.steps}"
        self.run.forget("stop", "pause")
        self.run.log("stopped", epoch=self.progress.epoch, step=self.progress.step)
        self.run.set_status("stopped", f"Stopped in {where}. Resume goes on from there.", done=self._done())

    def _validated(self) -> tuple[float, float, list[list[int]]]:
        """`validate`, in float32 where another format gives scores that are not finite."""
        before = self.learner.numbers
        try:
            return self.validate()
        except DivergedError:
            if before == FLOAT32:
                raise
        self.learner.compute_in(FLOAT32)
        answer = self.validate()
        self._changed_format(before, "gave scores that are not finite", self.progress.step)
        return answer

    def _changed_format(self, before: NumberFormat, reason: str, step: int) -> None:
        """The run goes on in another format: written down beside a checkpoint from which it is resumed in that."""
        if self.world.first:
            change_format(self.run, before, self.learner.numbers, reason, self.progress.epoch, step)
            refuse(self.topic, self.settings.threads, before, f"a training {reason.replace('gave', 'met')}")
        self.save()

    def not_finite(self, error: DivergedError) -> NotFiniteError:
        """The error for the user when float32 has failed too."""
        rate, run = float(f"{self.schedule.rate / 3:.2g}"), self.run
        again = "Go on from the last good checkpoint" if run.checkpoint.exists() else "Begin anew"
        return NotFiniteError(
            f"{error} {again} with a third of the learning rate: python -m actrec train --resume {run.folder} "
            f"--rate {rate:g}",
            rate,
        )

    def _keep_best(self, accuracy: float, loss: float) -> None:
        """The best epoch's network is what ships, unless the last one's is; patience ends a training that gets no
        better."""
        progress = self.progress
        if not self.objective.last_stage(progress.epoch - 1):
            return
        if (accuracy, -loss) > (progress.best_accuracy, -progress.best_loss):
            progress.best_epoch, progress.best_accuracy, progress.best_loss = progress.epoch, accuracy, loss
            if self.world.first and self.settings.keep == "best":
                tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
                write_whole(self.run.best, tensors, {"epoch": progress.epoch, "accuracy": accuracy})
        most = patience(self.settings)
        if most and progress.epoch - progress.best_epoch >= most:
            progress.early = True
            self.run.log("early", epoch=progress.epoch, best_epoch=progress.best_epoch, patience=most)

    def ship(self) -> None:
        """Measure the network of the best epoch, or of the last, and write it as weights that anyone can use."""
        run = self.run
        run.set_status("running", "Measuring and writing the weights.", done=1.0)
        if self.world.first:
            self.objective.end(self.network)
            if self.settings.keep == "best" and run.best.exists():
                put_state(load_state(run.best)[1], self.network)
            facts = self.objective.measured
            card = finish(run, self.settings, self.system, self.source, self.network, self.device, facts)
            run.log("finished", measured=card.measured, best_epoch=self.progress.best_epoch)
            run.set_status("finished", f"Finished. The weights are in '{run.weights}'.", done=1.0)
        self.world.from_first(lambda: None)

    def validate(self) -> tuple[float, float, list[list[int]]]:
        """Top-1 accuracy, loss and confusion on the validation clips; `parts` are judged with it."""
        validated = self.validation.of(self.learner)
        self.parts = dict(validated.parts)
        return validated.whole.accuracy, validated.whole.loss, validated.confusion

    def _micro_batch(self) -> int:
        """How many clips are computed at once: as asked for, or as what fitted last time, or the whole batch."""
        path, asked = self.run.folder / "micro_batch.json", self.settings.micro_batch
        known = json.loads(path.read_text())["micro_batch"] if path.exists() else None
        here = known or asked or self.schedule.batch
        return min(self.world.gather(min(here, self.schedule.batch)))

    def short_of_memory(self, before: int, now: int) -> None:
        """The next steps are computed in smaller pieces; several processes begin again, to agree on it."""
        sentence = f"Out of memory with {before} clips at once: now {now}, and gradients are added up."
        with contextlib.suppress(OSError):
            write_json(self.run.folder / "micro_batch.json", {"micro_batch": now})
        self.run.log("out_of_memory", before=before, micro_batch=now, sentence=sentence)
        self.run.log("inexact", changed={"micro_batch": [before, now]})
        if self.world.size > 1:
            raise RunError(f"{sentence} All processes begin again from the last checkpoint.")

    def _done(self) -> float:
        return round((self.progress.epoch + self.progress.step / self.steps) / self.objective.epochs, 4)

    def _log_step(self, meter: Meter) -> None:
        progress, figures = self.progress, meter.figures()
        self.run.log(
            "step", epoch=progress.epoch + 1, step=progress.step, total=progress.epoch * self.steps + progress.step,
            rate=self.learner.optimiser.param_groups[0]["lr"], **figures,
        )  # fmt: skip
        left = (1 - self._done()) * self.steps * self.objective.epochs * meter.seconds_per_step
        self.run.set_status(
            "running", f"Epoch {progress.epoch + 1} of {self.objective.epochs}.", done=self._done(), left=round(left, 1)
        )

    def _show(self, accuracy: float, loss: float, meter: Meter) -> None:
        if self.world.first:
            figures = {f"training/{name}": value for name, value in meter.figures().items()}
            learned = {"rate": self.learner.optimiser.param_groups[0]["lr"]}
            scores = {"validation/accuracy": accuracy, "validation/loss": loss}
            self.board.show(self.progress.epoch * self.steps, **figures, **scores, **learned)


def _repeatable(device: torch.device) -> None:
    """On a GPU: the same sums in the same order, as far as CUDA has them."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
