"""Bad input to the Saliency and the Embeddings tab becomes a sentence."""

from __future__ import annotations

from pathlib import Path

import cv2
import gradio as gr
import numpy as np
import pytest

from actrec.video.write import write_mp4
from demo.server.services import EXAMPLES, Services
from demo.tabs import embeddings, saliency


@pytest.fixture(scope="module")
def services(tmp_path_factory) -> Services:
    opened = Services(device="cpu", runs=tmp_path_factory.mktemp("runs"))
    opened.start()
    yield opened
    opened.close()


def test_without_a_clip_every_button_says_what_to_do(services):
    for press in (
        lambda: saliency.ask(services, None, None),
        lambda: saliency.prove(services, None),
        lambda: saliency.inside(services, None),
        lambda: saliency.neurons(services, None, None),
        lambda: saliency.video(services, None, "SmoothGrad"),
        lambda: embeddings.place(services, None, None),
        lambda: embeddings.place(services, str(EXAMPLES / "wave.mp4"), None),
    ):
        with pytest.raises(gr.Error, match="first"):
            press()


def test_a_file_that_is_no_video_is_refused_in_words(services, tmp_path):
    path = tmp_path / "<b>clip.mp4"
    path.write_bytes(b"not a video at all, but long enough to be looked at")
    with pytest.raises(gr.Error) as refused:
        saliency.ask(services, str(path), None)
    assert "<b>" not in str(refused.value)


@pytest.mark.parametrize(("count", "warning"), [(24, "Nothing moves"), (2, "two frames")])
def test_a_still_or_very_short_clip_is_explained_with_a_warning(services, tmp_path: Path, count, warning):
    few = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    frames = np.repeat(cv2.resize(few, (128, 96), interpolation=cv2.INTER_CUBIC)[None], count, 0)
    path = write_mp4(tmp_path / "still.mp4", frames, 12)
    asked = saliency.ask(services, str(path), None).asked
    html = saliency.show(services, asked, asked.label, 1).maps
    assert warning in html and 'class="scrub"' in html


def test_a_class_that_the_weights_do_not_know_is_refused_in_words(services):
    asked = saliency.ask(services, str(EXAMPLES / "wave.mp4"), None).asked
    with pytest.raises(gr.Error, match="have no class"):
        saliency.show(services, asked, "fly", 1)


def test_weights_without_fstcns_paths_show_one_map_and_say_so(services):
    drawn = embeddings.draw(services, "asym3d-synthetic", "PCA", 0)
    assert list(drawn.now.atlases) == ["code"] and drawn.maps.count("<figure") == 1
    assert "FstCN" in drawn.maps
