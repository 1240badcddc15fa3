"""Frames of a sample: decoded from a video or read from a folder of images, then brought to one size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.data.samples import IMAGE_SUFFIXES, DataError, Sample, listing
from actrec.video import Clip, VideoError

if TYPE_CHECKING:
    from actrec.video.request import Header
    from actrec.video.sandbox.decoder import Decoder

FITS = ("letterbox", "short_side", "stretch", "whole")


@dataclass(frozen=True)
class ClipSettings:
    """Which frames are read and at what size.

    `fit`: `letterbox` scales the long side to `size` and pads to a square with black; `short_side` scales the
    short side to `size`; `stretch` makes a square without regard to the aspect; `whole` leaves the frames as
    they are. `frames` of them are chosen evenly by time, or `fps` per second, or all.
    """

    size: int = 128
    fit: str = "letterbox"
    frames: int | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise BadValue(f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        if self.frames is not None and self.fps is not None:
            raise BadValue("give a number of frames or a rate, not both")
        for name in ("size", "frames", "fps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadValue(f"{name} is above 0, not {value}")

    def key(self) -> str:
        """The settings in one line: part of a cache entry's name."""
        return f"size={self.size} fit={self.fit} frames={self.frames} fps={self.fps}"


class DecoderOptions(TypedDict):
    """Keyword arguments of `read_clip` and of the guarded decoder's `read`."""

    fps: float | None
    frames: int | None
    short_side: int | None
    start: float | None
    stop: float | None


class Reader(Protocol):
    """A source of samples' frames: files, a guarded decoder, a cache or a pack."""

    def read(self, sample: Sample, settings: ClipSettings) -> Clip: ...


class Files:
    """Clips decoded from their files each time."""

    def read(self, sample: Sample, settings: ClipSettings) -> Clip:
        path = Path(sample.path)
        if path.is_dir():
            clip = read_frames(path, sample.fps or 25.0)
            clip = _cut(clip, sample)
            return fitted(thinned(clip, settings), settings)
        from actrec.video.read import read_clip  # av is needed for decoding, not for reading a cache

        return fitted(read_clip(path, **decoder_options(sample, settings)), settings)


FILES = Files()


class Guarded:
    """The same clips, each decoded in a child process with limits of memory and time."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def read(self, sample: Sample, settings: ClipSettings) -> Clip:
        if Path(sample.path).is_dir():
            return FILES.read(sample, settings)
        clip = self._decoder.read(sample.path, **decoder_options(sample, settings))
        return fitted(clip, settings)

    def probe(self, path: Path) -> Header:
        """A video file's header."""
        return self._decoder.probe(path)


def decoder_options(sample: Sample, settings: ClipSettings) -> DecoderOptions:
    """The arguments of `read_clip` for this sample at these settings."""
    return {
        "fps": settings.fps,
        "frames": settings.frames,
        "short_side": None if settings.fit == "whole" else settings.size,
        "start": sample.start,
        "stop": sample.stop,
    }


def read_frames(folder: Path, fps: float) -> Clip:
    """A folder of images as a clip; images that cannot be read are left out and noted."""
    frames: list[np.ndarray] = []
    dropped = 0
    for path in listing(folder):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
        if image is None or (frames and image.shape != frames[0].shape):
            dropped += 1
        else:
            frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if not frames:
        raise VideoError("empty", f"The folder {folder.name} holds no image that can be read.")
    notes = (f"{dropped} frames could not be read and were left out",) if dropped else ()
    return Clip(np.stack(frames), np.arange(len(frames)) / fps, str(folder), notes)


def _cut(clip: Clip, sample: Sample) -> Clip:
    if sample.start is None and sample.stop is None:
        return clip
    return clip.between(sample.start or 0.0, np.inf if sample.stop is None else sample.stop)


def thinned(clip: Clip, settings: ClipSettings) -> Clip:
    """As many frames as the settings ask for, evenly by time: the middles of equal parts."""
    if settings.fps is not None:
        return clip.at_rate(settings.fps)
    if settings.frames is None:
        return clip
    middles = (np.arange(settings.frames) + 0.5) / settings.frames * clip.duration
    return clip.at(clip.times[0] + middles)


def fitted(clip: Clip, settings: ClipSettings) -> Clip:
    """The frames at the settings' size."""
    height, width = clip.size
    if settings.fit == "whole":
        return clip
    if settings.fit == "stretch":
        return replace(clip, frames=_resized(clip.frames, settings.size, settings.size))
    longest = max if settings.fit == "letterbox" else min
    scale = settings.size / longest(height, width)
    new = max(1, round(height * scale)), max(1, round(width * scale))
    frames = _resized(clip.frames, *new)
    if settings.fit == "letterbox":
        frames = np.ascontiguousarray(_padded(frames, settings.size))
    return replace(clip, frames=frames)


def _resized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    if frames.shape[1:3] == (height, width):
        return frames
    shrinks = height * width < frames.shape[1] * frames.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])


def _padded(frames: np.ndarray, side: int) -> np.ndarray:
    """Frames in the middle of a black square."""
    count, height, width, colours = frames.shape
    square = np.zeros((count, side, side, colours), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = frames
    return square


def reason(error: Exception) -> str:
    """Why a clip was left out, as its sentence."""
    return str(error) if isinstance(error, VideoError | DataError | OSError) else f"{type(error).__name__}: {error}"
