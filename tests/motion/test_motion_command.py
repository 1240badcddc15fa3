"""`python -m actrec motion`: every clue as picture and video, and JSON for programs."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from actrec.__main__ import main
from actrec.video.read import read_clip
from actrec.video.write import write_mp4

CLUES = ("difference", "variance_rate", "salience", "flow", "rgbf", "trajectories", "tailor")


@pytest.fixture
def square_clip(tmp_path, rng):
    """12 frames of a bright square that goes 3 pixels to the right per frame, over texture."""
    ground = cv2.GaussianBlur(rng.integers(60, 120, (96, 128, 3), np.uint8), (0, 0), 1)
    patch = rng.integers(140, 256, (30, 30, 3), np.uint8)
    frames = np.stack([ground] * 12)
    for t in range(12):
        frames[t, 30:60, 20 + 3 * t : 50 + 3 * t] = patch
    return write_mp4(tmp_path / "square.mp4", frames, 12)


def test_json_names_files_that_hold_the_whole_clip(square_clip, tmp_path, capsys):
    assert main(["motion", str(square_clip), "--out", str(tmp_path / "new" / "out"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["frames"], answer["width"], answer["height"]) == (12, 128, 96)
    assert tuple(answer["clues"]) == CLUES
    for name, clue in answer["clues"].items():
        picture, video = clue["files"]
        assert cv2.imread(picture).std() > 1, name
        assert len(read_clip(video)) in (11, 12), name
        assert clue["milliseconds"] > 0 and clue["found"]
    assert sum(answer["clues"]["variance_rate"]["p"]) == pytest.approx(1, abs=1e-4)
    assert answer["clues"]["flow"]["quantile_99"] == pytest.approx(3, abs=0.5)
    left, top, right, bottom = answer["clues"]["tailor"]["window"]
    assert left <= 25 and top <= 35 and right >= 80 and bottom >= 55


def test_for_people_it_prints_one_line_per_clue(square_clip, tmp_path, capsys):
    assert main(["motion", str(square_clip), "--out", str(tmp_path / "out"), "--flow", "tvl1"]) == 0
    printed = capsys.readouterr().out
    for name in CLUES:
        assert f"\n{name} " in printed
    assert "tvl1: half of the pixels" in printed


def test_a_folder_that_cannot_be_made_is_refused_with_a_sentence(square_clip, capsys):
    assert main(["motion", str(square_clip), "--out", str(square_clip / "out")]) == 2
    captured = capsys.readouterr()
    assert "Nothing can be written into" in captured.err and captured.out == ""


def test_a_still_clip_gets_every_clue(tmp_path, rng, capsys):
    frames = rng.integers(0, 256, (1, 64, 80, 3), np.uint8).repeat(5, 0)
    clip = write_mp4(tmp_path / "still.mp4", cv2.GaussianBlur(frames[0], (0, 0), 2)[None].repeat(5, 0), 10)
    assert main(["motion", str(clip), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert tuple(json.loads(capsys.readouterr().out)["clues"]) == CLUES


def test_one_frame_is_refused_with_a_sentence(tmp_path, capsys):
    clip = write_mp4(tmp_path / "one.mp4", np.full((1, 64, 64, 3), 90, np.uint8), 10)
    assert main(["motion", str(clip), "--out", str(tmp_path / "out")]) == 2
    assert "frame" in capsys.readouterr().err
