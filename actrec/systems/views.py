"""From a clip's frames to a network's bytes, in three steps that every recipe takes.

Draw: which frames, in the order the recipe wants them. Place or crop: one geometry for all frames of a view.
View: frames of the network's size `[N, S, S, 3]` → its inputs. `Light` and `Paper` hold the two ends; the middle is
shared. `Light` letterboxes the whole frame and goes by the clock; `Paper` crops and goes by frame numbers; `Centre`
crops and goes by the clock, as networks that learned from Kinetics are asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from actrec import sampling
from actrec.systems.fusion import Fused
from actrec.systems.system import Protocol, Views
from actrec.video import Clip

METHODS = ("brox", "tvl1", "dis", "farneback")  # of flow, as in actrec.motion.flow
THIN = 4  # every so many pixels a recipe chooses frames by
LONGEST = 10  # windows that the `clip` protocol spreads over a clip at most


def window(clip: Clip, frames: int, fps: float, start: float) -> np.ndarray:
    """`frames` frames at `fps` from second `start`; before the first and after the last the clip stands still."""
    return clip.at(start + np.arange(frames) / fps).frames


def newest(clip: Clip, frames: int, fps: float) -> np.ndarray:
    """The window that ends with the newest frame."""
    return window(clip, frames, fps, _newest_start(clip, frames, fps))


def _newest_start(clip: Clip, frames: int, fps: float) -> float:
    return float(clip.times[-1]) - (frames - 1) / fps


def drawn_for(clip: Clip, seed: int) -> np.random.Generator:
    """Random numbers that belong to a clip: with the same seed it gets the same ones, whatever else is asked about."""
    middle = clip.frames[len(clip) // 2]
    return np.random.default_rng([seed, len(clip), zlib.crc32(middle.tobytes())])


def starts(clip: Clip, seconds: float, most: int) -> list[float]:
    """Where windows of `seconds` start so that `most` of them, evenly spread, cover the clip; a short clip has one."""
    first, last = float(clip.times[0]), float(clip.times[-1]) - seconds
    if last <= first:
        return [(first + last) / 2]
    count = min(most, 1 + int(np.ceil((last - first) / (seconds / 2))))
    return list(np.linspace(first, last, count)) if count > 1 else [(first + last) / 2]


@dataclass(frozen=True)
class Placing:
    """How the frames of a clip are put into the network's square: one for all frames."""

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of red, green and blue
    bias: float = 0.0
    grey: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator, flip: bool = True) -> Placing:
        return cls(
            zoom=float(np.exp(rng.uniform(-0.25, 0.3))),
            shift=tuple(rng.uniform(-0.12, 0.12, 2)),
            flip=bool(flip and rng.random() < 0.5),
            gain=tuple(np.exp(rng.uniform(-0.35, 0.35) + rng.uniform(-0.2, 0.2, 3))),
            bias=float(rng.uniform(-20, 20)),
            grey=bool(rng.random() < 0.25),
        )


PLAIN = Placing()


