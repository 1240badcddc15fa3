"""The Motion tab as a visitor uses it."""

from __future__ import annotations


def test_every_clue_of_an_example_is_drawn_and_one_can_be_watched(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-jumping-jack")
    page.wait_for_selector("#motion-figures figure", timeout=90_000)
    captions = page.locator("#motion-figures figcaption").all_inner_texts()
    assert len(captions) == 7
    for word in ("difference", "eq. 1", "salience", "flow", "eq. 7", "trajectories", "Tailor"):
        assert any(word in caption for caption in captions), word
    widths = page.eval_on_selector_all("#motion-figures img", "all => all.map(each => each.naturalWidth)")
    assert min(widths) >= 100
    page.wait_for_selector("#motion-film video", timeout=60_000)
    first = page.get_attribute("#motion-film video", "src")
    page.click("#motion-which label:has-text('flow')")
    page.wait_for_function(
        "was => document.querySelector('#motion-film video')?.src !== was", arg=first, timeout=60_000
    )


def test_another_draw_takes_other_frames(page):
    page.click("button[role=tab]:has-text('Motion')")
    page.click("#motion-clap")
    page.wait_for_selector("#motion-figures figure", timeout=90_000)
    curve = "#motion-figures figure:has(figcaption:has-text('eq. 1')) img"
    first = page.get_attribute(curve, "src")
    page.fill("#motion-seed input", "7")
    page.click("#motion-show")
    page.wait_for_function(
        "([where, was]) => document.querySelector(where)?.src !== was",
        arg=["#motion-figures figure:nth-of-type(2) img", first],
        timeout=90_000,
    )
