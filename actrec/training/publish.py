"""The last step of a training: temperature, class centres, threshold, figures, and the checkpoint that ships."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import softmax, top
from actrec.metrics.calibration import calibration_error, cautious_temperature, confidence_for
from actrec.recognition.calibrated import comparable
from actrec.recognition.decision import LEAST_CONFIDENCE
from actrec.recognition.recognizer import Recognizer
from actrec.systems.system import System
from actrec.training.loader import gallery_views, tested
from actrec.training.run import Run
from actrec.training.schedule import patience
from actrec.training.settings import Settings, command
from actrec.weights.cards import Card, read_card
from actrec.weights.checkpoint import write_checkpoint

QUANTILE = 0.98  # of held-out clips that were recognised, this fraction is not called unknown
SURE, SUREST = 0.8, 0.9  # fraction of the sure answers that are right; no more confidence is asked than this
GALLERY = 60  # clips of each class behind its centre, where a classifier decides and centres tell the unknown alone


def finish(
    run: Run,
    settings: Settings,
    system: System,
    source: Source,
    network: nn.Module,
    device: torch.device,
    facts: Callable[[Mapping[str, float]], dict[str, object]] = lambda parts: {},
) -> Card:
    """Write the weights, read them back as a user would, measure them on validation clips, write the card. `facts` is
    what else it says about the training, from the accuracy of the network's parts."""
    card = Card(
        name=settings.name,
        system=system.name,
        labels=source.labels,
        trained_on=source.description,
        command=command(settings),
        seed=settings.seed,
        licence=source.licence,
        intended_for=source.intended_for,
        people=source.people,
        options=system.recorded,
        inputs={name: vars(view) for name, view in system.inputs.items()},
    )
    tensors = network.state_dict()
    write_checkpoint(run.weights, card, tensors)
    recognizer = Recognizer.load(run.weights, str(device), only_torch=True)
    most = None if system.decides == "centres" else GALLERY
    gallery, judging = gallery_of(source.train, most, system), source.validation.moments(system.seconds)
    centres = class_centres(system, *_gallery_codes(recognizer, gallery))
    logits, raw = _outputs(recognizer, judging)
    codes = comparable(system, raw)
    parts = {name: round(top(scores, judging.targets), 4) for name, scores in recognizer.parts(raw).items()}
    if system.decides == "centres":
        logits = -torch.cdist(torch.from_numpy(codes), centres).square().numpy()
    chose = "temperature and threshold"
    if settings.keep == "best" or patience(settings):
        chose = f"epoch, {chose}"
    split = f"{len(judging)} views of {len(source.validation)} held-out clips, which also chose {chose}"
    card = calibrated_card(read_card(run.weights), centres.numpy(), logits, codes, judging.targets, split)
    measured = card.measured | ({"parts": parts, **facts(parts)} if parts else {})
    return write_checkpoint(run.weights, replace(card, measured=measured), tensors)


def calibrated_card(
    card: Card, centres: np.ndarray, logits: np.ndarray, codes: np.ndarray, targets: np.ndarray, split: str
) -> Card:
    """The card with temperature and threshold fitted on held-out clips, their scores, and a sentence on the clips."""
    temperature = cautious_temperature(logits, targets)
    gaps = np.linalg.norm(codes - centres[targets], axis=1)
    recognised = logits.argmax(1) == targets
    measured = {
        "split": split,
        "top1": round(top(logits, targets), 4),
        "calibration_error_before": round(calibration_error(softmax(logits), targets), 4),
        "calibration_error": round(calibration_error(softmax(logits, temperature), targets), 4),
        "threshold_quantile": QUANTILE,
    }
    rounded = {label: [round(float(x), 5) for x in row] for label, row in zip(card.labels, centres, strict=True)}
    threshold = float(np.quantile(gaps[recognised] if recognised.any() else gaps, QUANTILE))
    least = float(np.clip(confidence_for(softmax(logits, temperature), targets, SURE), LEAST_CONFIDENCE, SUREST))
    return replace(
        card,
        temperature=round(temperature, 4),
        centres=rounded,
        threshold=round(threshold, 4),
        least_confidence=round(least, 4),
        measured=measured,
    )


def gallery_of(split: Split, most: int | None, system: System) -> Split:
    """All clips of each class, or at most `most`, which make its centre."""
    targets = split.targets
    few = np.concatenate([np.flatnonzero(targets == label)[:most] for label in np.unique(targets)])
    return split.of(few).moments(system.seconds)


def class_centres(system: System, codes: torch.Tensor, targets: np.ndarray) -> torch.Tensor:
    """Eq. 6 of MS3D: the mean code of each class. Where codes are compared at length one (ours), the
    centre has it, too."""
    codes = compared(system, codes)
    means = torch.stack([codes[torch.from_numpy(targets == label)].mean(0) for label in np.unique(targets)])
    return compared(system, means)


def compared(system: System, codes: torch.Tensor) -> torch.Tensor:
    """Codes as a system compares them with its centres: of length one, or as they come."""
    return nn.functional.normalize(codes, dim=1) if system.unit_length else codes


def _gallery_codes(recognizer: Recognizer, gallery: Split) -> tuple[torch.Tensor, np.ndarray]:
    """The codes of all passes of every clip (w·p of a class), and their classes."""
    codes, passes = [], []
    for views_of_clips in gallery_views(recognizer.system, gallery):
        codes.append(recognizer.run([view for views in views_of_clips for view in views])[1])
        passes += [len(views) for views in views_of_clips]
    return torch.from_numpy(np.concatenate(codes)), np.repeat(gallery.targets, passes)


def _outputs(recognizer: Recognizer, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Scores before the softmax and codes, of the newest view of every clip."""
    outputs = [recognizer.run(views) for views in tested(recognizer.system, split, np.arange(len(split)), 1)]
    logits, codes = (np.concatenate(batches) for batches in zip(*outputs, strict=True))
    return logits, codes
