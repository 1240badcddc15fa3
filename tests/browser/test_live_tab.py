"""The Live tab: a camera whose action changes every ten seconds, the demo loop, and no camera at all."""

from __future__ import annotations

import time

from visitors import open_tab

ACTIONS = ("squat", "raise arms")
LONG = 3.0  # seconds that each label has to stay, of the ten that its action lasts
SEEN = {
    "nothing": "What the camera sees",
    "motion salience": "MDT-Net",
    "RGBF": "eq. 7",
    "optical flow": "DIS",
    "tailor": "Box:",
    "class saliency": "FstCN",
}


def test_the_label_follows_the_camera(page):
    open_tab(page, "Live")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=20_000)
    page.click("#live-camera button:has-text('Record')")
    stays: list[list] = []  # label, first second, last second
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(_longest(stays, action) >= LONG for action in ACTIONS):
        label, now = page.get_attribute("#live-answer .verdict", "data-label"), time.monotonic()
        if stays and stays[-1][0] == label:
            stays[-1][2] = now
        else:
            stays.append([label, now, now])
        page.wait_for_timeout(100)
    told = [(label, round(last - first, 1)) for label, first, last in stays]
    assert all(_longest(stays, action) >= LONG for action in ACTIONS), told
    shown = page.inner_text("#live-answer")
    for word in ("frames answered per second", "arrival to its answer", "left out", "unknown", "distance"):
        assert word in shown, word
    assert page.get_attribute("#live-view img", "src").startswith("data:image/jpeg")
    told = page.get_attribute("#live-strip .lately", "aria-label")
    assert all(action in told for action in ACTIONS), told


def test_overlays_are_switched_while_the_demo_loop_runs(page_without_camera):
    page = page_without_camera
    open_tab(page, "Live")
    page.wait_for_selector("#live-note:has-text('No camera was found')", timeout=30_000)
    page.click("#live-film input")
    page.click("[role=option]:has-text('squat')")
    page.click("#live-play")
    page.wait_for_selector("#live-answer .verdict[data-label=squat]", timeout=90_000)
    for overlay, word in SEEN.items():
        page.click(f"#live-overlay label:has-text('{overlay}')")
        page.wait_for_selector(f"#live-view figcaption:has-text('{word}')", timeout=60_000)
    page.wait_for_selector("#live-view figcaption:has-text('squat')", timeout=60_000)
    page.click("#live-play")
    page.wait_for_selector("#live-play:has-text('Play')", timeout=30_000)
    page.wait_for_timeout(1500)
    before = page.get_attribute("#live-view img", "src")
    page.wait_for_timeout(1500)
    assert page.get_attribute("#live-view img", "src") == before


def test_the_weights_say_what_they_know_and_for_whom(page):
    open_tab(page, "Live")
    told = page.inner_text("#live-about")
    for word in ("jumping jack", "figures that the project draws", "wrong on real people", "one person"):
        assert word in told, word


def _longest(stays: list[list], label: str) -> float:
    return max((last - first for each, first, last in stays if each == label), default=0.0)
