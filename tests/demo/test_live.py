"""The Live tab's callbacks, without a page."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.recognition.taught import Taught, lesson
from demo.server.services import EXAMPLES, Services
from demo.shared import demo_loop
from demo.shared.answer import taught_answer
from demo.shared.camera import on_tick
from demo.shared.html import pale, recent_labels
from demo.tabs import live


@pytest.fixture(scope="module")
def services() -> Services:
    services = Services(device="cpu")
    yield services
    services.close()


def test_before_the_weights_are_there_it_reports_what_it_waits_for(services):
    shown = live.on_frame(
        services, np.zeros((240, 320, 3), np.uint8), None, "nothing", 5, live.HOLD, None, live.OWN, None
    )
    assert "one moment" in shown.answer and "Loading" in shown.answer and "image/jpeg" in shown.view
    assert len(shown.visitor.buffer) == 0


def test_the_demo_loop_goes_there_and_back_and_takes_every_clip_in_turn(services):
    clip = services.example(EXAMPLES / "squat.mp4")
    for second in (0.3, 1.1):
        there = demo_loop.frame(services, "squat", second)
        assert np.array_equal(there, clip.frames[np.searchsorted(clip.times, second + 1e-6, side="right") - 1])
        back = demo_loop.frame(services, "squat", 2 * clip.duration - second)
        assert np.array_equal(there, back)
    turns = [demo_loop.frame(services, demo_loop.ALL, place * demo_loop.TURN).tobytes() for place in range(6)]
    assert len(set(turns)) == 6


def watched(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str, judged_by: str, taught: Taught | None
) -> live.Shown:
    """What Live shows after three and a half seconds of frames by a clock of our own, ten frames a second."""
    visitor, now = None, [100.0]
    monkeypatch.setattr("demo.shared.camera.time.monotonic", lambda: now[0])
    for step in range(35):
        frame = demo_loop.frame(services, name, 0.5 + step / 10)
        shown = live.on_frame(services, frame, visitor, "motion salience", 5, live.HOLD, None, judged_by, taught)
        visitor = shown.visitor
        now[0] += 0.1
    return shown


def test_squats_of_the_demo_loop_are_squats(services, monkeypatch):
    services.start()
    services.recognizer()
    shown = watched(services, monkeypatch, "squat", live.OWN, None)
    assert 'data-label="squat"' in shown.answer
    assert "10.0 predictions per second" in shown.answer and "0% of the camera" in shown.answer
    assert "squat" in shown.strip and "Motion salience" in shown.view


def test_what_is_nearer_to_a_label_of_the_weights_is_unknown_in_live_as_in_teach_with_the_reason(services, monkeypatch):
    """A squat is nearer to the weights' own squats than to a wave that was taught, though inside the wide threshold."""
    services.start()
    recognizer = services.recognizer()
    wave = services.example(EXAMPLES / "wave.mp4")
    taught = Taught.on(services.default, recognizer).add(lesson(recognizer, "my greeting", wave, "one"))
    taught = taught.with_threshold(2.0)  # codes have length one: nothing lies outside
    shown = watched(services, monkeypatch, "squat", live.TAUGHT, taught)
    code = shown.visitor.predictions[-1][2].code
    assert taught.judge(code).distance < 2 and 'data-label="unknown"' in shown.answer
    assert "nearer still to &#x27;squat&#x27;, a label of the weights themselves" in shown.answer
    squat = recognizer.embed(services.example(EXAMPLES / "squat.mp4"))
    assert "nearer still to &#x27;squat&#x27;" in taught_answer(taught, squat).html(), "Teach answers the same"
    shown = watched(services, monkeypatch, "wave", live.TAUGHT, taught)
    assert 'data-label="my greeting"' in shown.answer and "within the 2.00" in shown.answer


def test_the_demo_loop_misses_no_frame_however_slow_the_answers_are(services, monkeypatch):
    """Two ticks a second: the window holds ten frames a second all the same."""
    services.start()
    services.recognizer()
    visitor, now = None, [200.0]
    monkeypatch.setattr("demo.shared.camera.time.monotonic", lambda: now[0])
    for _ in range(9):
        asked = ("nothing", 5, live.HOLD, None, live.OWN, None)
        visitor = on_tick(services, live.on_frame, 199.5, "squat", visitor, *asked).visitor
        now[0] += 0.5
    assert on_tick(services, live.on_frame, 0.0, "squat", visitor, *asked) is None, "a tick that was under way at Stop"
    assert visitor.buffer.fps == pytest.approx(10, abs=0.1) and len(visitor.buffer) == 41


def test_the_strip_shows_each_label_for_as_long_as_it_was_the_answer():
    answers = [(70.0 + step / 10, "wave") for step in range(100)] + [(80.0 + step / 10, "clap") for step in range(150)]
    shown = recent_labels(answers, 95.0, 30.0, ["wave", "clap"])
    assert "wave 10 s, clap 15 s" in shown
    widths = [float(part.split("%")[0]) for part in shown.split("width:")[1:]]
    assert widths == pytest.approx([16.7, 33.3, 49.7, 0.3], abs=0.5)  # per cent: nothing, wave, clap, nothing yet
    assert recent_labels([], 95.0, 30.0, []) == ""


def test_each_of_29_labels_has_a_background_of_its_own():
    labels = [f"action {number}" for number in range(29)]
    assert len({pale(label, labels) for label in [*labels, "unknown"]}) == 30
