"""What is asked of a video and what is allowed to be decoded. Knows no decoder: both processes import it."""

from __future__ import annotations

from dataclasses import dataclass

from actrec.core.errors import BadValue


@dataclass(frozen=True)
class Limits:
    """What is decoded at most. With `fit`, a longer video is shortened, thinned or reduced and says so in a
    note; without, it is refused. Frames with more than `pixels` are always refused."""

    seconds: float = 60.0
    pixels: int = 4096 * 2304
    frames: int = 3600
    bytes: int = 1 << 30
    fit: bool = True


LIMITS = Limits()


@dataclass(frozen=True)
class Header:
    """What the file says about itself; None where it says nothing. Width and height are as stored: a rotation
    is known with the first frame only. `start` is where the container's clock begins."""

    kind: str
    codec: str
    width: int
    height: int
    fps: float | None
    frames: int | None
    duration: float | None
    start: float | None
    audio: bool
    bytes: int


@dataclass(frozen=True)
class Selection:
    """Which part of a video, at which rate or how many frames of it, and how large."""

    fps: float | None = None
    short_side: int | None = None
    frames: int | None = None
    start: float | None = None
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and self.frames is not None:
            raise BadValue("ask for a rate (fps) or for a number of frames, not for both")
        for name in ("fps", "short_side", "frames"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadValue(f"{name} is above 0, not {value}")
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise BadValue("stop lies after start")
