"""A recognizer from a checkpoint: right, the same from every thread, and clear when something does not fit."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from actrec.motion import flow
from actrec.recognition.prediction import steadied
from actrec.recognition.recognizer import Recognizer, find_weights, open_recognizer
from actrec.systems import SYSTEMS
from actrec.video import Clip
from actrec.weights.cards import Card, WeightsError
from actrec.weights.catalogue import CATALOGUE
from actrec.weights.checkpoint import write_checkpoint
from actrec.weights.download import DownloadError, sha256_of

LABELS = ["idle", "wave", "clap"]


def _checkpoint(folder: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    network = SYSTEMS["asym3d"].network(len(LABELS))
    card = Card(name="test", system="asym3d", labels=LABELS, trained_on="nothing", command="none", seed=0)
    write_checkpoint(folder, Card(**{**vars(card), **changes}), network.state_dict())
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    code = [1.0] + [0.0] * 127
    far = [-1.0] + [0.0] * 127
    return _checkpoint(tmp_path_factory.mktemp("w") / "test", centres={"idle": code, "wave": far}, threshold=0.1)


@pytest.fixture(scope="module")
def recognizer(weights: Path) -> Recognizer:
    return Recognizer.load(weights, "cpu")


def _clip(seed: int, frames: int = 40) -> Clip:
    noise = np.random.default_rng(seed).integers(0, 256, (frames, 60, 80, 3), np.uint8)
    return Clip(noise, np.arange(frames) / 10)


def test_scores_are_the_mean_over_views_of_what_the_plain_float32_network_says(recognizer, weights):
    network = SYSTEMS["asym3d"].network(len(LABELS)).eval()
    from actrec.weights.checkpoint import read_checkpoint

    network.load_state_dict(read_checkpoint(weights)[1])
    clip = _clip(1)
    views = SYSTEMS["asym3d"].protocols["clip"].views(clip)
    assert len(views) > 1
    with torch.inference_mode():
        expected = network(**SYSTEMS["asym3d"].tensors(views)).softmax(1).mean(0).numpy()
    got = recognizer.predict(clip)
    np.testing.assert_allclose(got.scores, expected, atol=0.02)
    assert got.label == LABELS[int(expected.argmax())]
    assert got.top(2)[0][1] == pytest.approx(got.scores.max())


def test_a_code_far_from_every_centre_is_unknown(recognizer):
    prediction = recognizer.predict(_clip(2))
    code = prediction.code
    assert np.linalg.norm(code) == pytest.approx(1, abs=1e-5)
    codes = recognizer.run(SYSTEMS["asym3d"].protocols["clip"].views(_clip(2)))[1]
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    assert len(codes) > 1, "the threshold is for single views: the views' mean distance, not their mean's"
    ends = {"idle": np.eye(128)[0], "wave": -np.eye(128)[0]}
    expected = {name: np.linalg.norm(codes - end, axis=1).mean() for name, end in ends.items()}
    assert prediction.distance == pytest.approx(min(expected.values()), abs=1e-4)
    assert prediction.nearest == min(expected, key=expected.get)
    assert prediction.unknown is True


def test_a_flicker_among_a_cameras_predictions_does_not_show(recognizer):
    seen = recognizer.predict(Clip(np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) / 10), "one")
    calm = replace(seen, labels=("a", "b"), scores=np.array([0.8, 0.2]), code=np.array([1.0, 0.0]), distance=0.2)
    flicker = replace(calm, scores=np.array([0.3, 0.7]), code=np.array([0.0, 1.0]), distance=0.8)
    shown = steadied([calm, calm, flicker])
    assert flicker.label == "b" and shown.label == "a"
    assert shown.scores == pytest.approx([1.9 / 3, 1.1 / 3])
    assert shown.code == pytest.approx([2 / 5**0.5, 1 / 5**0.5]) and shown.distance == pytest.approx(0.4)
    assert steadied([flicker]).label == "b" and steadied([replace(calm, distance=None)]).distance is None


def test_a_code_is_judged_by_the_nearest_centre(recognizer):
    # The centres are ±e₁ and γ is 0.1: 0.95·e₁ lies 0.05 and 1.95 from them, 0.5·e₁ is too far from both.
    near, far = (recognizer.judge(share * np.eye(128)[0]) for share in (0.95, 0.5))
    assert near.label == "idle" and dict(near.nearest) == pytest.approx({"idle": 0.05, "wave": 1.95})
    assert far.unknown and far.distance == pytest.approx(0.5) and far.threshold == 0.1


def test_without_centres_nothing_is_called_unknown(tmp_path):
    prediction = Recognizer.load(_checkpoint(tmp_path / "plain"), "cpu").predict(_clip(3))
    assert prediction.unknown is None and prediction.distance is None and prediction.threshold is None


def test_threads_get_what_one_caller_gets(recognizer):
    clips = [_clip(seed) for seed in range(6)]
    alone = [recognizer.predict(clip).scores for clip in clips]
    with ThreadPoolExecutor(6) as pool:
        together = [prediction.scores for prediction in pool.map(recognizer.predict, clips)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_many_clips_at_once_are_what_each_is_alone(recognizer):
    clips = [_clip(seed, 20 + 5 * seed) for seed in range(4)]
    for alone, together in zip(map(recognizer.predict, clips), recognizer.predict_many(clips), strict=True):
        np.testing.assert_allclose(together.scores, alone.scores, atol=0.01)


def test_a_clip_shorter_than_the_window_still_gets_an_answer(recognizer):
    assert recognizer.predict(_clip(4, frames=2)).scores.sum() == pytest.approx(1, abs=1e-5)


def test_weights_that_do_not_fit_name_the_card_the_system_and_the_tensor(tmp_path):
    folder = _checkpoint(tmp_path / "odd", labels=["a", "b", "c", "d"])
    with pytest.raises(WeightsError, match=r"'test' do not fit the system 'asym3d': for 'classifier\.weight'"):
        Recognizer.load(folder, "cpu")


def test_a_changed_byte_is_found(tmp_path, weights):
    folder = tmp_path / "damaged"
    shutil.copytree(weights, folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="checksum"):
        Recognizer.load(folder, "cpu")


def test_an_unknown_system_lists_the_known_ones(tmp_path):
    with pytest.raises(WeightsError, match=r"'telepathy'.*asym3d"):
        Recognizer.load(_checkpoint(tmp_path / "x", system="telepathy"), "cpu")


def test_nan_scores_are_an_error_never_a_label(tmp_path):
    network = SYSTEMS["asym3d"].network(3)
    network.classifier.bias.data.fill_(float("nan"))
    card = Card(name="ill", system="asym3d", labels=LABELS, trained_on="", command="", seed=0)
    write_checkpoint(tmp_path / "ill", card, network.state_dict())
    with pytest.raises(WeightsError, match="not numbers"):
        Recognizer.load(tmp_path / "ill", "cpu").predict(_clip(5))


def test_a_replacement_cut_off_in_the_middle_leaves_the_old_weights_readable(weights, tmp_path):
    shutil.copytree(weights, tmp_path / ".live.old")
    assert Recognizer.load(tmp_path / "live", "cpu").labels == tuple(LABELS)


def test_missing_weights_say_what_there_is(weights):
    with pytest.raises(WeightsError, match=r"no weights 'nothing'.*test"):
        find_weights("nothing", weights.parent)


def test_a_card_from_another_version_is_refused(tmp_path):
    folder = _checkpoint(tmp_path / "old")
    card = json.loads((folder / "card.json").read_text()) | {"format": 99}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="format 99"):
        Recognizer.load(folder, "cpu")


def test_a_public_model_that_is_not_here_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("actrec.weights.download.cache_folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match=r"python -m actrec fetch mc3_18 \(46\.8 MB; BSD-3"):
        open_recognizer("mc3_18", None, tmp_path)


def test_a_public_model_on_this_machine_answers_with_400_real_classes(monkeypatch, tmp_path):
    from torchvision.models.video import mc3_18

    from actrec.weights.catalogue import entry

    torch.manual_seed(0)
    file = tmp_path / entry("mc3_18").file
    torch.save(mc3_18().state_dict(), file)
    monkeypatch.setattr("actrec.weights.download.cache_folder", lambda: tmp_path)
    with pytest.raises(DownloadError, match="is not the file the catalogue names"):
        open_recognizer("mc3_18", None, tmp_path, "cpu")
    monkeypatch.setitem(CATALOGUE, "mc3_18", replace(entry("mc3_18"), sha256=sha256_of(file)))
    prediction = open_recognizer("mc3_18", None, tmp_path, "cpu").predict(_clip(6))
    assert len(prediction.scores) == 400 and prediction.scores.sum() == pytest.approx(1, abs=1e-3)
    assert "arm wrestling" in prediction.labels and prediction.unknown is None


def test_nan_in_any_batch_of_codes_is_an_error(recognizer, monkeypatch):
    answered = []

    def answer(views):
        answered.append(len(views))
        return np.zeros((len(views), 3)), np.full((len(views), 128), 1 if len(answered) > 1 else np.nan)

    monkeypatch.setattr(recognizer.engine, "answer", answer)
    with pytest.raises(WeightsError, match="not numbers"):
        recognizer.run(SYSTEMS["asym3d"].protocols["one"].views(_clip(7)) * 20)
    assert answered == [16, 4]


def test_weights_of_another_system_are_refused(weights):
    with pytest.raises(WeightsError, match="for the system 'asym3d', not for 'ms3d'"):
        open_recognizer("ms3d", str(weights), weights.parent)
    assert open_recognizer(None, str(weights), weights.parent).system.name == "asym3d"
    assert open_recognizer(None, str(weights), weights.parent).predict_many([]) == []


def test_clues_are_a_step_of_their_own_and_not_counted_twice(monkeypatch):
    system, dis = SYSTEMS["asym3d-rgbf"], flow.dis
    card = Card(name="rgbf", system=system.name, labels=LABELS, trained_on="nothing", command="none", seed=0)
    recognizer = Recognizer(system, system.network(len(LABELS)), card, "cpu")
    fields = []

    def slow(frames, **options):
        fields.append(len(frames))
        time.sleep(0.2)
        return dis(frames, **options)

    monkeypatch.setattr(flow, "dis", slow)
    start = time.perf_counter()
    cost = recognizer.predict(_clip(5)).milliseconds
    wall = 1000 * (time.perf_counter() - start)
    assert list(cost) == ["views", "clues", "network", "fusion"]
    assert cost["clues"] >= 200 * len(fields) > 0, "what flow takes is no time of the views"
    assert cost["views"] > 0 and sum(cost.values()) <= wall


def test_weights_whose_views_were_made_otherwise_are_refused_by_name(tmp_path):
    inputs = {name: vars(each) for name, each in SYSTEMS["asym3d"].inputs.items()}
    Recognizer.load(_checkpoint(tmp_path / "same", inputs=inputs), "cpu")
    inputs["clip"] = {**inputs["clip"], "std": 0.25}
    with pytest.raises(WeightsError, match=r"'test' do not fit the system 'asym3d': std of the input 'clip' is 0\.25"):
        Recognizer.load(_checkpoint(tmp_path / "other", inputs=inputs), "cpu")
