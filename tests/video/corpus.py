"""Videos good, odd and broken, made anew for every test run. Each maker writes one file and is named after it."""

from __future__ import annotations

import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def pictures(count: int = 24, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Blocks of colour that change from frame to frame: no two frames, rows or columns of blocks are alike."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, -(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]


def encode(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: int = 25,
    layout: str = "rgb24",
    pts: list[int] | None = None,
    rotation: int = 0,
    format: str | None = None,
    mux: dict | None = None,
    options: dict | None = None,
) -> Path:
    """Write frames; `pts` are milliseconds where the rate varies."""
    with av.open(str(path), "w", format=format, options=mux or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if rotation:
            stream.set_display_rotation(rotation)
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for place, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=layout)
            frame.pts = place if pts is None else pts[place]
            frame.time_base = Fraction(1, fps if pts is None else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def h264(path: Path, count: int = 24, **options: object) -> Path:
    return encode(path, pictures(count), **options)


def cut(source: Path, path: Path, share: float) -> Path:
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def flipped(source: Path, path: Path, share: float = 0.002, seed: int = 0, start: float = 0.1) -> Path:
    """Flip one bit in a share of the bytes behind `start` of the file."""
    data = np.frombuffer(source.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    first = int(len(data) * start)
    places = first + rng.choice(len(data) - first, size=max(1, int(len(data) * share)), replace=False)
    data[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    path.write_bytes(data.tobytes())
    return path


def overwritten(source: Path, path: Path, packets: tuple[int, ...]) -> Path:
    """Replace the whole content of some packets, counted in the order of decoding."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for place, packet in enumerate(container.demux(video=0)):
            if place in packets:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(bytes(data))
    return path


def patched(source: Path, path: Path, old: bytes, new: bytes) -> Path:
    data = source.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


def sound_wav(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 8000)
    return path


def sound_m4a(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def no_samples(path: Path) -> Path:
    """A webm that was closed before its first frame: header only."""
    whole = h264(path.with_name("whole.mkv"), format="matroska")
    data = whole.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    return path


def refused(folder: Path) -> dict[str, tuple[Path, set[str]]]:
    """Files that are no usable video: name → (path, the codes that are right)."""
    good = h264(folder / "good.mp4")
    late = h264(folder / "late.mp4", count=120)
    text = folder / "text.mp4"
    text.write_text("a diary, not a video\n" * 50)
    playlist = folder / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{good.name}\n#EXT-X-ENDLIST\n")
    disguised = folder / "list.mp4"
    disguised.write_bytes(playlist.read_bytes())
    concat = folder / "concat.mp4"
    concat.write_text(f"ffconcat version 1.0\nfile {good.name}\n")
    empty = folder / "empty.mp4"
    empty.touch()
    noise = folder / "noise.mp4"
    noise.write_bytes(b"\0\0\0\x18ftypisom" + np.random.default_rng(0).bytes(5000))
    picture = folder / "picture.mp4"
    with av.open(str(picture), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pictures(1)[0], format="rgb24")))
        container.mux(stream.encode())
    avi = h264(folder / "good.avi", codec="mpeg4")
    return {
        "missing": (folder / "nowhere.mp4", {"missing"}),
        "folder": (folder, {"missing"}),
        "empty": (empty, {"empty"}),
        "text": (text, {"not-video"}),
        "noise": (noise, {"truncated"}),
        "playlist": (playlist, {"playlist"}),
        "playlist named mp4": (disguised, {"playlist"}),
        "concat list": (concat, {"playlist"}),
        "picture": (picture, {"picture"}),
        "wav": (sound_wav(folder / "sound.wav"), {"audio-only"}),
        "m4a": (sound_m4a(folder / "sound.m4a"), {"audio-only"}),
        "cut before its index": (cut(late, folder / "cut.mp4", 0.5), {"truncated"}),
        "unknown codec in mp4": (patched(good, folder / "zzzz.mp4", b"avc1", b"zzzz"), {"unknown-codec"}),
        "unknown codec in avi": (patched(avi, folder / "zzzz.avi", b"FMP4", b"ZZZZ"), {"unknown-codec"}),
        "no frame": (no_samples(folder / "none.mkv"), {"truncated"}),
        "one frame": (h264(folder / "one.mp4", count=1), {"one-frame"}),
        "8K": (
            encode(folder / "8k.mp4", np.zeros((2, 4320, 7680, 3), np.uint8), options={"preset": "ultrafast"}),
            {"too-large"},
        ),
    }


def containers(folder: Path) -> dict[str, Path]:
    """The same 24 frames in every kind of file that is taken."""
    made = {
        "mp4": h264(folder / "a.mp4"),
        "mp4 index first": h264(folder / "f.mp4", mux={"movflags": "+faststart"}),
        "fragmented mp4": h264(folder / "g.mp4", mux={"movflags": "+frag_keyframe+empty_moov"}),
        "mov": h264(folder / "a.mov", codec="mpeg4"),
        "webm": h264(folder / "a.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
        "webm without duration": h264(
            folder / "live.webm",
            codec="libvpx",
            mux={"live": "1"},
            options={"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
        ),
        "mkv": h264(folder / "a.mkv"),
        "avi": h264(folder / "a.avi", codec="mpeg4"),
        "avi with B-frames": h264(folder / "b.avi", options={"bf": "2", "b-adapt": "0"}),
        "mpeg": h264(folder / "a.mpg", codec="mpeg2video"),
        "transport stream": h264(folder / "a.ts"),
        "m2ts": h264(folder / "a.m2ts", mux={"mpegts_m2ts_mode": "1"}, format="mpegts"),
        "elementary stream": h264(folder / "a.m1v", codec="mpeg1video", format="mpeg1video"),
        "gif": h264(folder / "a.gif", codec="gif", pix_fmt="rgb8"),
    }
    assert struct.unpack(">I", made["mpeg"].read_bytes()[:4])[0] == 0x1BA
    return made
