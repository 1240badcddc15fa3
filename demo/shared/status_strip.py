"""The strip at the top of the page: what computes, on which weights, in how much memory, and what is being trained."""

from __future__ import annotations

from html import escape

import gradio as gr

from actrec.core.memory import memory
from actrec.core.number_formats import refusals
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


def failed(services: Services) -> str:
    """The newest run in words if it has failed: until it is resumed or removed, or another one starts."""
    newest = max(((run.status(), run.name) for run in runs(services.runs)), key=_time, default=({"state": "none"}, ""))
    status, name = newest
    return f"{name} failed: see the Train tab" if status["state"] == "failed" else ""


def _time(read: tuple[dict, str]) -> float:
    when = read[0].get("time")
    return when if isinstance(when, int | float) else 0.0


def strip(services: Services) -> str:
    """All of it as one line of HTML."""
    used, total = memory()
    loaded = services.loaded()
    loaded = ", ".join(loaded) if len(loaded) <= NAMED else f"{len(loaded)} in memory"
    parts = [
        ("Device", services.status_line(), "broken" if services.failed else "" if services.ready else "busy", ""),
        ("Weights", loaded or "none in memory yet", "", ""),
    ]
    if used:
        parts.append(("Memory", f"{used / 1e9:.1f} of {total / 1e9:.0f} GB", "", ""))
    busy = training(services)
    if refused := refusals():
        names = (sentence.split(" is not used")[0].removesuffix(" channels-last") for sentence in refused)
        names = " and ".join(dict.fromkeys(names))
        parts.append(("Number format", f"float32 where {names} failed its check", "", " ".join(refused)))
    broken = "" if busy else failed(services)
    parts.append(("Training", busy or broken or "none", "busy" if busy else "broken" if broken else "", ""))
    cells = "".join(
        f'<span class="{kind}" title="{escape(title)}"><b>{name}</b>{escape(text)}</span>'
        for name, text, kind, title in parts
    )
    return f'<div class="strip">{cells}</div>'


def build(services: Services, page: gr.Blocks) -> None:
    """Lay the strip out and keep it up to date."""
    shown = gr.HTML(strip(services), elem_id="status")
    last = gr.State("")

    def now(before: str) -> tuple[str, str]:
        html = strip(services)
        return (html, html) if html != before else (gr.skip(), gr.skip())

    gr.on([page.load, gr.Timer(2.0).tick], now, last, [shown, last], **QUIET)
