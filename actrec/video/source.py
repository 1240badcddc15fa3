"""The frames of one video stream with their seconds, whatever is broken left out and counted."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av

from actrec.video.container import Header, demuxed
from actrec.video.refusals import refusal

_LEAD = 0.5  # seconds before a requested frame at which decoding starts at the latest: reordering is over by then
_GIVE_UP = 64  # broken reads in a row after which a file is taken to have ended


class Source:
    """Iterate once: `(second, frame)` in order, 0 being the first frame of the video."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream, header: Header) -> None:
        self._container, self._stream = container, stream
        # An avi numbers its packets but holds no times; those guessed for B-frames are out of order.
        self._by_order = header.kind == "avi"
        self._bare = header.kind == "mpegvideo"  # frames without a container: no times at all
        self._origin = None if self._by_order else header.start
        self._unit = stream.time_base or Fraction(1)
        self._indexed = header.kind.startswith(("mov", "matroska"))
        self._step = 1.0 / header.fps if header.fps and header.fps <= 1000 else 1.0 / 25.0
        self._last: float | None = None
        self._aimed = -1.0
        self._shift = 0.0  # added after the clock of the file ran backwards
        self._promised = header.frames
        self._seeked = self._jumped = False
        self.shown = 0
        self.sent = 0
        self.read = 0
        self.failed = 0
        self.damaged = 0
        self.untimed = False
        self.backwards = False
        self.complete = False

    def seek(self, second: float) -> None:
        """Go to the last key frame well before `second`, where an index tells; frames before it may still come."""
        if not self._indexed:
            return
        self._seeked = self._jumped = True
        position = int((second - _LEAD + (self._origin or 0.0)) / self._unit)
        try:
            self._container.seek(position, stream=self._stream, backward=True)
        except av.FFmpegError:
            self._container.seek(0)

    def skip_to(self, second: float) -> None:
        """Skip frames that are not needed, where a key frame lies between here and shortly before `second`."""
        if not self._indexed or self._origin is None or self._last is None or self._shift:
            return
        entries = self._stream.index_entries
        place = entries.search_timestamp(int((second - _LEAD + self._origin) / self._unit))
        if place < 0:
            return
        key = float(entries[place].timestamp * self._unit) - self._origin
        if key > max(self._last + _LEAD, self._aimed):  # a jump may fall short of its key frame: aim but once
            self._aimed = key
            self.seek(second)

    @property
    def step(self) -> float:
        """Seconds between the last two frames that came one after the other."""
        return self._step

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        for packet in self._packets():
            if packet is not None and packet.size and not packet.is_discard:
                self.sent += 1
            for frame in self._decoded(packet):
                self.shown += 1
                self.damaged += bool(frame.is_corrupt)
                second = self._second(frame)
                if second is not None:
                    yield second, frame
        self.complete = True

    def notes(self) -> list[str]:
        """The repairs, one sentence fragment for each."""
        notes = []
        dropped = self.failed
        if self.failed and self.complete:  # one broken packet can take frames with it that need it
            dropped = max(self.failed, self.sent - self.shown)
        promised = self._promised or 0
        if self.complete and not self._seeked and self.read < 0.98 * promised - 2:
            notes.append(f"cut off: {self.shown} of {promised} frames")
        if dropped:
            notes.append(f"{dropped} frame{'s' * (dropped > 1)} dropped")
        if self.damaged:
            notes.append(f"{self.damaged} frame{'s' * (self.damaged > 1)} damaged")
        if self.untimed:
            notes.append("times missing, taken from the frame rate")
        if self.backwards:
            notes.append("times ran backwards, continued")
        return notes

    def _packets(self) -> Iterator[av.Packet | None]:
        """Every packet of the stream, then None for what the decoder still holds."""
        broken = 0
        while broken < _GIVE_UP:
            try:
                for packet in demuxed(self._container, self._stream):
                    broken = 0
                    if packet.size:
                        self.read += 1
                        yield packet
                break
            except MemoryError as error:
                raise refusal("memory") from error
            except av.FFmpegError:
                broken += 1
                self.failed += broken == 1
        yield None

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        decode = self._stream.codec_context.decode
        if packet is not None:
            try:
                return decode(packet)
            except MemoryError as error:
                raise refusal("memory") from error
            except av.FFmpegError:
                self.failed += 1
                return []
        held: list[av.VideoFrame] = []
        for _ in range(_GIVE_UP):  # an error while emptying the decoder hides what comes after it
            try:
                more = decode(None)
            except EOFError:
                break
            except MemoryError as error:
                raise refusal("memory") from error
            except av.FFmpegError:
                self.failed += 1
                continue
            if not more:
                break
            held += more
        return held

    def _second(self, frame: av.VideoFrame) -> float | None:
        """When a frame is shown; None for one that a jump has brought back."""
        stamp = None if self._bare else frame.dts if self._by_order else frame.pts
        if stamp is None:
            self.untimed = self.untimed or not self._by_order
            second = 0.0 if self._last is None else self._last + self._step
        else:
            clock = float(stamp * self._unit)
            if self._origin is None:
                self._origin = clock
            second = clock - self._origin + self._shift
        if self._last is None:
            second = max(second, 0.0)
        elif second < self._last and self._aimed >= 0:
            return None
        elif second < self._last:
            self.backwards = True
            self._shift += self._last + self._step - second
            second = self._last + self._step
        elif second > self._last and not self._jumped:
            self._step = second - self._last
        self._jumped = False
        self._last = second
        return second
