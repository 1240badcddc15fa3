"""The strip at the head of the page: what computes, on which weights, in how much memory, and what is being trained."""

from __future__ import annotations

from html import escape

import gradio as gr

from actrec.core.memory import memory
from actrec.training.run import LASTING, runs
from demo.server.services import Services
from demo.shared.event_options import QUIET

NAMED = 3  # weights that the strip names; more are counted


def training(services: Services) -> str:
    """The run that is being trained, in words."""
    for run in runs(services.runs):
        status = run.status()
        if status["state"] in LASTING:
            done = status.get("done")
            return f"{run.name}, {status['state']}{f', {done:.0%} done' if done is not None else ''}"
    return ""


def strip(services: Services) -> str:
    """All of it as one line of HTML."""
    held, whole = memory()
    loaded = services.loaded()
    loaded = ", ".join(loaded) if len(loaded) <= NAMED else f"{len(loaded)} in memory"
    parts = [
        ("Device", services.say(), "broken" if services.failed else "" if services.ready else "busy"),
        ("Weights", loaded or "none in memory yet", ""),
    ]
    if held:
        parts.append(("Memory", f"{held / 1e9:.1f} of {whole / 1e9:.0f} GB", ""))
    busy = training(services)
    parts.append(("Training", busy or "none", "busy" if busy else ""))
    told = "".join(f'<span class="{kind}"><b>{name}</b>{escape(text)}</span>' for name, text, kind in parts)
    return f'<div class="strip">{told}</div>'


def build(services: Services, page: gr.Blocks) -> None:
    """Lay the strip out and keep it true."""
    shown = gr.HTML(strip(services), elem_id="status")
    last = gr.State("")

    def now(before: str) -> tuple[str, str]:
        told = strip(services)
        return (told, told) if told != before else (gr.skip(), gr.skip())

    gr.on([page.load, gr.Timer(2.0).tick], now, last, [shown, last], **QUIET)
    # The first visitor's page is there before torch begins to load: the two would share one interpreter.
    page.load(services.start, None, None, **QUIET)
