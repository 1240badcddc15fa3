"""YOLO as a person detector: the one module of the project that imports ultralytics, and only when asked to.

The network is built from ultralytics' yaml of an architecture and filled from safetensors; no pickle is read.
A detector on disk is a folder with `model.safetensors` and `card.json`:

    {"architecture": "yolo26n.yaml", "image_size": 320, "classes": ["person"], "person": 0,
     "confidence": 0.25, "end_to_end": true, "overlap": 0.7, "sha256": "…", "trained_on": "…",
     "command": "…", "measured": {…}, "licence": "…"}
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torchvision.ops import nms

from actrec.core.errors import BadValue, Refusal
from actrec.core.files import parsed, read_small
from actrec.people.quarantine import quarantine
from actrec.weights.folders import MOST_BYTES, settled, write_folder

if TYPE_CHECKING:
    from ultralytics import YOLO
    from ultralytics.nn.modules import Detect
    from ultralytics.nn.tasks import DetectionModel

WEIGHTS, CARD = "model.safetensors", "card.json"
STRIDE = 32
GREY = 114  # YOLO's padding around an image that does not fill the input
OVERLAP = 0.7  # boxes of one person overlap more than this; only for networks that need suppression


class DetectorError(Refusal):
    """A detector that cannot be used, in a sentence."""


@dataclass(frozen=True)
class Card:
    """The facts that are needed to use detector weights, and their origin."""

    architecture: str
    image_size: int = 320
    classes: tuple[str, ...] = ("person",)
    person: int = 0
    confidence: float = 0.25
    end_to_end: bool = True  # the NMS-free head, where the architecture has one
    overlap: float = OVERLAP
    sha256: str = ""
    trained_on: str = ""
    command: str = ""
    measured: dict = field(default_factory=dict)
    licence: str = ""
    intended_for: str = ""


def read_card(folder: Path) -> Card:
    """The card of a detector's folder."""
    path = settled(Path(folder)) / CARD
    try:
        written = parsed(read_small(path))
        known = {f.name for f in fields(Card)}
        if not isinstance(written, dict):
            raise ValueError("it holds no table of names and values")
        values: dict[str, Any] = {name: value for name, value in written.items() if name in known}
        card = Card(**{**values, "classes": tuple(values.get("classes", Card.classes))})
        fits = 0 <= card.person < len(card.classes) and card.image_size >= STRIDE and 0 < card.overlap <= 1
    except FileNotFoundError:
        raise DetectorError(f"There is no {CARD} in {folder}; a detector needs one beside {WEIGHTS}.") from None
    except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise DetectorError(f"{path} is not a detector's card: {error}.") from None
    if not fits:
        raise DetectorError(f"{path} names no usable person class, image size or overlap.")
    return card


def build(architecture: str, classes: int) -> DetectionModel:
    """A randomly initialised YOLO from the name of ultralytics' yaml, such as `yolo26n.yaml`."""
    name = Path(architecture).name
    if name != architecture or not name.endswith(".yaml"):
        raise DetectorError(f"An architecture is the name of a yaml of ultralytics, not {architecture!r}.")
    with quarantine():
        try:
            from ultralytics.nn.tasks import DetectionModel
        except ImportError:
            raise DetectorError("The YOLO detector needs ultralytics: pip install ultralytics.") from None
        try:
            network = DetectionModel(name, ch=3, nc=classes, verbose=False)
        except FileNotFoundError:
            raise DetectorError(f"The installed ultralytics has no architecture {name!r}.") from None
    return network


def has_one_to_one(network: DetectionModel) -> bool:
    """Whether the network has a head that answers once per person (YOLO26): no suppression needed."""
    return getattr(_head(network), "one2one_cv2", None) is not None


def _head(network: DetectionModel) -> Detect:
    return cast("Detect", cast(torch.nn.Sequential, network.model)[-1])


def save_detector(network: DetectionModel | YOLO, folder: Path, card: Card, half: bool = True) -> Path:
    """Write an (unfused) ultralytics detection network and its card; the folder is complete or untouched.

    `network` is a `DetectionModel`, or a `YOLO` whose `.model` is one. `half` stores float16.
    """
    model = cast("DetectionModel", network if hasattr(network, "is_fused") else network.model)
    if model.is_fused():
        raise DetectorError("Save the detector before it is fused: a fused network no longer fits its yaml.")
    if len(card.classes) != _head(model).nc:
        raise DetectorError(f"The card names {len(card.classes)} classes, the network has {_head(model).nc}.")
    state = {}
    for name, tensor in model.state_dict().items():
        floating = tensor.is_floating_point()
        state[name] = tensor.detach().cpu().to(torch.float16 if half and floating else tensor.dtype).contiguous()
    data, folder = save(state), Path(folder)
    facts = {**asdict(card), "sha256": hashlib.sha256(data).hexdigest()}
    write_folder(folder, {WEIGHTS: data, CARD: (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()})
    return folder


def load_network(folder: Path, card: Card) -> DetectionModel:
    """The network of a card with its weights in it, float32, not fused."""
    path = settled(Path(folder)) / WEIGHTS
    try:
        data = read_small(path, MOST_BYTES)
        state, digest = load(data), hashlib.sha256(data).hexdigest()
    except (OSError, SafetensorError) as error:
        raise DetectorError(f"{path} cannot be read as safetensors: {error}.") from None
    if card.sha256 and card.sha256 != digest:
        raise DetectorError(f"{path} is not the file its card was written for: fetch or save it again.")
    network = build(card.architecture, len(card.classes))
    own = network.state_dict()
    for name in sorted(own.keys() | state.keys()):
        stored = list(state[name].shape) if name in state else None
        expected = list(own[name].shape) if name in own else None
        if stored != expected:
            raise DetectorError(
                f"{path} does not fit {card.architecture} with {len(card.classes)} classes: "
                f"{name} is {stored or 'missing'} in the file and {expected or 'not known'} in the network."
            )
    network.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()})
    return network


