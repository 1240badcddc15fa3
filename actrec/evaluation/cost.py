"""What a system costs: weights and multiplications by counting, milliseconds by the clock."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from actrec.models.counting import multiplications, weights
from actrec.recognition.recognizer import Recognizer
from actrec.systems import System
from actrec.video import Clip
from actrec.weights.cards import Card

REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """One system's figures; multiplications are per view."""

    name: str
    title: str
    paper: str
    size: str
    parameters: int
    weights: int
    multiplications: int
    input: str
    options: dict[str, dict]


def counted(system: System, classes: int = 101) -> Cost:
    """Counts on the meta device: shapes only, no memory."""
    with torch.device("meta"):
        network = system.network(classes)
        views = system.blank()
    inputs = ", ".join(f"{name} {view.channels}×{view.frames}×{view.size}²" for name, view in system.inputs.items())
    return Cost(
        name=system.name,
        title=system.title,
        paper=system.paper,
        size=system.size,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights=weights(network),
        multiplications=multiplications(network, views),
        input=inputs,
        options={name: vars(option) for name, option in system.options.items()},
    )


@dataclass(frozen=True)
class Pace:
    """Median milliseconds of one view: making it from frames, and the network; the number format that it ran in."""

    views: float
    network: float
    dtype: str


def timed(system: System, device: str = "auto", classes: int = 6) -> Pace:
    """One view of a clip of noise, several times, by the engine that answers here, with untrained weights: what they
    are does not change the time."""
    recognizer = untrained(system, device, classes)
    recognizer.settle()
    frames = np.random.default_rng(0).integers(0, 256, (96, 120, 160, 3), np.uint8)
    clip = Clip(frames, np.arange(len(frames)) / 25)
    making, computing = [], []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        views = system.protocols["one"].views(clip)
        middle = time.perf_counter()
        recognizer.run(views)
        making.append((middle - start) * 1000)
        computing.append((time.perf_counter() - middle) * 1000)
    return Pace(statistics.median(making[1:]), statistics.median(computing[1:]), recognizer.engine.dtype)


def untrained(system: System, device: str = "auto", classes: int = 6) -> Recognizer:
    """A recognizer with random weights, the same ones every time."""
    torch.manual_seed(0)
    labels = [str(number) for number in range(classes)]
    centres = None
    if system.decides == "centres":
        with torch.device("meta"):
            network: Any = system.network(classes).eval()  # a network whose centres decide has `code`
            width = network.code(**system.blank()).shape[1]
        centres = {label: [0.0] * width for label in labels}
    card = Card(system.name, system.name, labels, "nothing", "", 0, centres=centres)
    return Recognizer(system, system.network(classes), card, device)
