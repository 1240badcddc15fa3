"""What visitors of every tab do."""

from __future__ import annotations

from playwright.sync_api import TimeoutError


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
