"""What visitors of every tab do."""

from __future__ import annotations

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
