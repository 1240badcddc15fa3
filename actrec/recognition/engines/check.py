"""Are an engine's answers those of PyTorch in float32, and how long do they take? Asked in a child, see `choice`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from actrec.core.dirty_memory import patterns
from actrec.core.number_formats import FLOAT32
from actrec.recognition.calibrated import probabilities, unit
from actrec.recognition.engines import stored
from actrec.recognition.engines.engine import Answer, Calibrate, Engine
from actrec.recognition.engines.opening import open_engine
from actrec.recognition.engines.openvino_engine import OpenVINOEngine
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.synthetic import render
from actrec.systems import System, Views, named
from actrec.weights.cards import Card

APART = 0.02  # scores may differ so much from float32's
TURNED = 0.1  # and embeddings, brought to length one, so far
PREFERRED = 1.15  # OpenVINO answers unless PyTorch is so many times faster: only PyTorch collapses on a busy machine
WORTH = 1.5  # times as fast several views are to be at once
ROUNDS, LONGEST = 9, 20.0  # timings of each engine, and the seconds after which no further round begins
NICE = 15
ACTIONS = ("wave", "squat", "clap")  # drawn for the check: noise would not be like a network's input


def checked_choice(facts: Mapping) -> dict:
    """The child's answer: the engine to use, the milliseconds of each, and why others are refused."""
    if hasattr(os, "nice"):
        os.nice(NICE)  # the cores are left to whoever needs them
    card, system = Card(**facts["card"]), named(facts["system"], facts["options"])
    network = system.network(len(card.labels)).eval()
    network.load_state_dict(load_file(facts["weights"]))
    views = checking_views(system)
    engines, refused = checked(system, network, facts["names"], views, partial(probabilities, system, card))
    milliseconds = timed(engines, views[:1])
    best = chosen(milliseconds)
    engine = engines.get(best)
    if isinstance(engine, OpenVINOEngine):
        sizes = worthwhile(engine, views[0])
        stored.write(Path(facts["place"]), {size: data for size, data in engine.store().items() if size in sizes})
    return {"chosen": best, "milliseconds": milliseconds, "refused": refused}


def checking_views(system: System) -> list[Views]:
    """Drawn people as the system sees them: several for a light system, one for another."""
    actions = ACTIONS if system.size == "light" else ACTIONS[:1]
    clips = [render(action, 9_000_000 + n, frames=32, size=(120, 160)) for n, action in enumerate(actions)]
    return [system.protocols["clip"].views(clip)[0] for clip in clips]  # of the size that the engine is for


def checked(
    system: System, network: nn.Module, names: Sequence[str], views: list[Views], calibrate: Calibrate
) -> tuple[dict[str, Engine], dict[str, str]]:
    """The engines that answer as the network as it comes, also with dirty memory; why the others are refused."""
    device = torch.device("cpu")
    reference = TorchEngine(system, network, device, FLOAT32, as_it_comes=True).answer(views)
    engines: dict[str, Engine] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            engine = open_engine(name, system, network, device)
            reason = _reason(engine, views, reference, calibrate)
        except Exception as error:  # whatever an engine raises, another one answers
            reason = f"it fails: {' '.join(str(error).split())[:300]}"
        if reason:
            refused[name] = reason
        else:
            engines[name] = engine
    return engines, refused


def _reason(engine: Engine, views: list[Views], reference: Answer, calibrate: Calibrate) -> str:
    """Why an engine is not to be used; empty where it is right for one view and for several, whatever memory holds."""
    for _ in patterns():
        for count in sorted({1, len(views)}):
            part = reference[0][:count], reference[1][:count]
            if reason := difference(part, engine.answer(views[:count]), calibrate):
                return reason
    return ""


def difference(reference: Answer, answer: Answer, calibrate: Calibrate) -> str:
    """How an answer differs from the wanted one, as half a sentence; empty where they agree."""
    if not all(np.isfinite(part).all() for part in answer):
        return "its scores are not numbers"
    ours, theirs = calibrate(*answer), calibrate(*reference)
    apart = float(np.abs(ours - theirs).max())
    if apart > APART:
        return f"its scores differ by {apart:.2f} from those in float32"
    best = np.sort(theirs, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * APART if best.shape[1] > 1 else np.zeros(len(best), bool)
    if (ours.argmax(1) != theirs.argmax(1))[clear].any():
        return "it names another class than float32"
    turned = float(np.linalg.norm(unit(answer[1]) - unit(reference[1]), axis=1).max())
    return f"its embeddings differ by {turned:.2f} from those in float32" if turned > TURNED else ""


def timed(engines: Mapping[str, Engine], views: list[Views]) -> dict[str, float]:
    """The least milliseconds of every engine, which take turns."""
    milliseconds: dict[str, list[float]] = {name: [] for name in engines}
    end = time.perf_counter() + LONGEST
    for number in range(ROUNDS + 1):  # the first makes ready and does not count
        if number > 2 and time.perf_counter() > end:
            break
        for name, engine in engines.items():
            seconds = _seconds(engine, views)
            milliseconds[name] += [1000 * seconds] if number else []
    return {name: round(min(values), 3) for name, values in milliseconds.items()}


def worthwhile(engine: OpenVINOEngine, view: Views) -> set[int]:
    """The batch sizes that spare much time; each takes ten times the memory of the weights."""
    seconds = {size: min(_seconds(engine, [view] * size) for _ in range(ROUNDS)) for size in engine.sizes}
    return {size for size, spent in seconds.items() if size == 1 or size * seconds[1] >= WORTH * spent}


def _seconds(engine: Engine, views: list[Views]) -> float:
    start = time.perf_counter()
    engine.answer(views)
    return time.perf_counter() - start


def chosen(milliseconds: Mapping[str, float]) -> str:
    """The fastest engine by these milliseconds, OpenVINO's times counting a little less."""
    counted = {
        name: value / PREFERRED if name.startswith("OpenVINO") else value for name, value in milliseconds.items()
    }
    return min(counted, key=counted.__getitem__, default=f"PyTorch {FLOAT32}")
