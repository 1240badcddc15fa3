"""A Clip as a file that every browser plays: H.264, yuv420p, index at the front."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from actrec.core.errors import BadValue
from actrec.video.clip import VideoError

_SMPTE170M = 6  # AVCOL_SPC_SMPTE170M, the BT.601 matrix that the conversion from RGB uses


def write_mp4(path: str | Path, frames: np.ndarray | Iterable[np.ndarray], fps: float, *, crf: int = 20) -> Path:
    """Write `uint8 [T, H, W, 3]` RGB frames (or any iterable of them) as mp4; returns the path.

    4:2:0 needs even sides: an odd one is continued by repeating its last row or column. The file appears
    under its name only when it is complete.
    """
    path = Path(path)
    if not (np.isfinite(fps) and fps > 0):
        raise BadValue(f"a video needs a frame rate above 0, not {fps}")
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".mp4", dir=path.parent)
    os.close(handle)
    try:
        _encode(unfinished, frames, Fraction(fps).limit_denominator(1001), crf)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return path


def _encode(path: str, frames: Iterable[np.ndarray], rate: Fraction, crf: int) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for frame in frames:
            frame = _even(frame)
            if stream is None:
                stream = container.add_stream("libx264", rate=rate)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                # Say which matrix made the colours; players guess another one for large frames.
                stream.codec_context.colorspace = _SMPTE170M
                stream.options = {"crf": str(crf), "preset": "veryfast"}
            elif (stream.height, stream.width) != frame.shape[:2]:
                raise BadValue("all frames of a video have one size")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is None:
            raise VideoError("empty", "There is no frame to write.")
        container.mux(stream.encode())


def _even(frame: np.ndarray) -> np.ndarray:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise BadValue(f"frames are uint8 [H, W, 3], not {frame.dtype} {list(frame.shape)}")
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
