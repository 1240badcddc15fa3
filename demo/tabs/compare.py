"""The Compare tab: one clip through any set of weights, accuracy against cost, and what every network costs here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from actrec.figures.cost_chart import accuracy_against_cost
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.files import discard
from demo.shared.html import table
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from actrec.evaluation.compare import Compared, Point
    from actrec.evaluation.cost import Cost, Pace
    from actrec.video import Clip

ASKED = (
    "weights", "answer", "confidence", "agree", "weights, M", "multiplications, G", "time, ms",
    "accuracy (its own test clips)", "paper, other data",
)  # fmt: skip
COLUMNS = ("system", "size", "weights, M", "multiplications, G", "making a view, ms", "network, ms", "paper")
SIZES = {
    "light": "light: live here",
    "paper": "paper: the papers' own numbers",
    "public": "public: torchvision's, fetched on request",
}
FIRST_SECONDS, SIDE = 20.0, 240


def ask(services: Services, path: str | None, names: list[str], progress: gr.Progress | None = None) -> str:
    """One clip through the chosen weights; a row for each."""
    if not path:
        warn("Choose a video first: upload one or take an example.")
        return gr.skip()
    if not names:
        warn("Choose at least one of the weights.")
        return gr.skip()

    def on_progress(place: int, name: str) -> None:
        if progress:
            progress((place, len(names)), desc=f"Asking {name}")

    try:
        with errors_as_toasts():
            clip = services.read(path, short_side=SIDE, stop=FIRST_SECONDS)
            rows = compare(services, clip, names, on_progress)
    except gr.Error:
        discard(path)
        raise
    return table(
        ASKED,
        [
            (
                row.name, row.answer, f"{row.confidence:.0%}", _agreement(row),
                _number(row.weights / 1e6), _number(row.multiplications / 1e9), f"{row.milliseconds:.0f}",
                "" if row.accuracy is None else f"{row.accuracy:.1%}", row.headline,
            )
            for row in rows
        ],
        caption=f"{clip.duration:.1f} seconds of video on {machine(services)}; cost of all views of the clip.",
    )  # fmt: skip


def compare(
    services: Services, clip: Clip, names: list[str], on_progress: Callable[[int, str], None]
) -> list[Compared]:
    """One clip through several weights, one after the other."""
    from actrec.evaluation.compare import compared, with_agreement

    asked, seen = [], services.presence(clip)
    for place, name in enumerate(names):
        on_progress(place, name)
        asked.append(compared(services.recognizer(name), name, clip, seen))
    return with_agreement(asked)


def costs(services: Services) -> list[Cost]:
    """Every system's counts; made once for all visitors."""
    from actrec.evaluation.cost import counted
    from actrec.systems import SYSTEMS

    return services.shared("costs", lambda: [counted(system) for system in SYSTEMS.values()])


def pace_of(services: Services, name: str) -> Pace:
    """How long one view of a system takes here; measured once for all visitors."""
    from actrec.evaluation.cost import timed
    from actrec.systems import named

    if name not in services.paces:
        services.paces[name] = timed(named(name), services.device)
    return services.paces[name]


def points(services: Services) -> list[Point]:
    """Accuracy against cost: the weights here, and the papers' headlines."""
    from actrec.evaluation.compare import Point, papers_points

    counts = {cost.name: cost.multiplications for cost in costs(services)}
    measured = [
        Point(name, counts[card.system], card.measured["top1"], False)
        for name, card in services.cards.items()
        if card.measured.get("top1") is not None and card.system in counts
    ]
    return measured + papers_points(counts)


def machine(services: Services) -> str:
    """What computes here, in words."""
    from actrec.core.devices import DEVICE_FAILED, choose_device, describe

    try:
        return describe(choose_device(services.device))
    except DEVICE_FAILED:  # lost since
        return "a GPU that does not answer"


def _agreement(row: Compared) -> str:
    return f"{row.agreeing} of {row.others}" if row.others else "no other has this label"


def rows(services: Services, sizes: list[str]) -> str:
    """One row per system of the chosen sizes; times stay empty until they are measured."""
    lines = []
    for cost in costs(services):
        if cost.size in sizes:
            pace = services.paces.get(cost.name)
            times = (pace.views, pace.network) if pace else (None, None)
            columns = map(_number, (cost.weights / 1e6, cost.multiplications / 1e9, *times))
            lines.append((cost.name, cost.size, *columns, cost.paper))
    return table(COLUMNS, lines)


