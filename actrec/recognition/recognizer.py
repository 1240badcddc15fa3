"""A system with weights, labels and a device: clips in, predictions out. Safe to share between visitors."""

from __future__ import annotations

import difflib
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from actrec.core.devices import DEVICE_FAILED, choose_device
from actrec.core.errors import BadValue
from actrec.models.layers import for_inference
from actrec.motion.clue_time import spent_on_clues
from actrec.recognition.calibrated import centres_of, comparable, gaps, probabilities
from actrec.recognition.decision import least_confidence, people_needed
from actrec.recognition.engines.choice import REFERENCE, Choice, gpu_engine
from actrec.recognition.engines.engine import Answer, Engine
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.recognition.prediction import Prediction
from actrec.recognition.repository import Judgement
from actrec.systems import SYSTEMS, System, Views, named, recorded
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.default import default_weights
from actrec.weights.find import find_weights
from actrec.weights.folders import WEIGHTS

BATCH = 16
MOST_LISTED = 40  # labels that a sentence lists


class Recognizer:
    """`predict`, `predict_many` and `embed` may be called from any thread; one computes at a time.

    The network is the recognizer's from then on. On a processor the engine that was found fastest earlier answers, or
    PyTorch in float32 until `settle` has found it. With `only_torch` OpenVINO is left alone. Where a system makes views
    of two sizes, each has its own engine: they are compiled for one.
    """

    def __init__(
        self, system: System, network: nn.Module, card: Card, device: str = "auto", *, only_torch: bool = False
    ) -> None:
        self.system, self.card, self.labels = system, card, tuple(card.labels)
        self.device, self.notice = choose_device(device), ""
        if system.decides == "centres" and set(card.centres or self.labels) != set(self.labels):
            raise WeightsError(f"The weights '{card.name}' need one class centre for each of their labels.")
        self.centre_names, self._centres = centres_of(card)
        self._lock, self._settling, self._settled = threading.Lock(), threading.Lock(), False
        self._left_gpu = False
        self._plain, self._only_torch = network.eval().cpu(), only_torch
        self._smaller = (
            Recognizer(system.with_options(system.smaller), network, card, device, only_torch=only_torch)
            if system.smaller
            else None
        )
        try:
            self._engine = self._first_engine()
        except DEVICE_FAILED as error:
            if self.device.type != "cuda":
                raise
            self._leave_gpu(error)

    @property
    def engine(self) -> Engine:
        """What computes the answers now."""
        return self._engine

    @property
    def network(self) -> nn.Module:
        """A copy of the network for PyTorch, in float32, with its batch norms folded: for gradients and inner layers.
        Whoever asks may change it."""
        return for_inference(self._plain).to(self.device)

    @property
    def settled(self) -> bool:
        """Whether `settle` has nothing left to do."""
        smaller = self._smaller is None or self._smaller.settled
        return smaller and (self._settled or self.device.type == "cuda")

    def settle(self) -> None:
        """Change to the engine that is fastest here. Where that is not remembered it takes seconds, in a child at low
        priority; answers go on meanwhile."""
        if self._smaller is not None:
            self._smaller.settle()
        with self._settling:
            if self.settled:
                return
            choice = self._choice
            try:
                name = (choice.known() or choice.find()).chosen
            except (OSError, SafetensorError):  # no room for what the child needs; the next time there may be
                return
            try:
                engine = choice.open(name)
                for count in (1, 3):  # the first answer of every batch size takes longer
                    engine.answer([self._blank()] * count)
            except DEVICE_FAILED as error:
                self._report_failure(name, error)
            else:
                self._engine = engine
            self._settled = True

    def _first_engine(self) -> Engine:
        """What answers from the start, without a wait."""
        if self.device.type == "cuda":
            return gpu_engine(self.system, self._plain, self.device, self.probabilities)
        choice = self._choice
        finding = choice.known()
        if finding is not None and choice.opens_at_once(finding.chosen):
            try:
                engine = choice.open(finding.chosen)
                self._settled = True
                return engine
            except DEVICE_FAILED as error:
                self._report_failure(finding.chosen, error)
        return TorchEngine(self.system, self._plain, self.device)

    @cached_property
    def _choice(self) -> Choice:
        return Choice(self.system, self._plain, self.card, only_torch=self._only_torch)

    def _blank(self) -> Views:
        return {
            name: np.zeros((view.channels, view.frames, view.size, view.size), np.uint8)
            for name, view in self.system.inputs.items()
        }

    def _report_failure(self, engine: str, error: Exception) -> None:
        reason = " ".join(str(error).split())[:200]
        self.notice = f"'{self.card.name}' is computed by PyTorch: {engine} fails here ({reason})."

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        device: str = "auto",
        *,
        temperature: float | None = None,
        only_torch: bool = False,
        options: Mapping[str, object] | None = None,
    ) -> Recognizer:
        """A recognizer from a checkpoint folder or its name in weights/, or the default one; `temperature` stands in
        for the card's, and `options` for those of the card that only say how a clip is tested."""
        weights = weights or default_weights().name
        card, tensors = read_checkpoint(find_weights(weights, WEIGHTS) if isinstance(weights, str) else weights)
        if card.system not in SYSTEMS:
            raise WeightsError(
                f"The weights '{card.name}' are for the system '{card.system}'. Known: {', '.join(SYSTEMS)}."
            )
        system = recorded(card.system, card.options)
        same_inputs(card, system)
        system = system.asked_with(options or {})
        network = system.network(len(card.labels))
        fit(network, tensors, card)
        card = card if temperature is None else replace(card, temperature=temperature)
        return cls(system, network, card, device, only_torch=only_torch)

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
            trained_on="Kinetics-400, real videos from the web; weights published by torchvision",
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
        start = time.perf_counter()
        with spent_on_clues() as clues:
            views_of_clips = [self.system.protocols[views].views(clip) for clip in clips]
        viewed_at = time.perf_counter()
        logits, codes = self.run([view for own_views in views_of_clips for view in own_views])
        computed_at = time.perf_counter()
        per_clip = 1000 / len(clips)
        cost = {"views": (viewed_at - start - clues.seconds) * per_clip, "clues": clues.seconds * per_clip}
        cost["network"] = (computed_at - viewed_at) * per_clip
        predictions, first = [], 0
        for own_views in views_of_clips:
            part = slice(first, first + len(own_views))
            predictions.append(
                self._judge(self.probabilities(logits[part], codes[part]), codes[part], views, dict(cost))
            )
            first += len(own_views)
        return predictions

    def by_view(self, prediction: Prediction, view: int) -> Prediction:
        """The answer of one view of a prediction; nothing is computed for it."""
        one = slice(view, view + 1)
        return self._judge(prediction.view_scores[one], prediction.view_codes[one], "one", {})

    def embed(self, clip: Clip, views: str = "clip") -> np.ndarray:
        """The clip's code: the mean over its views, of length one where the system compares codes so."""
        return self._code(self.run(self.system.protocols[views].views(clip))[1])

    def run(self, views: list[Views]) -> tuple[np.ndarray, np.ndarray]:
        """Scores before the softmax and codes of each view."""
        answer = self._batches(views)
        if not _finite(answer) and self._leave_for_plain():  # a bad engine is told from bad weights
            answer = self._batches(views)
        if not _finite(answer):
            raise WeightsError(f"The weights '{self.card.name}' gave scores that are not numbers. They are damaged.")
        return answer

    def _batches(self, views: list[Views]) -> Answer:
        parts = [self._compute(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([codes for _, codes in parts])

    def _leave_for_plain(self) -> bool:
        """Change to PyTorch in float32 where another engine answered; whether there was one."""
        changed = self._smaller is not None and self._smaller._leave_for_plain()
        with self._lock:
            if self._engine.name == REFERENCE:
                return changed
            self._report_failure(self._engine.name, ArithmeticError("its scores are not numbers"))
            self._engine = TorchEngine(self.system, self._plain, self.device)
        return True

    def index(self, label: str) -> int:
        """The place of a label among the scores, or an error with the labels that there are."""
        if label not in self.labels:
            raise BadValue(f"These weights have no class '{label}'. {self._like(label)}")
        return self.labels.index(label)

    def _like(self, label: str) -> str:
        """The labels that there are; of many only those that are written like this one."""
        if len(self.labels) <= MOST_LISTED:
            return f"They have: {', '.join(self.labels)}."
        alike = difflib.get_close_matches(label, self.labels, n=5, cutoff=0.4)
        return f"They have {len(self.labels)}{', among them: ' + ', '.join(alike) if alike else ''}."

    def probabilities(self, logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """What `run` gave as calibrated scores that add up to one in each view: [views, classes]."""
        return probabilities(self.system, self.card, logits, codes)

    @torch.inference_mode()
    def parts(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """The scores before the softmax of those parts of the network that answer for themselves, from the codes that
        `run` gave: one stream of two, say. Empty where there is no such part."""
        if self.system.parts is None:
            return {}
        scores = self.system.parts(self._plain, torch.from_numpy(np.asarray(codes, np.float32)))
        return {name: value.numpy() for name, value in scores.items()}

    def _compute(self, batch: list[Views]) -> Answer:
        if self._smaller is not None and not self.system.fits(batch[0]):
            answer = self._smaller._compute(batch)
            self.notice = self.notice or self._smaller.notice
            return answer
        engine = self._engine
        try:
            return engine.answer(batch)
        except DEVICE_FAILED as error:
            self._replace(engine, error)
            return self._engine.answer(batch)

    def _replace(self, engine: Engine, error: Exception) -> None:
        """Go on without an engine that failed; what is wrong with the network itself is raised."""
        with self._lock:
            if engine is not self._engine:  # another thread has replaced it meanwhile
                return
            if self.device.type == "cuda":
                self._leave_gpu(error)
            elif engine.name.startswith("OpenVINO"):
                self._report_failure(engine.name, error)
                self._engine = TorchEngine(self.system, self._plain, self.device)
            else:
                raise error

    def without_gpu(self, error: Exception) -> str:
        """Go on without a GPU that failed a caller of the network itself; a sentence about it. Any other error is
        raised again."""
        with self._lock:
            if self.device.type == "cuda":
                self._leave_gpu(error)
            elif not self._left_gpu:
                raise error
        return self.notice

    def _leave_gpu(self, error: Exception) -> None:
        """Go on without the GPU, which has no memory left or is gone."""
        device, full = self.device, isinstance(error, torch.OutOfMemoryError)
        self.device, self._left_gpu = torch.device("cpu"), True
        self._engine = self._first_engine()
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
        nearest = sorted(self.distances(code).items(), key=lambda item: item[1])
        if not nearest:
            return None
        (label, distance), threshold = nearest[0], self.card.threshold
        known = threshold is None or distance < threshold
        return Judgement(label if known else None, distance, threshold, tuple(nearest))

    def _gaps(self, codes: np.ndarray) -> np.ndarray:
        return gaps(codes, self._centres, self.card)

    def _judge(self, scores: np.ndarray, codes: np.ndarray, views: str, cost: dict[str, float]) -> Prediction:
        start = time.perf_counter()
        fused = self.system.protocols[views].fuse(scores)
        code = self._code(codes)
        far = dict(zip(self.centre_names, map(float, self._gaps(comparable(self.system, codes)).mean(0)), strict=True))
        nearest = min(far, key=far.__getitem__) if far else None
        cost["fusion"] = (time.perf_counter() - start) * 1000
        return Prediction(
            self.labels, fused.probabilities, scores, fused.weights, codes, code, nearest,
            far[nearest] if nearest else None, self.card.threshold if nearest else None, cost,
            self.card.name, people_needed(self.card.people), least_confidence(self.card), self.system.unit_length,
        )  # fmt: skip

    def _code(self, codes: np.ndarray) -> np.ndarray:
        return comparable(self.system, codes.mean(0))


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


def _finite(answer: Answer) -> bool:
    return all(np.isfinite(part).all() for part in answer)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def open_recognizer(
    system: str | None,
    weights: str | None,
    folder: Path,
    device: str = "auto",
    options: Mapping[str, object] | None = None,
) -> Recognizer:
    """The recognizer that a system, weights or both name. For a system alone `SYSTEM-synthetic` is taken, and the
    default weights where neither is named. `options` are those that only say how a clip is tested."""
    if system is None:
        return Recognizer.load(find_weights(weights or default_weights(folder).name, folder), device, options=options)
    chosen = named(system, options)
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
    recognizer = Recognizer.load(find_weights(weights or f"{system}-synthetic", folder), device, options=options)
    if recognizer.system.name != chosen.name:
        raise WeightsError(
            f"The weights '{recognizer.card.name}' are for the system '{recognizer.system.name}', not for '{system}'. "
            "Name one of the two, or both as they belong together."
        )
    return recognizer
