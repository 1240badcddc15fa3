"""A published person detector as a teacher: YOLOX in OpenCV's own runtime; the project works without it.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021": no anchors; each cell of three grids answers with a box relative to
itself, with how sure it is that there is a thing, and with what kind of thing it would be. Its images are BGR from 0
to 255, fitted into the upper left corner of a grey square.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from actrec.core.errors import BadValue, Refusal

SIZE = 416
STRIDES = (8, 16, 32)
GREY = 114
PERSON = 0  # of COCO's classes
CONFIDENCE = 0.5  # thing × person
OVERLAP = 0.45  # boxes that overlap more are one person


class TeacherError(Refusal):
    """A teacher that cannot be used, in a sentence."""


def grid(size: int = SIZE) -> np.ndarray:
    """Column, row and stride of every answer, `[N, 3]`: grid after grid, row after row."""
    cells = []
    for stride in STRIDES:
        row, column = np.mgrid[: size // stride, : size // stride].reshape(2, -1)
        cells.append(np.stack([column, row, np.full_like(row, stride)], axis=1))
    return np.concatenate(cells).astype(np.float32)


def decode(answer: np.ndarray, size: int = SIZE) -> np.ndarray:
    """One image's answer `[N, 5 + classes]` as `[N, 5]`: left, top, right, bottom in its pixels, and person's score.

    Of each cell: the centre in cells from its own corner, the logarithm of width and height in cells, thing, classes.
    """
    cells = grid(size)
    if answer.ndim != 2 or len(answer) != len(cells) or answer.shape[1] <= 5 + PERSON:
        raise TeacherError(
            f"This network answers {list(answer.shape)}, not [{len(cells)}, 85]: name YOLOX at {size} pixels."
        )
    stride = cells[:, 2:]
    centre = (answer[:, :2] + cells[:, :2]) * stride
    half = np.exp(answer[:, 2:4]) * stride / 2
    score = answer[:, 4:5] * answer[:, 5 + PERSON : 6 + PERSON]
    return np.concatenate([centre - half, centre + half, score], axis=1)


def suppressed(people: np.ndarray, confidence: float = CONFIDENCE, overlap: float = OVERLAP) -> np.ndarray:
    """The rows of `[N, 5]` that are sure enough, each person once, best first."""
    people = people[people[:, 4] >= confidence]
    sides = np.concatenate([people[:, :2], people[:, 2:4] - people[:, :2]], axis=1)
    chosen = cv2.dnn.NMSBoxes(sides.tolist(), people[:, 4].tolist(), confidence, overlap)
    return people[np.asarray(chosen, dtype=np.int64).reshape(-1)]


class Teacher:
    """The people that YOLOX sees in a frame."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise TeacherError(f"There is no teacher at {path}: name a YOLOX of COCO's classes as an ONNX file.")
        try:
            self.network = cv2.dnn.readNet(str(self.path))
        except cv2.error as error:
            raise TeacherError(f"{path} is no network that OpenCV can run: {error.err}.") from None
        self.digest = hashlib.sha256(self.path.read_bytes()).hexdigest()

    def detect(self, frame: np.ndarray) -> np.ndarray:
        """People in an RGB frame `uint8 [H, W, 3]`: `float32 [n, 5]`, box in pixels and score, best first."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
            raise BadValue(f"a frame is uint8 [H, W, 3], not {frame.dtype} {list(frame.shape)}")
        height, width = frame.shape[:2]
        gain = min(SIZE / height, SIZE / width)
        inner = max(1, int(width * gain)), max(1, int(height * gain))
        image = np.full((SIZE, SIZE, 3), GREY, np.uint8)
        image[: inner[1], : inner[0]] = cv2.resize(frame, inner, interpolation=cv2.INTER_LINEAR)
        self.network.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
        answer = self.network.forward()
        people = suppressed(decode(answer.reshape(-1, answer.shape[-1])))
        people[:, :4] = np.clip(people[:, :4] / gain, 0, [width, height, width, height])
        return people.astype(np.float32)
