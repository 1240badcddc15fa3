"""What is no clip, and zips that mean harm, in a real browser: a sentence, a page that goes on, nothing on the disk."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from visitors import open_tab

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))  # for `corpus`, which is no package of its own
import corpus

KINDS = ("text", "picture", "playlist named mp4", "one frame", "8K", "cut before its index")
TOAST = "[data-testid=toast-body]"
HARMFUL = {
    "leads out": {"../wave/1.mp4": "x"},
    "another archive": {"wave/1.zip": "x", "wave/1.mp4": "x"},
    "hundredfold": {"wave/1.mp4": bytes(40 << 20)},
    "10000 files": {f"wave/{number}.mp4": "" for number in range(10_000)},
}


def _left(folder: Path) -> list[str]:
    """Files with something in them; Gradio makes an empty one for every file that it hands over."""
    return [str(each) for each in folder.rglob("*") if each.is_file() and each.stat().st_size]


def _refusal(page) -> str:
    """The core's sentence; the browser may say of its own that it cannot play the file."""
    told = page.locator(f"{TOAST} [data-testid=toast-text]:not(:has-text('play'))").first
    told.wait_for(timeout=30_000)
    return told.inner_text().strip()


def _dismiss(page) -> None:
    for each in page.locator("[data-testid=toast-close]").all():
        each.click()
    page.wait_for_selector(TOAST, state="detached", timeout=10_000)


def test_broken_clips_are_refused_one_after_the_other_and_none_stays(page, tmp_path, temporary_files):
    broken = corpus.refused(tmp_path)
    before = set(_left(temporary_files))
    for kind in KINDS:
        named = tmp_path / f"<img src=x onerror=alert(1)>{broken[kind][0].suffix}"
        named.write_bytes(broken[kind][0].read_bytes())
        page.set_input_files("#clip-video input[type=file]", named)
        page.wait_for_selector("#clip-video button[aria-label=Clear]", timeout=20_000)
        page.click("#clip-classify")
        said = _refusal(page)
        assert said.endswith("."), (kind, said)
        assert page.locator("img[src=x]").count() == 0, kind
        page.wait_for_selector("#clip-video button[aria-label=Clear]", state="detached", timeout=20_000)
        _dismiss(page)
    assert set(_left(temporary_files)) <= before
    page.click("#clip-classify")
    page.wait_for_selector(f"{TOAST}:has-text('Choose a video first')", timeout=20_000)


@pytest.mark.parametrize("says", HARMFUL)
def test_a_zip_that_means_harm_is_refused_and_gone(page, tmp_path, temporary_files, runs_folder, says):
    path = tmp_path / "<b>clips.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in HARMFUL[says].items():
            archive.writestr(name, content)
    before = set(_left(temporary_files)), set(_left(runs_folder))
    open_tab(page, "Train")
    page.wait_for_selector("#train-zip", timeout=20_000)
    with page.expect_file_chooser() as chooser:
        page.click("#train-zip")
    chooser.value.set_files(path)
    page.wait_for_selector(f"{TOAST}:has-text('{says}')", timeout=60_000)
    assert (set(_left(temporary_files)), set(_left(runs_folder))) == before
    assert page.is_enabled("#train-start")
