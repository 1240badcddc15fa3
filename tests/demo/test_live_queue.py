"""Who is answered at the camera, and how long the others wait; by a clock of our own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from demo.server.live_queue import SILENT, TERM, LiveQueue
from demo.server.services import Services
from demo.tabs import embeddings, live


def everyone(queue: LiveQueue, visitors: str, now: float) -> dict[str, float]:
    return {visitor: queue.wait(visitor, now) for visitor in visitors}


def test_the_next_one_is_told_when_the_first_place_is_free():
    queue = LiveQueue(3)
    for now, visitor in enumerate("abc"):
        assert queue.wait(visitor, float(now)) == 0
    for now in range(3, 50):
        waits = everyone(queue, "abcde", float(now))
        assert [waits[visitor] for visitor in "abc"] == [0, 0, 0]
        assert waits["d"] == TERM - now and waits["e"] == TERM + 1 - now


def test_nobody_who_comes_on_waits_longer_than_was_said():
    queue, promised, answered = LiveQueue(2), {}, dict.fromkeys("abcde", 0)
    for tenth in range(int(400 * TERM)):
        now = tenth / 10
        for visitor, wait in everyone(queue, "abcde", now).items():
            if wait:
                promised.setdefault(visitor, now + wait)
            else:
                answered[visitor] += 1
                assert now <= promised.pop(visitor, now) + 1.0, visitor
    assert min(answered.values()) > 0.7 * max(answered.values())


def test_a_place_is_kept_while_nobody_waits_and_lost_by_silence():
    queue = LiveQueue(1)
    for now in range(int(3 * TERM)):
        assert queue.wait("a", float(now)) == 0
    assert queue.wait("b", 3 * TERM) > 0
    assert queue.wait("b", 3 * TERM + SILENT - 1.1) > 0
    assert queue.wait("b", 3 * TERM + SILENT) == 0
    assert queue.wait("a", 3 * TERM + SILENT) == TERM


def test_the_ninth_at_the_camera_reads_how_long(monkeypatch):
    services, now = Services(device="cpu"), [500.0]
    monkeypatch.setattr("demo.shared.camera.time.monotonic", lambda: now[0])
    services.start()
    services.recognizer()
    frame, visitors = np.zeros((240, 320, 3), np.uint8), [None] * 9
    try:
        for _ in range(2):
            answers = []
            for place, visitor in enumerate(visitors):
                shown = live.on_frame(services, frame, visitor, "nothing", 5, live.HOLD, None, live.OWN, None)
                visitors[place] = shown.visitor
                answers.append(shown.answer)
            now[0] += 0.5
    finally:
        services.close()
    assert all("Nothing moves." in answer for answer in answers[:8]), "black frames are answered, with a sentence"
    assert "please wait" in answers[8] and "in 120 seconds" in answers[8]
    assert len(visitors[8].buffer) == 0


def test_the_maps_camera_waits_for_a_place_like_every_other(monkeypatch):
    services, frame = Services(device="cpu"), np.zeros((240, 320, 3), np.uint8)
    services.start()
    services.recognizer()
    services.live_queue = LiveQueue(1)
    map_of_default = SimpleNamespace(weights=services.default)
    try:
        live.on_frame(services, frame, None, "nothing", 5, live.HOLD, None, live.OWN, None)
        shown = embeddings.on_frame(services, frame, None, map_of_default)
        assert "Please wait" in shown.near and len(shown.camera.buffer) == 0
        services.live_queue = LiveQueue(1)
        shown = embeddings.on_frame(services, frame, None, map_of_default)
        assert "seconds of video" in shown.near and len(shown.camera.buffer) == 1
    finally:
        services.close()
