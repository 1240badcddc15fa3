"""Verdicts by hand, measurements that are never taken twice, and a summary that leaves no claim out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from squares import moving

from actrec import systems
from actrec.claims import claims
from actrec.claims.workspace import OpenWorkspace
from actrec.cli import claims as command
from actrec.core.errors import BadValue
from actrec.systems import fstcn, named
from actrec.systems.claim import Experiment

ROOT = Path(__file__).resolve().parents[2]
KEYS = ["id", "paper", "claim", "verdict", "mean", "error", "pairs", "measure", "where", "commit", "date"]


# Mean and standard error by hand. 1, 2, 3: deviation 1, error 1/√3 = 0.577, and 2 > 1.155.
@pytest.mark.parametrize(
    ("differences", "said", "mean", "error"),
    [
        ([1, 2, 3], "holds", 2, 0.57735),
        ([-1, -2, -3], "does not", -2, 0.57735),
        ([0, 1, 2], "unclear", 1, 0.57735),  # 1 lies below 1.155
        ([0, 0, 0], "unclear", 0, 0),  # equal arms
        ([0.1, 0.1, 0.1], "holds", 0.1, 0),
        ([5, 6], "not measured yet", 5.5, None),
        ([], "not measured yet", None, None),
    ],
)
def test_a_verdict_is_two_standard_errors(differences, said, mean, error):
    found = claims.verdict(differences)
    assert found[0] == said
    assert found[1:] == (
        pytest.approx(mean) if mean is not None else None,
        None if error is None else pytest.approx(error, abs=1e-5),
    )


def test_the_error_gives_the_t_value_of_scipy(rng):
    worse = rng.normal(0.6, 0.1, 12)
    better = worse + rng.normal(0.03, 0.02, 12)
    _, mean, error = claims.verdict(better - worse)
    assert mean / error == pytest.approx(stats.ttest_rel(better, worse).statistic)


def test_no_loss_is_judged_with_its_margin():
    # mean −0.01, error 0.01/√3 = 0.0058: with 0.03 allowed 0.02 > 0.0115; with 0.02 allowed 0.01 is not.
    lost = [-0.02, -0.01, 0.0]
    assert [claims.verdict(lost, margin)[0] for margin in (0.03, 0.02, 0.0)] == ["holds", "unclear", "unclear"]
    assert claims.verdict(lost, 0.03)[1] == pytest.approx(-0.01)  # what is shown is what was measured


class Counted:
    """Experiments that answer from a table and count how often they are asked."""

    def __init__(self, table: dict[str, float]) -> None:
        self.asked = []
        self.experiments = {
            name: Experiment(lambda where, name=name: self.answer(name, where), "given") for name in table
        }
        self.table = table

    def answer(self, name: str, where: tuple[str, int]) -> dict[str, float]:
        self.asked.append((name, *where))
        return {"top1": self.table[name] + 0.01 * where[1] * (name == "micro/M2"), "steps_per_second": 1.0}

    def run(
        self, log: claims.Log, ids: list[str], seeds: tuple[int, ...] = (0, 1, 2), minutes: float | None = None
    ) -> int:
        return claims.measure_all(
            claims.plan(claims.chosen(ids, False), seeds), self.experiments, log, lambda ground, seed: (ground, seed),
            minutes=minutes, report=lambda sentence: None, after=lambda: None,
        )  # fmt: skip

    def row(self, log: claims.Log, name: str) -> dict:
        settings = {key: experiment.settings for key, experiment in self.experiments.items()}
        return next(row for row in claims.summary(log, settings)["claims"] if row["id"] == name)


def test_what_was_measured_is_not_measured_again(tmp_path):
    counted = Counted({"micro/M1": 0.5, "micro/M2": 0.5, "micro/M3": 0.5})
    path = tmp_path / "claims.jsonl"
    assert counted.run(claims.Log(path), ["asym-m2-over-m3"], seeds=(0, 1)) == 4
    assert counted.run(claims.Log(path), ["asym-m2-over-m3", "asym-m3-over-m1"]) == 2 + 3  # M3 serves both claims
    assert counted.run(claims.Log(path), ["asym-m2-over-m3", "asym-m3-over-m1"]) == 0
    assert len(counted.asked) == len(set(counted.asked)) == 9
    assert len(path.read_text().splitlines()) == 9
    row = counted.row(claims.Log(path), "asym-m2-over-m3")  # differences 0, 0.01, 0.02: mean 0.01, error 0.01/√3
    assert (row["verdict"], row["mean"], row["error"], row["pairs"]) == ("unclear", 0.01, 0.0058, 3)


def test_experiments_that_are_equal_make_a_claim_unclear(tmp_path):
    counted = Counted({"micro/M1": 0.4, "micro/M3": 0.4})
    log = claims.Log(tmp_path / "claims.jsonl")
    counted.run(log, ["asym-m3-over-m1"])
    assert counted.row(log, "asym-m3-over-m1")["verdict"] == "unclear"


def test_a_line_that_was_cut_off_is_measured_again_and_other_settings_do_not_count(tmp_path):
    counted = Counted({"micro/M1": 0.4, "micro/M3": 0.6})
    path = tmp_path / "claims.jsonl"
    counted.run(claims.Log(path), ["asym-m3-over-m1"])
    path.write_text(path.read_text()[:-40])
    assert counted.run(claims.Log(path), ["asym-m3-over-m1"]) == 1
    assert counted.row(claims.Log(path), "asym-m3-over-m1")["verdict"] == "holds"
    counted.experiments["micro/M3"] = Experiment(counted.experiments["micro/M3"].measure, "given otherwise")
    assert counted.row(claims.Log(path), "asym-m3-over-m1")["pairs"] == 0
    assert counted.run(claims.Log(path), ["asym-m3-over-m1"]) == 3


def test_nothing_begins_when_the_minutes_are_over(tmp_path):
    counted = Counted({"micro/M1": 0.4, "micro/M3": 0.6})
    assert counted.run(claims.Log(tmp_path / "claims.jsonl"), ["asym-m3-over-m1"], minutes=0) == 0


def test_salience_on_plain_ground_is_a_difference_of_differences(tmp_path):
    log = claims.Log(tmp_path / "claims.jsonl")
    settings = {name: experiment.settings for name, experiment in systems.experiments().items()}
    given = {("salience/enhanced", "hard"): 0.6, ("salience/raw", "hard"): 0.4}
    given |= {("salience/enhanced", "plain"): 0.75, ("salience/raw", "plain"): 0.7}
    for (name, ground), value in given.items():
        for seed in range(3):
            log.append(
                {"arm": name, "ground": ground, "seed": seed, "settings": settings[name],
                 "values": {"top1": value}, "commit": "abc", "date": "2026-11-21"}
            )  # fmt: skip
    rows = {row["id"]: row for row in claims.summary(log, settings)["claims"]}
    assert rows["mdt-salience"]["mean"] == 0.2
    assert rows["mdt-salience-plain"]["mean"] == 0.15  # (0.6 − 0.4) − (0.75 − 0.7)
    assert rows["mdt-salience-plain"]["commit"] == "abc"


def test_the_summary_has_every_claim_and_a_new_one_says_not_measured(tmp_path, capsys):
    asked = {"only": [], "seeds": [0], "minutes": 0, "list": False, "data": None, "json": True, "markdown": False}
    assert command.run(SimpleNamespace(**asked, out=tmp_path)) == 0
    written = json.loads((tmp_path / "claims.json").read_text())
    assert written == json.loads(capsys.readouterr().out)
    assert [row["id"] for row in written["claims"]] == [claim.id for claim in systems.claims()]
    assert all(list(row) == KEYS for row in written["claims"])
    assert {row["verdict"] for row in written["claims"]} == {"not measured yet"}
    assert {row["paper"] for row in written["claims"]} == {
        "FstCN", "Asymmetric", "MDT-Net", "Cross-enhancement", "ours"
    }  # fmt: skip
    assert not (tmp_path / "claims.jsonl").exists()


def test_every_claim_names_two_experiments_that_exist_and_differ():
    experiments = systems.experiments()
    for claim in systems.claims():
        assert claim.better != claim.worse
        assert {claim.better, claim.worse} <= set(experiments), claim.id
        same = {experiments[name].settings.split(";")[0] for name in (claim.better, claim.worse)}
        assert len(same) == 1, f"{claim.id}: unequal steps"
    with pytest.raises(BadValue, match="There is no claim 'x'"):
        claims.chosen(["x"], False)


def test_a_class_left_out_is_in_no_part_that_is_learned():
    known, strange = OpenWorkspace(moving(0), "hard", 0).without_class(0)
    source = known.source
    assert source.labels == ["right"]
    assert set(source.train.targets) == set(source.validation.targets) == {0}
    assert (len(source.train), len(source.validation), len(strange)) == (12, 4, 4)
    np.testing.assert_array_equal(strange.clip(1).frames, moving(0).validation.clip(2).frames)


def test_one_clip_is_the_random_one_of_the_recipe_and_another_seed_draws_another():
    seen: dict[int, list] = {}
    for seed in (0, 1):
        workspace, asked = OpenWorkspace(moving(0), "hard", seed), []

        def run(views, asked=asked):
            asked.append(views)
            return np.array([[0.0, 1.0]] * len(views)), np.zeros((len(views), 3))

        workspace.results[fstcn.SHIPPED] = SimpleNamespace(run=run)
        figures = fstcn.experiments()["views/one"].measure(workspace)
        assert figures["top1"] == 0.5  # of the two classes, which take turns, the second is always answered
        test = named("fstcn", {"fusion": "one", "draw": seed}).protocols["clip"]
        for number, views in enumerate(asked):
            (expected,) = test.views(workspace.source.validation.clip(number))
            assert len(views) == 1 and np.array_equal(views[0]["frames"], expected["frames"])
        seen[seed] = [views[0]["frames"].tobytes() for views in asked]
        assert len(asked) == len(workspace.source.validation)
    assert sum(one != other for one, other in zip(seen[0], seen[1], strict=True)) >= 4


def test_sci_and_averaging_are_compared_on_the_very_same_views():
    workspace, asked = OpenWorkspace(moving(0), "hard", 0), []
    workspace.results[fstcn.SHIPPED] = SimpleNamespace(
        run=lambda views: (asked.append(len(views)), (np.array([[0.0, 1.0]] * len(views)), None))[1]
    )
    for name in ("views/sci", "views/average"):
        assert fstcn.experiments()[name].measure(workspace)["top1"] == 0.5
    assert len(asked) == len(workspace.source.validation) and set(asked) <= {4, 8, 12, 16, 20}


def test_the_document_shows_the_figures_of_the_summary():
    found = json.loads((ROOT / "benchmarks" / "results" / "claims.json").read_text())
    text = (ROOT / "docs" / "claims.md").read_text()
    assert command.table(found) in text, "make it anew: python -m actrec claims --list --markdown"
    for row in found["claims"]:
        assert f"| {row['verdict']} | {row['claim']} |" in text
