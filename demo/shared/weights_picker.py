"""Which weights to ask: a list of all that are there, and what each one is."""

from __future__ import annotations

from functools import partial
from html import escape

import gradio as gr

from actrec.weights.cards import Card
from demo.server.services import Services
from demo.shared.event_options import QUIET
from demo.shared.html import table

KNOWN = ("weights", "system", "labels", "trained on", "meant for", "accuracy on its own test clips")
OWN, TAUGHT = "the weights' own actions", "what I taught in Teach"  # whose labels an answer chooses from
NAMED, MOST_NAMED = 12, 40  # so many of more than so many actions are named
WHICH = "Which network answers. New trainings appear here."


def choices(services: Services) -> list[tuple[str, str]]:
    """Every folder of weights with its number of classes: those of a group first, with its name, then the rest."""
    grouped = sorted(services.cards.items(), key=lambda item: not item[1].group)
    titles = {name: f"{card.group} · {name}" if card.group else name for name, card in grouped}
    return [(f"{titles[name]}: {len(card.labels)} actions", name) for name, card in grouped]


def names_of(labels: list[str]) -> str:
    """The actions in words; of many the first ones."""
    more = f" and {len(labels) - NAMED} more" if len(labels) > MOST_NAMED else ""
    return ", ".join(labels[:NAMED] if more else labels) + more


def about(services: Services, name: str | None) -> str:
    """What weights are, in the lines that a visitor reads before trusting them."""
    card = services.cards.get(name or services.default)
    if card is None:
        return '<p class="quiet">There are no weights here yet. The Train tab makes some.</p>'
    return f'<p class="quiet about"><b>{escape(card.name)}</b> {escape(sentences(card))}</p>'


def sentences(card: Card) -> str:
    """Classes, origin, warning, people, and what was measured."""
    warning = f" {card.intended_for}" if card.intended_for else ""
    top1 = card.measured.get("top1")
    measured = f" Accuracy {top1:.0%} on {card.measured.get('split', 'its test clips')}." if top1 is not None else ""
    return (
        f"({card.system}) recognises {len(card.labels)} actions: {names_of(card.labels)}. Trained on {card.trained_on}."
        f"{warning} Meant for {card.people}.{measured}"
    )


def known(services: Services, names: list[str] | None) -> str:
    """The same of several weights, a row for each."""
    rows = []
    for card in (services.cards[name] for name in names or () if name in services.cards):
        top1 = card.measured.get("top1")
        origin = f"{card.trained_on}. {card.intended_for}".strip()
        right = "" if top1 is None else f"{top1:.1%}"
        rows.append((card.name, card.system, names_of(card.labels), origin, card.people, right))
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