def place(frames: np.ndarray, size: int, placing: Placing = PLAIN) -> np.ndarray:
    """Letterbox `[T, H, W, 3]` into `[T, size, size, 3]`, zoomed, shifted, flipped and lit alike in every frame."""
    height, width = frames.shape[1:3]
    shrink = int(1 / (size / max(height, width) * placing.zoom))
    if shrink >= 2:  # average first: a linear warp would skip pixels
        small = (max(1, width // shrink), max(1, height // shrink))
        frames = np.stack([cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in frames])
    else:
        small = (width, height)
    matrix = _into_square((height, width), small, size, placing)
    levels = np.clip(np.arange(256)[:, None, None] * np.array(placing.gain) + placing.bias, 0, 255).astype(np.uint8)
    relit = placing.gain != PLAIN.gain or placing.bias != 0.0
    out = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, image in zip(frames, out, strict=True):
        cv2.warpAffine(frame, matrix, (size, size), dst=image, flags=cv2.INTER_LINEAR)
        if relit:
            cv2.LUT(image, levels, dst=image)
        if placing.grey:
            cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB, dst=image)
    return out


def place_weights(weights: np.ndarray, seen: tuple[int, int], size: int, placing: Placing = PLAIN) -> np.ndarray:
    """Weights `float32 [T, h, w]` of whole frames of (height, width) `seen`, where `place` puts those frames'
    pixels; outside of the frames they are 0."""
    matrix = _into_square(seen, weights.shape[:0:-1], size, placing)
    return np.stack([cv2.warpAffine(weight, matrix, (size, size), flags=cv2.INTER_LINEAR) for weight in weights])


def _into_square(seen: tuple[int, int], small: tuple[int, ...], size: int, placing: Placing) -> np.ndarray:
    """The affine map that letterboxes a frame of (height, width) `seen`, given at (width, height) `small`."""
    (height, width), scale = seen, size / max(seen) * placing.zoom
    across, down = scale * width / small[0] * (-1 if placing.flip else 1), scale * height / small[1]
    middle = (size - 1) / 2
    return np.array(
        [
            [across, 0, middle + placing.shift[0] * size - across * (small[0] - 1) / 2],
            [0, down, middle + placing.shift[1] * size - down * (small[1] - 1) / 2],
        ]
    )


def signed_difference(frames: np.ndarray) -> np.ndarray:
    """128 + (V(t+1) − V(t)) / 2 as bytes `[T−1, H, W, 3]`: 128 is no change."""
    out = np.empty_like(frames[1:])
    for t, image in enumerate(out):
        cv2.addWeighted(frames[t + 1], 0.5, frames[t], -0.5, 128, dst=image)
    return out


def channels_first(frames: np.ndarray) -> np.ndarray:
    """`[T, H, W, C]` → `[C, T, H, W]`, the order of views."""
    return np.ascontiguousarray(frames.transpose(3, 0, 1, 2))


@dataclass(frozen=True)
class Light:
    """A recipe by the clock: `frames` at `fps` make one window, of which `choose` takes the frames of a view.

    It chooses by every fourth pixel of the window's frames, both ways; only the chosen ones are placed.
    With `weigh` the view also gets how much each pixel counts, found from the flow of the whole frames, before they
    are zoomed and shifted and without a border: a frame's least and most do not depend on how it is placed.
    """

    frames: int
    fps: float
    size: int
    view: Callable[..., Views]
    choose: Callable[[np.ndarray, np.random.Generator | None], np.ndarray] | None = None
    mirror: bool = True  # half of the training clips
    weigh: Callable[[np.ndarray], np.ndarray] | None = None  # flow [N, H, W, 2] → weights [N, H, W]

    @property
    def seconds(self) -> float:
        return (self.frames - 1) / self.fps

    def training_view(self, clip: Clip, rng: np.random.Generator) -> Views:
        """A window anywhere in the clip, a little faster or slower, placed anyhow; half of them as a camera of
        seven to fifteen frames a second sees it."""
        fps = self.fps * float(np.exp(rng.uniform(-0.2, 0.2)))
        latest = float(clip.times[-1]) - (self.frames - 1) / fps
        start = rng.uniform(clip.times[0], latest) if latest > clip.times[0] else latest
        times = start + np.arange(self.frames) / fps
        if rng.random() < 0.5:
            camera = rng.uniform(7, 15)
            times = np.floor(times * camera) / camera
        placing = Placing.draw(rng, flip=self.mirror)
        return self._view(clip, times, placing, rng)

    def one(self, clip: Clip, passes: int = 1) -> list[Views]:
        """The window that ends with the newest frame, with `passes` draws of its frames."""
        start = _newest_start(clip, self.frames, self.fps)
        return [self._view(clip, self._times(start), PLAIN, rng) for rng in self._draws(passes)]

    def moments(self, clip: Clip) -> np.ndarray:
        """The seconds of the frames that the view of `one` is made of, in its order."""
        last = float(clip.times[-1])
        seconds = last + (np.arange(self.frames) - self.frames + 1) / self.fps
        seconds = seconds[self._chosen(clip, self._times(_newest_start(clip, self.frames, self.fps)), None)]
        return np.maximum(seconds, float(clip.times[0]))

    def over(
        self, clip: Clip, most: int = LONGEST, placings: tuple[Placing, ...] = (PLAIN,), passes: int = 1
    ) -> list[Views]:
        """Windows spread over the clip, each in every placing and with `passes` draws of its frames; the views of
        one window stand together."""
        draws = self._draws(passes)
        return [
            self._view(clip, self._times(start), placing, rng)
            for start in starts(clip, self.seconds, most)
            for placing in placings
            for rng in draws
        ]

    def at_random(self, clip: Clip, placings: tuple[Placing, ...] = (PLAIN,), seed: int = 0) -> list[Views]:
        """A single view: a window anywhere in the clip, in one of the placings; both are drawn."""
        rng = drawn_for(clip, seed)
        first, last = float(clip.times[0]), float(clip.times[-1]) - self.seconds
        begin = rng.uniform(first, last) if last > first else (first + last) / 2
        placing = placings[rng.integers(len(placings))]
        return [self._view(clip, self._times(begin), placing, None)]

    def spread(self, fuse: Callable[[np.ndarray], Fused], most: int = LONGEST, placings: tuple[Placing, ...] = (PLAIN,),
               passes: int = 1) -> Protocol:  # fmt: skip
        """The protocol of `over` with these options."""
        views = partial(self.over, most=most, placings=placings, passes=passes)
        return Protocol(views, fuse, windows=partial(starts, seconds=self.seconds, most=most))

    def _times(self, start: float) -> np.ndarray:
        return start + np.arange(self.frames) / self.fps

    @staticmethod
    def _draws(passes: int) -> list[np.random.Generator | None]:
        """Where the random numbers of each pass come from; a single one has none, and the recipe's own seed."""
        return [None] if passes == 1 else [np.random.default_rng(index) for index in range(passes)]

    def _chosen(self, clip: Clip, times: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Which frames of a window a view is made of."""
        if self.choose is None:
            return np.arange(len(times))
        thin = np.ascontiguousarray(clip.frames[:, ::THIN, ::THIN][clip.shown(times)])
        return self.choose(thin, rng)

    def _view(self, clip: Clip, times: np.ndarray, placing: Placing, rng: np.random.Generator | None) -> Views:
        times = times[self._chosen(clip, times, rng)]
        frames = clip.frames[clip.shown(times)]
        placed = place(frames, self.size, placing)
        if self.weigh is None:
            return self.view(placed)
        return self.view(placed, place_weights(self._weights(frames), frames.shape[1:3], self.size, placing))

    def _weights(self, frames: np.ndarray) -> np.ndarray:
        """What `weigh` makes of DIS flow at the network's resolution."""
        from actrec.motion.flow import SMALLEST, flow

        height, width = frames.shape[1:3]
        scale = max(self.size / max(height, width), SMALLEST / min(height, width))
        small = sampling.resize(frames, *(max(SMALLEST, round(side * scale)) for side in (height, width)))
        assert self.weigh is not None
        return self.weigh(flow(small, "dis"))


@dataclass(frozen=True)
class Paper:
    """A recipe by frame numbers: `draw` gives the frames of each view, made small to `resize` and cropped to `size`.

    `resize` is a short side, or (height, width) as in C3D. Training crops are corners or anywhere, as the paper says.
    With `flow` (its method) `view` gets the flow between neighbouring frames too. It belongs to the whole frame, as in
    the papers, and is cropped and mirrored with it; a clip that carries its own (from the cache) is spared the work.
    With `weigh` it gets, in place of the flow, how much each pixel counts, found from the flow of whole frames.

    Training frames may come another way: cut about the centre to the shape `cut` and resized to it, and from there to
    `resize`, or with `straight` cropped as they are. Test frames are always made small to `resize`.
    """

    size: int
    resize: int | tuple[int, int]
    view: Callable[..., Views]
    draw: Callable[[Clip, int, np.random.Generator | None], list[np.ndarray]]
    crop: str = "corner"
    flow: str = ""
    weigh: Callable[[np.ndarray], np.ndarray] | None = None  # flow [N, H, W, 2] → weights [N, H, W]
    cut: tuple[int, int] | None = None
    straight: bool = False

    def training_view(self, clip: Clip, rng: np.random.Generator) -> Views:
        index = self.draw(clip, 1, rng)[0]
        frames, moved = clip.frames[index], self._moved(clip, index)
        if self.cut:
            height, width = frames.shape[1:3]
            centre = sampling.widest(height, width, *self.cut)
            frames = sampling.resize(centre.of(frames), *self.cut)
            moved = None if moved is None else resized_flow(centre.of_flow(moved), self.cut)
        if not self.straight:
            frames = self._small(frames)
        height, width = frames.shape[1:3]
        draw = {"corner": sampling.corner_crop, "random": sampling.random_crop}[self.crop]
        return self._view(draw(height, width, self.size, rng), frames, self._motion(moved, (height, width)))

    def tested(self, clip: Clip, windows: int, crops: int) -> list[Views]:
        """The paper's test: so many draws over the clip, so many crops of each; the crops of one stand together."""
        views = []
        for index in self.draw(clip, windows, None):
            frames = self._small(clip.frames[index])
            height, width = frames.shape[1:3]
            motion = self._motion(self._moved(clip, index), (height, width))
            places = sampling.test_crops(height, width, self.size, crops)
            views += [self._view(crop, frames, motion) for crop in places]
        return views

    def at_random(self, clip: Clip, crops: int, seed: int = 0) -> list[Views]:
        """A single view: a draw anywhere in the clip, in one of the test's crops; both are drawn."""
        rng = drawn_for(clip, seed)
        index = self.draw(clip, 1, rng)[0]
        frames = self._small(clip.frames[index])
        height, width = frames.shape[1:3]
        crop = sampling.test_crops(height, width, self.size, crops)[rng.integers(crops)]
        return [self._view(crop, frames, self._motion(self._moved(clip, index), (height, width)))]

    def _view(self, crop: sampling.Crop, frames: np.ndarray, motion: np.ndarray | None) -> Views:
        if motion is None:
            return self.view(crop.of(frames))
        cropped = crop.of_flow(motion) if self.weigh is None else crop.of(motion[..., None])[..., 0]
        return self.view(crop.of(frames), cropped)

    def _small(self, frames: np.ndarray) -> np.ndarray:
        if isinstance(self.resize, tuple):
            return sampling.resize(frames, *self.resize)
        return sampling.short_side(frames, self.resize)

    def _moved(self, clip: Clip, index: np.ndarray) -> np.ndarray | None:
        """The flow from each drawn frame to the next, in pixels of the clip's frames: `[N − 1, H, W, 2]`."""
        if not self.flow:
            return None
        from actrec.motion.flow import between

        return between(clip, index, self.flow)

    def _motion(self, moved: np.ndarray | None, size: tuple[int, int]) -> np.ndarray | None:
        """What `view` gets beside whole frames of this size: their flow in their own pixels, or their weights."""
        if moved is None:
            return None
        moved = resized_flow(moved, size)
        return moved if self.weigh is None else self.weigh(moved)


@dataclass(frozen=True)
class Centre:
    """A recipe for answers, without training: windows by the clock, made small to `resize`, of which the centre counts.

    `resize` is a short side, or (height, width); `crop` is (height, width); `windows` is how many cover a clip.
    """

    frames: int
    fps: float
    resize: int | tuple[int, int]
    crop: tuple[int, int]
    windows: int

    @property
    def seconds(self) -> float:
        return (self.frames - 1) / self.fps

    def one(self, clip: Clip) -> list[Views]:
        """The window that ends with the newest frame."""
        return [self._view(newest(clip, self.frames, self.fps))]

    def over(self, clip: Clip) -> list[Views]:
        """Windows spread over the clip."""
        return [self._view(window(clip, self.frames, self.fps, begin)) for begin in self.begins(clip)]

    def begins(self, clip: Clip) -> list[float]:
        """The second at which each window of `over` begins."""
        return starts(clip, self.seconds, self.windows)

    def moments(self, clip: Clip) -> np.ndarray:
        """The seconds of the frames that the view of `one` is made of, in its order."""
        seconds = float(clip.times[-1]) + (np.arange(self.frames) - self.frames + 1) / self.fps
        return np.maximum(seconds, float(clip.times[0]))

    def _view(self, frames: np.ndarray) -> Views:
        if isinstance(self.resize, int):
            frames = sampling.short_side(frames, self.resize)
        else:
            frames = sampling.resize(frames, *self.resize)
        height, width = frames.shape[1:3]
        down, right = self.crop
        top, left = (height - down) // 2, (width - right) // 2
        return {"clip": channels_first(frames[:, top : top + down, left : left + right])}


def resized_flow(moved: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Flow `[N, H, W, 2]` at another (height, width), its vectors in the new pixels."""
    height, width = moved.shape[1:3]
    if (height, width) == size:
        return np.asarray(moved, np.float32)
    longer = np.array([size[1] / width, size[0] / height], np.float32)
    return np.stack([cv2.resize(np.asarray(field, np.float32), size[::-1]) * longer for field in moved])
