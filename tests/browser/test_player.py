"""An uploaded video is shown, whether or not browsers play its file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from visitors import open_tab

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
import corpus

NOTE = "#motion-player :text('you see a copy')"
SHOWN = """() => {
    const video = document.querySelector('#motion-video video');
    return video?.readyState >= 2 && video.videoWidth && video.src;
}"""


@pytest.mark.parametrize(
    ("name", "how", "copied"),
    [
        ("a.mp4", {}, False),
        ("a.mov", {}, False),
        ("a.webm", {"codec": "libvpx-vp9"}, False),
        ("a b#é?.avi", {"codec": "mpeg4"}, True),
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, True),
        ("a.mpg", {"codec": "mpeg2video"}, True),
        ("hevc.mp4", {"codec": "libx265"}, True),
    ],
)
def test_every_kind_of_video_is_shown(page_without_camera, tmp_path, name, how, copied):
    page = page_without_camera
    video = corpus.encode(tmp_path / name, corpus.pictures(48, 96, 128), **how)
    open_tab(page, "Motion")
    page.set_input_files("#motion-video input[type=file]", video)
    source = page.wait_for_function(SHOWN, timeout=30_000).json_value()
    assert source.endswith("/copy.mp4") == copied
    assert page.locator(NOTE).is_visible() == copied
    page.wait_for_timeout(500)
    assert page.locator("[data-testid=toast-body]").count() == 0


def test_a_second_video_is_shown_after_the_first_was_removed(page_without_camera, tmp_path):
    page, videos = page_without_camera, []
    for name, size in (("long.avi", 480), ("short.avi", 96)):
        videos.append(corpus.encode(tmp_path / name, corpus.pictures(96, size, size), codec="mpeg4"))
    open_tab(page, "Motion")
    page.set_input_files("#motion-video input[type=file]", videos[0])
    page.wait_for_selector("#motion-video video", state="attached", timeout=30_000)
    page.click("#motion-video button[aria-label='Clear']")
    page.set_input_files("#motion-video input[type=file]", videos[1])
    page.wait_for_function(SHOWN, timeout=30_000)
    assert page.evaluate("document.querySelector('#motion-video video').videoWidth") == 96


def test_the_copy_is_shown_and_the_answer_is_about_the_video_itself(page, tmp_path):
    video = corpus.encode(tmp_path / "a.avi", corpus.pictures(60, 480, 640), codec="mpeg4")
    page.set_input_files("#clip-video input[type=file]", video)
    page.wait_for_selector("#clip-player :text('you see a copy')", timeout=30_000)
    page.click("#clip-classify")
    page.wait_for_selector("#clip-answer .verdict", timeout=60_000)
    assert "60 frames of 320×240" in page.inner_text("#clip-facts")
    page.wait_for_selector("#clip-timeline .moment", timeout=60_000)
    page.evaluate("document.querySelector('#clip-video video').pause()")
    page.locator("#clip-timeline .moment").last.click()
    page.wait_for_function("document.querySelector('#clip-video video').currentTime > 0", timeout=20_000)
    page.click("#clip-wave")
    page.wait_for_selector("#clip-player :text('you see a copy')", state="hidden", timeout=30_000)


def test_a_video_that_cannot_be_shown_is_reported(page, tmp_path):
    letter = tmp_path / "holiday.mp4"
    letter.write_bytes(b"this is a letter, not a video" * 100)
    page.set_input_files("#clip-video input[type=file]", letter)
    page.wait_for_selector("[data-testid=toast-body]:has-text('cannot play the file')", timeout=30_000)
