"""How the page looks: one quiet theme, one stylesheet, and the small pieces of HTML that tabs share."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from actrec.figures.data_uri import jpeg_uri
from actrec.recognition.results import stretches

if TYPE_CHECKING:
    from actrec.figures.drawing import Figure


def theme() -> gr.themes.Base:
    """Neutral greys, one accent, the system's own fonts: nothing is fetched."""
    return gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(  # the theme's own greys and greens are too pale on white to be read by everyone
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
    )


QUALITY = 80  # of the JPEG of a frame
LONG_ANSWER = 24  # letters of an answer; more stand in smaller letters
LONG = 44  # letters of a cell; more stand in smaller letters on several lines


def bars(scores: list[tuple[str, float]]) -> str:
    """Labels with their scores as bars; the widths are the scores."""
    return _bars((label, score, f"{score:.0%}") for label, score in scores)


def gaps(distances: Iterable[tuple[str, float]], limit: float | None) -> str:
    """Labels with their distances as bars, the nearest first; a full bar is twice the limit away."""
    distances = list(distances)
    whole = 2 * limit if limit else max(gap for _, gap in distances) or 1.0
    rows = _bars((label, min(gap / whole, 1), f"{gap:.2f}") for label, gap in distances)
    return f'{rows}<p class="quiet">Distances: the shorter the bar, the nearer.</p>'


def _bars(rows: Iterable[tuple[str, float, str]]) -> str:
    """A label, a bar that fills a part of its track, and what is written behind it."""
    cells = "".join(
        f'<span>{escape(label)}</span><span class="track"><span class="fill" style="width:{filled * 100:.1f}%"></span>'
        f'</span><span class="score">{written}</span>'
        for label, filled, written in rows
    )
    return f'<div class="bars">{cells}</div>'


def recent_labels(answers: list[tuple[float, str]], now: float, seconds: float, labels: list[str]) -> str:
    """The answers of the last seconds as a strip: one colour per label, the newest at the right."""
    runs = stretches(answers)
    if not runs:
        return ""
    cells, end = [], now - seconds
    for label, first, last in [*runs, ("", now, now)]:
        cells.append((max(first, end) - end, None))
        cells.append((last - max(first, end), label))
        end = max(last, end)
    spans = "".join(_span(width / seconds, label, labels) for width, label in cells if width > 0.02)
    totals = {label: sum(last - first for name, first, last in runs if name == label) for label, _, _ in runs}
    words = ", ".join(f"{label} {total:.0f} s" for label, total in totals.items() if total >= 0.5)
    return (
        f'<div class="lately" role="img" aria-label="Labels of the last {seconds:.0f} seconds: {escape(words)}">{spans}'
        f'</div><div class="quiet lately-axis"><span>{seconds:.0f} s ago</span>{_keys(runs, labels)}'
        "<span>now</span></div>"
    )


# Pale enough for dark letters on them, and most readers can distinguish them; a label keeps its colour.
PALE = ("#9fd3f5", "#ffd08a", "#a5e3c4", "#f2b5d4", "#e9e38b", "#c5bdf2", "#f5b8a3", "#b7d98b", "#d9c2a6", "#9adfe0")


def pale(label: str, labels: list[str]) -> str:
    """The background of a label among others; grey for what is none of them. With more labels than colours they come
    back in stripes, each time at another angle."""
    if label not in labels:
        return "#cfd4dc"
    again, place = divmod(labels.index(label), len(PALE))
    if not again:
        return PALE[place]
    return f"repeating-linear-gradient({45 * again}deg,{PALE[place]} 0 5px,#f4f5f7 5px 8px)"


def _keys(runs: list[tuple[str, float, float]], labels: list[str]) -> str:
    """Which colour is which label, in an order that does not change while they come and go."""
    known = {label: place for place, label in enumerate(labels)}
    shown = sorted({label for label, _, _ in runs}, key=lambda label: known.get(label, len(known)))
    keys = (f'<span><i style="background:{pale(label, labels)}"></i>{escape(label)}</span>' for label in shown)
    return f'<span class="keys" aria-hidden="true">{"".join(keys)}</span>'


def _span(width: float, label: str | None, labels: list[str]) -> str:
    if label is None:
        return f'<span class="none" style="width:{width * 100:.2f}%"></span>'
    text = escape(label) if width > 0.06 else ""
    style = f"width:{width * 100:.2f}%;background:{pale(label, labels)};color:#1c2230"
    return f'<span style="{style}" title="{escape(label)}">{text}</span>'


def verdict(label: str, unsure: bool, sentence: str, text: str = "") -> str:
    """The answer in large letters and one sentence under it; a long `text` stands in smaller ones."""
    text = text or label
    kind = "verdict" + (" unsure" if unsure else "") + (" long" if len(text) > LONG_ANSWER else "")
    return (
        f'<div class="{kind}" data-label="{escape(label)}">{escape(text)}</div><p class="quiet">{escape(sentence)}</p>'
    )


def frame_with_caption(frame: np.ndarray, caption: str) -> str:
    """A frame as an image inside the page itself."""
    return (
        f'<figure class="view"><img src="{jpeg_uri(frame, QUALITY)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def figures(pairs: Iterable[tuple[np.ndarray, str]]) -> str:
    """Frames with their captions, side by side where there is room."""
    return f'<div class="figures-grid">{"".join(frame_with_caption(frame, caption) for frame, caption in pairs)}</div>'


def table(headers: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
    """A table whose column headers sort it (see page.js); numbers are aligned to the right."""
    rows = [list(map(_cell, row)) for row in rows]
    headers = list(headers)
    right = [bool(rows) and any('class="number"' in row[place] for row in rows) for place in range(len(headers))]
    head = "".join(
        f'<th scope="col" aria-sort="none"{" class=number" if number else ""}><button type="button">{escape(text)}'
        "</button></th>"
        for text, number in zip(headers, right, strict=True)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    title = f'<caption class="quiet">{escape(caption)}</caption>' if caption else ""
    return f'<div class="table"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def panels(figure: Figure) -> str:
    """A figure that explains: its result in words, then its panels side by side where there is room."""
    cells = "".join(
        f'<figure class="view panel{" wide" if panel.wide else ""}"{" tabindex=0" if panel.wide else ""}>'
        f"{panel.body if isinstance(panel.body, str) else table(panel.body.heads, panel.body.rows)}"
        f"<figcaption>{escape(panel.caption)}</figcaption></figure>"
        for panel in figure.panels
    )
    return f'<p class="message">{escape(figure.sentence)}</p><div class="panels">{cells}</div>'


def reason(sentence: object) -> str:
    """Why there is nothing to show here, in the place of a figure."""
    return f'<p class="message reason">{escape(str(sentence))}</p>'


def _cell(text: str) -> str:
    bare = text.replace(",", "").removesuffix("%").rstrip()
    number = bare.replace(".", "", 1).isdigit()
    value = f' data-value="{bare}"' if number else ""
    kind = "number" if number else "long" if len(text) > LONG else ""
    return f'<td class="{kind}"{value}>{escape(text)}</td>'
