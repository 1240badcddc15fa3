"""The Live tab's callbacks, without a page."""

from __future__ import annotations

import numpy as np
import pytest

from demo.server.services import EXAMPLES, Lab
from demo.shared import demo_loop
from demo.shared.html import lately, pale
from demo.tabs import live


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab(device="cpu")
    yield lab
    lab.close()


def test_before_the_weights_are_there_it_says_what_it_waits_for(lab):
    picture, answer, _, visitor = live.on_frame(
        lab, np.zeros((240, 320, 3), np.uint8), None, "nothing", 5, None, live.OWN, None
    )
    assert "one moment" in answer and "Loading" in answer and "image/jpeg" in picture
    assert len(visitor.buffer) == 0


def test_the_demo_loop_goes_there_and_back_and_takes_every_clip_in_turn(lab):
    clip = lab.example(EXAMPLES / "squat.mp4")
    for second in (0.3, 1.1):
        there = demo_loop.frame(lab, "squat", second)
        assert np.array_equal(there, clip.frames[np.searchsorted(clip.times, second + 1e-6, side="right") - 1])
        back = demo_loop.frame(lab, "squat", 2 * clip.duration - second)
        assert np.array_equal(there, back)
    turns = [demo_loop.frame(lab, demo_loop.ALL, place * demo_loop.TURN).tobytes() for place in range(6)]
    assert len(set(turns)) == 6


def test_squats_of_the_demo_loop_are_squats(lab, monkeypatch):
    """Two and a half seconds of frames by a clock of our own, as a camera at ten frames a second would send them."""
    lab.start()
    lab.recognizer()
    visitor, now = None, [100.0]
    monkeypatch.setattr("demo.tabs.live.time.monotonic", lambda: now[0])
    for step in range(35):
        frame = demo_loop.frame(lab, "squat", 0.5 + step / 10)
        view, answer, strip, visitor = live.on_frame(lab, frame, visitor, "motion salience", 5, None, live.OWN, None)
        now[0] += 0.1
    assert 'data-label="squat"' in answer
    assert "10.0 predictions per second" in answer and "0% of the camera" in answer
    assert "squat" in strip and "Motion salience" in view


def test_the_demo_loop_misses_no_frame_however_slow_the_answers_are(lab, monkeypatch):
    """Two ticks a second: the window holds ten frames a second all the same."""
    lab.start()
    lab.recognizer()
    visitor, now = None, [200.0]
    monkeypatch.setattr("demo.tabs.live.time.monotonic", lambda: now[0])
    for _ in range(9):
        *_, visitor = live.on_tick(lab, 199.5, "squat", visitor, "nothing", 5, None, live.OWN, None)
        now[0] += 0.5
    assert visitor.buffer.fps == pytest.approx(10, abs=0.1) and len(visitor.buffer) == 41


def test_the_strip_holds_each_label_for_as_long_as_it_was_said():
    said = [(70.0 + step / 10, "wave") for step in range(100)] + [(80.0 + step / 10, "clap") for step in range(150)]
    shown = lately(said, 95.0, 30.0, ["wave", "clap"])
    assert "wave 10 s, clap 15 s" in shown
    widths = [float(each.split("%")[0]) for each in shown.split("width:")[1:]]
    assert widths == pytest.approx([16.7, 33.3, 49.7, 0.3], abs=0.5)  # per cent: nothing, wave, clap, nothing yet
    assert lately([], 95.0, 30.0, []) == ""


def test_each_of_29_labels_has_a_background_of_its_own():
    labels = [f"action {number}" for number in range(29)]
    assert len({pale(label, labels) for label in [*labels, "unknown"]}) == 30
