"""The Compare tab as a visitor uses it."""

from __future__ import annotations


def test_the_table_lists_the_systems_with_the_papers_counts(page):
    page.click("button[role=tab]:has-text('Compare')")
    page.wait_for_selector("#compare-table :text('c3d-b8')", timeout=90_000)
    row = page.locator("#compare-table tr:has-text('c3d-b8')").first.inner_text()
    assert "78.4" in row and "38.55" in row
    page.uncheck("#compare-sizes input[type=checkbox] >> nth=1")
    page.wait_for_selector("#compare-table :text('c3d-b8')", state="detached", timeout=30_000)
    assert page.locator("#compare-table tr:has-text('asym3d')").count() >= 1
