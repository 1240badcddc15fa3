"""The images that a camera sends, checked before they are decoded: half a megabyte can become half a gigabyte."""

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


def checked(
    payload: ImageData | None, *settings: object, **options: object
) -> np.ndarray | PIL.Image.Image | str | None:
    """Gradio's decoder of images, for small ones only."""
    if payload is not None:
        _check(payload)
    return _decoded(payload, *settings, **options)


def _check(payload: ImageData) -> None:
    """Refuse by its first bytes what is not an image from a camera."""
    if payload.url and payload.url.startswith("data:"):
        source = io.BytesIO(base64.b64decode(processing_utils.extract_base64_data(payload.url)))
    else:
        source = payload.path
    try:
        with PIL.Image.open(source, formats=KINDS) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        raise gr.Error("This is not an image from a camera.", print_exception=False) from None
    if pixels > MOST_PIXELS:
        raise gr.Error(
            f"The camera's frame has {pixels / 1e6:.0f} million pixels; at most {MOST_PIXELS / 1e6:.1f} are accepted.",
            print_exception=False,
        )
