"""A video file as a Clip: true times, upright, broken packets left out, never more than was asked for.

`read_clip` decodes in this process; for untrusted files use `actrec.video.sandbox.decoder.Decoder`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from actrec.video.clip import Clip
from actrec.video.container import check_size, header_of, open_video, probe, scan
from actrec.video.frame import Converter
from actrec.video.refusals import refusal
from actrec.video.request import LIMITS, Header, Limits, Selection
from actrec.video.source import Source

__all__ = ["LIMITS", "Header", "Limits", "decode", "probe", "read_clip"]

Allocate = Callable[[tuple[int, ...]], np.ndarray]
_EPS = 1e-6  # seconds: two clocks that differ by less show the same frame (as in Clip.at)
_SKIP = 1.0  # seconds between selected frames above which it pays to jump from key frame to key frame


def read_clip(
    path: str | Path,
    *,
    fps: float | None = None,
    short_side: int | None = None,
    frames: int | None = None,
    start: float | None = None,
    stop: float | None = None,
    limits: Limits = LIMITS,
) -> Clip:
    """Decode a video.

    `fps` resamples by time, `frames` takes that many evenly by time (the middles of equal parts); without
    either every frame is kept at its true time. `short_side` decodes at a reduced size (never enlarged).
    `start` and `stop` are seconds from the first frame; the clip keeps that clock.
    """
    selection = Selection(fps, short_side, frames, start, stop)
    decoded, times, notes = decode(path, selection, limits, lambda shape: np.empty(shape, np.uint8))
    return Clip(decoded, times, source=str(path), notes=notes)


def decode(
    path: str | Path, selection: Selection, limits: Limits, allocate: Allocate
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Decode into memory that `allocate` gives: frames, times, notes."""
    try:
        return _decode(path, selection, limits, allocate)
    except MemoryError as error:
        raise refusal("memory") from error


