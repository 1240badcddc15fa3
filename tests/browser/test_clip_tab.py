"""The Clip tab as a visitor uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from visitors import choose, open_tab, unsure_weights

from actrec.video.write import write_mp4

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def _label(page) -> str:
    page.wait_for_selector("#clip-answer .verdict", timeout=120_000)
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
    fake.write_bytes(b"this is a letter, not a video" * 100)
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


def test_a_sure_answer_says_which_weights_gave_it(page):
    page.click("#clip-squat")
    assert _label(page) == "squat"
    assert page.inner_text("#clip-answer .by") == "Answered by the weights asym3d-people."


def test_frames_without_anybody_get_a_sentence_and_no_action(page, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (36, 240, 320, 3)).astype(np.uint8)
    for name, frames, sentence in (
        ("black", np.zeros_like(noise), "Nothing moves."),
        ("noise", noise, "Nobody in the picture."),
    ):
        path = write_mp4(tmp_path / f"{name}.mp4", frames, 12.0)
        page.set_input_files("#clip-video input[type=file]", path)
        page.wait_for_selector("#clip-video video", timeout=30_000)
        page.click("#clip-classify")
        page.wait_for_selector(f"#clip-answer .verdict:has-text('{sentence}')", timeout=60_000)
        assert page.locator("#clip-answer .score").count() == 0
        labels = page.eval_on_selector_all("#clip-timeline .moment", "all => all.map(it => it.dataset.label)")
        assert set(labels) <= {"nobody", "nothing moves"}, "the timeline takes the same rule"
        page.click("#clip-video button[aria-label*='lear'], #clip-video button[title*='lear']")


def test_one_person_is_too_few_for_weights_of_two_and_unsure_weights_name_two_classes(page, weights_folder):
    choose(page, "clip", "asym3d-ut")
    page.click("#clip-squat")
    assert _label(page) == "too few people"
    assert page.inner_text("#clip-answer .verdict") == "These weights are for two people; I see one."
    unsure_weights(weights_folder)
    open_tab(page, "Live")
    open_tab(page, "Clip")  # the list of weights is read again
    choose(page, "clip", "never-sure")
    page.click("#clip-squat")
    page.wait_for_selector("#clip-answer .verdict[data-label='not sure']", timeout=120_000)
    assert page.inner_text("#clip-answer .verdict").startswith("Not sure: perhaps squat or ")
    assert "a sure answer needs 100%" in page.inner_text("#clip-answer")
