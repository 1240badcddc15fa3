"""The Teach tab as a visitor uses it: two actions from three clips each, an unseen clip, a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest
from visitors import come_again

TAUGHT = ("wave both hands", "sit down")
STRANGER = "jumping jack"


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, list[Path]]:
    """Drawn clips with seeds outside training: three to teach each action, one more to ask about."""
    from actrec import synthetic
    from actrec.video.write import write_mp4

    folder = tmp_path_factory.mktemp("clips")
    clips = {}
    for action in (*TAUGHT, STRANGER):
        clips[action] = []
        for number in (0, 1, 2, 4) if action in TAUGHT else (4,):
            drawn = synthetic.render(
                action, 2_000_100_000 + number, frames=48, size=(240, 320), fps=12.0, framing="whole"
            )
            clips[action].append(write_mp4(folder / f"{action}-{number}.mp4".replace(" ", "-"), drawn.frames, 12.0))
    return clips


def _open(page) -> None:
    page.click("button[role=tab]:has-text('Teach')")
    page.wait_for_selector("#teach-learn", timeout=20_000)


def _choose(page, clips: list[Path]) -> None:
    page.set_input_files("#teach-files input[type=file]", clips)
    page.wait_for_function(
        "count => document.querySelectorAll('#teach-files .file').length == count", arg=len(clips), timeout=30_000
    )


def _teach(page, name: str, clips: list[Path]) -> None:
    page.fill("#teach-name textarea, #teach-name input", name)
    _choose(page, clips)
    page.click("#teach-learn")
    page.wait_for_selector(f"#teach-classes tr[data-label='{name}']", timeout=120_000)


def _ask(page, clip: Path) -> str:
    page.evaluate("document.querySelector('#teach-answer .verdict')?.remove()")
    _choose(page, [clip])
    page.click("#teach-what")
    page.wait_for_selector("#teach-answer .verdict", timeout=60_000)
    return page.get_attribute("#teach-answer .verdict", "data-label")


def _open_change(page) -> None:
    page.click("button:has-text('Change, save, share')")
    page.wait_for_selector("#teach-save", state="visible")


@pytest.mark.timeout(600)
def test_two_new_actions_are_taught_recognised_saved_and_found_again(page, clips, runs_folder):
    _open(page)
    for action in TAUGHT:
        _teach(page, action, clips[action][:3])
    assert page.locator("#teach-map .centre").count() == 2
    assert page.locator("#teach-map .spread").count() == 2
    assert page.locator("#teach-curve .curve").count() == 2
    for action in TAUGHT:
        assert _ask(page, clips[action][3]) == action
    assert page.locator("#teach-map .here").count() == 1
    assert _ask(page, clips[STRANGER][0]) == "unknown"

    _open_change(page)
    page.fill("#teach-set textarea, #teach-set input", "my set")
    page.click("#teach-save")
    page.wait_for_selector("#teach-state:has-text('Saved as my set')", timeout=30_000)
    assert [path.name for path in (runs_folder / "taught").iterdir()] == ["my set.taught"]

    come_again(page)  # a new visit: what was not saved is gone, what was saved is there
    page.wait_for_selector("#status:has-text('Ready')", timeout=60_000)
    _open(page)
    page.wait_for_selector("#teach-classes [data-classes='0']", timeout=20_000)
    _open_change(page)
    page.click("#teach-saved input")
    page.click("[role=option]:has-text('my set')")
    page.click("#teach-open")
    page.wait_for_selector("#teach-classes [data-classes='2']", timeout=60_000)
    page.click("#teach-remove")
    page.wait_for_selector("#teach-classes [data-classes='1']", timeout=30_000)


def test_an_action_is_recorded_with_the_camera_and_renamed(page):
    _open(page)
    page.fill("#teach-name textarea, #teach-name input", "mine")
    page.click("#teach-video button:has-text('Access Webcam')")
    page.wait_for_selector("#teach-video video", timeout=20_000)
    page.click("#teach-video button:has-text('Record')")
    page.wait_for_timeout(3000)
    page.click("#teach-video button:has-text('Stop')")
    page.wait_for_selector("#teach-video video[src]", timeout=30_000)
    page.click("#teach-learn")
    page.wait_for_selector("#teach-classes tr[data-label='mine']", timeout=60_000)
    _open_change(page)
    page.fill("#teach-new textarea, #teach-new input", "<img src=x onerror=alert(1)>")
    page.click("#teach-rename")
    page.wait_for_selector("#teach-classes tr:has-text('<img src=x')", timeout=30_000)
    assert page.locator("#teach-classes img, #teach-map img").count() == 0


def test_what_is_no_clip_and_what_is_no_set_are_refused(page, tmp_path):
    _open(page)
    fake = tmp_path / "a<b>letter.mp4"
    fake.write_bytes(b"dear all" * 500)
    page.fill("#teach-name textarea, #teach-name input", "letter")
    _choose(page, [fake])
    page.click("#teach-learn")
    page.wait_for_selector("[data-testid=toast-body]:has-text('is not a video that can be read')", timeout=30_000)
    _open_change(page)
    with page.expect_file_chooser() as chooser:
        page.click("#teach-import")
    chooser.value.set_files(fake)
    page.wait_for_selector("[data-testid=toast-body]:has-text('not a set of taught actions')", timeout=30_000)
    assert page.locator("#teach-classes [data-classes='0']").count() == 1
