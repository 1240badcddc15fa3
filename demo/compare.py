"""The Compare tab: every system side by side, with what it weighs, what it multiplies and how long it takes here."""

from __future__ import annotations

from functools import partial

import gradio as gr

from demo.lab import Lab

COLUMNS = ["system", "size", "weights (M)", "multiplications (G)", "making a view (ms)", "network (ms)", "paper"]
KINDS = ["str", "str", "number", "number", "number", "number", "str"]


def table(lab: Lab, sizes: list[str]) -> list[list]:
    """One row per system of the chosen sizes; times stay empty until they are measured."""
    rows = []
    for cost in lab.costs():
        if cost.size in sizes:
            pace = lab.paces.get(cost.name)
            figures = [round(cost.weights / 1e6, 2), round(cost.multiplications / 1e9, 2)]
            times = [round(pace.views, 1), round(pace.network, 1)] if pace else [None, None]
            rows.append([cost.name, cost.size, *figures, *times, cost.paper])
    return rows


def measure(lab: Lab, sizes: list[str], progress: gr.Progress | None = None) -> tuple[list[list], str]:
    """Time the light systems on this machine, one after the other."""
    names = [cost.name for cost in lab.costs() if cost.size == "light"]
    for place, name in enumerate(names):
        if progress:
            progress((place, len(names)), desc=f"Timing {name}")
        pace = lab.time(name)
    return table(lab, sizes), f"Medians of one view with {pace.dtype} numbers on {lab.machine()}."


def build(lab: Lab, tab: gr.Tab) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "What each network of the five papers costs. **Weights** are counted without biases, as the papers do, for 101 "
        "classes; **multiplications** are those of one view. The *light* sizes are the ones that run live; the *paper* "
        "sizes have the papers' own numbers."
    )
    sizes = gr.CheckboxGroup(
        ["light", "paper"],
        value=["light", "paper"],
        label="Sizes",
        info="Which networks to list.",
        elem_id="compare-sizes",
    )
    rows = gr.Dataframe(
        headers=COLUMNS,
        datatype=KINDS,
        interactive=False,
        wrap=True,
        elem_id="compare-table",
        label="Click a column's head to sort by it",
        max_height=560,
    )
    button = gr.Button("Time the light systems on this machine", elem_id="compare-time")
    note = gr.Markdown("Times appear once they are measured here.", elem_id="compare-note")

    def timing(sizes: list[str], progress: gr.Progress = gr.Progress()) -> tuple[list[list], str]:  # noqa: B008
        return measure(lab, sizes, progress)

    count = partial(table, lab)
    sizes.change(count, sizes, rows, api_visibility="private")
    button.click(timing, sizes, [rows, note], api_visibility="private", concurrency_id="compute", concurrency_limit=2)
    tab.select(count, sizes, rows, api_visibility="private")  # counting takes seconds: when someone looks
