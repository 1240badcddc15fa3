"""Which weights to ask: a list of all that are there, and what each one is."""

from __future__ import annotations

from functools import partial
from html import escape

import gradio as gr

from actrec.weights.cards import Card
from demo.server.services import Services
from demo.shared.event_options import QUIET
from demo.shared.html import table

KNOWN = ("weights", "system", "knows", "trained on", "meant for", "right on its own test clips")
OWN, TAUGHT = "the weights' own actions", "what I taught in Teach"  # by what an answer is judged
WHICH = "Which network answers. New trainings appear here."


def choices(services: Services) -> list[tuple[str, str]]:
    """Every folder of weights with its number of classes, by name."""
    return [(f"{name}: {len(card.labels)} actions", name) for name, card in services.cards.items()]


def about(services: Services, name: str | None) -> str:
    """What weights are, in the lines a visitor reads before trusting them."""
    card = services.cards.get(name or services.default)
    if card is None:
        return '<p class="quiet">There are no weights here yet. The Train tab makes some.</p>'
    return f'<p class="quiet about"><b>{escape(card.name)}</b> {escape(sentences(card))}</p>'


def sentences(card: Card) -> str:
    """Classes, origin, warning, people, and what was measured."""
    warning = f" {card.intended_for}" if card.intended_for else ""
    top1 = card.measured.get("top1")
    measured = f" Right on {top1:.0%} of {card.measured.get('split', 'its test clips')}." if top1 is not None else ""
    return (
        f"({card.system}) knows {len(card.labels)} actions: {', '.join(card.labels)}. Trained on {card.trained_on}."
        f"{warning} Meant for {card.people}.{measured}"
    )


def known(services: Services, names: list[str] | None) -> str:
    """The same of several weights, a row for each."""
    rows = []
    for card in (services.cards[name] for name in names or () if name in services.cards):
        top1 = card.measured.get("top1")
        origin = f"{card.trained_on}. {card.intended_for}".strip()
        right = "" if top1 is None else f"{top1:.1%}"
        rows.append((card.name, card.system, ", ".join(card.labels), origin, card.people, right))
    return table(KNOWN, rows, "What the chosen weights are.") if rows else ""


def build(services: Services, tab: gr.Tab, place: str, info: str = WHICH) -> gr.Dropdown:
    """A list of weights under `place`-weights, and below it what the chosen ones are."""
    chosen = gr.Dropdown(
        choices(services),
        value=services.default,
        label="Weights",
        info=info,
        elem_id=f"{place}-weights",
    )
    shown = gr.HTML(about(services, services.default), elem_id=f"{place}-about")
    chosen.change(partial(about, services), chosen, shown, **QUIET)
    tab.select(
        lambda now: gr.Dropdown(choices=choices(services), value=now or services.default), chosen, chosen, **QUIET
    )
    return chosen
