"""What a video is once it is inside: frames, their times, and what was repaired on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actrec.refusal import BadValue, Refusal


class VideoError(Refusal):
    """A video that cannot be used. `code` is for programs, `str(error)` is a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple:
        return VideoError, (self.code, str(self))


@dataclass(frozen=True)
class Clip:
    """Frames `uint8 [T, H, W, 3]` in RGB with the second at which each one is shown."""

    frames: np.ndarray
    times: np.ndarray
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frames, times = self.frames, self.times
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise BadValue(f"frames are uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        if times.shape != (len(frames),) or np.any(np.diff(times) < 0):
            raise BadValue("times holds one second per frame and never runs backwards")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last one."""
        if len(self) < 2:
            return 0.0
        shown = float(self.times[-1] - self.times[0])
        return shown + shown / (len(self) - 1)

    @property
    def fps(self) -> float:
        return len(self) / self.duration if self.duration > 0 else 0.0

    def at(self, seconds: np.ndarray) -> Clip:
        """The frames shown at the given seconds: for each the last one not later than it."""
        index = np.searchsorted(self.times, np.asarray(seconds) + 1e-6, side="right") - 1
        index = np.clip(index, 0, len(self) - 1)
        return replace(self, frames=self.frames[index], times=np.asarray(seconds, dtype=np.float64))

    def at_rate(self, fps: float) -> Clip:
        """The same seconds at a wanted rate; frames are repeated or left out by their times."""
        count = max(1, round(self.duration * fps))
        return self.at(self.times[0] + np.arange(count) / fps)

    def between(self, start: float, stop: float) -> Clip:
        """The frames shown from `start` to `stop`, in seconds of this clip's own clock."""
        inside = (self.times >= start) & (self.times < stop)
        if not inside.any():
            raise VideoError("empty", f"The clip has no frame between {start:.1f} s and {stop:.1f} s.")
        return replace(self, frames=self.frames[inside], times=self.times[inside])
