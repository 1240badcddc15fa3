"""What the Saliency and the Embeddings tab share: networks that may be asked for more than answers, and a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gradio as gr

from actrec.video import VideoError
from demo.server.services import Lab
from demo.shared.files import discard
from demo.shared.toasts import told

if TYPE_CHECKING:
    from actrec.explain.activations import Found
    from actrec.explain.gallery import Gallery
    from actrec.explain.saliency import ClassSaliency
    from actrec.video import Clip


def reading(lab: Lab, path: str, **wanted: object) -> Clip:
    """A visitor's clip; a file that cannot be used does not stay."""
    try:
        return lab.read(path, **wanted)
    except VideoError:
        discard(path)
        raise


@contextmanager
def looking(lab: Lab, weights: str) -> Iterator[None]:
    """What goes wrong while a network is looked into becomes a toast, a GPU that fails included."""
    with told():
        recognizer = lab.recognizer(weights)
        with told(recognizer):
            yield


def explainer(lab: Lab, weights: str) -> ClassSaliency:
    """The copy of a network that is asked for derivatives; one for all visitors."""
    from actrec.explain.saliency import ClassSaliency  # torch

    recognizer = lab.recognizer(weights)
    key = ("saliency", weights, recognizer.card.sha256, str(recognizer.device))
    return lab.shared(key, lambda: ClassSaliency(recognizer))


def gallery(lab: Lab, weights: str, report: Callable[[str], None] = lambda said: None) -> Gallery:
    """The gallery of the actions that the weights know; drawn once for all visitors."""
    from actrec.explain.gallery import gallery_of

    labels = lab.recognizer(weights).labels
    return lab.shared(("gallery", labels), lambda: gallery_of(labels, report))


def survey(lab: Lab, weights: str, progress: gr.Progress | None = None) -> Found:
    """The gallery through a network, once for all visitors."""
    from actrec.explain.activations import survey as look_over

    def say(sentence: str) -> None:
        if progress:
            progress(None, desc=sentence)

    def report(done: int, clips: int) -> None:
        if progress:
            progress((done, clips), desc=f"{weights} looks at the gallery")

    saliency, clips = explainer(lab, weights), gallery(lab, weights, say)
    return lab.shared(("survey", weights, lab.cards[weights].sha256), lambda: look_over(saliency, clips, report))
