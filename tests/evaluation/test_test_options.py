"""`evaluate --option`: the same weights with another test, and no option that a training decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from actrec.__main__ import main
from actrec.core.errors import BadValue
from actrec.data.open import open_set
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, named
from actrec.training.load_data import stored
from actrec.video import Clip
from actrec.weights.cards import Card, read_card
from actrec.weights.checkpoint import write_checkpoint

LABELS = ["down", "right"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three clips of each class, 40 frames long: noise that goes down or to the right, later clips faster."""
    home = tmp_path_factory.mktemp("clips")
    for place, label in enumerate(LABELS):
        for number in range(3):
            (home / label / str(number)).mkdir(parents=True)
            ground = np.random.default_rng([place, number]).integers(0, 255, (48, 64, 3), np.uint8)
            for t in range(40):
                frame = np.roll(ground, (1 + number) * t * t // 8, axis=place)
                cv2.imwrite(str(home / label / str(number) / f"{t:02d}.png"), frame)
    return home


@pytest.fixture(scope="module")
def weights(tmp_path_factory, folder) -> Path:
    """FstCN at a random start whose scores differ from view to view; trained, its card says, to be averaged."""
    torch.manual_seed(0)
    system, data = named("fstcn"), open_set(folder)
    network = system.network(len(LABELS)).eval()
    views = [
        view
        for number in range(len(data.samples))
        for view in system.protocols["clip"].views(data.read(number, stored(system)))
    ]
    with torch.no_grad():  # scores that are centred and differ by one or two
        codes = network.code(**system.tensors(views))
        torch.nn.init.normal_(network.classifier.weight)
        network.classifier.weight /= (codes @ network.classifier.weight.T).std(0)[:, None]
        network.classifier.bias.copy_(-(codes @ network.classifier.weight.T).mean(0))
    made = tmp_path_factory.mktemp("weights") / "random"
    card = Card("random", "fstcn", LABELS, "nothing", "", 0, options={"fusion": "average"})
    write_checkpoint(made, card, network.state_dict())
    return made


def evaluated(capsys, weights: Path, folder: Path, *words: str) -> dict:
    command = ["evaluate", "--weights", str(weights), "--data", str(folder), "--device", "cpu", "--json", *words]
    assert main(command) == 0
    return json.loads(capsys.readouterr().out)


def softmax_of(recognizer: Recognizer, views: list) -> np.ndarray:
    scores = np.exp(recognizer.run(views)[0].astype(float))
    return scores / scores.sum(1, keepdims=True)


def sci(views: np.ndarray) -> np.ndarray:
    pairs = views.reshape(-1, 4, 2)
    index = 2 * pairs.max(2) - 1  # eq. 5 for two classes whose scores sum to one
    return ((index[..., None] * pairs).sum(1) / index.sum(1)[:, None]).max(0)  # eq. 6, then eq. 7


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sci": sci,
    "average": lambda views: views.mean(0),
    "maximum": lambda views: views.max(0),
    "one": lambda views: views[0],
}


def likelihood_by_hand(weights: Path, folder: Path, fusion: str, draw: int = 0) -> float:
    """The mean negative logarithm of the right class's fused probability."""
    recognizer, data = Recognizer.load(weights, "cpu", temperature=1.0, only_torch=True), open_set(folder)
    options = {"fusion": "one", "draw": draw} if fusion == "one" else {}
    test, values = named("fstcn", options).protocols["clip"], []
    for number, sample in enumerate(data.samples):
        clip: Clip = data.read(number, stored(recognizer.system))
        fused = WAYS[fusion](softmax_of(recognizer, test.views(clip)))
        values.append(-np.log(fused[sample.label] / fused.sum()))
    return float(np.mean(values))


def test_the_same_weights_are_asked_with_sci_the_average_the_maximum_or_one_clip(weights, folder, capsys):
    results = {way: evaluated(capsys, weights, folder, "--option", f"fusion={way}") for way in WAYS}
    for way, result in results.items():
        assert result["clips"] == 6 and result["about"]["options"] == f"fusion={way}"
        by_hand = likelihood_by_hand(weights, folder, way)
        assert result["negative_log_likelihood"] == pytest.approx(by_hand, rel=2e-3), way
    likelihoods = [result["negative_log_likelihood"] for result in results.values()]
    assert len({round(value, 3) for value in likelihoods}) == 4, "four ways that answer alike would show nothing"


def test_without_an_option_the_card_decides(weights, folder, capsys):
    plain = evaluated(capsys, weights, folder)
    assert "options" not in plain["about"]
    assert plain["negative_log_likelihood"] == pytest.approx(likelihood_by_hand(weights, folder, "average"), rel=2e-3)


def test_the_single_clip_is_the_same_again_and_another_with_another_seed(weights, folder, capsys):
    words = ("--option", "fusion=one", "--option")
    first, again, other = (evaluated(capsys, weights, folder, *words, f"draw={seed}") for seed in (5, 5, 6))
    assert first["negative_log_likelihood"] == again["negative_log_likelihood"]
    by_hand = likelihood_by_hand(weights, folder, "one", draw=6)
    assert other["negative_log_likelihood"] == pytest.approx(by_hand, rel=2e-3)
    assert abs(other["negative_log_likelihood"] - first["negative_log_likelihood"]) > 1e-3


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("path=tcl", "--option path is decided in training, and these weights were trained with path=both"),
        ("kernels=3", "trained with kernels=3+5: train anew for another value. Without training can be chosen: fusion"),
        ("stages=auxiliary", "--option stages is decided in training"),
        ("lower=efficientnet-lite0", "--option lower is decided in training"),
        ("colour=red", "'fstcn' has no option 'colour'"),
        ("fusion=median", "is one of sci, average, maximum, one, not 'median'"),
        ("fusion", "--option is NAME=VALUE, not 'fusion'"),
    ],
)
def test_an_option_that_would_need_a_training_is_refused_in_words(weights, folder, capsys, option, sentence):
    words = ["evaluate", "--weights", str(weights), "--data", str(folder), "--device", "cpu", "--option", option]
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_the_value_that_the_weights_have_is_no_change(weights):
    loaded = Recognizer.load(weights, "cpu", only_torch=True, options={"path": "both", "fusion": "sci"})
    assert loaded.system.chosen == {} and read_card(weights).options == {"fusion": "average"}
    with pytest.raises(BadValue, match="'ms3d' has no option 'fusion'"):
        named("ms3d").asked_with({"fusion": "sci"})


def test_no_option_of_a_test_changes_a_network_of_any_system():
    for name, system in SYSTEMS.items():
        for option, about in system.options.items():
            if not about.in_test:
                continue
            for value in about.values or ("1",):
                with torch.device("meta"):
                    one, other = (made.network(3).state_dict() for made in (system, system.asked_with({option: value})))
                assert {key: v.shape for key, v in one.items()} == {key: v.shape for key, v in other.items()}, name
