"""A camera's image is small and of a kind that browsers send; anything else is refused before it is decoded."""

from __future__ import annotations

import base64
import io

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from gradio import image_utils
from gradio.components.image import ImageData

from demo.server.gradio_patches import close_gradio


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    monkeypatch.setattr(image_utils, "preprocess_image", image_utils.preprocess_image)  # put back afterwards
    close_gradio()
    close_gradio()  # a second time changes nothing


def sent(image: np.ndarray | PIL.Image.Image, kind: str, path=None) -> np.ndarray:
    """What a callback gets for a camera's image, or for a file named in its place."""
    buffer = io.BytesIO()
    (image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)).save(buffer, kind)
    if path is not None:
        path.write_bytes(buffer.getvalue())
        data = ImageData(path=str(path), orig_name=path.name)
    else:
        data = ImageData(url=f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}")
    return gr.Image(sources=["webcam"], streaming=True).preprocess(data)


def test_a_small_file_that_unpacks_to_hundreds_of_megabytes_is_refused_at_once(tmp_path):
    bomb = PIL.Image.new("1", (9_000, 9_000))
    for path in (None, tmp_path / "a.png"):
        with pytest.raises(gr.Error, match="81 million pixels"):
            sent(bomb, "PNG", path)


def test_kinds_that_no_browser_sends_are_refused(tmp_path):
    for path in (None, tmp_path / "a.png"):
        with pytest.raises(gr.Error, match="not an image"):
            sent(np.zeros((9, 9, 3), np.uint8), "TIFF", path)
    with pytest.raises(gr.Error, match="not an image"):
        gr.Image(streaming=True).preprocess(ImageData(url="data:image/png;base64,AAAA"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(240, 320), (720, 1280), (1080, 1920)])
def test_what_cameras_send_passes(kind, size):
    assert sent(np.zeros((*size, 3), np.uint8), kind).shape == (*size, 3)
    assert gr.Image(streaming=True).preprocess(None) is None
