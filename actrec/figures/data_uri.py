"""Images inside a page: an address that holds the image itself, so that no file is written for it."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from actrec.core.errors import BadValue


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of an image file (`kind` is "png" or "jpeg") as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def jpeg_uri(image: np.ndarray, quality: int = 85) -> str:
    """An image `uint8 [H, W, 3]` that a camera took."""
    return data_uri(_encoded(image, "jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality]), "jpeg")


def png_uri(image: np.ndarray) -> str:
    """An image `uint8 [H, W, 3]` of which every pixel counts."""
    return data_uri(_encoded(image, "png", [cv2.IMWRITE_PNG_COMPRESSION, 6]), "png")


def _encoded(image: np.ndarray, kind: str, options: list[int]) -> bytes:
    done, content = cv2.imencode(f".{kind}", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadValue(f"The image could not be written as {kind}.")
    return content.tobytes()
