"""The Compare tab: one clip through any set of weights, accuracy against cost, and what every network costs here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from actrec.figures.cost_chart import accuracy_against_cost
from demo.server.services import Lab
from demo.shared import weights_picker
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.files import discard
from demo.shared.html import table
from demo.shared.player import player
from demo.shared.toasts import told, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from actrec.evaluation.compare import Compared, Point
    from actrec.evaluation.cost import Cost, Pace
    from actrec.video import Clip

ASKED = (
    "weights", "says", "confidence", "agree", "weights, M", "multiplications, G", "time, ms",
    "accuracy (its own test clips)", "paper, other data",
)  # fmt: skip
COLUMNS = ("system", "size", "weights, M", "multiplications, G", "making a view, ms", "network, ms", "paper")
SIZES = {
    "light": "light: live here",
    "paper": "paper: the papers' own numbers",
    "public": "public: torchvision's, fetched on request",
}
FIRST_SECONDS, SIDE = 20.0, 240


def ask(lab: Lab, path: str | None, names: list[str], progress: gr.Progress | None = None) -> str:
    """One clip through the chosen weights; a row for each."""
    if not path:
        warn("Choose a video first: upload one or take an example.")
        return gr.skip()
    if not names:
        warn("Choose at least one of the weights.")
        return gr.skip()

    def report(place: int, name: str) -> None:
        if progress:
            progress((place, len(names)), desc=f"Asking {name}")

    try:
        with told():
            clip = lab.read(path, short_side=SIDE, stop=FIRST_SECONDS)
            rows = compare(lab, clip, names, report)
    except gr.Error:
        discard(path)
        raise
    return table(
        ASKED,
        [
            (
                row.name, row.says, f"{row.confidence:.0%}", _agreement(row),
                _number(row.weights / 1e6), _number(row.multiplications / 1e9), f"{row.milliseconds:.0f}",
                "" if row.accuracy is None else f"{row.accuracy:.1%}", row.headline,
            )
            for row in rows
        ],
        caption=f"{clip.duration:.1f} seconds of video on {machine(lab)}; cost of all views of the clip.",
    )  # fmt: skip


def compare(lab: Lab, clip: Clip, names: list[str], report: Callable[[int, str], None]) -> list[Compared]:
    """One clip through several weights, one after the other."""
    from actrec.evaluation.compare import compared, with_agreement

    asked = []
    for place, name in enumerate(names):
        report(place, name)
        asked.append(compared(lab.recognizer(name), name, clip))
    return with_agreement(asked)


def costs(lab: Lab) -> list[Cost]:
    """Every system's counts; made once for all visitors."""
    from actrec.evaluation.cost import counted
    from actrec.systems import SYSTEMS

    return lab.shared("costs", lambda: [counted(system) for system in SYSTEMS.values()])


def pace_of(lab: Lab, name: str) -> Pace:
    """How long one view of a system takes here; measured once for all visitors."""
    from actrec.evaluation.cost import timed
    from actrec.systems import named

    if name not in lab.paces:
        lab.paces[name] = timed(named(name), lab.device)
    return lab.paces[name]


def points(lab: Lab) -> list[Point]:
    """Accuracy against cost: the weights here, and the papers' headlines."""
    from actrec.evaluation.compare import Point, papers_points

    counts = {cost.name: cost.multiplications for cost in costs(lab)}
    measured = [
        Point(name, counts[card.system], card.measured["top1"], False)
        for name, card in lab.cards.items()
        if card.measured.get("top1") is not None and card.system in counts
    ]
    return measured + papers_points(counts)


def machine(lab: Lab) -> str:
    """What computes here, in words."""
    from actrec.core.devices import DEVICE_FAILED, choose_device, describe

    try:
        return describe(choose_device(lab.device))
    except DEVICE_FAILED:  # lost since
        return "a GPU that does not answer"


def _agreement(row: Compared) -> str:
    return f"{row.agreeing} of {row.others}" if row.others else "no other knows it"


def rows(lab: Lab, sizes: list[str]) -> str:
    """One row per system of the chosen sizes; times stay empty until they are measured."""
    lines = []
    for cost in costs(lab):
        if cost.size in sizes:
            pace = lab.paces.get(cost.name)
            times = (pace.views, pace.network) if pace else (None, None)
            numbers = map(_number, (cost.weights / 1e6, cost.multiplications / 1e9, *times))
            lines.append((cost.name, cost.size, *numbers, cost.paper))
    return table(COLUMNS, lines)


def measure(lab: Lab, sizes: list[str], progress: gr.Progress | None = None) -> tuple[str, str]:
    """Time the light systems on this machine, one after the other."""
    names = [cost.name for cost in costs(lab) if cost.size == "light"]
    for place, name in enumerate(names):
        if progress:
            progress((place, len(names)), desc=f"Timing {name}")
        pace = pace_of(lab, name)
    return rows(lab, sizes), f"Medians of one view with {pace.dtype} numbers on {machine(lab)}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _clip(lab: Lab, tab: gr.Tab) -> None:
    """One clip, many systems."""
    with gr.Row():
        with gr.Column():
            video = player(lab, "compare", "The clip that all are asked about", height=260)
            examples = buttons("compare")
        with gr.Column():
            names = gr.CheckboxGroup(
                weights_picker.choices(lab), value=alike(lab), label="Weights", elem_id="compare-weights",
                info="Which to ask. Those that do not know a label are not counted for or against it.",
            )  # fmt: skip
            button = gr.Button("Ask them all", variant="primary", elem_id="compare-ask")
    shown = gr.HTML(
        '<p class="quiet">What each says of one clip, who agrees, and what it costs. Column headers sort.</p>',
        elem_id="compare-rows",
    )

    known = gr.HTML(weights_picker.known(lab, alike(lab)), elem_id="compare-known")
    names.change(partial(weights_picker.known, lab), names, known, **QUIET)

    def asking(path: str | None, names: list[str], progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
        return ask(lab, path, names, progress)

    asked = button.click(asking, [video, names], shown, **COMPUTE)
    asked.failure(lambda: None, None, video, **QUIET)
    for path, each in examples:
        each.click(partial(str, path), None, video, api_visibility="private").then(
            asking, [video, names], shown, **COMPUTE
        )
    seen = gr.State(list(lab.cards))
    tab.select(partial(_known, lab), [names, seen], [names, seen], **QUIET)


def alike(lab: Lab) -> list[str]:
    """The weights meant for as many people as those that are asked where nobody chose others."""
    meant = lab.cards[lab.default].people if lab.default else ""
    return [name for name, card in lab.cards.items() if meant in card.people]


def _known(lab: Lab, chosen: list[str], seen: list[str]) -> tuple[gr.CheckboxGroup, list[str]]:
    """The weights that are there now; new ones are chosen until someone takes them out."""
    now = list(lab.cards)
    kept = [name for name in now if name in chosen or name not in seen]
    return gr.CheckboxGroup(choices=weights_picker.choices(lab), value=kept), now


def _networks(lab: Lab, tab: gr.Tab) -> None:
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
        return measure(lab, sizes, progress)

    # Counting takes seconds: it waits until someone looks.
    gr.on(
        [tab.select, sizes.change],
        partial(rows, lab),
        sizes,
        shown,
        api_visibility="private",
        show_progress="minimal",
    )
    button.click(timing, sizes, [shown, note], **COMPUTE)


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    _clip(lab, tab)
    picture = gr.HTML('<p class="quiet">Counting …</p>', elem_id="compare-picture")
    tab.select(lambda: accuracy_against_cost(points(lab)), None, picture, **QUIET)
    _networks(lab, tab)
