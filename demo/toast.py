"""What goes wrong reaches the visitor as the core's own sentence, in a toast; the page goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from html import escape

import gradio as gr

from actrec.repository import RepositoryError
from actrec.video import VideoError
from actrec.weights.cards import WeightsError

FORESEEN = (VideoError, RepositoryError, WeightsError)


def refusal(sentence: object) -> gr.Error:
    """A toast. Gradio renders its text as HTML, and a sentence may quote a visitor's file name."""
    return gr.Error(escape(str(sentence)), print_exception=False)


def warn(sentence: object) -> None:
    gr.Warning(escape(str(sentence)))


@contextlib.contextmanager
def told(*more: type[Exception]) -> Iterator[None]:
    """Turn the errors that the core foresees into toasts."""
    try:
        yield
    except (*FORESEEN, *more) as error:
        raise refusal(error) from None
