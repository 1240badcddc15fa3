"""What the Saliency and the Embeddings tab share: networks whose insides are examined, and a gallery."""

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


def read_clip(services: Services, path: str, **options: object) -> Clip:
    """A visitor's clip; a file that cannot be used does not stay."""
    try:
        return services.read(path, **options)
    except VideoError:
        discard(path)
        raise


@contextmanager
def network_errors_as_toasts(services: Services, weights: str) -> Iterator[None]:
    """Turn errors while a network is examined into toasts, the failure of a GPU included."""
    with errors_as_toasts():
        recognizer = services.recognizer(weights)
        with errors_as_toasts(recognizer):
            yield


def explainer(services: Services, weights: str) -> ClassSaliency:
    """The copy of a network that computes derivatives; one for all visitors."""
    from actrec.explain.saliency import ClassSaliency  # torch

    recognizer = services.recognizer(weights)
    key = ("saliency", weights, recognizer.card.sha256, str(recognizer.device))
    return services.shared(key, lambda: ClassSaliency(recognizer))


def gallery(services: Services, weights: str, on_progress: Callable[[str], None] = lambda message: None) -> Gallery:
    """The gallery of the actions that the weights recognise; drawn once for all visitors."""
    from actrec.explain.gallery import gallery_of

    labels = services.recognizer(weights).labels
    return services.shared(("gallery", labels), lambda: gallery_of(labels, on_progress))


def gallery_activations(services: Services, weights: str, progress: gr.Progress | None = None) -> Activations:
    """The activations of a network over the gallery; computed once for all visitors."""
    from actrec.explain.activations import of_gallery

    def show_message(message: str) -> None:
        if progress:
            progress(None, desc=message)

    def show_count(done: int, clips: int) -> None:
        if progress:
            progress((done, clips), desc=f"The gallery through {weights}")

    saliency, clips = explainer(services, weights), gallery(services, weights, show_message)
    return services.shared(
        ("activations", weights, services.cards[weights].sha256), lambda: of_gallery(saliency, clips, show_count)
    )
