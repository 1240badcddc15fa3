"""Zips that mean harm, in a real browser: a sentence, a page that goes on, nothing on the disk."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from visitors import open_tab

TOAST = "[data-testid=toast-body]"
HARMFUL = {
    "leads out": {"../wave/1.mp4": "x"},
    "another archive": {"wave/1.zip": "x", "wave/1.mp4": "x"},
    "hundredfold": {"wave/1.mp4": bytes(40 << 20)},
    "10000 files": {f"wave/{number}.mp4": "" for number in range(10_000)},
}


def _left(*folders: Path) -> set[Path]:
    """Files with something in them; Gradio makes an empty one for every file that it hands over."""
    return {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.stat().st_size}


@pytest.mark.parametrize("sentence", HARMFUL)
def test_a_zip_that_means_harm_is_refused_and_gone(page, tmp_path, temporary_files, runs_folder, sentence):
    path = tmp_path / "<b>clips.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in HARMFUL[sentence].items():
            archive.writestr(name, content)
    before = _left(temporary_files, runs_folder)
    open_tab(page, "Train")
    page.wait_for_selector("#train-zip", timeout=20_000)
    with page.expect_file_chooser() as chooser:
        page.click("#train-zip")
    chooser.value.set_files(path)
    page.wait_for_selector(f"{TOAST}:has-text('{sentence}')", timeout=60_000)
    more = _left(temporary_files, runs_folder) - before  # what visitors before this one left goes meanwhile
    assert more == set()
    assert page.is_enabled("#train-start")
