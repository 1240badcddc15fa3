"""A detector learns from drawn people, survives being cut off, and is judged by answers written by hand."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from actrec.__main__ import main
from actrec.people.detector import read_card
from actrec.training.person_detector import augment
from actrec.training.person_detector.augment import GENTLE, STRONG, Strength, example, put, turned
from actrec.training.person_detector.crowd import crowd
from actrec.training.person_detector.frames import Frame, clips_in, drawn, evened, packed, side_of, unpacked
from actrec.training.person_detector.loop import LearnError, Plan, batch_of, learn
from actrec.training.person_detector.measure import Tally, best_confidence, overlaps, right, tally


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Drawn pictures in which somebody is large enough to be seen at 96 pixels."""
    made = (Frame(*crowd(seed, (96, 96))) for seed in range(60))
    return [frame for frame in made if len(frame.boxes) == 1 and np.diff(frame.boxes[:, 1::2]).max() > 40][:6]


def test_a_training_that_was_cut_off_goes_on_where_it_was(frames, tmp_path):
    plan = Plan(epochs=2, batch=3, size=64, small=64)
    whole = learn(frames, plan, tmp_path / "whole", lambda _: None)

    def cut_off(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(frames, plan, tmp_path / "cut", cut_off)
    messages: list[str] = []
    again = learn(frames, plan, tmp_path / "cut", messages.append)
    assert messages[0] == "going on after epoch 1" and len(messages) == 2
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))
    with pytest.raises(LearnError, match="batch 3, not 2"):
        learn(frames, Plan(epochs=2, batch=2, size=64, small=64), tmp_path / "cut")
    learn(frames, Plan(epochs=3, batch=3, size=64, small=64), tmp_path / "cut", messages.append)
    assert messages[2] == "going on after epoch 2" and messages[3].startswith("epoch 3 of 3")


def test_a_training_goes_on_from_another_detector(frames, tmp_path):
    learned = learn(frames, Plan(epochs=2, batch=3, size=64, small=64), tmp_path / "one", lambda _: None)
    plan = Plan(epochs=1, batch=3, size=64, small=64, rate=1e-12, decay=0, seed=1)
    after = learn(frames, plan, tmp_path / "two", lambda _: None, learned)
    names = [name for name, _ in learned.named_parameters()]
    assert all(torch.allclose(after.get_parameter(name), learned.get_parameter(name), atol=1e-6) for name in names)


def test_nothing_to_learn_and_odd_plans_are_sentences(tmp_path):
    empty = Frame(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 4), np.float32))
    with pytest.raises(LearnError, match="No frame shows a person"):
        learn([empty], Plan(epochs=1), tmp_path)
    with pytest.raises(LearnError, match="at least 1"):
        Plan(epochs=0)
    with pytest.raises(LearnError, match="multiples of 32"):
        Plan(size=300)


def test_a_frame_is_laid_down_by_hand(rng):
    picture = np.full((20, 40, 3), 200, np.uint8)
    frame = Frame(picture, np.array([[10, 5, 20, 15], [0, 0, 4, 20]], np.float32))
    canvas = np.full((40, 80, 3), 114, np.uint8)
    # twice as large the frame just fills the canvas: nothing is left to chance
    boxes = put(canvas, frame, (0, 0, 80, 40), (40, 80), 1.0, rng)
    assert boxes.tolist() == [[20, 10, 40, 30], [0, 0, 8, 40]] and (canvas == 200).all()
    right_half = put(canvas, frame, (40, 0, 80, 40), (40, 80), 0.5, rng)  # as large as it is: 20 rows, 40 columns
    top = right_half[1, 1]
    assert 0 <= top <= 20 and right_half.tolist() == [[50, top + 5, 60, top + 15], [40, top, 44, top + 20]]


