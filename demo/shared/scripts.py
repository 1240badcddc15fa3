"""The page's own JavaScript and CSS: files in `demo/static`."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "static"
STYLE = STATIC / "page.css"
LOADED_ONCE = ("page", "camera", "frame_scrubber", "player", "timeline", "curtain")


def script(name: str) -> str:
    """A file for one element or one event, which Gradio hands what it needs."""
    return (STATIC / f"{name}.js").read_text()


def page_script() -> str:
    """What runs once when the page has loaded: each file in a block of its own, so that no name meets another."""
    return "() => {\n" + "\n".join(f"{{\n{script(name)}\n}}" for name in LOADED_ONCE) + "\n}"
