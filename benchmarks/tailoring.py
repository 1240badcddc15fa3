"""What the tailor and the trajectories cost, medians in milliseconds: `python -m benchmarks.tailoring [--json]`.

Peer: ultralytics' own predict on the same network, frames and size, interleaved in the same run. The network has no
trained weights (time does not depend on them, except for the suppression that YOLO11 needs and YOLO26 does not).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from actrec.motion.descriptors import describe
from actrec.motion.trajectories import Tracks, track
from actrec.people import People, find_people
from actrec.people.detector import Card, PersonDetector, build
from actrec.people.quarantine import quarantine
from actrec.tailor import tailor
from actrec.tailor.geometry import enhance
from actrec.video import Clip

SIZE = (240, 320)
FRAMES = 24
REPEATS = 5
CPU = " (processor)"
GOAL = 30.0  # ms per detected frame at 320 px


def moving_clip(frames: int = FRAMES) -> Clip:
    """A textured ground that a camera pans over, and a rectangle that moves on it."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((SIZE[0] + 80, SIZE[1] + 200, 3)).astype(np.float32)
    ground = np.clip(128 + 200 * cv2.GaussianBlur(noise, (0, 0), 2.5), 0, 255).astype(np.uint8)
    images = []
    for t in range(frames):
        image = ground[t // 2 : t // 2 + SIZE[0], 3 * t : 3 * t + SIZE[1]].copy()
        image[80:160, 60 + 2 * t : 110 + 2 * t] = 255 - ground[:80, :50]
        images.append(image)
    return Clip(np.stack(images), np.arange(frames) / 25)


def interleaved(calls: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median milliseconds of each call, measured in turns so that all meet the same conditions.

    `name + CPU` is the processor's time over both cores, which other work on the machine hardly changes.
    """
    times: dict[str, list[float]] = {}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start, busy = time.perf_counter(), time.process_time()
            call()
            if turn:  # the first is a warm-up
                times.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
                times.setdefault(name + CPU, []).append((time.process_time() - busy) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def their_predict(architecture: str, frames: np.ndarray) -> Callable[[], object]:
    """ultralytics' predict, frame by frame, as its users call it."""
    with quarantine():
        from ultralytics.models.yolo.detect import DetectionPredictor

        network = build(architecture, 1).eval()
        network.names = {0: "person"}
        options = {"imgsz": 320, "verbose": False, "save": False, "device": "cpu", "rect": True, "mode": "predict"}
        options["nms"] = architecture != "yolo26n.yaml"
        predictor = DetectionPredictor(overrides=options)
        predictor.setup_model(network, verbose=False)
    images = [np.ascontiguousarray(f[..., ::-1]) for f in frames]
    return lambda: [predictor(image) for image in images]


def tailored_rows(clip: Clip) -> list[dict]:
    """The tailor, per frame that the detector examined, and its parts."""
    rows = []
    examined = clip.frames[::3]
    for architecture in ("yolo26n.yaml", "yolo11n.yaml"):
        detector = PersonDetector(build(architecture, 1), Card(architecture))
        count = find_people(clip, Certain(detector), every=3).frames_searched
        times = interleaved(
            {
                "tailor": lambda d=detector: tailor(clip, detector=Certain(d), every=3),
                "detector": lambda d=detector: d.detect(examined),
                "predict": their_predict(architecture, examined),
            }
        )
        name = architecture.removesuffix(".yaml")
        peer = times["predict"] / len(examined)
        for part, what, per in (("tailor", "tailor", count), ("detector", "detector alone", len(examined))):
            goal = GOAL if part == "tailor" else None
            ours, busy = times[part] / per, times[part + CPU] / per
            rows.append(row(f"{what}, {name} at 320 px, per detected frame", ours, peer, goal, busy))
    return rows


class Certain:
    """A detector whose every answer holds one person, whatever its untrained network says; it costs the same."""

    def __init__(self, detector: PersonDetector) -> None:
        self.detector, self.card = detector, detector.card

    def detect(self, frames: np.ndarray) -> list[np.ndarray]:
        self.detector.detect(frames)
        return [np.array([[80, 40, 200, 220, 0.9]], np.float32)] * len(frames)


def literal_enhance(frames: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Eq. 7 and 8 as floats over the whole clip, the obvious way."""
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]]
    left, top, right, bottom = box
    beside = np.maximum(np.maximum(left - columns, columns - (right - 1)), 0)
    above = np.maximum(np.maximum(top - rows, rows - (bottom - 1)), 0)
    away = np.ceil(np.maximum(beside, above) / 5)
    factor = np.where(away == 0, 1.2, 0.9**away)
    return np.clip(np.rint(frames * factor[..., None]), 0, 255).astype(np.uint8)


def row(name: str, ours: float, peer: float | None, goal: float | None, processor: float) -> dict:
    return {"name": name, "ours": ours, "peer": peer, "goal": goal, "unit": "ms", "processor": processor}


def rows() -> list[dict]:
    """One dict per figure: name, ours, peer, goal, unit."""
    clip = moving_clip()
    tailor_rows = tailored_rows(clip)
    box = np.array([80, 40, 200, 220])
    people: People = find_people(clip)
    tracks: Tracks = track(clip)
    times = interleaved(
        {
            "enhance": lambda: enhance(clip.frames, box),
            "literal": lambda: literal_enhance(clip.frames, box),
            "salience": lambda: find_people(clip),
            "crop": lambda: tailor(clip, people=people),
            "track": lambda: track(clip),
            "describe": lambda: describe(tracks, clip),
        },
        repeats=3,
    )
    per_frame = {name: ms / len(clip) for name, ms in times.items()}
    shown = {
        "enhance": "eq. 7 and 8, per frame",
        "salience": "people from salience, per frame",
        "crop": "crop, eq. 7 and 8 from known people, per frame",
        "track": "trajectories, per frame",
        "describe": f"descriptors of {len(tracks)} trajectories, per frame",
    }
    peers = {"enhance": per_frame["literal"]}
    return tailor_rows + [row(text, per_frame[n], peers.get(n), None, per_frame[n + CPU]) for n, text in shown.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    results = rows() if (args := parser.parse_args()) else []
    settings = {
        "threads": {"torch": torch.get_num_threads(), "opencv": cv2.getNumThreads(), "cores": os.cpu_count()},
        "clip": f"{FRAMES} frames of {SIZE[1]}×{SIZE[0]}",
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }
    if args.json:
        print(json.dumps({"settings": settings, "rows": results}, indent=1))
        return
    print(settings)
    for line in results:
        peer = "" if line["peer"] is None else f"{line['peer']:8.1f}"
        goal = "" if line["goal"] is None else f"≤ {line['goal']:g}"
        print(
            f"{line['name']:<52}{line['ours']:8.1f}{peer:>9}{goal:>8} {line['unit']}, processor {line['processor']:.1f}"
        )


if __name__ == "__main__":
    main()
