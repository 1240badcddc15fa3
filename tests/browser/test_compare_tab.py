"""The Compare tab as a visitor uses it."""

from __future__ import annotations


def test_the_table_lists_the_systems_with_the_papers_counts(page):
    page.click("button[role=tab]:has-text('Compare')")
    page.wait_for_selector("#compare-table td:text-is('c3d-b8')", timeout=90_000)
    row = page.locator("#compare-table tr:has(td:text-is('c3d-b8'))").inner_text()
    assert "78.4" in row and "38.5" in row
    page.uncheck("#compare-sizes input[type=checkbox] >> nth=1")
    page.wait_for_selector("#compare-table td:text-is('c3d-b8')", state="detached", timeout=30_000)
    assert page.locator("#compare-table td:text-is('asym3d')").count() == 1
    page.click("#compare-order label:has-text('by multiplications')")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#compare-table tbody tr td:nth-child(4)')].map(td => +td.innerText)"
        ".every((each, place, all) => place == 0 || all[place - 1] <= each)",
        timeout=30_000,
    )
