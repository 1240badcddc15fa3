"""What goes wrong reaches the visitor as the core's own sentence, in a toast; the page goes on."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from actrec.core.devices import DEVICE_FAILED
from actrec.core.errors import Refusal

if TYPE_CHECKING:
    from actrec.recognition.recognizer import Recognizer

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_DISK_SPACE = (
    "There is no disk space left for temporary files on this computer. Free some, or start the page with TMPDIR set to "
    "a folder on a larger disk."
)


def refusal(sentence: object) -> gr.Error:
    """A toast. Gradio renders its text as HTML, and a sentence may quote a visitor's file name."""
    return gr.Error(escape(str(sentence)), print_exception=False)


def warn(sentence: object) -> None:
    gr.Warning(escape(str(sentence)))


@contextlib.contextmanager
def errors_as_toasts(recognizer: Recognizer | None = None) -> Iterator[None]:
    """Turn what the core foresees, and what the system does not let happen, into toasts; and a GPU that fails where its
    recognizer's network is used, whose work then goes on without it."""
    try:
        yield
    except Refusal as error:
        raise refusal(error) from None
    except DEVICE_FAILED as error:
        if recognizer is None:
            raise
        raise refusal(f"{recognizer.without_gpu(error)} Try again.") from None
    except OSError as error:
        if error.errno in FULL:
            raise refusal(NO_DISK_SPACE) from None
        raise refusal(f"The system did not allow it: {error.strerror or error}.") from None
