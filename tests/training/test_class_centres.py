"""Eq. 6 of MS3D in a training: all clips of a class, four passes of each, their mean; γ as the quantile it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import small, square, train_here, write_films

from actrec.__main__ import main
from actrec.core.number_formats import FLOAT32
from actrec.data.sources import Split
from actrec.explain.activations import of_clips
from actrec.explain.saliency import ClassSaliency
from actrec.recognition.calibrated import comparable, probabilities
from actrec.recognition.prediction import steadied
from actrec.recognition.recognizer import Recognizer
from actrec.recognition.repository import Repository
from actrec.systems import named
from actrec.tailor.option import Tailor
from actrec.training.load_data import load_source
from actrec.training.loader import gallery_views
from actrec.training.objective import objective
from actrec.training.publish import GALLERY, calibrated_card, class_centres, gallery_of
from actrec.training.run import Run
from actrec.video import Clip
from actrec.weights.cards import Card

FREE, UNIT = named("ms3d", {"embeddings": "free"}), named("ms3d")


def test_a_centre_is_the_mean_of_its_classs_codes():
    codes = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    targets = np.array([0, 0, 1])
    assert class_centres(FREE, codes, targets).tolist() == [[1.5, 0.5], [0, 5]]
    # at length one: (1, 0) and (0, 1), whose mean (½, ½) has length √½
    at_one = class_centres(UNIT, codes, targets)
    assert at_one.numpy() == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0, 1]]))


def test_the_repository_takes_all_clips_and_passes_alike():
    """Two clips of two passes: (1 + 3 + 5 + 7) / 4 = 4; a third clip adds its two: (16 + 9 + 11) / 6 = 6."""
    repository = Repository.of({"wave": np.array([[[1.0], [3.0]], [[5.0], [7.0]]])})
    assert repository.centres.vectors.tolist() == [[4]] and repository.centres.counts == (4,)
    repository.add("wave", np.array([[[9.0], [11.0]]]))
    assert repository.centres.vectors.tolist() == [[6]] and repository.centres.counts == (6,)


def still(index: int, frames: int = 150) -> Clip:
    noise = np.random.default_rng(index).integers(0, 255, (frames, 24, 24, 3), np.uint8)
    return Clip(noise, np.arange(frames) / 30)


def test_where_centres_decide_all_clips_of_a_class_stand_behind_its_centre():
    split = Split(np.array([0] * 70 + [1] * 5), lambda index: still(index, 30))
    assert len(gallery_of(split, None, UNIT)) == 75
    assert len(gallery_of(split, GALLERY, UNIT)) == 60 + 5


def test_each_of_its_clips_walks_through_four_times():
    split = Split(np.array([0, 0, 1]), still)
    (views,) = gallery_views(UNIT, split)
    assert [len(of_clip) for of_clip in views] == [4, 4, 4]
    assert len({view["fast"].tobytes() for of_clip in views for view in of_clip}) == 12
    (plain,) = gallery_views(named("asym3d"), split)
    assert [len(of_clip) for of_clip in plain] == [1, 1, 1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    folder = tmp_path_factory.mktemp("centres")
    films = write_films(folder / "films", 5)
    options = {"pairs": "120", "embeddings": "free", "length": 0.02}
    return train_here(folder / "run", small(films, system="ms3d", epochs=1, options=options)), films


def test_the_card_of_a_training_has_the_mean_over_all_clips_and_passes(trained):
    run, _ = trained
    recognizer = Recognizer.load(run.weights, "cpu", only_torch=True)
    assert recognizer.card.options == {"pairs": "120", "embeddings": "free", "length": 0.02}
    source = load_source(run.settings(), recognizer.system, lambda sentence: None)
    for number, label in enumerate(recognizer.labels):
        codes = []
        for index in np.flatnonzero(source.train.targets == number):
            clip = source.train.clip(int(index))
            for end in ends(clip, recognizer.system.seconds):
                codes.append(recognizer.run(recognizer.system.gallery(clip.between(float(clip.times[0]), end)))[1])
        passes = np.concatenate(codes)
        assert len(passes) >= 4 * (source.train.targets == number).sum()
        centre = np.array(recognizer.card.centres[label])
        assert centre == pytest.approx(passes.mean(0), abs=1e-3)
        assert not np.allclose(centre, passes[:4].mean(0), atol=1e-3), "nor is it the first clip's"
        assert not np.allclose(centre, codes[0][0], atol=1e-3)


def ends(clip: Clip, seconds: float) -> list[float]:
    """The films of these tests are shorter than the window: one moment, the whole of it."""
    assert clip.duration <= seconds
    return [float(clip.times[-1]) + 1e-3]


def test_codes_are_scaled_only_where_the_card_says_so(trained):
    run, _ = trained
    free = Recognizer.load(run.weights, "cpu", only_torch=True)
    clip = still(3)
    prediction = free.predict(clip, "one")
    code = free.run(free.system.protocols["one"].views(clip))[1][0]
    assert np.linalg.norm(code) == pytest.approx(4, rel=1e-3)  # the light network's own radius
    assert prediction.code == pytest.approx(code, rel=1e-4)
    centres = np.array([free.card.centres[label] for label in free.labels])
    assert prediction.distance == pytest.approx(np.linalg.norm(centres - code, axis=1).min(), rel=1e-4)
    assert np.linalg.norm(steadied([prediction]).code) == pytest.approx(4, rel=1e-3)
    unit = Recognizer(
        named("ms3d"), free.network, replace(free.card, options={"pairs": "120", "embeddings": "unit"}), "cpu",
        only_torch=True,
    )  # fmt: skip
    assert np.linalg.norm(unit.predict(clip, "one").code) == pytest.approx(1, rel=1e-5)
    assert np.linalg.norm(unit.embed(clip, "one")) == pytest.approx(1, rel=1e-5)
    assert np.linalg.norm(free.embed(clip, "one")) == pytest.approx(4, rel=1e-3)
    for recognizer, length in ((free, 4), (unit, 1)):  # a map stands them beside their centres
        shown = of_clips(ClassSaliency(recognizer), [clip, still(4)])
        assert np.linalg.norm(shown.codes, axis=1) == pytest.approx([length] * 2, rel=1e-3)
        middle = shown.codes.mean(0)
        expected = middle if recognizer is free else middle / np.linalg.norm(middle)
        assert shown.mean().codes[0] == pytest.approx(expected, rel=1e-4)


def test_scores_are_squared_distances_to_the_centres_as_codes_are_compared():
    """Code (3, 0), centres (1, 0) and (0, 1): squared distances 4 and 10, at length one 0 and 2; a softmax of minus
    those."""
    card = Card("x", "ms3d", ["a", "b"], "", "", 0, centres={"a": [1.0, 0.0], "b": [0.0, 1.0]})
    codes = np.array([[3.0, 0.0]], np.float32)
    for system, apart in ((FREE, 6.0), (UNIT, 2.0)):
        assert probabilities(system, card, codes, codes)[0, 0] == pytest.approx(1 / (1 + np.exp(-apart)), rel=1e-5)
    assert comparable(FREE, codes).tolist() == [[3, 0]] and comparable(UNIT, codes).tolist() == [[1, 0]]


def test_gamma_is_the_98_percent_quantile_of_the_distances_of_recognised_clips():
    """One hundred held-out clips at 0.01, 0.02 … 1.00 from their centre: between the 98th and the 99th of them,
    0.98 + 0.02 · 0.01 (linear: place 0.98 · 99 = 97.02). A clip that is mistaken for another does not count."""
    apart = np.arange(1, 101) / 100
    codes = np.concatenate([np.stack([apart, np.zeros(100)], 1), [[9.0, 0.0]]])
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    targets = np.zeros(101, np.int64)
    logits = -np.square(np.linalg.norm(codes[:, None] - centres[None], axis=2))
    card = calibrated_card(Card("x", "ms3d", ["a", "b"], "", "", 0), centres, logits, codes, targets, "101 clips")
    assert card.threshold == pytest.approx(0.9802, abs=1e-4)
    assert card.centres == {"a": [0, 0], "b": [10, 0]}


# --- what a batch holds ---------------------------------------------------------------------------


def test_a_batch_is_whole_groups_of_two_clips_of_each_class():
    """Batch 12 with three classes: two groups of six; in each group each class twice, and its clips differ."""
    aim = objective(UNIT, UNIT.schedules["scratch"], FLOAT32)
    split = Split(np.repeat([0, 1, 2], 8), still)
    for batch in aim.batches(split, 12, np.random.default_rng(0)):
        assert len(batch) == 12
        for group in (batch[:6], batch[6:]):
            assert sorted(split.targets[group]) == [0, 0, 1, 1, 2, 2] and len(set(group)) == 6


def test_a_batch_of_64_has_two_clips_of_each_of_32_classes():
    """Sec. IV-B's batch, with UCF-101's number of classes: N_j are the 31 other classes of the batch."""
    paper = named("ms3d-paper")
    aim = objective(paper, paper.schedules["paper"], FLOAT32)
    split = Split(np.repeat(np.arange(101), 4), still)
    batch = next(iter(aim.batches(split, paper.schedules["paper"].batch, np.random.default_rng(0))))
    assert len(batch) == 64
    assert len(set(split.targets[batch[:32]])) == 32, "one group: all are compared with all"
    assert sorted(np.unique(split.targets[batch], return_counts=True)[1]) == [2] * 32


def test_the_loss_of_two_groups_is_the_mean_of_theirs():
    class Codes(torch.nn.Module):
        def forward(self) -> torch.Tensor:
            ones = torch.eye(2).repeat(2, 1)
            return torch.cat([ones, 2 * ones])

    paper = named("ms3d-paper")
    aim = objective(paper, paper.schedules["paper"], FLOAT32)
    loss, _ = aim.loss(Codes(), {}, torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]))
    assert loss.item() == pytest.approx((np.log1p(np.exp(-1)) + np.log1p(np.exp(-4))) / 2, rel=1e-5)


# --- runs -----------------------------------------------------------------------------------------


def test_a_run_from_before_goes_on_with_the_pairs_it_began_with(tmp_path):
    """Its settings name no option; a run that begins now does."""
    from actrec.training.loop import Training

    films = write_films(tmp_path / "films", 4)
    run = Run.create(tmp_path / "run", small(films, system="ms3d", epochs=1, options={}))
    training = Training(run, world())
    assert training.system.option("pairs") == "36" and training.system.unit_length


def world():
    from actrec.training.distributed import World

    return World()


def test_a_training_begun_by_command_writes_its_pairs_down(tmp_path):
    import argparse

    from actrec.cli import train

    parser = argparse.ArgumentParser()
    train.add(parser)
    settings = train._settings(parser.parse_args(["--system", "ms3d", "--option", "tailor=moving"]))
    assert settings.options == {"tailor": "moving", "pairs": "120", "embeddings": "unit"}
    assert train._settings(parser.parse_args(["--system", "asym3d"])).options == {}


def test_a_training_on_tailored_clips_is_evaluated_and_answers_by_its_card(tmp_path, capsys):
    films, run = write_films(tmp_path / "films", 4), tmp_path / "run"
    words = ["--system", "ms3d", "--option", "tailor=moving", "--option", "eta=1.5", "--data", films, "--out", run]
    words += ["--epochs", 1, "--batch", 6, "--threads", 1, "--numbers", "float32", "--device", "cpu"]
    assert main(["train", *map(str, words)]) == 0
    recognizer = Recognizer.load(run / "weights", "cpu", only_torch=True)
    assert recognizer.card.options == {"tailor": "moving", "eta": 1.5, "pairs": "120", "embeddings": "unit"}
    assert "--option tailor=moving --option eta=1.5" in recognizer.card.command
    capsys.readouterr()
    assert main(["evaluate", "--weights", str(run / "weights"), "--data", str(films), "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 12
    clip = Clip(square("right", 0), np.arange(20) / 15)
    plain = Recognizer.load(run / "weights", "cpu", only_torch=True, options={"tailor": "none"})
    assert not np.allclose(recognizer.predict(clip).code, plain.predict(clip).code, atol=1e-3)
    cut = Tailor("moving", 1.5)(clip)
    assert recognizer.predict(clip).code == pytest.approx(plain.predict(cut).code, abs=1e-4)
