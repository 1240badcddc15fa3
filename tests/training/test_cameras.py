"""MS3D with a camera for each pathway: one clip of the same seconds for slow, mid and fast."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_runs import square

from actrec.__main__ import main
from actrec.core.errors import BadValue
from actrec.data.datasets import by_camera
from actrec.data.open import open_set
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.video import Clip

SYSTEM = named("ms3d", {"cameras": "3"})


def flat(level: int, frames: int = 40) -> Clip:
    return Clip(np.full((frames, 60, 60, 3), level, np.uint8), np.arange(frames) / 15)


def levels(pathway: np.ndarray) -> list[int]:
    """The grey levels away from the border."""
    return np.unique(pathway[..., 20:-20, 20:-20]).tolist()


def test_each_pathway_sees_its_own_camera():
    clip = flat(50).seen_from(flat(100), flat(150))
    for view in [*SYSTEM.protocols["clip"].views(clip), *SYSTEM.protocols["one"].views(clip)]:
        assert {name: levels(view[name]) for name in view} == {"slow": [50], "mid": [100], "fast": [150]}
    assert len(SYSTEM.protocols["clip"].views(clip)) == len(named("ms3d").protocols["clip"].views(flat(50)))
    paper = named("ms3d-paper", {"cameras": "3"}).protocols["paper"].views(clip)
    assert [levels(paper[0][name]) for name in ("slow", "mid", "fast")] == [[50], [100], [150]]


def test_frames_are_drawn_where_the_own_camera_saw_something_happen():
    """The first camera sees a change at frame 20 only, the second at frame 30 only, the third none."""
    early, late = np.full((40, 60, 60, 3), 50, np.uint8), np.full((40, 60, 60, 3), 50, np.uint8)
    early[20:], late[30:] = 90, 90
    times = np.arange(40) / 12.5
    clip = Clip(early, times).seen_from(Clip(late, times), flat(50))
    view = SYSTEM.protocols["one"].views(clip)[0]
    assert levels(view["slow"]) == [90], "only the changed frame carries p(z), drawn seven times"
    assert levels(view["mid"]) == [90] and levels(view["fast"]) == [50]


def test_in_training_all_cameras_get_one_window_one_placing_and_one_mirror():
    frames = np.zeros((60, 60, 60, 3), np.uint8)
    frames[:, :, :30] = 200  # the left half is bright
    clip = Clip(frames, np.arange(60) / 15)
    mirrored = set()
    for seed in range(12):
        view = SYSTEM.training_view(clip.seen_from(clip, clip), np.random.default_rng(seed))
        slow, mid, fast = (view[name][:, 0] for name in ("slow", "mid", "fast"))
        assert np.array_equal(slow, mid) and np.array_equal(mid, fast)
        mirrored.add(bool(slow[0, 48, :48].mean() < slow[0, 48, 48:].mean()))
    assert mirrored == {True, False}


def test_cameras_share_one_clock():
    late = Clip(np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, -1), np.arange(10) / 5)
    clip = Clip(np.zeros((4, 1, 1, 3), np.uint8), np.array([0.0, 0.5, 1.0, 1.5])).seen_from(late)
    assert clip.beside[0].frames[:, 0, 0, 0].tolist() == [0, 2, 5, 7]
    assert clip.between(0.5, 1.2).beside[0].frames[:, 0, 0, 0].tolist() == [2, 5]


@pytest.fixture(scope="module")
def takes(tmp_path_factory) -> Path:
    """Two classes, four takes each, by three cameras: folders of frames."""
    folder = tmp_path_factory.mktemp("takes")
    for action in ("right", "down"):
        for number in range(4):
            for camera in (1, 2, 3):
                clip_folder = folder / action / f"take{number}.cam{camera}"
                clip_folder.mkdir(parents=True)
                for t, frame in enumerate(square(action, 10 * number + camera)):
                    cv2.imwrite(str(clip_folder / f"{t:04d}.png"), frame)
    return folder


def test_a_folder_of_takes_is_learned_and_judged_by_command(takes, tmp_path, capsys):
    assert len(open_set(takes)) == 24, "without the option every file is a clip"
    joined = by_camera(open_set(takes))
    assert len(joined) == 8
    assert [path.name for path in joined.samples[0].beside] == ["take0.cam2", "take0.cam3"]
    words = ["--system", "ms3d", "--option", "cameras=3", "--data", takes, "--out", tmp_path / "run", "--epochs", 1]
    words += ["--batch", 4, "--threads", 1, "--numbers", "float32", "--device", "cpu"]
    assert main(["train", *map(str, words)]) == 0
    recognizer = Recognizer.load(tmp_path / "run" / "weights", "cpu")
    assert recognizer.card.options == {"cameras": "3", "pairs": "120", "embeddings": "unit"}
    options = ["--weights", str(tmp_path / "run" / "weights"), "--data", str(takes), "--device", "cpu", "--json"]
    capsys.readouterr()
    assert main(["evaluate", *options]) == 0
    assert '"clips": 8' in capsys.readouterr().out


def test_a_camera_that_is_missing_is_a_sentence(takes, tmp_path, capsys):
    with pytest.raises(BadValue, match="needs 3 clips of the same seconds; there are 2"):
        SYSTEM.protocols["one"].views(flat(50).seen_from(flat(60)))
    words = ["train", "--system", "ms3d", "--option", "cameras=3", "--out", str(tmp_path / "run"), "--data"]
    assert main([*words, "synthetic:six"]) == 2
    assert "have one camera" in capsys.readouterr().err
    for action in ("right", "down"):
        for number in range(2):
            clip_folder = tmp_path / "films" / action / f"take{number}.cam1"
            clip_folder.mkdir(parents=True)
            cv2.imwrite(str(clip_folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    assert main([*words, str(tmp_path / "films")]) == 2
    assert "4 clips lack the other cameras" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
