"""The Live tab with a camera whose action changes."""

from __future__ import annotations

import time


def test_the_label_follows_the_camera(page):
    page.click("button[role=tab]:has-text('Live')")
    page.click("#live-camera button:has-text('Access Webcam')")
    page.wait_for_selector("#live-camera video", timeout=20_000)
    page.click("#live-camera button:has-text('Record')")
    seen = []
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline and not _both(seen):
        label = page.get_attribute("#live-answer .verdict", "data-label")
        if not seen or seen[-1] != label:
            seen.append(label)
        page.wait_for_timeout(100)
    assert _both(seen), f"the camera showed jumping jacks and clapping, the page said {seen}"
    assert "frames answered per second" in page.inner_text("#live-answer")
    assert page.get_attribute("#live-view img", "src").startswith("data:image/jpeg")


def _both(seen: list[str]) -> bool:
    return {"jumping jack", "clap"} <= set(seen)
