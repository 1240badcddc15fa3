"""A system with weights, labels and a device: clips in, predictions out. Safe to share between visitors."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from actrec.core.devices import DEVICE_FAILED, choose_device
from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32, Numbers, choose_numbers
from actrec.metrics.accuracy import softmax
from actrec.models.layers import for_inference
from actrec.motion.clue_time import spent_on_clues
from actrec.recognition.repository import Judgement
from actrec.systems import SYSTEMS, System, Views, named
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError, cards
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.folders import settled
from actrec.weights.starts import STARTS, starts_folder

BATCH = 16
DEFAULT = "asym3d"  # the system where none is named


@dataclass(frozen=True)
class Prediction:
    """What a system says of a clip, what each view said, and what it cost.

    Temperature and threshold are fitted on single views, and so they are used: each view's scores are scaled before
    they are fused, and `distance` is the views' mean distance to the nearest centre, not that of their mean code,
    which lies closer. `milliseconds` has the steps views (sampling and cropping), clues, network and fusion.
    """

    labels: tuple[str, ...]
    scores: np.ndarray
    view_scores: np.ndarray
    view_weights: np.ndarray
    code: np.ndarray
    nearest: str | None
    distance: float | None
    threshold: float | None
    milliseconds: dict[str, float]

    @property
    def label(self) -> str:
        """The class with the highest score, be it known or not."""
        return self.labels[int(self.scores.argmax())]

    @property
    def unknown(self) -> bool | None:
        """Too far from every class centre to be any of them; None where the weights carry no centres."""
        return None if self.threshold is None else bool(self.distance > self.threshold)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        order = np.argsort(-self.scores)[:count]
        return [(self.labels[index], float(self.scores[index])) for index in order]


def steadied(lately: Sequence[Prediction]) -> Prediction:
    """The newest of a camera's predictions, with the mean of all as its scores, code and distance: what flickers in
    one of them does not show. All come from the same weights."""
    newest = lately[-1]
    return replace(
        newest,
        scores=np.mean([each.scores for each in lately], axis=0),
        code=unit(np.mean([each.code for each in lately], axis=0)),
        distance=None if newest.distance is None else float(np.mean([each.distance for each in lately])),
    )


class Recognizer:
    """`predict`, `predict_many` and `embed` may be called from any thread; one computes at a time."""

    def __init__(self, system: System, network: nn.Module, card: Card, device: str = "auto") -> None:
        self.system, self.card, self.labels = system, card, tuple(card.labels)
        self.device, self.notice = choose_device(device), ""
        self._lock = threading.Lock()
        self._spare = copy.deepcopy(network.eval()) if self.device.type == "cuda" else None  # for when the GPU is gone
        try:
            self.numbers, self._network = _fastest(system, network.eval(), self.device, len(self.labels))
        except DEVICE_FAILED as error:
            self._to_processor(error)
        if system.decides == "centres" and set(card.centres or self.labels) != set(self.labels):
            raise WeightsError(f"The weights '{card.name}' need one class centre for each of their labels.")
        kept = card.centres or {}
        order = self.labels if set(kept) == set(self.labels) else tuple(kept)
        self.centre_names = order
        self._centres = np.array([kept[name] for name in order] or np.zeros((0, 1)), dtype=np.float32)

    @property
    def network(self) -> nn.Module:
        """The network that answers, in `numbers`; who wants to change it takes a copy."""
        return self._network

    @classmethod
    def load(cls, folder: Path, device: str = "auto", *, temperature: float | None = None) -> Recognizer:
        """A recognizer from a checkpoint folder; `temperature` stands in for the card's."""
        card, tensors = read_checkpoint(folder)
        if card.system not in SYSTEMS:
            raise WeightsError(
                f"The weights '{card.name}' are for the system '{card.system}'. Known: {', '.join(SYSTEMS)}."
            )
        system = named(card.system, card.options)
        same_inputs(card, system)
        network = system.network(len(card.labels))
        fit(network, tensors, card)
        return cls(system, network, card if temperature is None else replace(card, temperature=temperature), device)

    @classmethod
    def public(cls, name: str, file: Path, device: str = "auto") -> Recognizer:
        """A published Kinetics-400 model from a file in its publisher's layout."""
        from actrec.models.torchvision_models import labels
        from actrec.weights.catalogue import entry
        from actrec.weights.convert import torchvision_model

        card = Card(
            name=name,
            system=name,
            labels=list(labels(name)),
            trained_on="Kinetics-400, real films from the web; weights published by torchvision",
            command=f"python -m actrec fetch {name}",
            seed=0,
            licence=entry(name).licence,
            people="one or more people",
        )
        return cls(SYSTEMS[name], torchvision_model(name, file), card, device)

    def predict(self, clip: Clip, views: str = "clip") -> Prediction:
        """The prediction for a clip; `views` names the test protocol: one, clip or paper."""
        return self.predict_many([clip], views)[0]

    def predict_many(self, clips: Sequence[Clip], views: str = "clip") -> list[Prediction]:
        """Predictions for several clips, their views batched together."""
        if not clips:
            return []
        began = time.perf_counter()
        with spent_on_clues() as clues:
            made = [self.system.protocols[views].views(clip) for clip in clips]
        seen = time.perf_counter()
        logits, codes = self.run([view for each in made for view in each])
        computed = time.perf_counter()
        share = 1000 / len(clips)
        cost = {"views": (seen - began - clues.seconds) * share, "clues": clues.seconds * share}
        cost["network"] = (computed - seen) * share
        predictions, first = [], 0
        for each in made:
            part = slice(first, first + len(each))
            predictions.append(self._judge(logits[part], codes[part], views, dict(cost)))
            first += len(each)
        return predictions

    def embed(self, clip: Clip, views: str = "clip") -> np.ndarray:
        """The clip's code: the mean over its views, of length one."""
        return self._code(self.run(self.system.protocols[views].views(clip))[1])

    @torch.inference_mode()
    def run(self, views: list[Views]) -> tuple[np.ndarray, np.ndarray]:
        """Scores before the softmax and codes of each view."""
        scores, codes = [], []
        for start in range(0, len(views), BATCH):
            batch = views[start : start + BATCH]
            try:
                score, code = self._compute(batch)
            except DEVICE_FAILED as error:
                self._to_processor(error)
                score, code = self._compute(batch)
            scores.append(score)
            codes.append(code)
        scores, codes = np.concatenate(scores), np.concatenate(codes)
        if not np.isfinite(scores).all() or not np.isfinite(codes).all():
            raise WeightsError(f"The weights '{self.card.name}' gave scores that are not numbers. They are damaged.")
        return scores, codes

    def index(self, label: str) -> int:
        """The place of a label among the scores, or a sentence with the labels there are."""
        if label not in self.labels:
            raise BadValue(f"These weights do not know '{label}'. They know: {', '.join(self.labels)}.")
        return self.labels.index(label)

    def shares(self, logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """What `run` gave as calibrated scores that add up to one in each view: [views, classes]."""
        if self.system.decides == "centres":
            logits = -np.square(self._gaps(unit(codes)))
        return softmax(logits, self.card.temperature or 1.0)

    def _compute(self, batch: list[Views]) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.system.tensors(batch, self.device)
        with self._lock:
            code = self._network.code(**{name: self.numbers.arrange(value) for name, value in inputs.items()})
            score = self._network.scores(code) if self.system.decides == "scores" else code[:, :0]
            return score.float().cpu().numpy(), code.float().cpu().numpy()

    def without_gpu(self, error: Exception) -> str:
        """Go on without a GPU that failed someone who used the network himself, and what to say of it; any other error
        is raised again."""
        self._to_processor(error)
        return self.notice

    def _to_processor(self, error: Exception) -> None:
        """Go on without the GPU, from the copy beside it; what is wrong with the network itself is raised."""
        with self._lock:
            if self._spare is None:
                if self.notice:  # another thread has gone there meanwhile
                    return
                raise error
            device, full = self.device, isinstance(error, torch.OutOfMemoryError)
            self.numbers, self._network = _fastest(self.system, self._spare, torch.device("cpu"), len(self.labels))
            self.device, self._spare = torch.device("cpu"), None
            self.notice = (
                f"'{self.card.name}' computes on the processor now: {device} "
                f"{'has no memory left' if full else 'does not answer'}. Start the program again to go back."
            )

    def distances(self, code: np.ndarray) -> dict[str, float]:
        """Euclidean distance from a code to every class centre."""
        if not self.centre_names:
            return {}
        return dict(zip(self.centre_names, map(float, self._gaps(code[None])[0]), strict=True))

    def judge(self, code: np.ndarray) -> Judgement | None:
        """A code by the weights' own class centres, all of them in order; None where the weights carry none."""
        nearest = sorted(self.distances(code).items(), key=lambda each: each[1])
        if not nearest:
            return None
        (label, distance), threshold = nearest[0], self.card.threshold
        known = threshold is None or distance <= threshold
        return Judgement(label if known else None, distance, threshold, tuple(nearest))

    def _gaps(self, codes: np.ndarray) -> np.ndarray:
        """Euclidean distances [codes, centres]."""
        if len(self._centres) and self._centres.shape[1] != codes.shape[1]:
            raise WeightsError(
                f"The class centres of the weights '{self.card.name}' have {self._centres.shape[1]} numbers each, its "
                f"codes {codes.shape[1]}. They are damaged."
            )
        return np.linalg.norm(codes[:, None] - self._centres[None], axis=2)

    def _judge(self, logits: np.ndarray, codes: np.ndarray, views: str, cost: dict[str, float]) -> Prediction:
        began = time.perf_counter()
        scores = self.shares(logits, codes)
        fused = self.system.protocols[views].fuse(scores)
        code = self._code(codes)
        gaps = dict(zip(self.centre_names, map(float, self._gaps(unit(codes)).mean(0)), strict=True))
        nearest = min(gaps, key=gaps.get) if gaps else None
        cost["fusion"] = (time.perf_counter() - began) * 1000
        return Prediction(
            self.labels, fused.shares, scores, fused.weights, code, nearest,
            gaps[nearest] if nearest else None, self.card.threshold if nearest else None, cost,
        )  # fmt: skip

    @staticmethod
    def _code(codes: np.ndarray) -> np.ndarray:
        return unit(codes.mean(0))


def same_inputs(card: Card, system: System) -> None:
    """Refuse weights whose views were made otherwise than the system makes them now; the first difference is named."""
    for name in [*system.inputs, *card.inputs] if card.inputs else []:
        ours = vars(system.inputs[name]) if name in system.inputs else {}
        theirs = card.inputs.get(name) or {}
        for key in [*ours, *theirs]:
            here, there = ours.get(key, "nothing"), theirs.get(key, "nothing")
            if here != there and not (_number(here) and _number(there) and math.isclose(here, there, abs_tol=1e-6)):
                raise WeightsError(
                    f"The weights '{card.name}' do not fit the system '{system.name}': {key} of the input '{name}' is "
                    f"{there} on the card and {here} in the system. Train them again or use the version they come from."
                )


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def unit(codes: np.ndarray) -> np.ndarray:
    """Codes of length one."""
    return codes / np.linalg.norm(codes, axis=-1, keepdims=True).clip(1e-12)


def _fastest(system: System, network: nn.Module, device: torch.device, classes: int) -> tuple[Numbers, nn.Module]:
    """The network in the number format that runs fastest here."""
    network = for_inference(network).to(device)
    copies: dict[Numbers, nn.Module] = {}
    blank = {name: value.to(device) for name, value in system.blank().items()}

    @torch.inference_mode()
    def run(numbers: Numbers) -> object:
        if numbers not in copies:
            copies[numbers] = numbers.convert(copy.deepcopy(network))
        return copies[numbers](**{name: numbers.arrange(value) for name, value in blank.items()})

    chosen = "".join(f" {name}={value}" for name, value in system.chosen.items())
    numbers = choose_numbers(f"{system.name}{chosen} {classes} classes", device, run)
    return numbers, copies.get(numbers) or (network if numbers == FLOAT32 else numbers.convert(network))


def open_recognizer(system: str | None, weights: str | None, folder: Path, device: str = "auto") -> Recognizer:
    """The recognizer that a system, weights or both name; without weights `SYSTEM-synthetic` is taken."""
    if system is None and weights is not None:
        return Recognizer.load(find_weights(weights, folder), device)
    system = system or DEFAULT
    chosen = named(system)
    if chosen.size == "public" and weights is None:
        from actrec.weights.catalogue import entry
        from actrec.weights.download import verified

        file = verified(entry(system))
        if file is None:
            about = entry(system)
            raise WeightsError(
                f"The public model '{system}' is not on this machine. Fetch it when there is a network: "
                f"python -m actrec fetch {system} ({about.size}; {about.licence})."
            )
        return Recognizer.public(system, file, device)
    recognizer = Recognizer.load(find_weights(weights or f"{system}-synthetic", folder), device)
    if recognizer.system.name != chosen.name:
        raise WeightsError(
            f"The weights '{recognizer.card.name}' are for the system '{recognizer.system.name}', not for '{system}'. "
            "Name one of the two, or both as they belong together."
        )
    return recognizer


def find_weights(name: str, folder: Path) -> Path:
    """A checkpoint by its path, or by its name in the weights folder or among the published ones that were fetched; the
    error lists what there is, or says how to fetch it."""
    for candidate in (Path(name), folder / name, starts_folder() / name):
        if (settled(candidate) / "card.json").is_file():
            return candidate
    if name in STARTS:
        raise WeightsError(f"The published weights '{name}' are not on this machine. {STARTS[name].to_fetch}")
    known = ", ".join(cards(folder)) or "none"
    raise WeightsError(f"There are no weights '{name}'. In '{folder.name}/' there is: {known}.")
