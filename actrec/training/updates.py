"""One update of the weights: gradients gathered in as many pieces as the memory asks for."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from actrec.core.number_formats import FLOAT32, NumberFormat
from actrec.systems import System, Views
from actrec.training.distributed import World
from actrec.training.number_format import arrange_weights
from actrec.training.objective import Lesson, Objective
from actrec.training.run import RunError
from actrec.training.whole_batch import Rows


@dataclass
class Pieces:
    """How many clips are computed at once; halved when they do not fit, after which `on_halved` is called."""

    most: int
    on_halved: Callable[[int, int], None]


class DivergedError(RunError):
    """A loss or a gradient that is not finite in float32 either."""

    def __init__(self, loss: float) -> None:
        super().__init__(f"The loss or its gradient is not a number any more (loss {loss:.3g}).")


class Learner:
    """A network, its objective and its optimiser, across the processes of a world."""

    def __init__(
        self,
        system: System,
        network: nn.Module,
        objective: Objective,
        optimiser: torch.optim.Optimizer,
        numbers: NumberFormat,
        world: World,
        device: torch.device,
        rows: Rows,
        pieces: Pieces,
    ) -> None:
        self.system, self.network, self.objective, self.optimiser = system, network, objective, optimiser
        self.numbers, self.world, self.device, self.rows, self.pieces = numbers, world, device, rows, pieces
        self.lesson: nn.Module = Lesson(network, objective)

    def begin(self, epoch: int) -> str:
        """Make ready for an epoch; the name of its stage."""
        before = [parameter.requires_grad for parameter in self.network.parameters()]
        stage = self.objective.begin(self.network, epoch)
        changed = before != [parameter.requires_grad for parameter in self.network.parameters()]
        if self.world.size > 1 and (changed or isinstance(self.lesson, Lesson)):
            self.lesson = self._shared()
        return stage

    def _shared(self) -> nn.Module:
        """The lesson in all processes at once, whose gradients are averaged."""
        return nn.parallel.DistributedDataParallel(
            Lesson(self.network, self.objective),
            device_ids=[self.device] if self.device.type == "cuda" else None,
            broadcast_buffers=False,  # batch norms see all processes' clips, so their buffers agree already
            find_unused_parameters=True,  # a stage may leave parts of the network aside
        )

    def update(self, views: list[Views], targets: np.ndarray, whole: int, seed: int, rate: float) -> tuple[float, int]:
        """Learn from one batch; mean loss and number of right answers of this process's clips.

        Where the number format gives what is not finite, the step is computed anew in float32, and so are all later
        ones; `numbers` is float32 then.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("times", 1.0)
        statistics = self._statistics() if self.numbers != FLOAT32 else []
        loss, right = self.gradients(views, targets, whole, seed)
        while not self._all_finite(loss):
            if self.numbers == FLOAT32:
                raise DivergedError(loss)
            self._put_back(statistics)
            self.compute_in(FLOAT32)
            loss, right = self.gradients(views, targets, whole, seed)
        self.optimiser.step()
        return loss, right

    def _all_finite(self, loss: float) -> bool:
        """Shorten the gradients where the schedule says so; whether they and the loss are finite in every process."""
        longest = self.objective.schedule.longest_gradient or math.inf
        groups = self.objective.clipped_apart(self.network)
        norm = float(sum(nn.utils.clip_grad_norm_(group, longest) for group in groups))
        odd = torch.tensor(float(not math.isfinite(norm) or not math.isfinite(loss)))
        return not self.world.total(odd)

    def compute_in(self, numbers: NumberFormat) -> None:
        """Go on in another format; weights and the optimiser's sums are what they were, in its memory order."""
        self.numbers = self.objective.numbers = numbers
        arrange_weights(self.network, numbers)
        for parameter, values in self.optimiser.state.items():
            for name, value in values.items():
                if torch.is_tensor(value) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        if not isinstance(self.lesson, Lesson):  # its buckets are laid out for the old memory order
            self.lesson = self._shared()

    def outputs(self, views: list[Views]) -> torch.Tensor:
        """What validation measures: scores or codes, in float32."""
        return self._computed(views, lambda network, inputs: {"": self.objective.outputs(network, inputs)})[""]

    def with_parts(self, views: list[Views]) -> dict[str, torch.Tensor]:
        """The same under an empty name, and the scores of the parts that answer for themselves."""
        if self.system.parts is None:
            return {"": self.outputs(views)}
        return self._computed(views, self.objective.with_parts)

    def _computed(self, views: list[Views], of: Callable[..., dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        inputs = {name: self.numbers.lay_out(v) for name, v in self.system.tensors(views, self.device).items()}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.numbers.dtype == "bfloat16"):
            return {name: value.float() for name, value in of(self.network, inputs).items()}

    def _statistics(self) -> list[torch.Tensor]:
        return [buffer.clone() for buffer in self.network.buffers()]

    def _put_back(self, statistics: list[torch.Tensor]) -> None:
        for buffer, before in zip(self.network.buffers(), statistics, strict=True):
            buffer.copy_(before)

    def gradients(self, views: list[Views], targets: np.ndarray, whole: int, seed: int) -> tuple[float, int]:
        """The gradients of one batch, left in the network; mean loss and number of right answers."""
        statistics = self._statistics() if self.pieces.most > 1 else []
        while True:
            pieces = self.objective.pieces(targets, self.pieces.most)
            try:
                return self._accumulated(views, targets, whole, seed, pieces)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            # Outside of the handler: there the error would still hold what did not fit.
            self._halve(targets, max(piece.stop - piece.start for piece in pieces))
            self._put_back(statistics)

    def _accumulated(
        self, views: list[Views], targets: np.ndarray, whole: int, seed: int, pieces: list[slice]
    ) -> tuple[float, int]:
        self.optimiser.zero_grad(set_to_none=True)
        total, right = 0.0, 0
        for number, piece in enumerate(pieces):
            count = piece.stop - piece.start
            self.rows.first, self.rows.count, self.rows.of = self.world.rank * len(targets) + piece.start, count, whole
            torch.manual_seed(seed)  # each piece draws for the whole batch and takes its rows
            inputs = {
                name: self.numbers.lay_out(value)
                for name, value in self.system.tensors(views[piece], self.device).items()
            }
            last = number == len(pieces) - 1
            quiet = (
                contextlib.nullcontext()
                if last or self.world.size == 1
                else cast(nn.parallel.DistributedDataParallel, self.lesson).no_sync()
            )
            with quiet:
                loss, good = self.lesson(inputs, torch.from_numpy(targets[piece]).to(self.device))
                weight = count / len(targets)
                (loss * weight if weight < 1 else loss).backward()
            total += loss.item() * weight
            right += good
        return total, right

    def _halve(self, targets: np.ndarray, largest: int) -> None:
        before = largest
        while self.pieces.most > 1:
            self.pieces.most = max(1, min(self.pieces.most, largest) // 2)
            if max(piece.stop - piece.start for piece in self.objective.pieces(targets, self.pieces.most)) < before:
                self.pieces.on_halved(before, self.pieces.most)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                return
            largest = self.pieces.most
        raise RunError(
            f"The memory does not hold {before} clips at once, and fewer cannot be computed. The last good checkpoint "
            "is kept: use a smaller system or a device with more memory."
        )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there is no memory left, on a GPU or on the processor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
