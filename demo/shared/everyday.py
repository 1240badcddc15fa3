"""A button for the owner of the page: the published weights that name everyday actions, fetched when it is clicked."""

from __future__ import annotations

from functools import partial

import gradio as gr
from gradio.context import Context

from actrec.weights.download import DownloadError, Progress
from actrec.weights.starts import EVERYDAY, SETS, STARTS, fetched_start
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.event_options import QUIET
from demo.shared.toasts import errors_as_toasts, refusal

LABEL = "Fetch the weights for everyday actions ({size})"
HERE = "These weights are here now: the lists of weights have them."
OTHERS_GET_IN = "Only the owner of the page fetches weights: python -m actrec fetch everyday"


def missing(services: Services) -> list[str]:
    """The weights of the set that are not here; none where the page uses its own folder, or lets others in."""
    if services.starts is None or services.data is not None:
        return []
    return [key for key in SETS[EVERYDAY] if fetched_start(key) is None]


def fetch(
    services: Services, chosen: str | None, progress: gr.Progress | None = None
) -> tuple[gr.Button, str, gr.Dropdown]:
    """Fetch what is missing; the button, a message, and the list of weights after that."""
    if services.data is not None:
        raise refusal(OTHERS_GET_IN)
    from actrec.weights.fetch_start import fetch_start

    before = services.default
    for key in missing(services):
        with errors_as_toasts():
            try:
                fetch_start(STARTS[key], partial(_show, progress))
            except DownloadError as error:
                message = f"{error} Nothing is lost: click again when the network works."
                raise DownloadError(error.code, message) from None
    return (
        gr.Button(visible=False),
        f'<p class="quiet">{HERE}</p>',
        weights_picker.renewed(services, chosen, before)[0],
    )


def _show(progress: gr.Progress | None, state: Progress) -> None:
    if progress is not None and state.total:
        progress(state.done / state.total, desc=f"{state.done / 1e6:.0f} of {state.total / 1e6:.0f} MB")


def offer(services: Services) -> dict[str, object]:
    """What the button says, and whether it is there: as long as something is missing."""
    keys = missing(services)
    size = f"{sum(STARTS[key].bytes for key in keys) / 1e6:.0f} MB"
    return {"value": LABEL.format(size=size), "visible": bool(keys)}


def build(services: Services, weights: gr.Dropdown, place: str) -> None:
    """The button below a list of weights, where something is missing."""
    button = gr.Button(**offer(services), size="sm", elem_id=f"{place}-fetch-everyday")
    message = gr.HTML(elem_id=f"{place}-fetched-everyday")

    def clicked(chosen: str | None, progress: gr.Progress = gr.Progress()) -> tuple:  # noqa: B008 - Gradio's way
        return fetch(services, chosen, progress)

    button.click(clicked, weights, [button, message, weights], api_visibility="private", concurrency_limit=1)
    # The page was laid out when the program started; what was fetched since is there for whoever comes now.
    Context.root_block.load(
        lambda: (gr.Button(**offer(services)), gr.Dropdown(weights_picker.choices(services), value=services.default)),
        None, [button, weights], **QUIET,
    )  # fmt: skip
