"""A camera's last seconds: frames with their times in, a Clip out on request."""

from __future__ import annotations

from collections import deque
from threading import Lock

import numpy as np

from actrec.core.errors import BadValue
from actrec.video.clip import Clip


class CameraBuffer:
    """Hold the frames of the last `seconds`, by their stamps and never more than `frames` of them.

    A camera keeps no fixed rate: every frame carries the second at which it arrived. Stamps that run
    backwards (the camera was started again) or frames of another size restart the buffer.
    """

    def __init__(self, seconds: float = 8.0, frames: int = 512) -> None:
        if seconds <= 0 or frames < 2:
            raise BadValue("a camera buffer holds more than 0 s and at least two frames")
        self.seconds = seconds
        self._held: deque[tuple[np.ndarray, float]] = deque(maxlen=frames)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, frame: np.ndarray, stamp: float) -> None:
        """Take one `uint8 [H, W, 3]` frame that arrived at second `stamp`."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
            raise BadValue(f"a camera frame is uint8 [H, W, 3], not {frame.dtype} {list(frame.shape)}")
        stamp = float(stamp)
        if not np.isfinite(stamp):
            raise BadValue("a camera frame needs the second at which it arrived")
        with self._lock:
            if self._held:
                last, then = self._held[-1]
                if stamp < then or last.shape != frame.shape:
                    self._held.clear()
            self._held.append((frame, stamp))
            while self._held[0][1] < stamp - self.seconds:
                self._held.popleft()

    def clip(self, seconds: float | None = None) -> Clip | None:
        """The last `seconds` (by default all that is held), clock at 0; None below two frames."""
        with self._lock:
            held = list(self._held)
        if seconds is not None and held:
            first = held[-1][1] - seconds
            held = [(frame, stamp) for frame, stamp in held if stamp >= first]
        if len(held) < 2:
            return None
        times = np.array([stamp for _, stamp in held])
        return Clip(np.stack([frame for frame, _ in held]), times - times[0], source="camera")

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    @property
    def fps(self) -> float:
        """Frames per second by the median gap, which one late frame does not move; 0 below two frames."""
        with self._lock:
            stamps = [stamp for _, stamp in self._held]
        gap = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
        return 1.0 / gap if gap > 0 else 0.0


class CameraMeter:
    """The rate and delay of the answers to a camera that offers `offered` frames a second, as medians."""

    def __init__(self, offered: float = 10.0, answers: int = 60) -> None:
        self.offered = offered
        self._answers: deque[tuple[float, float]] = deque(maxlen=answers)

    def note(self, arrived: float, answered: float) -> None:
        """Count one frame that arrived and was answered at these seconds; after a pause the count starts again."""
        if self._answers and arrived - self._answers[-1][0] > 5.0:
            self._answers.clear()
        self._answers.append((arrived, answered))

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def per_second(self) -> float:
        """Frames answered per second, by the median gap between two answers."""
        gap = float(np.median(np.diff([answered for _, answered in self._answers]))) if len(self) > 1 else 0.0
        return 1.0 / gap if gap > 0 else 0.0

    @property
    def lag(self) -> float:
        """Seconds from a frame's arrival to its answer, the median."""
        return float(np.median([answered - arrived for arrived, answered in self._answers])) if len(self) else 0.0

    @property
    def dropped(self) -> float:
        """The fraction of the offered frames that were skipped because the one before was still being answered."""
        if len(self) < 2:
            return 0.0
        offered = (self._answers[-1][0] - self._answers[0][0]) * self.offered
        return max(0.0, 1.0 - (len(self) - 1) / offered) if offered > 0 else 0.0
