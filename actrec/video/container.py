"""The contents of a file, from its first bytes and its header: nothing is decoded here.

The demuxer is forced by the sniffed type. Left to guess, FFmpeg follows playlists into other files.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from actrec.video.refusals import refusal
from actrec.video.request import LIMITS, Header, Limits

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<smil", b"<asx", b"<ASX")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0")
_SOUNDS = (b"ID3", b"fLaC", b"OggS\0", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9", b"FORM", b".snd")
_UNKNOWN = 4096  # packets in a row of streams that were not there at the start
_NO_CODEC = (None, "", "none")


def sniff(path: str | Path) -> str:
    """The name of the demuxer that the file's first bytes call for."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise refusal("missing", reason="not a file")
        with open(path, "rb") as file:
            head = file.read(1024)
    except (OSError, ValueError) as error:
        raise refusal("missing", reason=getattr(error, "strerror", None) or error) from error
    if not head:
        raise refusal("empty")
    kind = _kind(head)
    if kind is not None:
        return kind
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        raise refusal("playlist")
    if head.startswith(_SOUNDS) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        raise refusal("audio-only")
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise refusal("picture")
    raise refusal("not-video")


def _kind(head: bytes) -> str | None:
    if head[4:8] in _BOXES:
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"\0\0\x01\xba":
        return "mpeg"
    if head[:4] == b"\0\0\x01\xb3":
        return "mpegvideo"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    for first in (0, 4):  # transport stream; with a 4-byte time code before each packet in m2ts
        step = 188 + first
        marks = head[first::step][:5]
        if len(marks) >= 2 and marks == b"G" * len(marks):
            return "mpegts"
    return None


@contextmanager
def open_video(path: str | Path, limits: Limits = LIMITS) -> Iterator[tuple]:
    """The container and its video stream, ready to decode, or a VideoError with what is wrong."""
    kind = sniff(path)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    address = f"file:{Path(path).absolute()}"  # whatever its name, a file and nothing else
    try:
        container = av.open(address, format=kind, options={"protocol_whitelist": "file"})
    except MemoryError as error:
        raise refusal("memory") from error
    except (av.FFmpegError, ValueError) as error:
        raise refusal("truncated", part="no index") from error
    with container:
        stream = _video_stream(container)
        codec = stream.codec_context
        codec.thread_type = "AUTO"
        # A stream may change its size half way: no decoder is to allocate more than was allowed, apart from
        # what rounding both sides up to whole blocks adds.
        codec.options = {**codec.options, "max_pixels": str(limits.pixels * 9 // 8 + (1 << 14))}
        yield container, stream


def _video_stream(container: av.container.InputContainer) -> av.VideoStream:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise refusal("audio-only" if len(container.streams.audio) > 0 else "no-video")
    known = [s for s in streams if s.codec_context is not None and s.codec_context.name not in _NO_CODEC]
    if not known:
        raise refusal("unknown-codec")
    best = container.streams.best("video")
    return next((s for s in known if best is not None and s.index == best.index), known[0])


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def demuxed(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """The packets of one stream. At one of a stream that appears later, in transport streams, PyAV gives up: go on."""
    unknown = 0
    while unknown < _UNKNOWN:
        try:
            for packet in container.demux(stream):
                unknown = 0
                yield packet
            return
        except IndexError:
            unknown += 1


def header_of(container: av.container.InputContainer, stream: av.VideoStream, path: str | Path) -> Header:
    base = float(stream.time_base) if stream.time_base else 0.0
    duration = stream.duration * base if stream.duration else 0.0
    if duration <= 0 and container.duration:
        duration = container.duration / av.time_base
    rate = stream.average_rate or stream.guessed_rate
    codec = stream.codec_context
    return Header(
        kind=container.format.name,
        codec=codec.name,
        width=codec.width,
        height=codec.height,
        fps=float(rate) if rate else None,
        frames=stream.frames or None,
        duration=duration if duration > 0 else None,
        start=stream.start_time * base if stream.start_time is not None else None,
        audio=len(container.streams.audio) > 0,
        bytes=Path(path).stat().st_size,
    )


def probe(path: str | Path) -> Header:
    """The header of a video, without decoding it."""
    with open_video(path) as (container, stream):
        return header_of(container, stream, path)


def scan(path: str | Path) -> tuple[int, float]:
    """Number of packets and length in seconds, by reading the file through without decoding it."""
    count, first, end = 0, None, 0.0
    with open_video(path) as (container, stream):
        base = float(stream.time_base) if stream.time_base else 0.0
        try:
            for packet in demuxed(container, stream):
                if not packet.size:
                    continue
                count += 1
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    first = stamp if first is None else min(first, stamp)
                    end = max(end, (stamp - first + (packet.duration or 0)) * base)
        except av.FFmpegError:
            pass  # what can be read is what counts
    return count, end if end > 0 else count / 25.0


def check_size(header: Header, limits: Limits) -> None:
    if header.width * header.height > limits.pixels:
        raise refusal("too-large", width=header.width, height=header.height, most=limits.pixels / 1e6)
