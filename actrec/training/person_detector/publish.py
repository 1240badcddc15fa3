"""From a trained network to a detector that ships: which head, which confidence, and what it reaches."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actrec.people.detector import Card, Letterbox, PersonDetector, has_one_to_one
from actrec.training.person_detector.frames import File, Frame, FramesError, Report, frames_of
from actrec.training.person_detector.measure import CONFIDENCES, GOALS, LEAST_OVERLAP, Tally, best_confidence, tally
from actrec.training.person_detector.teacher import CONFIDENCE, OVERLAP, Teacher
from actrec.video import VideoError

if TYPE_CHECKING:
    from actrec.people.detector import DetectionModel

OVERLAPS = (0.45, 0.55, 0.65)  # tried where boxes have to be suppressed
MOST = 300  # frames that the choice is made on


def chosen(network: DetectionModel, card: Card, frames: Sequence[Frame], report: Report = print) -> Card:
    """The card with the head, the overlap and the confidence that serve best on frames to check on."""
    frames = [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, MOST).round().astype(int))]
    heads = [[replace(card, end_to_end=False, overlap=overlap) for overlap in OVERLAPS]]
    if has_one_to_one(network):
        heads.append([replace(card, end_to_end=True)])
    best: tuple[float, Card] | None = None
    for cards in heads:
        detector = PersonDetector(copy.deepcopy(network), cards[0])
        for candidate, boxes in zip(cards, answers(detector, frames, cards), strict=True):
            counts = tally(boxes, [frame.boxes for frame in frames])
            confidence, margin = best_confidence(counts)
            head = "answers once" if candidate.end_to_end else f"suppressed at {candidate.overlap}"
            row = counts.at(confidence)
            report(f"{head}, confidence {confidence}: recall {row['recall']:.3f}, precision {row['precision']:.3f}")
            if best is None or margin > best[0]:
                best = margin, replace(candidate, confidence=confidence)
    if best is None:
        raise FramesError("There is no frame to choose the confidence on: name more clips.")
    return best[1]


def answers(detector: PersonDetector, frames: Sequence[Frame], cards: Sequence[Card]) -> list[list[np.ndarray]]:
    """What one network finds under cards that differ in suppression, at the lowest confidence: a list for each card."""
    boxes: list[list[np.ndarray]] = [[] for _ in cards]
    for shape, group in groupby(frames, lambda frame: frame.image.shape):
        height, width = shape[:2]
        letterbox, images = Letterbox(height, width, cards[0].image_size), [frame.image for frame in group]
        for answer in detector.forward(letterbox.pictures(np.stack(images))):
            for mine, card in zip(boxes, cards, strict=True):
                detector.card = card
                mine.append(letterbox.back(detector.people(answer, CONFIDENCES[0]).cpu().numpy()))
    return boxes


def measured(detector: PersonDetector, teacher: Teacher, files: Sequence[File], report: Report = print) -> dict:
    """Recall and precision against the teacher on whole frames of these clips, together and by folder."""
    boxes: dict[str, list[np.ndarray]] = defaultdict(list)
    truth: dict[str, list[np.ndarray]] = defaultdict(list)
    clips: dict[str, int] = defaultdict(int)
    for file in files:
        try:
            frames = frames_of(file.path)
        except VideoError as error:
            report(f"{file.path.name} is left out: {error}")
            continue
        clips[file.home] += 1
        boxes[file.home] += detector.detect(frames)
        truth[file.home] += [teacher.detect(frame) for frame in frames]
    if not clips:
        raise FramesError("None of the clips to judge by can be read.")
    homes = sorted(clips)
    tallies = {home: tally(boxes[home], truth[home]) for home in homes}
    every = tally([b for home in homes for b in boxes[home]], [b for home in homes for b in truth[home]])
    return {
        **_row(every, sum(clips.values()), sum(map(len, truth.values()))),
        "confidence": detector.card.confidence,
        "overlap_needed": LEAST_OVERLAP,
        "goals": GOALS,
        "teacher": f"{teacher.path.name}, confidence {CONFIDENCE}, suppression {OVERLAP}",
        "folders": {home: _row(tallies[home], clips[home], len(truth[home])) for home in homes},
    }


def _row(counts: Tally, clips: int, frames: int) -> dict:
    return {**counts.at(0.0), "clips": clips, "frames": frames}


def write_examples(
    detector: PersonDetector, teacher: Teacher, files: Sequence[File], folder: Path, count: int = 12
) -> list[Path]:
    """Frames with the detector's boxes (green, with their scores) over the teacher's (white), one a file."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for k in np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)):
        frames = frames_of(files[k].path)
        frame = np.ascontiguousarray(frames[len(frames) // 2])
        theirs, ours = teacher.detect(frame), detector.detect(frame[None])[0]
        for box in theirs:
            cv2.rectangle(frame, *_corners(box), (255, 255, 255), 2)
        for box in ours:
            cv2.rectangle(frame, *_corners(box), (40, 220, 60), 1)
            where = (int(box[0]) + 2, int(box[1]) + 12)
            cv2.putText(frame, f"{box[4]:.2f}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 220, 60), 1, cv2.LINE_AA)
        path = folder / f"{files[k].home}-{files[k].path.stem}.png"
        cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        written.append(path)
    return written


def _corners(box: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    left, top, right, bottom = (round(float(side)) for side in box[:4])
    return (left, top), (right, bottom)
