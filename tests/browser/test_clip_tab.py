"""The Clip tab as a visitor uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def _label(page) -> str:
    page.wait_for_selector("#clip-answer .verdict", timeout=60_000)
    return page.get_attribute("#clip-answer .verdict", "data-label")


@pytest.mark.parametrize("action", ["wave", "squat"])
def test_a_bundled_example_gets_its_own_label(page, action):
    page.click(f"#clip-{action}")
    assert _label(page) == action
    assert page.locator("#clip-answer .score").count() == 5
    page.wait_for_selector("#clip-salience video", timeout=60_000)
    assert "ms" in page.inner_text("#clip-facts")


def test_an_uploaded_clip_gets_its_label(page):
    page.set_input_files("#clip-video input[type=file]", EXAMPLES / "jumping-jack.mp4")
    page.wait_for_selector("#clip-video video", timeout=30_000)
    page.click("#clip-classify")
    assert _label(page) == "jumping jack"


def test_what_is_not_a_video_is_refused_with_a_sentence_and_the_page_goes_on(page, tmp_path):
    fake = tmp_path / "holiday.mp4"
    fake.write_bytes(b"this is a letter, not a film" * 100)
    page.set_input_files("#clip-video input[type=file]", fake)
    page.wait_for_timeout(1500)
    page.click("#clip-classify")
    page.wait_for_selector("[data-testid=toast-body]:has-text('is not a video that can be read')", timeout=30_000)
    page.click("#clip-jumping-jack")
    assert _label(page) == "jumping jack"


def test_the_timeline_jumps_the_views_are_weighed_and_files_can_be_taken(page):
    page.click("#clip-squat")
    assert _label(page) == "squat"
    page.wait_for_selector("#clip-timeline .moment", timeout=60_000)
    last = page.locator("#clip-timeline .moment").last
    start = float(last.get_attribute("data-start"))
    last.click()
    page.wait_for_function("start => document.querySelector('#clip-video video').currentTime >= start", arg=start)
    page.click("button:has-text('The answer of each view')")
    page.wait_for_selector("#clip-views td", state="visible")
    weights = page.eval_on_selector_all("#clip-views tbody td:last-child", "all => all.map(td => +td.innerText)")
    assert sum(weights) == pytest.approx(1, abs=0.02)
    page.click("#clip-files-button")
    page.wait_for_selector("#clip-files a[download]", timeout=60_000)
    names = page.inner_text("#clip-files")
    assert "result" in names and "labelled" in names


def test_public_clips_say_what_they_are_and_fetch_nothing_by_themselves(page):
    page.click("button:has-text('Public clips')")
    page.click("#clip-public input")
    page.click("[role=option]:has-text('Arm wrestling')")
    page.wait_for_selector("#clip-terms:has-text('071e60535eaf0aed')", timeout=20_000)
    assert "clip from Kinetics" in page.inner_text("#clip-terms")
