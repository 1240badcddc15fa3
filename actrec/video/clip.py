"""What a video is once it is inside: frames, their times, and what was repaired on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actrec.core.errors import BadValue, Refusal


class VideoError(Refusal):
    """A video that cannot be used. `code` is for programs, `str(error)` is a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple:
        return VideoError, (self.code, str(self))


@dataclass(frozen=True)
class Clip:
    """Frames `uint8 [T, H, W, 3]` in RGB with the second at which each one is shown.

    `flow` `[T − 1, H, W, 2]`, if it is known: where every pixel goes from each frame to the next, by `flow_method`.
    `beside` are the same seconds as other cameras saw them.
    """

    frames: np.ndarray
    times: np.ndarray
    source: str = ""
    notes: tuple[str, ...] = ()
    flow: np.ndarray | None = None
    flow_method: str = ""
    beside: tuple[Clip, ...] = ()

    def __post_init__(self) -> None:
        frames, times = self.frames, self.times
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise BadValue(f"frames are uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        if times.shape != (len(frames),) or np.any(np.diff(times) < 0):
            raise BadValue("times holds one second per frame and never runs backwards")
        if self.flow is not None and self.flow.shape != (len(frames) - 1, *frames.shape[1:3], 2):
            raise BadValue(f"flow of {list(frames.shape)} frames is [T − 1, H, W, 2], not {list(self.flow.shape)}")

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
        index = self.shown(seconds)
        beside = tuple(clip.at(seconds) for clip in self.beside)
        return self._of(self.frames[index], np.asarray(seconds, dtype=np.float64), beside)

    def shown(self, seconds: np.ndarray) -> np.ndarray:
        """The number of the frame that is shown at each of the given seconds."""
        index = np.searchsorted(self.times, np.asarray(seconds) + 1e-6, side="right") - 1
        return np.clip(index, 0, len(self) - 1)

    def at_rate(self, fps: float) -> Clip:
        """The same seconds at another rate; frames are repeated or left out by their times."""
        count = max(1, round(self.duration * fps))
        return self.at(self.times[0] + np.arange(count) / fps)

    def between(self, start: float, stop: float) -> Clip:
        """The frames shown from `start` to `stop`, in seconds of this clip's own clock."""
        inside = (self.times >= start) & (self.times < stop)
        if not inside.any():
            raise VideoError("empty", f"The clip has no frame between {start:.1f} s and {stop:.1f} s.")
        beside = tuple(clip.between(start, stop) for clip in self.beside)
        part = self._of(self.frames[inside], self.times[inside], beside)
        if self.flow is None:
            return part
        return replace(part, flow=self.flow[inside[:-1] & inside[1:]], flow_method=self.flow_method)

    def seen_from(self, *others: Clip) -> Clip:
        """This clip with those of other cameras beside it, at this one's times; they share one clock."""
        return replace(self, beside=tuple(other.at(self.times) for other in others))

    def _of(self, frames: np.ndarray, times: np.ndarray, beside: tuple[Clip, ...]) -> Clip:
        """Other frames of the same source; what was known of the flow between the old ones goes."""
        return replace(self, frames=frames, times=times, flow=None, flow_method="", beside=beside)
