"""Whether a number format computes a training step rightly on this machine, and how long it takes; runs in a child.

Every operator of the step, backwards too, is computed again in float32 from the same inputs: a correct one differs by
its rounding alone (bfloat16: 0.17 % on average, 0.27 % at most over all light systems). Gradients of the whole step
say less: ReLU and max pooling choose otherwise after the smallest rounding, so that even two memory orders of float32
differ by 2 %, bfloat16 by up to 76 % in a network at its random start. They have to be finite, of float32's size, and
the same to the bit whatever was in the memory before: a kernel that reads what nobody has written gives others.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from actrec.core.dirty_memory import patterns
from actrec.core.number_formats import FLOAT32, NumberFormat, format_named
from actrec.systems import Schedule, named
from actrec.training.distributed import World
from actrec.training.number_format import arrange_weights
from actrec.training.objective import objective
from actrec.training.schedule import make_optimiser
from actrec.training.updates import Learner, Pieces
from actrec.training.whole_batch import Rows, see_whole_batch

# Sixteen times the rounding of a result to bfloat16's eight bits, and of float32's worst sum over a batch.
OPERATOR = {torch.bfloat16: 2.0**-5, torch.float32: 2.0**-9}
CANCELLED = 1e-6  # of the smallest input: what is left of a sum that cancels out is rounding
LARGEST = 8.0  # times float32's gradient that a gradient of the whole step may be away from it
LOSS = 0.05  # that the loss may be away from float32's, relative to 1 + the loss
AGAIN = {
    "cpu": 0.0,
    "cuda": 2.0**-5,
}  # what the same step may differ by when it is repeated: on a GPU sums have no order
COPIES = ("_to_copy", "clone", "copy", "empty_like", "new_empty", "contiguous")
ROUNDS = 2
ATTEMPTS = 4  # to leave more layers in float32
LONG = 20.0  # seconds of a step above which one round is enough

Results = dict[str, Tensor]
Shapes = frozenset[tuple[int, ...]]


@dataclass(frozen=True)
class TrainingFacts:
    """A training's facts: the shapes, the losses of its stages, the formats that it may choose from."""

    system: str
    options: Mapping[str, str | float]
    schedule: Mapping[str, object]
    targets: list[int]  # of this process's clips of a batch
    most: int  # clips at once
    classes: int
    epochs: list[int]  # one of each stage
    started: bool
    validation_sizes: list[int]  # clips at once in validation
    formats: list[str]
    device: str
    threads: int


class WrongError(Exception):
    """Something that a format computes wrongly: the message says what and where.

    `shapes` are those of the tensors that each wrong convolution was given; empty where something else is wrong.
    """

    def __init__(self, reason: str, shapes: Sequence[Shapes] = ()) -> None:
        super().__init__(reason)
        self.shapes = list(shapes)


def checked(values: dict) -> dict[str, dict]:
    """The milliseconds of a step in each format that is right (all stages together), and why others are refused."""
    facts = TrainingFacts(**values)
    torch.set_num_threads(facts.threads)
    steps = Steps(facts)
    runs: dict[str, list[Callable[..., Results]]] = {}
    refused: dict[str, str] = {}
    reference = [steps.results(FLOAT32, epoch)() for epoch in facts.epochs]
    for name in facts.formats:
        numbers = format_named(name)
        for _ in range(ATTEMPTS):
            stages = [steps.results(numbers, epoch) for epoch in facts.epochs]
            try:
                for run, of_float32 in zip(stages, reference, strict=True):
                    check_stage(run, numbers, of_float32, facts.device)
                runs[str(numbers)] = stages
                if numbers.float32_layers and name in refused:
                    refused[name] += f"; with float32 in {', '.join(numbers.float32_layers)} it is right"
                break
            except WrongError as error:
                refused.setdefault(name, str(error))
                layers = {*numbers.float32_layers, *steps.layers_of(error.shapes)}
                if layers == set(numbers.float32_layers):
                    break
                numbers = replace(numbers, float32_layers=tuple(sorted(layers)))
    return {"milliseconds": timed(runs, facts.device), "refused": refused}