@dataclass(frozen=True)
class Letterbox:
    """How a frame is scaled and padded into the network's input, and how boxes are mapped back."""

    height: int
    width: int
    size: int

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the frame inside the padded image."""
        gain = self.size / max(self.height, self.width)
        return max(1, round(self.height * gain)), max(1, round(self.width * gain))

    @property
    def outer(self) -> tuple[int, int]:
        """Height and width of the padded image: the next multiples of the stride."""
        height, width = self.inner
        return -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE

    @property
    def corner(self) -> tuple[int, int]:
        """Top and left of the frame inside the padded image."""
        top, left = (round((o - i) / 2 - 0.1) for o, i in zip(self.outer, self.inner, strict=True))
        return top, left

    def pictures(self, frames: np.ndarray) -> np.ndarray:
        """`uint8 [N, H, W, 3]` → `uint8 [N, h, w, 3]`."""
        (h, w), (top, left) = self.inner, self.corner
        out = np.full((len(frames), *self.outer, 3), GREY, np.uint8)
        for padded, frame in zip(out, frames, strict=True):
            inside = padded[top : top + h, left : left + w]
            inside[:] = frame if (h, w) == frame.shape[:2] else cv2.resize(frame, (w, h))
        return out

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes `[n, 4+]` of the padded image in pixels of the frame, cut to it."""
        (h, w), (top, left) = self.inner, self.corner
        boxes = boxes.astype(np.float32, copy=True)
        for sides, start, gain, end in (
            ([0, 2], left, w / self.width, self.width),
            ([1, 3], top, h / self.height, self.height),
        ):
            boxes[:, sides] = np.clip((boxes[:, sides] - start) / gain, 0, end)
        return boxes


class PersonDetector:
    """Finds people in frames. Safe to share between threads: one forward pass at a time."""

    def __init__(self, network: DetectionModel, card: Card, device: str = "cpu", source: str = "") -> None:
        self.card, self.device, self.source = card, torch.device(device), source
        self.end_to_end = card.end_to_end and has_one_to_one(network)
        with quarantine():
            setattr(network, "end2end", self.end_to_end)  # noqa: B010  (ultralytics' property, unknown to the types)
            fused = network.float().eval().requires_grad_(False).fuse(verbose=False)
        # float32: on a processor these small layers are slower in bfloat16 (measured: 27 against 14 ms a
        # frame)
        self.network = fused.to(self.device).to(memory_format=torch.channels_last)
        self._turn = threading.Lock()  # the head caches its anchors per image size

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> PersonDetector:
        """A detector from its folder."""
        card = read_card(folder)
        return cls(load_network(folder, card), card, device, str(folder))

    def detect(self, frames: np.ndarray, confidence: float | None = None, batch: int = 8) -> list[np.ndarray]:
        """People in `uint8 [N, H, W, 3]`: per frame `float32 [n, 5]`, box in pixels and score, best first."""
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise BadValue(f"frames are uint8 [N, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        least = self.card.confidence if confidence is None else confidence
        _, height, width, _ = frames.shape
        letterbox = Letterbox(height, width, self.card.image_size)
        boxes: list[np.ndarray] = []
        for first in range(0, len(frames), batch):
            answers = self.forward(letterbox.pictures(frames[first : first + batch]))
            for answer in answers:
                people = self.people(answer, least)
                boxes.append(letterbox.back(people.cpu().numpy()))
        return boxes

    def forward(self, pictures: np.ndarray) -> torch.Tensor:
        """Padded images → answers: `[N, 300, 6]` of the NMS-free head, else `[N, 4+classes, n]`."""
        tensor = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2)  # channels-last as it lies
        with self._turn, torch.inference_mode():
            return self.network(tensor.float().div_(255))[0]

    def people(self, answer: torch.Tensor, confidence: float) -> torch.Tensor:
        """One image's answer → `[n, 5]` (left, top, right, bottom, score) of its people, best first."""
        if self.end_to_end:  # rows of box, score, class; every person once
            keep = (answer[:, 4] >= confidence) & (answer[:, 5].round() == self.card.person)
            people = answer[keep, :5]
            return people[people[:, 4].argsort(descending=True)]
        centre, sides, scores = answer[:2].T, answer[2:4].T, answer[4:].T
        score, kind = scores.max(dim=1)
        keep = (score >= confidence) & (kind == self.card.person)
        boxes = torch.cat([centre - sides / 2, centre + sides / 2], dim=1)[keep]
        people = torch.cat([boxes, score[keep, None]], dim=1)
        return people[nms(boxes, score[keep], self.card.overlap)]
