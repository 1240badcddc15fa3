"""The Live tab with a camera whose action changes every ten seconds."""

from __future__ import annotations

import time

ACTIONS = ("squat", "raise arms")
LONG = 3.0  # seconds that each label has to stay, of the ten that its action lasts


def test_the_label_follows_the_camera(page):
    page.click("button[role=tab]:has-text('Live')")
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
    assert "frames answered per second" in page.inner_text("#live-answer")
    assert page.get_attribute("#live-view img", "src").startswith("data:image/jpeg")


def _longest(stays: list[list], label: str) -> float:
    return max((last - first for each, first, last in stays if each == label), default=0.0)
