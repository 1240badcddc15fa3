"""Weights judged on folders: the right clips, the right classes, what is unknown, and what cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from actrec.__main__ import main
from actrec.data.open import open_set
from actrec.data.reading import FILES
from actrec.data.samples import DataError
from actrec.evaluation import evaluate
from actrec.evaluation.evaluate import match, plain_name
from actrec.metrics.calibration import reliability
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.training.load_data import stored
from actrec.weights.cards import Card, read_card
from actrec.weights.checkpoint import read_checkpoint, write_checkpoint

LABELS = ["raise arms", "jumping jack", "squat", "idle"]
PROMISED = {"clips", "top1", "top5", "per_class", "calibration_error", "clips_per_second"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory, folder) -> Path:
    """A network at its random start with a card; its scores are centred, so that its answers differ."""
    torch.manual_seed(3)
    system = named("asym3d")
    network = system.network(len(LABELS))
    clips = [FILES.read(sample, stored(system)) for sample in open_set(folder).samples]
    with torch.no_grad():
        inputs = system.tensors([system.protocols["one"].views(clip)[0] for clip in clips])
        for module in network.train().modules():  # its norms learn what these clips are like
            if hasattr(module, "momentum"):
                module.momentum = 1.0
        for _ in range(3):
            network(**inputs)
        codes = network.eval().code(**inputs)
        torch.nn.init.normal_(network.classifier.weight)
        network.classifier.weight /= 10 * codes.std(0).mean()
        network.classifier.bias.copy_(-network.classifier.weight @ codes.mean(0))
    made = tmp_path_factory.mktemp("weights") / "random"
    width = network.code(**named("asym3d").blank()).shape[1]
    centres = {label: np.eye(width)[number].tolist() for number, label in enumerate(LABELS)}
    card = Card(
        "random", "asym3d", LABELS, "nothing", "", 0, centres=centres, threshold=1.2, temperature=2.0,
        measured={"split": "twelve clips"},
    )  # fmt: skip
    write_checkpoint(made, card, network.state_dict())
    return made


def write_clips(folder: Path, labels: list[str], clips: int, first: int = 0) -> Path:
    for place, label in enumerate(labels):
        for number in range(clips):
            home = folder / label / f"clip{number}"
            home.mkdir(parents=True)
            for t, frame in enumerate(noise(place, number, first)):
                cv2.imwrite(str(home / f"{t:02d}.png"), frame)
    return folder


def noise(place: int, number: int, first: int = 0) -> np.ndarray:
    """Noise that goes down or to the right, the faster the later the class."""
    ground = np.random.default_rng([first, place, number]).integers(0, 255, (40, 52, 3), np.uint8)
    return np.stack([np.roll(ground, t * (1 + place), axis=number % 2) for t in range(12)])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache) -> Path:
    """Classes in another spelling and another order than the card's, and one it does not know."""
    return write_clips(tmp_path_factory.mktemp("data") / "gym", ["RaiseArms", "squat", "jumping_jack", "yoga"], 3)


