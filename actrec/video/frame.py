"""One decoded frame as RGB pixels, written into given memory: scaled, turned upright, opaque.

Pixels are taken as square: a video stored squeezed stays squeezed, as in the data sets that are learned from.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from actrec.video.refusals import refusal


class Converter:
    """Turns every frame of a stream into `uint8 [height, width, 3]`, whatever format and size it comes in."""

    def __init__(self, first: av.VideoFrame, short_side: int | None) -> None:
        self.quarters = (first.rotation // 90) % 4
        self.stored = first.height, first.width
        self._reformat = VideoReformatter().reformat
        self.reduce(short_side)

    def reduce(self, short_side: int | None) -> None:
        """Shrink so that the shorter side has `short_side` pixels; never enlarge."""
        height, width = self.stored
        scale = min(1.0, short_side / min(height, width)) if short_side else 1.0
        self._height, self._width = max(1, round(height * scale)), max(1, round(width * scale))

        self._how = Interpolation.AREA if scale < 1 else Interpolation.BILINEAR

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what comes out, upright."""
        return (self._width, self._height) if self.quarters % 2 else (self._height, self._width)

    def write(self, frame: av.VideoFrame, out: np.ndarray) -> None:
        """Put the frame's pixels into `out [height, width, 3]`."""
        pixels = self._pixels(frame, "rgba" if _has_alpha(frame) else "rgb24")
        if pixels.shape[-1] == 4:
            pixels = _on_black(pixels)
        np.copyto(out, np.rot90(pixels, self.quarters) if self.quarters else pixels)

    def _pixels(self, frame: av.VideoFrame, layout: str) -> np.ndarray:
        try:
            scaled = self._reformat(
                frame, width=self._width, height=self._height, format=layout, interpolation=self._how
            )
        except BlockingIOError as error:  # no memory for the scaler's threads
            raise MemoryError from error
        except av.FFmpegError as error:
            raise refusal("unknown-codec") from error
        plane, depth = scaled.planes[0], len(layout.removesuffix("24"))
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : self._height, : self._width * depth
        ]
        return rows.reshape(self._height, self._width, depth)


def _has_alpha(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith(("pal8", "rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya"))


def _on_black(pixels: np.ndarray) -> np.ndarray:
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    if alpha.min() == 255:
        return colour
    return ((colour.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
