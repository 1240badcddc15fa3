"""The everyday weights on the real page, with real clips. Only where the published network and the clips are here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CAMERA, CAMERA_FPS, serving, visitor, write_y4m
from visitors import open_tab

from actrec.weights.starts import fetched_start


@pytest.fixture(scope="module")
def everyday_server(tmp_path_factory: pytest.TempPathFactory, weights_folder: Path, shared_data: Path) -> Iterator[str]:
    """The app of a user who has fetched the published network."""
    if fetched_start("kinetics-i3d") is None:
        pytest.skip("needs the published weights: python -m actrec fetch everyday")
    runs, temporary = (tmp_path_factory.mktemp(name) for name in ("runs", "temporary"))
    with serving(tmp_path_factory, runs, weights_folder, temporary, None) as address:
        yield address


def test_real_clips_are_named_by_default(chromium, everyday_server, shared_data):
    with visitor(chromium, everyday_server, []) as page:
        assert page.input_value("#clip-weights input") == "everyday: 421 actions"
        assert not page.is_visible("#clip-fetch-everyday")
        page.set_input_files("#clip-video input[type=file]", shared_data / "everyday" / "gym_squat.mp4")
        page.wait_for_selector("#clip-video video", timeout=60_000)
        page.click("#clip-classify")
        page.wait_for_selector("#clip-answer .verdict[data-label=squat]", timeout=240_000)
        assert page.inner_text("#clip-answer .by") == "Answered by the weights everyday."
        page.click("#clip-weights input")
        offered = page.locator("[role=option]").all_inner_texts()
    assert [re.sub(r"^\W+", "", text).split(":")[0] for text in offered[:3]] == [
        "everyday", "everyday · kinetics-i3d", "two people who interact · asym3d-ut",
    ]  # fmt: skip


def test_the_camera_is_answered_by_them_too(chromium, everyday_server, shared_data, tmp_path):
    from actrec.video.read import read_clip

    clip = read_clip(shared_data / "everyday" / "gym_squat.mp4", short_side=240).at_rate(CAMERA_FPS)
    height, width = (side // 2 * 2 for side in clip.size)
    camera = tmp_path / "squat.y4m"
    write_y4m(camera, clip.frames[:, :height, :width].copy())
    with visitor(chromium, everyday_server, [*CAMERA, f"--use-file-for-fake-video-capture={camera}"]) as page:
        open_tab(page, "Live")
        page.click("#live-camera button:has-text('Access Webcam')")
        page.wait_for_selector("#live-camera video", timeout=20_000)
        page.click("#live-camera button:has-text('Record')")
        page.wait_for_selector("#live-answer .verdict[data-label=squat]", timeout=240_000)
        assert page.inner_text("#live-answer .by") == "Answered by the weights everyday."
