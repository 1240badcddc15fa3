"""The Compare tab: every system side by side, with what it weighs, what it multiplies and how long it takes here."""

from __future__ import annotations

from functools import partial

import gradio as gr

from demo.lab import Lab
from demo.look import table

COLUMNS = ("system", "size", "weights, M", "multiplications, G", "making a view, ms", "network, ms", "paper")
SIZES = {
    "light": "light: live here",
    "paper": "paper: the papers' own numbers",
    "public": "public: torchvision's, fetched on request",
}
ORDERS = {"by paper": None, "by weights": 2, "by multiplications": 3, "by time": 5}


def rows(lab: Lab, sizes: list[str], order: str) -> str:
    """One row per system of the chosen sizes; times stay empty until they are measured."""
    lines = []
    for cost in lab.costs():
        if cost.size in sizes:
            pace = lab.paces.get(cost.name)
            times = (pace.views, pace.network) if pace else (None, None)
            lines.append((cost.name, cost.size, cost.weights / 1e6, cost.multiplications / 1e9, *times, cost.paper))
    column = ORDERS[order]
    if column is not None:
        lines.sort(key=lambda line: (line[column] is None, line[column]))
    return table(COLUMNS, [[*line[:2], *map(_number, line[2:6]), line[6]] for line in lines])


def measure(lab: Lab, sizes: list[str], order: str, progress: gr.Progress | None = None) -> tuple[str, str]:
    """Time the light systems on this machine, one after the other."""
    names = [cost.name for cost in lab.costs() if cost.size == "light"]
    for place, name in enumerate(names):
        if progress:
            progress((place, len(names)), desc=f"Timing {name}")
        pace = lab.time(name)
    return rows(lab, sizes, order), f"Medians of one view with {pace.dtype} numbers on {lab.machine()}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "What each network of the five papers costs. **Weights** are counted without biases, as the papers do, for 101 "
        "classes; **multiplications** are those of one view."
    )
    with gr.Row():
        sizes = gr.CheckboxGroup(
            [(text, size) for size, text in SIZES.items()],
            value=["light", "paper"],
            label="Sizes",
            info="Which networks to list.",
            elem_id="compare-sizes",
        )
        order = gr.Radio(
            list(ORDERS), value="by paper", label="Order", info="The smallest first.", elem_id="compare-order"
        )
    button = gr.Button("Time the light systems on this machine", elem_id="compare-time")
    note = gr.Markdown("Times appear once they are measured here.", elem_id="compare-note")
    shown = gr.HTML("<p class='quiet'>Counting …</p>", elem_id="compare-table")

    def timing(sizes: list[str], order: str, progress: gr.Progress = gr.Progress()) -> tuple[str, str]:  # noqa: B008
        return measure(lab, sizes, order, progress)

    # Counting takes seconds: it waits until someone looks.
    gr.on(
        [tab.select, sizes.change, order.change],
        partial(rows, lab),
        [sizes, order],
        shown,
        api_visibility="private",
        show_progress="minimal",
    )
    button.click(
        timing, [sizes, order], [shown, note], api_visibility="private", concurrency_id="compute", concurrency_limit=2
    )
