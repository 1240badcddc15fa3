"""The one place that writes SVG: elements, words, and the drawing around them, in the page's own colours."""

from __future__ import annotations

from html import escape

# Lengths and places are written with one decimal: a tenth of a pixel is invisible.
PLACES = frozenset({"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"})
INK = "color:var(--body-text-color)"
ALONE = (
    "<style>svg{background:#fff;font-family:sans-serif}text{font-size:13px}.class-centre path{stroke:#111;"
    "stroke-width:2;fill:none}.reach{fill:none;stroke-dasharray:4 4}.here circle,.here path{fill:none;"
    "stroke:#e11d48;stroke-width:3}[hidden]{display:none}</style>"
)


def element(name: str, inside: str = "", /, **attributes: object) -> str:
    """One element. Attributes that are None are left out; `class_` is class, and other underscores are dashes."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_written(key, value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def text(x: float, y: float, words: str, anchor: str | None = None, **attributes: object) -> str:
    """Words beside (x, y); `anchor` is start, middle or end."""
    return element("text", escape(words), x=x, y=y, text_anchor=anchor, **attributes)


def line(x: float, y: float, to_x: float, to_y: float, **attributes: object) -> str:
    return element("line", x1=x, y1=y, x2=to_x, y2=to_y, **attributes)


def circle(x: float, y: float, radius: float, inside: str = "", **attributes: object) -> str:
    return element("circle", inside, cx=x, cy=y, r=radius, **attributes)


def rect(x: float, y: float, width: float, height: float, inside: str = "", **attributes: object) -> str:
    return element("rect", inside, x=x, y=y, width=max(width, 0), height=max(height, 0), **attributes)


def path(d: str, **attributes: object) -> str:
    return element("path", d=d, **attributes)


def title(words: str) -> str:
    """The text that a browser shows where the mouse rests on an element; nothing for no words."""
    return element("title", escape(words)) if words else ""


def drawing(
    inside: str, width: float, height: float, label: str | None, role: str = "img", **attributes: object
) -> str:
    """The whole drawing, with its name for screen readers."""
    return element(
        "svg", inside or " ", viewBox=f"0 0 {width:.0f} {height:.0f}", role=role, aria_label=label, **attributes
    )


def standing_alone(html: str) -> str:
    """The first drawing of some HTML as a file that needs no page: black on white."""
    inside = html[html.index("<svg") : html.index("</svg>") + 6]
    inside = inside.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    inside = inside.replace(f'style="width:100%;height:auto;{INK}"', 'color="#111"')
    return inside.replace(">", f">{ALONE}", 1)


def _written(key: str, value: object) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.1f}" if key in PLACES else f"{value:g}"
