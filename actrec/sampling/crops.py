"""Which pixels: a `Crop` is drawn once and applied to every frame of a clip, so that motion stays motion.

Crops are made for `[..., H, W, C]` arrays: one frame, a clip, or several clips at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actrec.core.errors import BadValue

# Fractions of the short side that a crop's sides are drawn from (Wang et al., "Temporal Segment Networks", sec. 3.2).
SCALES = (1.0, 0.875, 0.75, 0.66)


@dataclass(frozen=True)
class Crop:
    """A rectangle of a frame, mirrored left to right with `flip`."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False

    def of(self, frames: np.ndarray) -> np.ndarray:
        """The same rectangle of every frame of `[..., H, W, C]`; a view where nothing has to move."""
        bottom, right = self.top + self.height, self.left + self.width
        if self.top < 0 or self.left < 0 or bottom > frames.shape[-3] or right > frames.shape[-2]:
            raise BadValue(f"{self} reaches out of frames of {frames.shape[-3]}×{frames.shape[-2]} pixels")
        inside = frames[..., self.top : bottom, self.left : right, :]
        return inside[..., ::-1, :] if self.flip else inside

    def of_flow(self, flow: np.ndarray) -> np.ndarray:
        """The same of a flow field `[..., H, W, 2]` in pixels (x, y): in a mirror, right is left."""
        inside = self.of(flow)
        return inside * np.array([-1, 1], dtype=flow.dtype) if self.flip else inside


def random_crop(height: int, width: int, size: int, rng: np.random.Generator, *, flip: bool = True) -> Crop:
    """A square anywhere in the frame, mirrored half of the time."""
    _fits(height, width, size)
    top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
    return Crop(int(top), int(left), size, size, flip and bool(rng.integers(2)))


def corner_crop(height: int, width: int, size: int, rng: np.random.Generator, *, flip: bool = True) -> Crop:
    """A square in one of the four corners or the centre, mirrored half of the time."""
    _fits(height, width, size)
    crop = _five(height, width, size)[rng.integers(5)]
    return replace(crop, flip=flip and bool(rng.integers(2)))


def jittered_crop(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    scales: tuple[float, ...] = SCALES,
    distortion: int = 1,
    flip: bool = True,
) -> Crop:
    """Scale jitter: both sides are fractions of the short side, at most `distortion` steps apart, in a corner or the
    centre. The caller resizes the crop to the network's input."""
    pairs = [(h, w) for h in range(len(scales)) for w in range(len(scales)) if abs(h - w) <= distortion]
    across, along = pairs[rng.integers(len(pairs))]
    short = min(height, width)
    tall, wide = max(1, round(short * scales[across])), max(1, round(short * scales[along]))
    top, left = [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)][rng.integers(5)]
    return Crop(int((height - tall) * top), int((width - wide) * left), tall, wide, flip and bool(rng.integers(2)))


def widest(height: int, width: int, tall: int, wide: int) -> Crop:
    """The largest crop about the centre in the shape of `tall` × `wide`, whatever its size."""
    scale = min(height / tall, width / wide)
    down, right = max(1, round(tall * scale)), max(1, round(wide * scale))
    return Crop((height - down) // 2, (width - right) // 2, down, right)


def test_crops(height: int, width: int, size: int, count: int) -> list[Crop]:
    """The crops that a clip is tested with.

    1: the centre. 3: left, centre, right along the longer side (MDT-Net). 10: four corners and centre, then the
    same mirrored (Asymmetric 3D-CNN). 18: nine places from top left to bottom right, then the same mirrored
    (FstCN, fig. 3).
    """
    _fits(height, width, size)
    down, right = height - size, width - size
    if count == 1:
        return [Crop(down // 2, right // 2, size, size)]
    if count == 3:
        if width >= height:
            return [Crop(down // 2, left, size, size) for left in (0, right // 2, right)]
        return [Crop(top, right // 2, size, size) for top in (0, down // 2, down)]
    if count == 10:
        crops = _five(height, width, size)
    elif count == 18:
        crops = [Crop(y, x, size, size) for y in (0, down // 2, down) for x in (0, right // 2, right)]
    else:
        raise BadValue(f"there are 1, 3, 10 or 18 test crops, not {count}")
    return crops + [replace(crop, flip=True) for crop in crops]


test_crops.__test__ = False  # type: ignore[attr-defined]  # a name from the papers, not one of pytest's


def _five(height: int, width: int, size: int) -> list[Crop]:
    down, right = height - size, width - size
    corners = [Crop(y, x, size, size) for y in (0, down) for x in (0, right)]
    return [*corners, Crop(down // 2, right // 2, size, size)]


def _fits(height: int, width: int, size: int) -> None:
    if not 0 < size <= min(height, width):
        raise BadValue(f"a crop of {size} pixels does not fit into a frame of {height}×{width}; resize first")


def resize(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """`uint8 [..., H, W, C]` at another size: averaged over areas when shrinking, bilinear when enlarging."""
    import cv2

    tall, wide, channels = frames.shape[-3:]
    if (tall, wide) == (height, width):
        return frames
    _positive(height, width)
    how = cv2.INTER_AREA if height <= tall and width <= wide else cv2.INTER_LINEAR
    flat = frames.reshape(-1, tall, wide, channels)
    out = np.empty((len(flat), height, width, channels), dtype=frames.dtype)
    for place, frame in enumerate(flat):
        small = cv2.resize(np.ascontiguousarray(frame), (width, height), interpolation=how)
        out[place] = small.reshape(height, width, channels)
    return out.reshape(*frames.shape[:-3], height, width, channels)


def short_side(frames: np.ndarray, size: int) -> np.ndarray:
    """The frames with their shorter side at `size` pixels, in proportion."""
    height, width = frames.shape[-3:-1]
    scale = size / min(height, width)
    return resize(frames, max(1, round(height * scale)), max(1, round(width * scale)))


@dataclass(frozen=True)
class Letterbox:
    """Where a frame lies in its square: `square = frame * scale + (top, left)`."""

    scale: float
    top: int
    left: int

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes `[..., 4]` (x0, y0, x1, y1) of the square in pixels of the frame."""
        shift = np.array([self.left, self.top, self.left, self.top], dtype=np.float64)
        return (np.asarray(boxes, dtype=np.float64) - shift) / self.scale


def letterbox(frames: np.ndarray, size: int, fill: int = 0) -> tuple[np.ndarray, Letterbox]:
    """The whole frame inside a square of `size` pixels, in proportion, centred; the rest is `fill`."""
    height, width, channels = frames.shape[-3:]
    scale = size / max(height, width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - tall) // 2, (size - wide) // 2
    square = np.full((*frames.shape[:-3], size, size, channels), fill, dtype=frames.dtype)
    square[..., top : top + tall, left : left + wide, :] = resize(frames, tall, wide)
    return square, Letterbox(scale, top, left)


def _positive(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise BadValue(f"a frame has at least one pixel, not {height}×{width}")
