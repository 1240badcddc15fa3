"""The last step of a training: temperature, class centres, threshold, figures, and the checkpoint that ships."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from actrec.data.split import Source, Split
from actrec.evaluation.metrics import calibration_error, fit_temperature
from actrec.recognizer import Recognizer, softmax
from actrec.systems.system import System
from actrec.training.run import Run, Settings
from actrec.weights.cards import Card
from actrec.weights.checkpoint import read_checkpoint, write_checkpoint

QUANTILE = 0.98
GALLERY = 60


def finish(
    run: Run, settings: Settings, system: System, source: Source, network: nn.Module, device: torch.device
) -> Card:
    """Write the weights, read them back as a user would, measure them on validation clips, write the card."""
    card = Card(
        name=settings.name,
        system=system.name,
        labels=source.labels,
        trained_on=source.description,
        command=command(settings),
        seed=settings.seed,
        licence=source.licence,
        intended_for=source.intended_for,
        inputs={name: vars(each) for name, each in system.inputs.items()},
    )
    tensors = network.state_dict()
    write_checkpoint(run.weights, card, tensors)
    recognizer = Recognizer.load(run.weights, str(device))
    train = _outputs(recognizer, source.train, _few(source.train))
    held_out = _outputs(recognizer, source.validation, np.arange(len(source.validation)))
    card, _ = read_checkpoint(run.weights)
    card = judged(card, train, held_out)
    return write_checkpoint(run.weights, card, tensors)


def judged(card: Card, train: tuple, held_out: tuple) -> Card:
    """The card with temperature, centres and threshold; fitted on held-out clips, at a stated quantile."""
    logits, codes, targets = held_out
    temperature = float(fit_temperature(logits, targets))
    centres = {label: _unit(train[1][train[2] == index].mean(0)) for index, label in enumerate(card.labels)}
    gaps = np.linalg.norm(codes - np.stack([centres[card.labels[target]] for target in targets]), axis=1)
    right = logits.argmax(1) == targets
    measured = {
        "split": f"{len(targets)} held-out clips of the same kind",
        "top1": round(float(right.mean()), 4),
        "calibration_error_before": round(float(calibration_error(softmax(logits), targets)), 4),
        "calibration_error": round(float(calibration_error(softmax(logits / temperature), targets)), 4),
        "threshold_quantile": QUANTILE,
    }
    return Card(
        **{
            **vars(card),
            "temperature": round(temperature, 4),
            "centres": {label: [round(float(value), 5) for value in centre] for label, centre in centres.items()},
            "threshold": round(float(np.quantile(gaps[right] if right.any() else gaps, QUANTILE)), 4),
            "measured": measured,
        }
    )


def command(settings: Settings) -> str:
    """The command line that makes these weights again."""
    words = [
        "python -m actrec train",
        f"--system {settings.system}",
        f"--data {settings.data}",
        f"--name {settings.name}",
    ]
    words += [
        f"--clips-per-class {settings.clips_per_class}",
        f"--preset {settings.preset}",
        f"--seed {settings.seed}",
    ]
    for name in ("epochs", "batch", "rate"):
        if getattr(settings, name) is not None:
            words.append(f"--{name} {getattr(settings, name)}")
    return " ".join(words)


def _few(split: Split) -> np.ndarray:
    """At most `GALLERY` clips of each class: enough for a centre."""
    return np.concatenate([np.flatnonzero(split.targets == label)[:GALLERY] for label in np.unique(split.targets)])


def _outputs(recognizer: Recognizer, split: Split, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores before the softmax, unit codes and targets of the newest view of some clips."""
    logits, codes = recognizer.run(
        [recognizer.system.protocols["one"].views(split.clip(int(each)))[0] for each in index]
    )
    return logits, codes / np.linalg.norm(codes, axis=1, keepdims=True).clip(1e-12), split.targets[index]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