def check_stage(run: Callable[..., Results], numbers: NumberFormat, reference: Results, device: str) -> None:
    """Raise a WrongError unless a stage's step is right with every pattern of bytes in the free memory."""
    if numbers == FLOAT32:
        return
    first: Results = {}
    for place, _ in enumerate(patterns(device)):
        if place:
            compare_again(run(), first, AGAIN[torch.device(device).type])
            continue
        with EveryOperator() as every:
            first = run()
        if every.wrong:
            raise WrongError(str(every.wrong[0]), [shapes for error in every.wrong for shapes in error.shapes])
        compare_whole(first, reference)


def timed(runs: Mapping[str, list[Callable[..., Results]]], device: str) -> dict[str, float]:
    """The milliseconds of one step, all stages together: the shortest of several, measured in turns.

    On a CPU they are the processor's, of one thread: who else computes meanwhile hardly changes those.
    """
    clock = time.perf_counter
    if torch.device(device).type == "cpu":
        clock = time.thread_time
        torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [math.inf] * len(stages) for name, stages in runs.items()}
    for _ in range(ROUNDS):
        for name, stages in runs.items():
            for place, run in enumerate(stages):
                start = clock()
                run(validate=False)
                seconds[name][place] = min(seconds[name][place], clock() - start)
        if max(map(max, seconds.values()), default=0.0) > LONG:
            break
    return {name: round(1000 * sum(stages), 1) for name, stages in seconds.items()}


class Steps:
    """Training steps on clips of noise from one random start, in any format and stage."""

    def __init__(self, facts: TrainingFacts) -> None:
        self.facts, self.device = facts, torch.device(facts.device)
        self.system, self.schedule = named(facts.system, facts.options), Schedule(**_tuples(facts.schedule))
        self.targets, rng = np.array(facts.targets), np.random.default_rng(0)
        shapes = {name: (e.channels, e.frames, e.size, e.size) for name, e in self.system.inputs.items()}
        self.views = [
            {name: rng.integers(0, 256, shape, np.uint8) for name, shape in shapes.items()}
            for _ in range(max(len(self.targets), *facts.validation_sizes, 1))
        ]
        torch.manual_seed(0)
        self.network = objective(self.system, self.schedule, FLOAT32, None, facts.started).build(facts.classes)

    def layers_of(self, wrong: Sequence[Shapes]) -> set[str]:
        """The convolutions with weights of a shape that a wrong one had: perhaps some more, never fewer."""
        shapes = frozenset().union(*wrong)
        layers = [(name, layer) for name, layer in self.network.named_modules() if isinstance(layer, _ConvNd)]
        return {name for name, layer in layers if tuple(layer.weight.shape) in shapes}

    def results(self, numbers: NumberFormat, epoch: int) -> Callable[..., Results]:
        """A function that computes one step of an epoch's stage, always from the same start."""
        rows, world = Rows(), World()
        goal = objective(self.system, self.schedule, numbers, world, self.facts.started)
        network = see_whole_batch(copy.deepcopy(self.network), rows, world, self.device).to(self.device)
        arrange_weights(network, numbers)
        learner = Learner(
            self.system, network, goal, make_optimiser(network, self.schedule), numbers, world, self.device, rows,
            Pieces(self.facts.most, lambda before, now: None),
        )  # fmt: skip
        learner.begin(epoch)
        start = [buffer.clone() for buffer in network.buffers()]

        def run(validate: bool = True) -> Results:
            for buffer, before in zip(network.buffers(), start, strict=True):
                buffer.copy_(before)
            learner.begin(epoch)
            views = self.views[: len(self.targets)]
            loss, _ = learner.gradients(views, self.targets, len(self.targets), seed=1)
            results = {"the loss": torch.tensor(loss)}
            for name, parameter in network.named_parameters():
                if parameter.grad is not None:
                    results[f"the gradient of {name}"] = parameter.grad.detach().clone()
            for name, buffer in network.named_buffers():
                if buffer.is_floating_point():
                    results[f"the statistics {name}"] = buffer.clone()
            network.eval()
            for clips in self.facts.validation_sizes if validate else ():
                with torch.inference_mode():
                    results[f"the answers for {clips} clips"] = learner.outputs(self.views[:clips]).clone()
            return results

        return run


