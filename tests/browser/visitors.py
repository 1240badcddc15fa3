"""What visitors of every tab do."""

from __future__ import annotations


def open_tab(page, name: str) -> None:
    """Open a tab, from the menu of those that do not fit where the page is narrow."""
    tab = page.locator(f"button[role=tab]:has-text('{name}'):visible")
    if not tab.count():
        page.locator(".overflow-menu > button").first.click()
        tab = page.locator(f".overflow-dropdown button:has-text('{name}')")
    tab.first.click()
    page.wait_for_selector(f"#tab-{name.lower()}", state="visible", timeout=30_000)
