"""The SVM on codes and trajectories from the command line, against scikit-learn put together by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from actrec.__main__ import main
from actrec.core.errors import BadValue
from actrec.data.open import open_set
from actrec.data.reading import FILES, ClipSettings
from actrec.evaluation import ensemble, evaluate, trajectory_features
from actrec.evaluation.evaluate import Answers, Trial
from actrec.motion.descriptors import describe
from actrec.motion.fisher import TrajectoryCode
from actrec.motion.trajectories import track
from actrec.systems import named
from actrec.training.distributed import World
from actrec.training.load_data import stored
from actrec.video import Clip
from actrec.weights.cards import Card
from actrec.weights.checkpoint import write_checkpoint

LABELS = ["across", "down"]
CLIPS, FRAMES, SIDE, WORDS = 4, 20, 64, 4


def film(label: str, number: int) -> np.ndarray:
    """A textured square before a still, textured wall: it goes to the right or down."""
    rng = np.random.default_rng([number, *label.encode()])
    wall = cv2.GaussianBlur(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8), (0, 0), 2)
    square = cv2.GaussianBlur(rng.integers(0, 255, (26, 26, 3), np.uint8), (0, 0), 1.2)
    x, y = rng.integers(2, 8, 2)
    frames = np.repeat(wall[None], FRAMES, axis=0)
    for t, frame in enumerate(frames):
        left, top = (x + 3 * t // 2, y) if label == "across" else (x, y + 3 * t // 2)
        frame[top : top + 26, left : left + 26] = square[: SIDE - top, : SIDE - left]
    return frames


def write_films(folder: Path, first: int) -> Path:
    for label in LABELS:
        for number in range(first, first + CLIPS):
            home = folder / label / str(number)
            home.mkdir(parents=True)
            for t, frame in enumerate(film(label, number)):
                cv2.imwrite(str(home / f"{t:02d}.png"), frame[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Weights whose codes are the same for every clip, so that only trajectories tell the classes apart."""
    folder = tmp_path_factory.mktemp("svm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(trajectory_features, "SETTINGS", ClipSettings(SIDE, "short_side"))
        patch.setattr(trajectory_features, "WORDS", WORDS)
        torch.manual_seed(0)
        network = named("asym3d").network(2)
        for value in network.parameters():
            torch.nn.init.zeros_(value)
        write_checkpoint(folder / "blind", Card("blind", "asym3d", LABELS, "nothing", "", 0), network.state_dict())
        write_films(folder / "lessons", 0)
        write_films(folder / "judged", 100)
        yield folder


def answered(capsys, *words: object) -> dict:
    assert main(["evaluate", "--device", "cpu", "--protocol", "one", "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def vectors(code: TrajectoryCode, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    dataset = open_set(folder)
    clips = [FILES.read(sample, trajectory_features.SETTINGS) for sample in dataset.samples]
    return np.stack([code.encode(describe(track(clip), clip)) for clip in clips]), dataset.targets()


def test_trajectories_tell_what_the_codes_cannot_and_the_machine_is_scikit_learns(place, capsys):
    options = ["--weights", place / "blind", "--data", place / "judged"]
    blind = answered(capsys, *options, "--svm", place / "lessons")
    seeing = answered(capsys, *options, "--svm", place / "lessons", "--trajectories")
    assert blind["top1"] == 0.5, "equal codes can name one class only"
    assert seeing["top1"] >= 0.75, "four lessons of each class are few, but they are seen"
    assert "improved dense trajectories" in seeing["about"]["fusion"]

    # by hand: descriptors of all lessons, as many Gaussians as they carry, one line per class on [code, vector]
    dataset = open_set(place / "lessons")
    described = [FILES.read(sample, trajectory_features.SETTINGS) for sample in dataset.samples]
    described = [describe(track(clip), clip) for clip in described]
    count = sum(len(sample["trajectory"]) for sample in described)
    assert count >= 100
    code = TrajectoryCode.fit(described, np.random.default_rng(0), min(WORDS, count // 100))
    (learned, right), (judged, asked) = vectors(code, place / "lessons"), vectors(code, place / "judged")

    def unit(parts: np.ndarray) -> np.ndarray:  # the codes are nothing but zeros beside them
        return parts / np.linalg.norm(parts, axis=1, keepdims=True)

    machine = LinearSVC(C=1.0, random_state=0).fit(unit(learned), right)
    distance = machine.decision_function(unit(judged))
    shares = 1 / (1 + np.exp(-2 * distance))  # the softmax of (−d, d)
    picked = np.where(asked == 1, shares, 1 - shares)
    assert seeing["negative_log_likelihood"] == pytest.approx(-np.log(picked).mean(), rel=1e-3)


def test_vectors_are_the_same_whether_descriptors_are_kept_or_computed_again(place, monkeypatch):
    trial = a_trial([film(label, number) for label in LABELS for number in range(2)])
    _, once = trajectory_features.learn_code(trial, 0, World(), lambda _: None)
    monkeypatch.setattr(trajectory_features, "KEPT", 0)
    code, again = trajectory_features.learn_code(trial, 0, World(), lambda _: None)
    assert np.array_equal(once.vectors, again.vectors) and once.places.tolist() == [0, 1, 2, 3]
    assert np.array_equal(trajectory_features.encode(code, trial, World(), lambda _: None).vectors, once.vectors)


def test_clips_that_cannot_be_read_are_left_out_and_too_little_movement_is_a_sentence(monkeypatch):
    films = [film("across", 1), film("down", 1), np.zeros((0, 8, 8, 3), np.uint8)]
    messages: list[str] = []
    monkeypatch.setattr(trajectory_features, "WORDS", 256)
    _, found = trajectory_features.learn_code(a_trial(films), 0, World(), messages.append)
    assert found.places.tolist() == [0, 1] and "cannot be opened" in found.broken[2]
    assert any(sentence.startswith("Left out: clip 2") for sentence in messages)
    assert any("Gaussians instead of 256" in sentence for sentence in messages)
    still = a_trial([np.zeros((20, 64, 64, 3), np.uint8)])
    with pytest.raises(BadValue, match="0 trajectories, too few to learn from"):
        trajectory_features.learn_code(still, 0, World(), messages.append)


def test_codes_of_one_clip_stand_side_by_side_where_a_network_could_not_read_another():
    trial = Trial("films", np.array([0, 1, 0]), ["a", "b", "c"], [""] * 3, lambda index: None)

    def answers(places: list[int]) -> Answers:
        none = np.zeros((len(places), 2))
        codes = np.array([[10.0 * place] for place in places])
        return Answers(none, none[:, 0], np.array(places), {}, 0.0, none, codes)

    found = ensemble._features([answers([0, 1, 2]), answers([1, 2])], trial, None)
    assert found.places.tolist() == [1, 2] and found.targets.tolist() == [1, 0]
    assert {name: codes.ravel().tolist() for name, codes in found.sources.items()} == {
        "network 1": [10, 20], "network 2": [10, 20],
    }  # fmt: skip


def a_trial(films: list[np.ndarray]) -> Trial:
    def clip(index: int) -> Clip:
        if not len(films[index]):
            raise OSError("the file cannot be opened")
        return Clip(films[index], np.arange(len(films[index])) / 25)

    count = len(films)
    return Trial("films", np.zeros(count, int), [f"clip {n}" for n in range(count)], [""] * count, clip)


def test_trajectories_without_an_svm_are_refused(place, capsys):
    assert main(["evaluate", "--weights", str(place / "blind"), "--data", str(place / "judged"), "--trajectories"]) == 2
    assert "--trajectories goes with --svm" in capsys.readouterr().err


def test_an_svm_on_drawn_clips_learns_from_others_than_it_is_judged_on(monkeypatch):
    from actrec.data.sources import Source, Split

    asked = []
    split = {name: Split(np.arange(2), lambda index, name=name: asked.append(name)) for name in ("train", "held out")}
    monkeypatch.setattr(
        evaluate, "drawn_source", lambda *_: Source(["wave", "clap"], split["train"], split["held out"], "drawn")
    )
    card = Card("w", "asym3d", ["wave", "clap"], "", "", 0)
    options = {"clips_per_class": 4, "seed": 0}
    for lessons in (True, False):
        trial, _ = evaluate.open_trial("synthetic:six", card, stored(named("asym3d")), lessons=lessons, **options)
        trial.clip(0)
    assert asked == ["train", "held out"]
