"""Where the people come from, and that the answer says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actrec.people import find, find_people, open_detector
from actrec.people.detector import Card, DetectorError, PersonDetector, build, save_detector
from actrec.tailor import tailor
from actrec.video import Clip
from actrec.video.read import read_clip

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "assets" / "examples").glob("*.mp4"))


@pytest.fixture(scope="module")
def blank_detector(tmp_path_factory):
    """A YOLO of the right format that was never trained."""
    network = build("yolo26n.yaml", 1)
    return save_detector(network, tmp_path_factory.mktemp("detector"), Card("yolo26n.yaml"))


class Seeing:
    """What a detector would say of a white square: where it is."""

    card = Card("square.yaml")

    def __init__(self) -> None:
        self.looked_at = 0

    def detect(self, frames: np.ndarray) -> list[np.ndarray]:
        self.looked_at += len(frames)
        found = []
        for frame in frames:
            rows, columns = np.nonzero(frame[..., 0] == 255)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.9] if len(rows) else []
            found.append(np.array([box] if box else np.zeros((0, 5)), np.float32).reshape(-1, 5))
        return found


def square(count: int = 30, step: int = 2) -> Clip:
    """A white square of 10 pixels that moves to the right over a grey ground."""
    frames = np.full((count, 60, 120, 3), 90, np.uint8)
    for t in range(count):
        frames[t, 20:30, 10 + step * t : 20 + step * t] = 255
    return Clip(frames, np.arange(count) / 25)


def test_the_detector_looks_at_every_third_frame_and_the_boxes_follow():
    seeing = Seeing()
    found = find_people(square(), seeing, every=3)
    assert found.detected and found.frames_searched == seeing.looked_at == 11
    assert found.source == "people found by square in 11 of the 11 searched frames"
    true = np.array([[10 + 2 * t, 20, 20 + 2 * t, 30] for t in range(30)])
    assert np.abs(found.region - true)[6:-6].max() < 0.5
    assert len(found.boxes) == 30 and np.array_equal(found.boxes[7], found.boxes[6])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_detector_that_ships_finds_whom_the_page_shows_first(path):
    frames = read_clip(path).frames[::6]
    found = PersonDetector.load(find.SHIPPED).detect(frames)
    assert sum(len(boxes) > 0 for boxes in found) >= len(frames) / 3, "the dark squat is the hardest"


def test_without_a_detector_what_moves_stands_in_and_it_is_said():
    found = find_people(square())
    assert not found.detected
    assert found.source == "the moving region of the salience map, since there is no person detector"
    whole = found.region
    assert whole[:, 1].min() >= 12 and whole[:, 3].max() <= 38  # the rows of the square, and little more
    assert (whole[:, 2] - whole[:, 0]).max() < 110


def test_a_detector_that_sees_nobody_gives_way_to_salience():
    clip = square()
    dark = Clip(clip.frames // 2, clip.times)  # no white left
    found = find_people(dark, Seeing())
    assert not found.detected and "square.yaml finds nobody in 11 frames" in found.source


def test_a_still_clip_is_the_whole_frame():
    still = square(step=0)
    found = find_people(still)
    assert found.source == "the whole frame, since there is no person detector and nothing moves"
    assert found.region.tolist() == [[0, 0, 120, 60]] * 30
    assert tailor(still, people=found).clip.size == (60, 120)


def test_a_single_frame_is_the_whole_frame():
    assert find_people(Clip(square().frames[:1], np.zeros(1))).region.tolist() == [[0, 0, 120, 60]]


def test_detector_weights_are_looked_for_in_their_order(blank_detector, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "SHIPPED", tmp_path / "shipped")
    assert open_detector() is None
    save_detector(build("yolo26n.yaml", 1), tmp_path / "cache" / "yolo26n", Card("yolo26n.yaml"))
    assert open_detector().source == str(tmp_path / "cache" / "yolo26n")
    save_detector(build("yolo26n.yaml", 1), tmp_path / "shipped", Card("yolo26n.yaml"))
    assert open_detector().source == str(tmp_path / "shipped")
    assert open_detector(blank_detector).source == str(blank_detector)
    with pytest.raises(DetectorError, match=r"no card\.json"):
        open_detector(tmp_path / "nowhere")  # a path that was given is not passed over


def test_a_real_network_tailors_a_clip(blank_detector):
    clip = square(6)
    detector = PersonDetector.load(blank_detector)
    assert tailor(clip, detector=detector).people.source.endswith("finds nobody in 3 frames")
