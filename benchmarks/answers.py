"""The answers of recognisers and the cost of one: rows of `benchmarks.models`."""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from actrec.data.drawn import EXAMPLES
from actrec.evaluation.cost import untrained
from actrec.metrics.accuracy import softmax
from actrec.people.detector import Card as DetectorCard
from actrec.people.detector import PersonDetector, build
from actrec.recognition.recognizer import Recognizer, unit
from actrec.synthetic import ACTIONS, PAIRS, render
from actrec.systems import SYSTEMS
from actrec.tailor import tailor
from actrec.video import Clip
from actrec.weights.cards import Card
from actrec.weights.checkpoint import fit, read_checkpoint
from actrec.weights.folders import WEIGHTS
from benchmarks.tailoring import Certain

APART = 0.02
LIGHT = ("asym3d", "asym3d-rgbf", "crossenh", "fstcn", "mdtnet", "ms3d", "tsn-light")
# Published on their authors' GPUs, for the same question: a whole video in, a class out.
BESIDE = "the papers print 11.9 (MS3D) and 20.8 (ECO) on their GPUs"


def drawn_clips(labels: list[str], count: int) -> list[Clip]:
    """Clips that no training has seen, of each class that can be drawn in turn."""
    drawn = [label for label in labels if label in ACTIONS or label in PAIRS]
    return [render(drawn[n % len(drawn)], EXAMPLES + 77_000 + n, frames=32, size=(120, 160)) for n in range(count)]


@torch.inference_mode()
def as_it_comes(recognizer: Recognizer, folder: Path, views: list[dict]) -> np.ndarray:
    """The scores of views by the same weights in the network as PyTorch runs it: eager, float32, contiguous."""
    card, tensors = read_checkpoint(folder)
    network = recognizer.system.network(len(card.labels)).eval()
    fit(network, tensors, card)
    scores = []
    for view in views:
        code = network.code(**recognizer.system.tensors([view]))
        if recognizer.system.decides == "scores":
            scores.append(network.scores(code).numpy()[0])
        else:
            scores.append(by_centres(card, code.numpy())[0])
    return softmax(np.stack(scores), card.temperature or 1.0)


def by_centres(card: Card, codes: np.ndarray) -> np.ndarray:
    """Minus the squared distance to each class centre."""
    centres = np.array([card.centres[label] for label in card.labels])
    return -np.square(unit(codes)[:, None] - centres[None]).sum(2)


def agreement(clips: int) -> list[dict]:
    """For all weights that ship: how often our fast path names the same class, and how far its scores are."""
    rows = []
    for folder in sorted(path.parent for path in WEIGHTS.glob("*/card.json")):
        if not (folder / "model.safetensors").is_file() or folder.name == "person-detector":
            continue
        recognizer = Recognizer.load(folder, "cpu")
        recognizer.settle()
        views = [recognizer.system.protocols["one"].views(c)[0] for c in drawn_clips(list(recognizer.labels), clips)]
        logits, codes = recognizer.run(views)
        if recognizer.system.decides == "centres":
            logits = by_centres(recognizer.card, codes)
        ours, theirs = softmax(logits, recognizer.card.temperature or 1.0), as_it_comes(recognizer, folder, views)
        same, apart = int((ours.argmax(1) == theirs.argmax(1)).sum()), float(np.abs(ours - theirs).max())
        rows.append(
            {
                "weights": folder.name,
                "clips": clips,
                "format": recognizer.engine.name,
                "same_top1": same,
                "classes_named": len(set(theirs.argmax(1).tolist())),
                "largest_difference": apart,
                "met": same == clips and apart <= APART,
            }
        )
    return rows


def fresh(name: str, device: str, classes: int) -> Recognizer:
    """A recogniser with untrained weights, settled: their values do not change the time."""
    recognizer = untrained(SYSTEMS[name], device, classes)
    recognizer.settle()
    return recognizer


def noise(seconds: float, fps: float = 12.5) -> Clip:
    frames = np.random.default_rng(0).integers(0, 256, (int(seconds * fps) + 1, 240, 320, 3), np.uint8)
    return Clip(frames, np.arange(len(frames)) / fps)


def light_view(rounds: int = 5) -> list[dict]:
    """Milliseconds of one view of each light system: views and network from given clues, and all with the tailor.

    The tailor has yolo26n at 320 px look at every third frame, its default, of a video of the view's length.
    """
    detector = Certain(PersonDetector(build("yolo26n.yaml", 1), DetectorCard("yolo26n.yaml")))
    rows = []
    for name in LIGHT:
        recognizer = fresh(name, "cpu", 6)
        clip = noise(recognizer.system.seconds)
        steps_of = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            cut = tailor(clip, detector=detector)
            tailored = (time.perf_counter() - start) * 1000
            steps = recognizer.predict(cut.clip, "one").milliseconds
            steps_of.append(
                (steps["views"] + steps["network"], steps["clues"], tailored, tailored + sum(steps.values()))
            )
        given, clues, tailored, whole = (
            round(statistics.median(values), 1) for values in zip(*steps_of[1:], strict=True)
        )
        rows.append(
            {
                "name": name,
                "views_and_network_ms": given,
                "clues_ms": clues,
                "tailor_ms": tailored,
                "end_to_end_ms": whole,
                "goals_ms": [60, 250],
                "met": given <= 60 and whole <= 250,
            }
        )
    return rows


def videos_per_second(names: tuple[str, ...] = ("ms3d-paper", "asym3d-paper"), clips: int = 8) -> list[dict]:
    """Whole videos through the papers' networks on a GPU, views made from decoded frames included; none without one."""
    if not torch.cuda.is_available():
        return []
    rows = []
    for name in names:
        recognizer = fresh(name, "cuda", 101)
        videos = [noise(recognizer.system.seconds * 3, 25)] * clips
        predict = partial(recognizer.predict_many, videos, "clip")
        predict()
        start = time.perf_counter()
        predict()
        seconds = time.perf_counter() - start
        rows.append(
            {
                "name": name,
                "device": torch.cuda.get_device_name(),
                "format": recognizer.engine.name,
                "protocol": "clip",
                "videos_per_second": round(clips / seconds, 1),
                "beside": BESIDE,
            }
        )
    return rows
