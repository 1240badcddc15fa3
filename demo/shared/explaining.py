"""What the Saliency and the Embeddings tab share: networks that may be asked for more than answers, and a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gradio as gr

from actrec.video import VideoError
from demo.server.services import Services
from demo.shared.files import discard
from demo.shared.toasts import errors_as_toasts

if TYPE_CHECKING:
    from actrec.explain.activations import Activations
    from actrec.explain.gallery import Gallery
    from actrec.explain.saliency import ClassSaliency
    from actrec.video import Clip


def reading(services: Services, path: str, **wanted: object) -> Clip:
    """A visitor's clip; a file that cannot be used does not stay."""
    try:
        return services.read(path, **wanted)
    except VideoError:
        discard(path)
        raise


@contextmanager
def looking(services: Services, weights: str) -> Iterator[None]:
    """What goes wrong while a network is looked into becomes a toast, a GPU that fails included."""
    with errors_as_toasts():
        recognizer = services.recognizer(weights)
        with errors_as_toasts(recognizer):
            yield


def explainer(services: Services, weights: str) -> ClassSaliency:
    """The copy of a network that is asked for derivatives; one for all visitors."""
    from actrec.explain.saliency import ClassSaliency  # torch

    recognizer = services.recognizer(weights)
    key = ("saliency", weights, recognizer.card.sha256, str(recognizer.device))
    return services.shared(key, lambda: ClassSaliency(recognizer))


def gallery(services: Services, weights: str, report: Callable[[str], None] = lambda said: None) -> Gallery:
    """The gallery of the actions that the weights know; drawn once for all visitors."""
    from actrec.explain.gallery import gallery_of

    labels = services.recognizer(weights).labels
    return services.shared(("gallery", labels), lambda: gallery_of(labels, report))


def survey(services: Services, weights: str, progress: gr.Progress | None = None) -> Activations:
    """The gallery through a network, once for all visitors."""
    from actrec.explain.activations import of_gallery

    def say(sentence: str) -> None:
        if progress:
            progress(None, desc=sentence)

    def report(done: int, clips: int) -> None:
        if progress:
            progress((done, clips), desc=f"{weights} looks at the gallery")

    saliency, clips = explainer(services, weights), gallery(services, weights, say)
    return services.shared(
        ("survey", weights, services.cards[weights].sha256), lambda: of_gallery(saliency, clips, report)
    )
