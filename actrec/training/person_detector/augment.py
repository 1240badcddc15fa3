"""What a detector is shown while it learns: frames moved, scaled, turned, mirrored, laid side by side, coloured,
blurred.

Every draw comes from a generator that is passed in. A mosaic (Bochkovskiy et al., "YOLOv4", 2020) shows parts of four
frames around a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from actrec.people.detector import GREY
from actrec.training.person_detector.frames import Frame

SEEN = 0.35  # the part of a box that must be left of it
SMALLEST = 5.0  # pixels of its longer side
Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Strength:
    """How much is changed."""

    mosaic: float = 0.6  # of all images
    zoom: tuple[float, float] = (0.55, 1.4)  # of one frame, 1 fills the image
    colour: float = 1.0
    turned: float = 0.12  # of the frames lie on their side: people lie down, too


STRONG, GENTLE = Strength(), Strength(mosaic=0.0, zoom=(0.85, 1.15), colour=0.5, turned=0.0)


def example(
    frames: Sequence[Frame], index: int, shape: tuple[int, int], rng: np.random.Generator, strength: Strength
) -> Frame:
    """The frame of this index, alone or with three others around it, in an image of this shape."""

    def perhaps_turned(frame: Frame) -> Frame:
        return turned(frame, int(rng.choice((1, 3)))) if rng.random() < strength.turned else frame

    height, width = shape
    canvas = np.full((height, width, 3), GREY, np.uint8)
    if rng.random() < strength.mosaic:
        x, y = (int(side * rng.uniform(0.3, 0.7)) for side in (width, height))
        places = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
        chosen = [index, *rng.integers(len(frames), size=3)]
        low, high = np.log((0.4, 1.1))
        gains = np.exp(rng.uniform(low, high, size=4))
        boxes = [
            put(canvas, perhaps_turned(frames[k]), place, shape, gain, rng)
            for k, place, gain in zip(chosen, places, gains, strict=True)
        ]
    else:
        low, high = np.log(strength.zoom)
        gain = float(np.exp(rng.uniform(low, high)))
        boxes = [put(canvas, perhaps_turned(frames[index]), (0, 0, width, height), shape, gain, rng)]
    example_frame = Frame(canvas, np.concatenate(boxes))
    return tinted(mirrored(example_frame) if rng.random() < 0.5 else example_frame, rng, strength.colour)


def put(
    canvas: np.ndarray, frame: Frame, place: Box, shape: tuple[int, int], gain: float, rng: np.random.Generator
) -> np.ndarray:
    """Lay a frame, `gain` times as large as would just fit into `shape`, anywhere over a place of the canvas.

    What comes back are its boxes there, cut to the place; those of which too little is left are dropped.
    """
    height, width = frame.image.shape[:2]
    gain *= min(shape[0] / height, shape[1] / width)
    wide, high = max(8, round(width * gain)), max(8, round(height * gain))
    x0, y0, x1, y1 = place
    left = round(x0 + rng.uniform(*sorted((0, x1 - x0 - wide))))
    top = round(y0 + rng.uniform(*sorted((0, y1 - y0 - high))))
    how = cv2.INTER_AREA if gain < 0.8 and rng.random() < 0.5 else cv2.INTER_LINEAR
    image = cv2.resize(frame.image, (wide, high), interpolation=how)
    a, b, c, d = max(left, x0), max(top, y0), min(left + wide, x1), min(top + high, y1)
    canvas[b:d, a:c] = image[b - top : d - top, a - left : c - left]
    whole = frame.boxes * np.tile([wide / width, high / height], 2) + np.tile([left, top], 2)
    cut = np.clip(whole, [a, b, a, b], [c, d, c, d])
    sides, before = cut[:, 2:] - cut[:, :2], whole[:, 2:] - whole[:, :2]
    enough = (sides.prod(1) > SEEN * before.prod(1)) & (sides.max(1, initial=0.0) > SMALLEST)
    return cut[enough].astype(np.float32)


def turned(frame: Frame, quarters: int) -> Frame:
    """Turned to the left by so many quarters of a circle."""
    for _ in range(quarters):
        left, top, right, bottom = frame.boxes.T
        width = frame.image.shape[1]
        boxes = np.stack([top, width - right, bottom, width - left], axis=1)
        frame = Frame(np.ascontiguousarray(np.rot90(frame.image)), boxes)
    return frame


def mirrored(frame: Frame) -> Frame:
    """Left and right exchanged."""
    width = frame.image.shape[1]
    left, top, right, bottom = frame.boxes.T
    return Frame(np.ascontiguousarray(frame.image[:, ::-1]), np.stack([width - right, top, width - left, bottom], 1))


def tinted(frame: Frame, rng: np.random.Generator, amount: float) -> Frame:
    """Other light, other colours, now and then grey or out of focus."""
    image = frame.image
    hue, strong, bright = rng.uniform(-1, 1, 3) * amount * np.array([4.0, 0.6, 0.4])
    if rng.random() < 0.07:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.convertScaleAbs(image, alpha=1 + bright)
    else:
        x = np.arange(256)
        tables = ((x + hue) % 180, np.clip(x * (1 + strong), 0, 255), np.clip(x * (1 + bright), 0, 255))
        table = np.stack(tables, axis=-1).astype(np.uint8)[None]
        image = cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.12 * amount:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.4)))
    return Frame(image, frame.boxes)
