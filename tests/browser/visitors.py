"""What visitors of every tab do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from playwright.sync_api import TimeoutError

SILENCE = """() => {
    console.error = () => {};
    for (const kind of ['error', 'unhandledrejection']) addEventListener(kind, event => event.preventDefault(), true);
}"""


def open_tab(page, name: str) -> None:
    """Open a tab, from the menu of those that do not fit where the page is narrow."""
    page.wait_for_selector("button[role=tab]:visible", timeout=30_000)
    for _ in range(3):  # while the page lays itself out, a tab may yet move into the menu
        try:
            tab = page.locator(f"button[role=tab]:has-text('{name}'):visible")
            if not tab.count():
                page.locator(".overflow-menu > button").first.click(timeout=5000)
                tab = page.locator(f".overflow-dropdown button:has-text('{name}')")
            tab.first.click(timeout=5000)
            break
        except TimeoutError:
            continue
    page.wait_for_selector(f"#tab-{name.lower()}", state="visible", timeout=30_000)


def come_again(page) -> None:
    """Load the page anew; that the one which goes cuts its own connections is no error, and nobody sees it say so."""
    page.evaluate(SILENCE)
    page.reload()


def choose(page, place: str, weights: str) -> None:
    """Choose weights in a tab's list."""
    page.click(f"#{place}-weights input")
    page.click(f"[role=option]:has-text('{weights}:')")
    page.wait_for_selector(f"#{place}-about:has-text('{weights}')", timeout=30_000)


def unsure_weights(folder: Path) -> None:
    """Weights in the page's folder that are never sure: the default ones, with another confidence on the card."""
    if not (folder / "never-sure").exists():
        copied = folder / ".never-sure"
        shutil.copytree(folder / "asym3d-people", copied)
        card = json.loads((copied / "card.json").read_text())
        (copied / "card.json").write_text(json.dumps({**card, "name": "never-sure", "least_confidence": 1.0}))
        copied.rename(folder / "never-sure")