def test_a_frame_is_turned_by_hand():
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[0, 3] = 255  # at the top right: to the top left by a quarter, to the bottom right by three
    frame = Frame(picture, np.array([[3, 0, 4, 1]], np.float32))
    for quarters, box in ((1, [0, 0, 1, 1]), (2, [0, 1, 1, 2]), (3, [1, 3, 2, 4])):
        made = turned(frame, quarters)
        assert made.boxes.tolist() == [box] and made.boxes.dtype == np.float32
        left, top, right_, bottom = box
        assert made.image.sum() == 3 * 255 == made.image[top:bottom, left:right_].sum()


def test_small_folders_count_as_much_as_large_ones_up_to_a_limit():
    frames = [Frame(np.full((2, 2, 3), n, np.uint8), np.ones((1, 4), np.float32)) for n in range(8)]
    taken = evened([frames[:1], [], frames[1:3], frames[2:]])
    assert [int(frame.image[0, 0, 0]) for frame in taken] == [0] * 5 + [1, 2] * 3 + [2, 3, 4, 5, 6, 7]
    assert evened([[], []]) == []


@pytest.mark.parametrize("strength", [Strength(mosaic=0.0, turned=0.5), GENTLE, STRONG, Strength(mosaic=1.0)])
def test_boxes_move_with_what_they_hold(strength, monkeypatch):
    """A white square on black: wherever the picture is laid, the box still holds what is white."""
    monkeypatch.setattr(augment, "tinted", lambda frame, rng, amount: frame)
    picture = np.zeros((192, 256, 3), np.uint8)
    picture[60:140, 100:160] = 255
    frame = Frame(picture, np.array([[100, 60, 160, 140]], np.float32))
    held, rests = 0, []
    for seed in range(30):
        made = example([frame] * 4, 0, (192, 256), np.random.default_rng(seed), strength)
        white = made.image.min(-1) > 160
        outside = white.copy()
        for left, top, right_, bottom in made.boxes:
            box = np.s_[max(0, int(top) - 2) : int(bottom) + 3, max(0, int(left) - 2) : int(right_) + 3]
            assert white[box].mean() > 0.5
            outside[box] = False
            held += 1
        rests.append(outside.mean())
    # what was cut to a rest has no box; a mosaic cuts often
    assert np.median(rests) < 0.005 and max(rests) < (0.06 if strength.mosaic else 0.005)
    assert held > 15


def test_a_batch_speaks_the_language_of_the_loss(frames):
    plan = Plan(batch=4, epochs=2, size=128, small=64)
    batch = batch_of(frames, np.arange(4), plan, 1, 0)
    count = len(batch["bboxes"])
    assert batch["img"].shape[0] == 4 and max(batch["img"].shape[2:]) == 128 and float(batch["img"].max()) <= 1.0
    assert batch["cls"].shape == (count, 1) and batch["batch_idx"].shape == (count,)
    assert ((batch["bboxes"] >= 0) & (batch["bboxes"] <= 1)).all()
    again = batch_of(frames, np.arange(4), plan, 1, 0)
    assert torch.equal(batch["img"], again["img"])
    assert max(batch_of(frames, np.arange(4), plan, 0, 0)["img"].shape[2:]) == 64  # small ones first


def test_boxes_are_judged_by_hand():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    found = np.array([[0, 0, 10, 10, 0.6], [0, 0, 10, 9, 0.9], [20, 0, 30, 4, 0.8], [20, 0, 30, 6, 0.4]], np.float32)
    assert np.allclose(overlaps(found[1:3], truth), [[0.9, 0], [0, 0.4]])
    # the surest box takes the person, the second one of the same person is wrong, and four tenths are too little
    assert right(found, truth).tolist() == [False, True, False, True]
    judged = tally([found, found[:0]], [truth, truth[:1]])
    assert judged.people == 3
    assert judged.at(0.0) == {"recall": 0.6667, "precision": 0.5, "people": 3, "boxes": 4}
    assert judged.at(0.85) == {"recall": 0.3333, "precision": 1.0, "people": 3, "boxes": 1}