def answered(capsys, *words: object) -> dict:
    assert main(["evaluate", "--device", "cpu", "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def test_labels_are_matched_by_name_whatever_their_spelling():
    card = Card("w", "asym3d", LABELS, "", "", 0)
    assert match(["Squat", "RaiseArms", "jumping-jack", "yoga"], card).tolist() == [2, 0, 1, -1]
    assert plain_name("JumpingJack") == plain_name("jumping_jack") == "jumping jack"
    with pytest.raises(DataError, match=r"know none of the classes in the data \(yoga, ski\)"):
        match(["yoga", "ski"], card)


def test_the_answers_are_those_of_the_recognizer_clip_by_clip(weights, folder, capsys):
    result = answered(capsys, "--weights", weights, "--data", folder)
    assert set(result) >= PROMISED
    assert result["clips"] == 9 and result["labels"] == LABELS
    assert result["unknown_classes"] == ["yoga"] and result["per_class"]["idle"]["clips"] == 0
    card, tensors = read_checkpoint(weights)
    network = named("asym3d").network(4)
    network.load_state_dict(tensors)
    by_hand = Recognizer(named("asym3d"), network, replace(card, temperature=1.0), "cpu")
    confusion, likelihood, inside, outside = np.zeros((4, 4), int), [], [], []
    dataset = open_set(folder)
    for sample in dataset.samples:
        label = {"RaiseArms": 0, "jumping_jack": 1, "squat": 2, "yoga": -1}[dataset.labels[sample.label]]
        said = by_hand.predict(FILES.read(sample, stored(named("asym3d"))))
        (outside if label < 0 else inside).append(-said.distance)
        if label >= 0:
            confusion[label, said.scores.argmax()] += 1
            likelihood.append(-np.log(said.scores[label]))
    assert result["confusion"] == confusion.tolist()
    assert confusion.any(0).sum() > 1, "a network that always says the same shows nothing"
    assert result["top1"] == pytest.approx(np.trace(confusion) / 9)
    assert result["negative_log_likelihood"] == pytest.approx(np.mean(likelihood), rel=1e-3)
    pairs = [(a > b) + (a == b) / 2 for a in inside for b in outside]
    assert result["unknown"]["auroc"] == pytest.approx(np.mean(pairs)) and result["unknown"]["unknown"] == 3
    assert result["unknown"]["shortcut_auroc"]["width"] == 0.5  # all clips are of one size
    known = [sample for sample in dataset.samples if dataset.labels[sample.label] != "yoga"]
    warm = Recognizer(named("asym3d"), network, card, "cpu")  # the card's temperature, on each view before the fusion
    said = np.stack([warm.predict(FILES.read(sample, stored(named("asym3d")))).scores for sample in known])
    right = [LABELS.index(plain_name(dataset.labels[sample.label])) for sample in known]
    found = reliability(said, np.array(right)).error
    assert result["temperature"]["calibration_error"] == pytest.approx(found, abs=1e-4)
    assert result["temperature"]["value"] == 2.0 and "twelve clips" in result["temperature"]["fitted_on"]


def test_asked_for_the_datas_classes_weights_that_know_others_tell_the_unknown_by_the_share_of_those(
    weights, folder, capsys
):
    result = answered(capsys, "--weights", weights, "--data", folder, "--among-data")["unknown"]
    dataset, by_hand = open_set(folder), Recognizer.load(weights, "cpu", temperature=1.0)
    inside, outside = [], []
    for sample in dataset.samples:
        said = by_hand.predict(FILES.read(sample, stored(named("asym3d")))).scores
        unknown = dataset.labels[sample.label] == "yoga"
        (outside if unknown else inside).append(1 - said[LABELS.index("idle")])  # the one class that is not there
    pairs = [(a > b) + (a == b) / 2 for a in inside for b in outside]
    assert result["by"] == "the probability of the data's classes together"
    assert result["auroc"] == pytest.approx(np.mean(pairs)) and 0 < np.mean(pairs) < 1


def test_a_fold_is_judged_on_its_test_clips_and_calibrated_on_its_validation_clips(weights, tmp_path, capsys):
    for part, clips in (("train", 4), ("test", 2)):
        write_clips(tmp_path / "set" / part, ["squat", "raise arms"], clips, first=len(part))
    result = answered(capsys, "--weights", weights, "--data", tmp_path / "set", "--fold", "folders")
    assert result["clips"] == 4
    assert result["temperature"]["fitted_on"] == "the validation clips of folders"
    assert main(["evaluate", "--weights", str(weights), "--data", str(tmp_path / "set"), "--fold", "split 7"]) == 2
    assert "has no protocol 'split 7'" in capsys.readouterr().err


def test_several_weights_are_averaged_as_the_papers_average_their_splits(weights, folder, tmp_path, capsys):
    card, tensors = read_checkpoint(weights)
    other = {
        name: torch.roll(value, 1, 0) if name.startswith("classifier") else value for name, value in tensors.items()
    }
    write_checkpoint(tmp_path / "other", replace(card, name="other"), other)
    both = answered(capsys, "--weights", weights, tmp_path / "other", "--data", folder)
    each = [answered(capsys, "--weights", name, "--data", folder) for name in (weights, tmp_path / "other")]
    tops = [one["top1"] for one in each]
    assert both["top1"] == pytest.approx(np.mean(tops))
    assert both["top1_deviation"] == pytest.approx(np.std(tops, ddof=1))
    assert both["clips"] == 18 and set(both) >= PROMISED


def test_a_report_is_written_and_broken_clips_are_named(weights, folder, tmp_path, capsys):
    videos = tmp_path / "films"
    write_clips(videos, ["squat", "idle"], 2)
    (videos / "squat" / "bad.mp4").write_bytes(b"no film" * 99)
    assert main(["evaluate", "--weights", str(weights), "--data", str(videos), "--out", str(tmp_path / "report")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("4 clips: top-1 ") and "1 clips could not be read" in said.out
    assert "Left out: squat/bad.mp4" in said.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["clips"] == 4 and report["broken"][0]["clip"] == "squat/bad.mp4"
    assert "<h1>" in (tmp_path / "report" / "report.html").read_text()
    image = cv2.imread(str(tmp_path / "report" / "confusion.png"))
    assert image is not None and image.shape[0] > 200


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "/nowhere"], "does not exist"),
        (["--protocol", "paper"], "has no protocol 'paper'"),
        (["--weights", "nothing"], "There are no weights 'nothing'"),
        (["--fold", "split 1"], "has no protocol 'split 1'"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(weights, folder, capsys, words, sentence):
    told = {"--weights": str(weights), "--data": str(folder)} | {words[0]: words[1]}
    assert main(["evaluate", *[word for pair in told.items() for word in pair], "--device", "cpu"]) == 2
    assert sentence in capsys.readouterr().err


def test_evaluate_is_a_library_too(weights, folder):
    recognizer = evaluate.load(weights, "cpu")
    assert recognizer.card.temperature == 1.0 and read_card(weights).temperature == 2.0


def test_a_data_sets_names_find_the_drawn_classes_that_they_mean():
    card = Card("all", "asym3d", ["kick", "kick a person", "handshake", "clap", "idle"], "", "", 0)
    assert match(["handshake", "kick", "clapping"], card).tolist() == [2, 1, 3], (
        "a kick among handshakes is between two"
    )
    assert match(["kick", "standing_still", "clap", "cook"], card).tolist() == [0, 4, 3, -1]
    own = Card("six", "asym3d", ["handshake", "kick"], "", "", 0)
    assert match(["handshake", "kick"], own).tolist() == [0, 1]


def test_among_the_datas_classes_no_other_is_named():
    found = np.array([[0.6, 0.3, 0.1], [0.2, 0.0, 0.8], [1.0, 0.0, 0.0]])
    answers = evaluate.Answers(found, np.zeros(3), np.arange(3), {}, 1.0, found[::-1], np.zeros((3, 4)))
    of_those = evaluate.among(answers, np.array([1, 2, 1]))
    assert of_those.in_data == pytest.approx([0.4, 0.8, 0.0])
    assert evaluate.among(answers, np.array([1, 2, 0])).in_data is None, "there are no others to give anything to"
    probabilities = of_those.probabilities
    assert probabilities == pytest.approx(np.array([[0, 0.75, 0.25], [0, 0, 1], [0, 0.5, 0.5]]), abs=1e-9)


def test_networks_fused_say_the_mean_of_what_each_says_and_an_svm_learns_from_their_codes(
    weights, folder, tmp_path, capsys
):
    card, tensors = read_checkpoint(weights)
    moved = {
        name: value + 0.3 * torch.randn_like(value) if "classifier" in name else value
        for name, value in tensors.items()
    }
    write_checkpoint(tmp_path / "other", replace(card, name="other"), moved)
    both = ["--weights", weights, tmp_path / "other", "--data", folder, "--protocol", "one"]
    fused = answered(capsys, *both, "--fuse")
    said, dataset = [], open_set(folder)
    known = [sample for sample in dataset.samples if dataset.labels[sample.label] != "yoga"]
    machines = [evaluate.load(folder_of_weights, "cpu") for folder_of_weights in (weights, tmp_path / "other")]
    for sample in known:
        clip = FILES.read(sample, stored(named("asym3d")))
        said.append(np.mean([machine.predict(clip, "one").scores for machine in machines], axis=0))
    right = [LABELS.index(plain_name(dataset.labels[sample.label])) for sample in known]
    expected = -np.log(np.stack(said)[np.arange(len(right)), right]).mean()
    assert fused["clips"] == 9 and fused["negative_log_likelihood"] == pytest.approx(expected, rel=1e-3)
    learned = answered(capsys, *both, "--svm", folder)
    assert learned["top1"] == 1.0, "it is judged here on the very clips that it learned from"
    assert main(["evaluate", "--weights", str(weights), "--data", str(folder), "--fuse"]) == 2
    assert "two or more" in capsys.readouterr().err


def test_of_a_fold_the_training_part_teaches_the_svm_and_the_other_is_judged(weights, tmp_path, capsys):
    videos = tmp_path / "films"
    write_clips(videos / "train", ["squat", "idle"], 1)
    write_clips(videos / "test", ["squat", "idle", "raise arms"], 3)
    asked = ["--weights", weights, "--data", videos, "--svm", videos, "--protocol", "one"]
    learned = answered(capsys, *asked, "--fold", "folders")
    assert learned["clips"] == 9 and learned["per_class"]["raise arms"]["recall"] == 0, (
        "nobody raised arms where it learned"
    )
    assert answered(capsys, *asked)["per_class"]["raise arms"]["recall"] == 1, "here it is judged on what it learned"
    assert main(["evaluate", *map(str, asked), "--fold", "folders", "others"]) == 2
    assert "one --fold" in capsys.readouterr().err
