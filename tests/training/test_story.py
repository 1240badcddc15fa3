"""What a run's events tell: curves by hand, the newest confusion, weights put beside the others."""

from __future__ import annotations

import json

import pytest

from actrec.training import run_log
from actrec.training.run import Run, RunError

EVENTS = [
    {"event": "started", "steps": 4, "labels": ["a", "b"], "time": 0},
    {"event": "step", "total": 2, "loss": 1.5, "accuracy": 0.5, "rate": 0.1, "clips_per_second": 3.0, "waiting": 0.25,
     "time": 1},
    {"event": "epoch", "epoch": 1, "loss": 1.2, "accuracy": 0.6, "confusion": [[2, 1], [1, 1]], "time": 2},
    {"event": "epoch", "epoch": 2, "loss": 1.0, "accuracy": 0.8, "confusion": [[3, 0], [1, 1]], "time": 3},
]  # fmt: skip


def test_curves_count_in_epochs():
    curves = run_log.curves(EVENTS)
    assert curves["loss"] == {"training": [(0.5, 1.5)], "validation": [(1, 1.2), (2, 1.0)]}
    assert curves["rate"] == {"learning rate": [(0.5, 0.1)]}


def test_long_curves_keep_their_newest_point():
    curve = run_log.thinned({"x": [(index, index) for index in range(1001)]})["x"]
    assert len(curve) <= run_log.POINTS and curve[-1] == (1000, 1000)


def test_the_newest_confusion_and_the_facts():
    assert run_log.confusion(EVENTS) == ([[3, 0], [1, 1]], ["a", "b"], 2)
    assert run_log.confusion(EVENTS[:2]) is None
    sentences = run_log.facts({"state": "running", "done": 0.5, "left": 600}, EVENTS)
    assert sentences == [
        "50% done", "3.0 clips per second, 25% of the time waiting", "learning rate 0.1", "about 10 min left",
        "best validation accuracy 80% in epoch 2",
    ]  # fmt: skip


def test_weights_are_taken_over_once_and_only_when_finished(tmp_path):
    run = Run(tmp_path / "runs" / "mine")
    run.weights.mkdir(parents=True)
    (run.weights / "card.json").write_text(json.dumps({"name": "mine"}))
    (run.weights / "model.safetensors").write_bytes(b"")
    (tmp_path / "weights").mkdir()
    with pytest.raises(RunError, match="no weights yet"):
        run_log.adopt(run, tmp_path / "weights")
    run.set_status("finished")
    assert run_log.adopt(run, tmp_path / "weights") == "mine"
    assert (tmp_path / "weights/mine/card.json").is_file()
    with pytest.raises(RunError, match="already"):
        run_log.adopt(run, tmp_path / "weights")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["mine"]