def test_the_confidence_lies_where_both_goals_are_furthest_exceeded():
    scores = np.array([0.9] * 90 + [0.5] * 10 + [0.3] * 40)
    hits = np.array([True] * 88 + [False] * 2 + [True] * 8 + [False] * 2 + [False] * 40)
    confidence, margin = best_confidence(Tally(scores, hits, 100))
    assert 0.3 < confidence <= 0.5  # recall 0.96, precision 0.96
    assert margin == pytest.approx(0.96 - 0.85)


def test_no_clip_stands_on_two_sides(tmp_path):
    assert [side_of(stem) for stem in ("s09_48", "194_10_6", "s13_12", "seq10_3", "12_9_4")] == ["test"] * 5
    assert [side_of(stem) for stem in ("s08_41", "150_8_6", "s12_06")] == ["check"] * 3
    assert [side_of(stem) for stem in ("s01_04", "99_3_6", "s11_00")] == ["train"] * 3
    assert [side_of(stem) for stem in ("correct1", "04", "person01_walking_d1")] == [None] * 3
    for home in ("one", "two"):
        (tmp_path / home).mkdir()
        for n in range(40):
            (tmp_path / home / f"{n}.mp4").write_bytes(f"{home if n else 'copy'} {n}".encode())
    files = clips_in([tmp_path / "one", tmp_path / "two"])
    sides = [file.part for file in files if file.home == "one"]
    assert (sides.count("test"), sides.count("check"), sides.count("train")) == (8, 4, 28)
    assert len(files) == 79 and len({file.digest for file in files}) == 79  # the copy counts once
    assert files == clips_in([tmp_path / "one", tmp_path / "two"])


def test_kept_frames_come_back_as_they_were(frames, tmp_path):
    from actrec.data.cache import ClipCache, read_entry, write_entry

    write_entry(tmp_path / "entry", *packed(frames))
    back = list(unpacked(read_entry(tmp_path / "entry")[0]))
    assert all(
        np.array_equal(a.image, b.image) and np.array_equal(a.boxes, b.boxes) for a, b in zip(frames, back, strict=True)
    )
    cache = ClipCache(tmp_path / "cache")
    once, twice = drawn(3, 0, cache), drawn(3, 0, cache)
    assert len(once) == 3 and cache.misses == 1 and cache.hits == 1
    assert np.array_equal(once[2].image, twice[2].image)


def test_what_is_missing_is_said(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    teacher = tmp_path / "teacher.onnx"
    assert main(["detector", "--data", str(tmp_path), "--teacher", str(teacher)]) == 2
    assert "There is no teacher at" in capsys.readouterr().err
    for folder, sentence in (("empty", "There is no clip in"), ("nowhere", "There is no folder")):
        with pytest.raises(Exception, match=sentence):
            clips_in([tmp_path / folder])


def test_the_command_trains_a_detector_and_judges_it(shared_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("handshake/s01_04", "handshake/s08_41", "handshake/s09_52"):
        shutil.copy(shared_data / f"ut_interaction/set1/{name}.avi", clips)
    words = ["detector", "--data", str(clips), "--teacher", str(shared_data / "detector/yolox_nano.onnx")]
    words += ["--out", str(tmp_path / "made"), "--run", str(tmp_path / "run")]
    small = ["--epochs", "1", "--drawn", "8", "--size", "64", "--small", "64", "--batch", "8"]
    assert main([*words, *small]) == 0
    report = json.loads(capsys.readouterr().out)
    card = read_card(tmp_path / "made")
    assert report["clips"] == 1 and report["frames"] > 5 and report["people"] > 10
    assert card.measured == report and "8 pictures of drawn people" in card.trained_on and card.image_size == 64
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["card.json", "model.safetensors"]
    assert main([*words, "--evaluate", "--pictures", str(tmp_path / "seen")]) == 0
    assert json.loads(capsys.readouterr().out) == report
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["clips-s09_52.png"]
