"""The teacher: YOLOX's answers decoded by hand, and what it says of a real frame."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.training.person_detector.teacher import SIZE, Teacher, TeacherError, decode, suppressed


def test_an_answer_is_decoded_by_hand():
    answer = np.zeros((52 * 52 + 26 * 26 + 13 * 13, 85), np.float32)
    k = 52 * 52 + 3 * 26 + 7  # stride 16, row 3, column 7
    answer[k, :6] = 0.5, 0.25, np.log(2.0), np.log(3.0), 0.9, 0.8
    answer[k, 6] = 0.99  # a bicycle's score, which is nobody's
    people = decode(answer)
    # centre ((7 + 0.5) · 16, (3 + 0.25) · 16) = (120, 52), sides 2 · 16 = 32 and 3 · 16 = 48
    assert np.allclose(people[k], [104, 28, 136, 76, 0.72])
    assert people.shape == (3549, 5) and (np.delete(people, k, axis=0)[:, 4] == 0).all()
    # an empty cell of the coarsest grid: one stride wide, around its corner
    assert np.allclose(people[-1, :4], [12 * 32 - 16, 12 * 32 - 16, 12 * 32 + 16, 12 * 32 + 16])


def test_a_person_counts_once_and_only_when_sure():
    people = np.array([[0, 0, 40, 100, 0.6], [1, 1, 41, 101, 0.9], [200, 0, 240, 100, 0.55], [300, 0, 340, 100, 0.49]])
    assert suppressed(people).tolist() == [people[1].tolist(), people[2].tolist()]
    assert suppressed(np.zeros((0, 5))).shape == (0, 5)


def test_another_network_and_no_network_are_refused(tmp_path):
    with pytest.raises(TeacherError, match="not \\[3549, 85\\]"):
        decode(np.zeros((8400, 85), np.float32), SIZE)
    with pytest.raises(TeacherError, match="There is no teacher at"):
        Teacher(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(TeacherError, match="no network that OpenCV can run"):
        Teacher(tmp_path / "bad.onnx")


def test_two_people_who_shake_hands_are_two(shared_data):
    from actrec.video.read import read_clip

    clip = read_clip(shared_data / "ut_interaction/set1/handshake/s01_04.avi", frames=3)
    teacher = Teacher(shared_data / "detector/yolox_nano.onnx")
    for frame in clip.frames:
        people = teacher.detect(frame)
        sides = people[:, 2:4] - people[:, :2]
        assert len(people) == 2 and (sides[:, 1] > 1.5 * sides[:, 0]).all() and (people[:, 4] > 0.7).all()
