"""Times of one view by a network, on a quiet and on a busy machine: rows of `benchmarks.models`.

A row compares three, which take turns in one run: the network as PyTorch runs it by itself (eager, float32,
contiguous); how it answered before OpenVINO did (PyTorch in the fastest of its formats); and the engine that this
machine chose, after its check against float32.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod

import numpy as np
import torch

from actrec.core.number_formats import FLOAT32, candidates
from actrec.core.processes import environment
from actrec.recognition.engines.choice import Choice
from actrec.recognition.engines.engine import Engine
from actrec.recognition.engines.openvino_engine import OpenVINOEngine, converted
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.systems import System, Views, named, recorded
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.folders import WEIGHTS

SHIPPED = ("asym3d-people", "crossenh-synthetic", "fstcn-synthetic", "mdtnet-synthetic", "ms3d-synthetic")
PLAIN, BEFORE, OURS = "as it comes", "before", "ours"
REST = 0.01  # seconds between two runs: PyTorch's threads go on spinning for some milliseconds
# What the computing process does: products of matrices, on every core, without an end.
COMPUTE = "import torch\na = torch.randn(1024, 1024)\nprint('ready', flush=True)\nwhile True: a @ a"


@contextmanager
def computing() -> Iterator[None]:
    """One other process that computes on all cores of this one."""
    process = subprocess.Popen([sys.executable, "-c", COMPUTE], env=environment(), stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


def in_turns(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    end: float,
    rest: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every run, one after another, round after round; after `end` no second round begins."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        if number and time.perf_counter() > end:
            break
        for name, run in runs.items():
            time.sleep(rest)
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return seconds


def medians(engines: Mapping[str, Engine], view: Views, rounds: int, end: float) -> dict[str, float]:
    """Milliseconds of one view by each engine, in turns; a round before them makes ready."""
    runs = {name: lambda engine=engine: engine.answer([view]) for name, engine in engines.items()}
    in_turns(runs, 2, end)
    seconds = in_turns(runs, rounds, end, REST)
    return {name: round(1000 * statistics.median(values), 2) for name, values in seconds.items()}


def shipped(weights: str) -> tuple[dict[str, Engine], System]:
    """The engines of a checkpoint: as it comes, PyTorch's formats, and the one that this machine chose."""
    card, tensors = read_checkpoint(WEIGHTS / weights)
    system = recorded(card.system, card.options)
    network = system.network(len(card.labels)).eval()
    fit(network, tensors, card)
    choice = Choice(system, network, card)
    finding = choice.known() or choice.find()
    return {**by_pytorch(system, network), OURS: choice.open(finding.chosen)}, system


def by_pytorch(system: System, network: torch.nn.Module) -> dict[str, Engine]:
    device = torch.device("cpu")
    plain = TorchEngine(system, network, device, FLOAT32, as_it_comes=True)
    return {
        PLAIN: plain,
        **{str(candidate): TorchEngine(system, network, device, candidate) for candidate in candidates()},
    }


def noise(system: System) -> Views:
    """A view of noise."""
    random = np.random.default_rng(0)
    return {
        name: random.integers(0, 256, (size_of.channels, size_of.frames, size_of.size, size_of.size), np.uint8)
        for name, size_of in system.inputs.items()
    }


def shipped_row(weights: str, rounds: int, end: float, busy: bool) -> dict:
    """One network, quiet and, where asked, while another process computes."""
    engines, system = shipped(weights)
    view = noise(system)
    row = {"weights": weights, "engine": engines[OURS].name, "quiet": compared(medians(engines, view, rounds, end))}
    if busy:
        with computing():
            row["busy"] = compared(medians(engines, view, rounds, end))
        row["slows_by"] = round(row["busy"][OURS] / row["quiet"][OURS], 2)
    return row


def compared(times: dict[str, float]) -> dict[str, float | str]:
    """The three that are compared, of all that were timed."""
    formats = {name: value for name, value in times.items() if name not in (PLAIN, OURS)}
    best = min(formats, key=formats.get)
    return {
        PLAIN: times[PLAIN],
        BEFORE: formats[best],
        "format_before": best,
        OURS: times[OURS],
        "times_faster": round(times[PLAIN] / times[OURS], 2),
        "times_before": round(formats[best] / times[OURS], 2),
    }


def untrained_row(system: System, classes: int, rounds: int, end: float) -> dict:
    """An untrained network in every format of both engines: the values of its weights do not change the time."""
    torch.manual_seed(0)
    network = system.network(classes).eval()
    model = converted(system, network)
    dtypes = dict.fromkeys(candidate.dtype for candidate in candidates())
    engines: dict[str, Engine] = by_pytorch(system, network)
    engines |= {f"OpenVINO {dtype}": OpenVINOEngine.of(system, model, dtype, (1,)) for dtype in dtypes}
    times = medians(engines, noise(system), rounds, end)
    plain = times.pop(PLAIN)
    best = {dtype: min((name for name in times if dtype in name), key=times.get) for dtype in dtypes}
    return {
        "name": system.name,
        PLAIN: plain,
        "milliseconds": times,
        "best": best,
        "times_faster": {dtype: round(plain / times[name], 2) for dtype, name in best.items()},
    }


def i3d(frames: int, side: int) -> System:
    """The whole I3D for frames of one size."""
    whole = named("i3d-rgb")
    return replace(whole, inputs={"clip": replace(whole.inputs["clip"], frames=frames, size=side)})


def mean(values: list[float]) -> float:
    """The geometric mean."""
    return prod(values) ** (1 / len(values))
