"""Two people on the page at once: neither sees the other's clips, centres or results."""

from __future__ import annotations

from pathlib import Path

from conftest import FLAGS
from visitors import open_tab

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"
READY = "#status:has-text('Ready')"
NAME = "<img src=x onerror=alert(1)> hop"


def test_neither_sees_what_the_other_brought_taught_or_asked(chromium, server):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        one, other = (browser.new_context(viewport={"width": 1280, "height": 900}).new_page() for _ in range(2))
        for page in (one, other):
            page.goto(server)
            page.wait_for_selector(READY, timeout=150_000)

        open_tab(one, "Teach")
        one.fill("#teach-name textarea, #teach-name input", NAME)
        clips = [EXAMPLES / "squat.mp4", EXAMPLES / "jumping-jack.mp4"]
        one.set_input_files("#teach-files input[type=file]", clips)
        one.wait_for_function("document.querySelectorAll('#teach-files .file').length == 2", timeout=30_000)
        one.click("#teach-learn")
        one.wait_for_selector("#teach-classes [data-classes='1']", timeout=60_000)
        assert "hop" in one.inner_text("#teach-classes") and one.locator("img[src=x]").count() == 0

        for page in (one, other):  # both ask at once
            open_tab(page, "Clip")
        one.click("#clip-squat")
        other.click("#clip-wave")
        for page, label in ((one, "squat"), (other, "wave")):
            page.wait_for_selector("#clip-answer .verdict", timeout=90_000)
            assert page.get_attribute("#clip-answer .verdict", "data-label") == label

        open_tab(other, "Teach")
        other.wait_for_timeout(1000)
        assert other.locator("#teach-classes [data-classes='0']").count() == 1
        assert other.locator("#teach-map .centre").count() == 0
        assert "hop" not in other.inner_text("body")
        open_tab(other, "Clip")
        other.click("#clip-judged-by label:has-text('what I taught')")
        other.click("#clip-classify")
        other.wait_for_selector("[data-testid=toast-body]:has-text('not taught anything')", timeout=30_000)
        open_tab(other, "Train")
        other.click("#train-taught")
        other.wait_for_selector("[data-testid=toast-body]:has-text('Nothing has been taught')", timeout=30_000)
        browser.close()