def _decode(
    path: str | Path, selection: Selection, limits: Limits, allocate: Allocate, length: float | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    with open_video(path, limits) as (container, stream):
        header = header_of(container, stream, path)
        plan = _plan(path, header, selection, limits, length)
        source = Source(container, stream, header)
        if plan.start > 1.0 or plan.gap > _SKIP:  # matroska reads its index at the first jump
            source.seek(plan.start)
        keeper = _Keeper(plan, selection.short_side, limits, allocate)
        if plan.fps is None and plan.count is None:
            _keep_all(source, keeper, plan)
        else:
            end = _keep_grid(source, keeper, plan)
            if end is not None and length is None:  # shorter than its header says: spread over what is there
                return _decode(path, selection, limits, allocate, length=end)
    if source.shown == 0:
        raise refusal("truncated", part="no frame")
    if source.shown == 1 and source.complete and selection.start is None and selection.stop is None:
        raise refusal("one-frame")
    if not keeper.times:
        raise refusal("empty-window", start=plan.start)
    frames, times = keeper.result()
    return frames, times, tuple(plan.notes + keeper.notes() + source.notes())


@dataclass
class _Plan:
    """What is to be decoded once the header is known; `seconds` is how long that part is."""

    start: float
    stop: float | None
    seconds: float
    fps: float | None
    count: int | None
    expected: int
    notes: list[str] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """Seconds between selected frames; 0 where every frame is selected."""
        if self.fps is not None:
            return 1.0 / self.fps
        return self.seconds / self.count if self.count is not None else 0.0


def _plan(path: str | Path, header: Header, selection: Selection, limits: Limits, length: float | None) -> _Plan:
    check_size(header, limits)
    count = header.frames
    # An mpeg header leaves out how long the last frame is shown.
    vague = length is None and selection.frames and header.kind.startswith("mpeg")
    length = length or header.duration
    rate = header.fps
    if length is None or rate is None or vague or (count is None and length * rate > limits.frames):
        count, measured = scan(path)
        length = measured if vague else length or measured
        rate = count / length if length > 0 else 25.0
    notes: list[str] = []
    if header.duration is not None and length < header.duration - 0.5:
        notes.append(f"ends after {length:.1f} s, not {header.duration:.1f} s")
    start = selection.start or 0.0
    stop = selection.stop
    seconds = max(0.0, (min(stop, length) if stop is not None else length) - start)
    if seconds > limits.seconds + 0.5:
        if not limits.fit:
            raise refusal("too-long", seconds=seconds, most=limits.seconds)
        seconds, stop = limits.seconds, start + limits.seconds
        notes.append(f"shortened to {limits.seconds:.0f} s")
    fps = selection.fps
    expected = selection.frames or max(1, round(seconds * (fps or rate)))
    if expected > limits.frames:
        if not limits.fit or selection.frames:
            raise refusal("too-many-frames", frames=expected, most=limits.frames)
        fps = int(limits.frames / seconds * 100) / 100
        expected = limits.frames
        notes.append(f"thinned to {fps:g} frames per second")
    return _Plan(start, stop, seconds, fps, selection.frames, expected, notes)


class _Keeper:
    """Writes the kept frames one after the other into one block of memory."""

    def __init__(self, plan: _Plan, short_side: int | None, limits: Limits, allocate: Allocate) -> None:
        self._plan, self._short_side, self._limits, self._allocate = plan, short_side, limits, allocate
        self._converter: Converter | None = None
        self._notes: list[str] = []
        self.times: list[float] = []

    def keep(self, frame: av.VideoFrame, seconds: list[float]) -> bool:
        """Take a frame at one or more seconds; False once the memory for a clip is full."""
        converter = self._converter or self._prepare(frame)
        for repeat, second in enumerate(seconds):
            place = len(self.times)
            if place >= len(self._frames):
                self._notes.append(f"shortened to {place} frames")
                return False
            if repeat == 0:
                converter.write(frame, self._frames[place])
            else:
                self._frames[place] = self._frames[place - 1]
            self.times.append(second)
        return True

    def drop_after(self, count: int) -> None:
        del self.times[count:]

    def notes(self) -> list[str]:
        return self._notes

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        return self._frames[: len(self.times)], np.array(self.times, dtype=np.float64)

    def _prepare(self, first: av.VideoFrame) -> Converter:
        converter = self._converter = Converter(first, self._short_side)
        if converter.quarters:
            self._notes.append(f"rotated by {360 - 90 * converter.quarters}°")
        height, width = converter.size
        needed, allowed = self._plan.expected * height * width * 3, self._limits.bytes
        if needed > allowed:
            if not self._limits.fit:
                raise refusal("too-many-bytes", size=needed / 1e6, most=allowed / 1e6)
            converter.reduce(max(1, int(min(height, width) * (allowed / needed) ** 0.5)))
            height, width = converter.size
            self._notes.append(f"reduced to {width}×{height} pixels")
        room = min(self._limits.frames, max(1, allowed // (height * width * 3)))
        if self._plan.count is not None or self._plan.fps is not None:
            room = min(room, self._plan.expected + 8)
        self._frames = self._allocate((room, height, width, 3))
        return converter


def _keep_all(source: Source, keeper: _Keeper, plan: _Plan) -> None:
    for second, frame in source:
        if plan.stop is not None and second >= plan.stop - _EPS:
            break
        if second >= plan.start - _EPS and not keeper.keep(frame, [second]):
            break


def _keep_grid(source: Source, keeper: _Keeper, plan: _Plan) -> float | None:
    """Keep what is shown at evenly spaced seconds. The video's true end is returned where it turned out to be
    too short for the number of frames that was asked for."""
    first, last, inside, done = plan.start, 0.0, 0, 0  # `inside` counts frames of the part, `done` those written
    held: av.VideoFrame | None = None
    gap = plan.gap
    offset = 0.0 if plan.fps else gap / 2
    most = plan.count if plan.count is not None else plan.expected + 8

    def show(until: float) -> bool:
        nonlocal done
        seconds = []
        while done < most and first + offset + done * gap + _EPS < until:
            seconds.append(first + offset + done * gap)
            done += 1
        return not seconds or held is None or keeper.keep(held, seconds)

    ended = True
    for second, frame in source:
        if held is not None and not show(second):
            return None
        if done >= most or (plan.stop is not None and second >= plan.stop - _EPS):
            ended = False
            break
        inside += second >= plan.start - _EPS
        held, last = frame, second
        if gap > _SKIP and inside > 1:
            source.skip_to(first + offset + done * gap)
    if held is None:
        return None
    end = last
    if ended:
        end += source.step if gap > _SKIP else (last - first) / (inside - 1) if inside > 1 else gap
    elif plan.stop is not None:
        end = plan.stop
    if plan.count is None:
        rate = plan.fps or 1 / gap
        most = max(1, round((end - first) * rate)) if ended or plan.stop is not None else done
        show(float("inf"))
        keeper.drop_after(most)
        return None
    if ended and first + offset + (most - 1) * gap > end + min(gap, 0.5):
        return end
    show(float("inf"))
    return None