def measure(services: Services, sizes: list[str], progress: gr.Progress | None = None) -> tuple[str, str]:
    """Time the light systems on this machine, one after the other."""
    names = [cost.name for cost in costs(services) if cost.size == "light"]
    for place, name in enumerate(names):
        if progress:
            progress((place, len(names)), desc=f"Timing {name}")
        pace = pace_of(services, name)
    return rows(services, sizes), f"Medians of one view with {pace.dtype} numbers on {machine(services)}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _clip(services: Services, tab: gr.Tab) -> None:
    """One clip, many systems."""
    with gr.Row():
        with gr.Column():
            video = player(services, "compare", "The clip that all are asked about", height=260)
            examples = buttons("compare")
        with gr.Column():
            names = gr.CheckboxGroup(
                weights_picker.choices(services), value=alike(services), label="Weights", elem_id="compare-weights",
                info="Which to ask. Weights without a label are not counted for or against it.",
            )  # fmt: skip
            button = gr.Button("Ask them all", variant="primary", elem_id="compare-ask")
    shown = gr.HTML(
        '<p class="quiet">The answer of each to one clip, how many others agree, and its cost. '
        "Click a column header to sort.</p>",
        elem_id="compare-rows",
    )

    known = gr.HTML(weights_picker.known(services, alike(services)), elem_id="compare-known")
    names.change(partial(weights_picker.known, services), names, known, **QUIET)

    def asking(path: str | None, names: list[str], progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
        return ask(services, path, names, progress)

    asked = button.click(asking, [video, names], shown, **COMPUTE)
    asked.failure(lambda: None, None, video, **QUIET)
    for path, example in examples:
        example.click(partial(str, path), None, video, api_visibility="private").then(
            asking, [video, names], shown, **COMPUTE
        )
    listed = gr.State(list(services.cards))
    tab.select(partial(_known, services), [names, listed], [names, listed], **QUIET)


def alike(services: Services) -> list[str]:
    """The weights of the same kind as those that are asked where nobody chose others, and meant for as many people."""
    if services.default is None:
        return []
    default = services.cards[services.default]
    kind = weights_picker.group_of(default), default.people
    return [name for name, card in services.cards.items() if (weights_picker.group_of(card), card.people) == kind]


def _known(services: Services, chosen: list[str], listed: list[str]) -> tuple[gr.CheckboxGroup, list[str]]:
    """The weights that are there now; new ones are chosen until someone takes them out."""
    now = list(services.cards)
    selected = [name for name in now if name in chosen or name not in listed]
    return gr.CheckboxGroup(choices=weights_picker.choices(services), value=selected), now


def _networks(services: Services, tab: gr.Tab) -> None:
    """Every network of the papers and the baselines."""
    gr.Markdown(
        "### Every network\n**Weights** are counted without biases, as the papers do, for 101 classes; "
        "**multiplications** are those of one view. Click a column header to sort by it."
    )
    sizes = gr.CheckboxGroup(
        [(text, size) for size, text in SIZES.items()],
        value=["light", "paper"],
        label="Sizes",
        info="Which networks to list.",
        elem_id="compare-sizes",
    )
    button = gr.Button("Time the light systems on this machine", elem_id="compare-time")
    note = gr.Markdown("Times appear once they are measured here.", elem_id="compare-note")
    shown = gr.HTML("<p class='quiet'>Counting …</p>", elem_id="compare-table")

    def timing(sizes: list[str], progress: gr.Progress = gr.Progress()) -> tuple[str, str]:  # noqa: B008
        return measure(services, sizes, progress)

    # Counting takes seconds: it waits until someone opens the tab.
    gr.on(
        [tab.select, sizes.change],
        partial(rows, services),
        sizes,
        shown,
        api_visibility="private",
        show_progress="minimal",
    )
    button.click(timing, sizes, [shown, note], **COMPUTE)


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    _clip(services, tab)
    chart = gr.HTML('<p class="quiet">Counting …</p>', elem_id="compare-picture")
    tab.select(lambda: accuracy_against_cost(points(services)), None, chart, **QUIET)
    _networks(services, tab)
