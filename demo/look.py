"""How the page looks: one quiet theme, one stylesheet, and the small pieces of HTML that tabs share."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

import cv2
import gradio as gr
import numpy as np


def theme() -> gr.themes.Base:
    """Neutral greys, one accent, the system's own fonts: nothing is fetched."""
    return gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.verdict { font-size: 2rem; font-weight: 650; line-height: 1.2; margin: .2rem 0 .1rem; overflow-wrap: anywhere; }
.verdict.unsure { opacity: .62; }
.quiet { opacity: .78; font-size: .92rem; margin: .1rem 0; }
.bars { display: grid; grid-template-columns: minmax(6.5rem, max-content) 1fr 3.6rem; gap: .35rem .7rem;
        align-items: center; margin: .6rem 0; }
.bars .track { background: var(--neutral-200); border-radius: 4px; height: .85rem; overflow: hidden; }
.dark .bars .track { background: var(--neutral-700); }
.bars .fill { background: var(--primary-600); height: 100%; }
.bars .share { text-align: right; font-variant-numeric: tabular-nums; }
.view img { width: 100%; border-radius: 6px; display: block; image-rendering: auto; }
.view figcaption { opacity: .78; font-size: .9rem; margin-top: .3rem; }
.figures-grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1rem 1.4rem; }
.table { overflow-x: auto; }
.table table { border-collapse: collapse; width: 100%; font-size: .95rem; }
.table th, .table td { text-align: left; padding: .32rem .7rem; border-bottom: 1px solid var(--border-color-primary); }
.table .number { text-align: right; font-variant-numeric: tabular-nums; }
.examples { gap: .5rem !important; }
.examples button { flex: 0 1 auto !important; }
.figures { font-variant-numeric: tabular-nums; }
"""


def bars(scores: list[tuple[str, float]]) -> str:
    """Labels with their scores as bars; the widths are the scores."""
    rows = "".join(
        f"<span>{escape(label)}</span>"
        f'<span class="track"><span class="fill" style="display:block;width:{score * 100:.1f}%"></span></span>'
        f'<span class="share">{score:.0%}</span>'
        for label, score in scores
    )
    return f'<div class="bars">{rows}</div>'


def verdict(text: str, unsure: bool, sentence: str) -> str:
    """The answer in large letters and one sentence under it."""
    kind = "verdict unsure" if unsure else "verdict"
    return (
        f'<div class="{kind}" data-label="{escape(text)}">{escape(text)}</div><p class="quiet">{escape(sentence)}</p>'
    )


def picture(frame: np.ndarray, caption: str) -> str:
    """A frame inside the page itself: no file is written for it."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    encoded = base64.b64encode(data).decode()
    return (
        f'<figure class="view"><img src="data:image/jpeg;base64,{encoded}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def figures(pairs: Iterable[tuple[np.ndarray, str]]) -> str:
    """Pictures with their captions, side by side where there is room."""
    return f'<div class="figures-grid">{"".join(picture(frame, caption) for frame, caption in pairs)}</div>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A plain table; what looks like a number stands to the right."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    number = text.replace(".", "", 1).isdigit()
    return f'<td class="{"number" if number else ""}">{escape(text)}</td>'


def about(card) -> str:
    """What weights are, in a line a visitor reads before trusting them."""
    intended = f" {card.intended_for}" if card.intended_for else ""
    return (
        f"**{card.name}** knows {len(card.labels)} actions: {', '.join(card.labels)}. "
        f"Trained on {card.trained_on}.{intended} Meant for {card.people}."
    )