def compare_whole(results: Results, reference: Results) -> None:
    """Loss, gradients, statistics and answers of a step: finite and of float32's size."""
    gradients = [tensor.double().norm() for name, tensor in reference.items() if name.startswith("the gradient")]
    total = float(torch.stack(gradients).norm()) if gradients else 0.0
    for name, value in results.items():
        if not value.isfinite().all():
            raise WrongError(f"{name} is not finite")
        reference_value = reference[name].double()
        away = float((value.double() - reference_value).norm())
        if name == "the loss":
            bound = LOSS * (1 + abs(float(reference_value)))
        else:  # of a gradient that is next to nothing rounding is all there is
            bound = LARGEST * (
                float(reference_value.norm()) + 2.0**-8 * (total if name.startswith("the gradient") else 1.0)
            )
        if away > bound:
            raise WrongError(f"{name} is {away:.2g} away from float32's {float(reference_value.norm()):.2g}")


def compare_again(results: Results, first: Results, allowed: float) -> None:
    """A step with other bytes in the free memory gives what it gave before."""
    for name, value in results.items():
        away, size = float((value.double() - first[name].double()).norm()), float(first[name].double().norm())
        if not away <= allowed * size:  # also where it is not a number
            raise WrongError(f"{name} changes with what was in the memory before (by {away:.2g}, of {size:.2g})")


class EveryOperator(TorchDispatchMode):
    """Compute every operator a second time in contiguous float32 from its own inputs, and compare."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[WrongError] = []

    def __torch_dispatch__(
        self, function: torch._ops.OpOverload, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        inputs = [value for value in tree_leaves((args, kwargs)) if _floats(value)]
        if not inputs or not _is_repeatable(function):
            return result
        plain, by_name = tree_map(_plain, (args, {name: value for name, value in kwargs.items() if name != "dtype"}))
        try:
            again = function(*plain, **by_name)
        except RuntimeError:  # it wants the very types that it was given
            return result
        for value, expected in zip(tree_leaves(result), tree_leaves(again), strict=True):
            if _floats(value) and value.numel():
                try:
                    compare_operator(function, inputs, value, expected)
                except WrongError as error:
                    if all(value.isfinite().all() for value in inputs):  # else it only passes on what was wrong before
                        self.wrong.append(error)
        return result


def compare_operator(function: torch._ops.OpOverload, inputs: list[Tensor], value: Tensor, expected: Tensor) -> None:
    """One result of an operator against float32's."""
    gap = (value.float() - expected).where(value != expected, 0)  # the same infinity is no difference
    away, size = float(gap.norm()), float(expected.norm())
    coarse = torch.bfloat16 if any(tensor.dtype == torch.bfloat16 for tensor in (value, *inputs)) else torch.float32
    if away <= OPERATOR[coarse] * size:
        return
    smallest = min((float(tensor.float().norm()) for tensor in inputs if tensor.dim() > 1), default=0.0)
    if not away <= OPERATOR[coarse] * size + CANCELLED * smallest:
        shapes = " and ".join(str(list(tensor.shape)) for tensor in inputs if tensor.dim() > 1)
        given = [frozenset(tuple(tensor.shape) for tensor in inputs)] if "convolution" in _name(function) else []
        raise WrongError(f"{_name(function)} of {shapes} is {away:.2g} away from float32's {size:.2g}", given)


def _is_repeatable(function: torch._ops.OpOverload) -> bool:
    """Whether an operator computes something of its own that it would compute again: it draws and changes nothing, and
    does not go through its input number by number, which no kernel gets wrong."""
    schema = function._schema
    if (
        schema.is_mutable
        or torch.Tag.pointwise in function.tags
        or any(output.alias_info is not None for output in schema.returns)
    ):
        return False
    return torch.Tag.nondeterministic_seeded not in function.tags and _name(function) not in COPIES


def _name(function: torch._ops.OpOverload) -> str:
    return function._schema.name.split("::")[1]


def _floats(value: object) -> TypeGuard[Tensor]:
    return torch.is_tensor(value) and value.is_floating_point()


def _plain(value: object) -> object:
    """A copy: batch norm changes the running statistics that it is given, though its declaration does not say so."""
    if not _floats(value):
        return value
    dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
    return torch.empty(value.shape, dtype=dtype, device=value.device).copy_(value.detach())


def _tuples(schedule: Mapping[str, object]) -> dict[str, Any]:
    """The schedule with tuples in place of JSON's lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in schedule.items()}
