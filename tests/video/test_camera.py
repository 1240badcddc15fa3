"""The camera's last seconds, by the stamps and not by counting."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from actrec.video.camera import CameraBuffer, CameraMeter


def picture(value: int, height: int = 4) -> np.ndarray:
    return np.full((height, 6, 3), value, np.uint8)


def filled(stamps: list[float], seconds: float = 2.0) -> CameraBuffer:
    buffer = CameraBuffer(seconds=seconds)
    for value, stamp in enumerate(stamps):
        buffer.add(picture(value), stamp)
    return buffer


def test_the_last_seconds_come_out_with_their_own_times():
    buffer = filled([10.0, 10.5, 11.25, 12.0, 12.5])
    clip = buffer.clip()
    assert clip.frames[:, 0, 0, 0].tolist() == [1, 2, 3, 4]  # 10.0 is more than 2 s before 12.5
    assert clip.times.tolist() == [0.0, 0.75, 1.5, 2.0]
    assert clip.source == "camera"
    last = buffer.clip(0.6)
    assert last.frames[:, 0, 0, 0].tolist() == [3, 4] and last.times.tolist() == [0.0, 0.5]


def test_below_two_frames_there_is_no_clip():
    buffer = CameraBuffer(seconds=2)
    assert buffer.clip() is None and buffer.fps == 0
    buffer.add(picture(0), 1.0)
    assert buffer.clip() is None and buffer.fps == 0
    buffer.add(picture(1), 9.0)  # the first one is too old by now
    assert buffer.clip() is None and len(buffer) == 1


def test_the_rate_is_the_median_and_one_late_frame_does_not_move_it():
    assert filled([0, 0.1, 0.2, 1.0, 1.1, 1.2]).fps == pytest.approx(10)


def test_stamps_that_run_backwards_or_another_size_start_anew():
    buffer = filled([5.0, 5.1, 5.2])
    buffer.add(picture(9), 1.0)
    buffer.add(picture(10), 1.1)
    assert buffer.clip().frames[:, 0, 0, 0].tolist() == [9, 10]
    buffer.add(picture(11, height=8), 1.2)
    assert len(buffer) == 1
    buffer.clear()
    assert len(buffer) == 0


def test_the_number_of_frames_is_bounded_whatever_the_stamps_say():
    buffer = CameraBuffer(seconds=10, frames=16)
    for value in range(100):
        buffer.add(picture(value), 0.001 * value)
    assert len(buffer) == 16 and buffer.clip().frames[-1, 0, 0, 0] == 99


def test_a_clip_does_not_change_when_frames_come_and_go():
    buffer = filled([0.0, 0.1])
    clip = buffer.clip()
    buffer.add(picture(77), 0.2)
    buffer.clear()
    assert clip.frames[:, 0, 0, 0].tolist() == [0, 1]


def test_what_is_no_frame_is_refused():
    buffer = CameraBuffer()
    for bad in (np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3)), np.zeros((4, 6, 4), np.uint8)):
        with pytest.raises(ValueError, match="camera frame"):
            buffer.add(bad, 0.0)
    with pytest.raises(ValueError, match="second"):
        buffer.add(picture(0), float("nan"))
    with pytest.raises(ValueError):
        CameraBuffer(seconds=0)


def test_frames_are_added_while_clips_are_taken():
    buffer, failed = CameraBuffer(seconds=0.05), []

    def add() -> None:
        for step in range(3000):
            buffer.add(picture(step % 256), step * 0.001)

    thread = threading.Thread(target=add)
    thread.start()
    while thread.is_alive():
        clip = buffer.clip(0.02)
        if clip is not None and (np.any(np.diff(clip.times) < 0) or clip.times[-1] > 0.0201):
            failed.append(clip)
    thread.join()
    assert not failed


def test_the_meter_tells_medians_and_the_share_that_was_left_out():
    """Ten frames a second are offered; answers at every second one, each 80 ms after it came, one after 900 ms."""
    meter = CameraMeter(offered=10.0)
    for step in range(20):
        arrived = 50.0 + 0.2 * step
        meter.note(arrived, arrived + (0.9 if step == 7 else 0.08))
    assert meter.per_second == pytest.approx(5.0)
    assert meter.lag == pytest.approx(0.08)
    assert meter.dropped == pytest.approx(0.5)


def test_a_pause_of_the_camera_begins_the_meter_anew():
    meter = CameraMeter(offered=10.0)
    for arrived in (0.0, 0.1, 0.2, 60.0, 60.1):
        meter.note(arrived, arrived + 0.05)
    assert len(meter) == 2
    assert meter.per_second == pytest.approx(10.0) and meter.dropped == pytest.approx(0.0)


def test_an_empty_meter_says_nothing():
    meter = CameraMeter()
    assert (meter.per_second, meter.lag, meter.dropped) == (0.0, 0.0, 0.0)
