"""The Compare tab as a visitor uses it."""

from __future__ import annotations

from visitors import open_tab


def test_the_table_lists_the_systems_with_the_papers_counts_and_its_headers_sort_it(page):
    open_tab(page, "Compare")
    page.wait_for_selector("#compare-table td:text-is('c3d-b8')", timeout=90_000)
    row = page.locator("#compare-table tr:has(td:text-is('c3d-b8'))").inner_text()
    assert "78.4" in row and "38.5" in row
    page.uncheck("#compare-sizes input[type=checkbox] >> nth=1")
    page.wait_for_selector("#compare-table td:text-is('c3d-b8')", state="detached", timeout=30_000)
    assert page.locator("#compare-table td:text-is('asym3d')").count() == 1
    header = page.locator("#compare-table th:has-text('multiplications')")
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    up = page.locator("#compare-table tbody tr td:nth-child(4)").all_inner_texts()
    assert up == sorted(up, key=float) and len(set(up)) > 3
    header.locator("button").click()
    down = page.locator("#compare-table tbody tr td:nth-child(4)").all_inner_texts()
    assert down == sorted(up, key=float, reverse=True)


def test_one_clip_goes_through_the_chosen_weights_side_by_side(page):
    open_tab(page, "Compare")
    boxes = page.locator("#compare-weights input[type=checkbox]")
    assert boxes.count() >= 1
    for place in range(boxes.count()):
        boxes.nth(place).set_checked(
            "asym3d-synthetic" in page.locator("#compare-weights label").nth(place).inner_text()
        )
    page.click("#compare-squat")
    of_it = "#compare-rows tbody tr:has(td:text-is('asym3d-synthetic'))"  # weights that came lately are asked, too
    page.wait_for_selector(of_it, timeout=90_000)
    cells = page.locator(of_it).locator("td").all_inner_texts()
    headers = [text.strip() for text in page.locator("#compare-rows th").all_inner_texts()]
    row = dict(zip(headers, cells, strict=True))
    assert row["answer"] == "squat"
    assert 0.3 < float(row["weights, M"]) < 0.6
    assert float(row["time, ms"]) > 1
    assert "UCF-101 89.5 %" in row["paper, other data"]
    assert row["accuracy (its own test clips)"].endswith("%")


def test_accuracy_against_cost_is_drawn_with_the_papers_marked(page):
    open_tab(page, "Compare")
    page.wait_for_selector("#compare-picture svg", timeout=90_000)
    names = page.locator("#compare-picture svg text").all_text_contents()
    assert "asym3d-synthetic" in names and "asym3d-paper" in names
    assert page.locator("#compare-picture circle.papers").count() == 12
    assert "paper, other data" in page.inner_text("#compare-picture figcaption")
