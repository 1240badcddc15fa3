"""Which weights to ask: a list of all that are there, and what each one is."""

from __future__ import annotations

from functools import partial
from html import escape

import gradio as gr

from actrec.recognition.decision import people_needed
from actrec.weights.cards import Card
from actrec.weights.starts import EVERYDAY
from demo.server.services import Services
from demo.shared.event_options import QUIET
from demo.shared.html import table

KNOWN = ("weights", "system", "labels", "trained on", "meant for", "accuracy on its own test clips")
OWN, TAUGHT = "the weights' own actions", "what I taught in Teach"  # whose labels an answer chooses from
NAMED, MOST_NAMED = 12, 40  # so many of more than so many actions are named
WHICH = "Which network answers. New trainings appear here."
TWO, DRAWN = "two people who interact", "drawn lessons"
GROUPS = (EVERYDAY, TWO, DRAWN)  # in the order of a list of weights; whatever is none of them stands below


def choices(services: Services) -> list[tuple[str, str]]:
    """Every folder of weights that can answer with its number of classes, group by group, then the rest."""
    groups = {name: group_of(card) for name, card in services.cards.items()}
    order = sorted(groups, key=lambda name: GROUPS.index(groups[name]) if groups[name] in GROUPS else len(GROUPS))
    titles = {name: name if groups[name] in ("", name) else f"{groups[name]} · {name}" for name in order}
    return [(f"{titles[name]}: {len(services.cards[name].labels)} actions", name) for name in order]


def group_of(card: Card) -> str:
    """The group of weights in a list: the card's own; older cards say by their words for whom and from what they are.
    Empty for what a visitor trained on own clips."""
    if card.group:
        return card.group
    if people_needed(card.people) > 1:
        return TWO
    return DRAWN if "figures that the project draws" in card.trained_on else ""


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
    before = gr.State(services.default)  # the default when this list was last renewed
    tab.select(partial(renewed, services), [chosen, before], [chosen, before], **QUIET)
    return chosen


def renewed(services: Services, now: str | None, before: str | None) -> tuple[gr.Dropdown, str | None]:
    """The list as it is now, and its default. Who had chosen other weights keeps them; who had not gets the default,
    which may be a better one by now."""
    keeps = now in services.cards and now != before
    return gr.Dropdown(choices=choices(services), value=now if keeps else services.default), services.default
