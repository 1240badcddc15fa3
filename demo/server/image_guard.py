"""The pictures that a camera sends, looked at before they are decoded: half a megabyte can become half a gigabyte."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import gradio as gr
import PIL.Image
from gradio import image_utils, processing_utils

if TYPE_CHECKING:
    import numpy as np
    from gradio.components.image import ImageData

MOST_PIXELS = 1 << 21  # 1920 × 1080 fits
KINDS = ("JPEG", "PNG", "WEBP")  # what browsers send

_decoded = image_utils.preprocess_image


def checked(payload: ImageData | None, *told: object, **named: object) -> np.ndarray | PIL.Image.Image | str | None:
    """Gradio's decoder of pictures, for small ones only."""
    if payload is not None:
        _look(payload)
    return _decoded(payload, *told, **named)


def _look(payload: ImageData) -> None:
    """Refuse by the first bytes what is no camera's picture."""
    if payload.url and payload.url.startswith("data:"):
        source = io.BytesIO(base64.b64decode(processing_utils.extract_base64_data(payload.url)))
    else:
        source = payload.path
    try:
        with PIL.Image.open(source, formats=KINDS) as picture:
            pixels = picture.width * picture.height
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        raise gr.Error("This is no picture that a camera sends.", print_exception=False) from None
    if pixels > MOST_PIXELS:
        raise gr.Error(
            f"The camera's picture has {pixels / 1e6:.0f} million pixels; at most {MOST_PIXELS / 1e6:.1f} are taken.",
            print_exception=False,
        )
