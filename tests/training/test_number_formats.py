"""A number format that computes garbage is refused before a training, and left behind by one that meets it."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import small, train_here
from torch import nn

from actrec.__main__ import main
from actrec.core import number_formats
from actrec.core.dirty_memory import ChildError, in_child, patterns
from actrec.core.number_formats import (
    CANDIDATES,
    FLOAT32,
    Finding,
    NumberFormat,
    format_named,
    known_finding,
    refusals,
)
from actrec.systems import named
from actrec.training import format_check
from actrec.training import number_format as numbers
from actrec.training.format_check import WrongError, compare_again, compare_operator, compare_whole
from actrec.training.loop import train
from actrec.training.run import Run, RunError

BFLOAT16 = next(number_format for number_format in CANDIDATES if number_format.dtype == "bfloat16")
SYSTEM = "fstcn"  # batch norm, three stages of which each learns other parts

# Runs at the start of the child that checks: a matrix product that is wrong in bfloat16 alone.
PATCH = """
import torch
library = torch.library.Library("aten", "IMPL")
def mm(one, other):
    right = torch.bmm(one[None].float(), other[None].float())[0]
    return ({wrong}).to(one.dtype) if one.dtype == torch.bfloat16 else right
library.impl("mm", mm, "CPU")
"""


def facts(**changes: object) -> dict:
    schedule = named(SYSTEM).schedules["scratch"]
    values = {
        "system": SYSTEM, "options": {}, "schedule": asdict(schedule), "targets": [0, 1, 2, 0, 1, 2], "most": 6,
        "classes": 3, "epochs": [schedule.epochs - 1], "started": False, "validation_sizes": [3],
        "device": "cpu", "threads": 1, "formats": [str(BFLOAT16)],
    }  # fmt: skip
    return {**values, **changes}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("torch.zeros_like(right)", "mm of"),  # as memory that happens to hold zeros gives: nothing is infinite
        ("right * 1.1", "mm of"),
        ("right / 0", "mm of"),
        ("right + torch.empty_like(right) * 1e-30", ""),  # unnoticed unless the memory is dirty
    ],
)
def test_a_format_whose_operator_computes_garbage_is_refused(wrong, reason, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(PATCH.replace("{wrong}", wrong))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = in_child("actrec.training.format_check:checked", facts(), threads=1, seconds=200)
    assert answer["milliseconds"] == {} and reason in answer["refused"][str(BFLOAT16)]


def test_every_stage_of_a_right_format_passes_and_is_timed():
    """float32 in another memory order is right everywhere."""
    values = facts(formats=[str(CANDIDATES[0]), str(FLOAT32)], epochs=[0, 4, 14])
    answer = in_child("actrec.training.format_check:checked", values, threads=1, seconds=250)
    assert answer["refused"] == {}
    assert set(answer["milliseconds"]) == {str(CANDIDATES[0]), str(FLOAT32)}
    assert all(milliseconds > 1 for milliseconds in answer["milliseconds"].values())


def test_an_operator_may_round_and_no_more():
    exact = torch.linspace(-3, 3, 1000)
    function = torch.ops.aten.mul.Tensor
    rounded = exact.bfloat16()
    compare_operator(function, [rounded.view(10, 100)], rounded, exact)
    for wrong in (exact * 1.05, exact.where(exact < 2.9, math.nan), torch.zeros(1000)):
        with pytest.raises(WrongError, match="mul of"):
            compare_operator(function, [rounded.view(10, 100)], wrong.bfloat16(), exact)
    compare_operator(function, [exact.view(10, 100)], torch.tensor([math.inf, 1]), torch.tensor([math.inf, 1]))


def test_a_step_is_to_be_finite_of_float32s_size_and_the_same_again():
    right = {"the loss": torch.tensor(1.8), "the gradient of a": torch.tensor([3.0, 4.0])}
    compare_whole(right, right)
    for wrong in (
        {"the loss": torch.tensor(2.4)},
        {"the gradient of a": torch.tensor([3.0, math.inf])},
        {"the gradient of a": torch.tensor([1e30, 0.0])},
    ):
        with pytest.raises(WrongError, match=next(iter(wrong))):
            compare_whole({**right, **wrong}, right)
    with pytest.raises(WrongError, match="in the memory before"):
        compare_again({"the loss": torch.tensor(1.8000001)}, right, 0.0)


def test_free_memory_is_dirty_only_while_it_is_to_be():
    largest = [float(torch.empty(5000).abs().nan_to_num().max()) for _ in patterns()]
    assert max(largest) > 1e38
    del largest
    held = torch.ones(5000)
    assert held.eq(1).all() and len(list(patterns())) == 3


def test_a_child_that_crashes_or_does_not_end_is_half_a_sentence():
    with pytest.raises(ChildError, match="ended with status"):
        in_child("os:abort", {}, threads=1, seconds=60)
    with pytest.raises(ChildError, match="did not end within"):
        in_child("actrec.training.format_check:checked", facts(), threads=1, seconds=0.1)


def test_where_only_some_convolutions_are_wrong_only_those_compute_in_float32(monkeypatch):
    def check(run: object, numbers: NumberFormat, reference: object, device: str) -> None:
        if numbers != FLOAT32 and set(numbers.float32_layers) != wrong:
            raise WrongError("convolution_backward is wrong", [frozenset([(6, 24, 9, 9), shape])])

    steps = format_check.Steps(format_check.TrainingFacts(**facts()))
    shape = (64, 24, 5, 5)
    wrong = {name for name, parameter in steps.network.named_parameters() if tuple(parameter.shape) == shape}
    wrong = {name.removesuffix(".weight") for name in wrong}
    assert wrong and wrong == steps.layers_of([frozenset([(6, 24, 9, 9), shape])])
    monkeypatch.setattr(format_check, "check_stage", check)
    monkeypatch.setattr(format_check, "timed", lambda runs, device: dict.fromkeys(runs, 1.0))
    answer = format_check.checked(facts())
    (name,) = answer["milliseconds"]
    assert set(format_named(name).float32_layers) == wrong and str(format_named(name)) == name
    assert f"with float32 in {', '.join(sorted(wrong))} it is right" in answer["refused"][str(BFLOAT16)]
    shape = (1, 2, 3, 4)  # of no layer: there is nothing to leave in float32
    assert format_check.checked(facts())["milliseconds"] == {}


def test_a_layer_that_is_to_compute_in_float32_does_and_is_written_down(tmp_path):
    network = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 4, 1))
    mixed = replace(BFLOAT16, float32_layers=("0",))
    value = torch.randn(2, 3, 4, 5, 5)
    exact = network[0](value)
    for _ in range(2):  # again, as after a change of formats
        numbers.arrange_weights(network, mixed)
    with torch.autocast("cpu", torch.bfloat16):
        first = copy.deepcopy(network)[0](value)
        assert first.dtype == torch.float32 and torch.allclose(first, exact, atol=1e-5)
        assert network(value).dtype == torch.bfloat16
    assert list(network.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    (tmp_path / "number_format.json").write_text(json.dumps(vars(mixed)))
    assert numbers.recorded_format(Run(tmp_path)) == mixed


def test_a_format_that_fails_in_use_is_not_taken_again(films, tmp_path, monkeypatch, empty_cache):
    answers(monkeypatch)
    with monkeypatch.context() as patched:
        spoil(patched)
        train_here(tmp_path / "one", wanted(films))
    assert any("a training met a loss or a gradient that is not finite" in sentence for sentence in refusals())
    run = train_here(tmp_path / "two", wanted(films))
    assert events(run, "started")[0]["dtype"] == "float32"


# --- what is found is remembered -------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_finding_holds_for_this_processor_pytorch_and_code(empty_cache, monkeypatch):
    finding = Finding(str(FLOAT32), {str(FLOAT32): 12.5}, {str(BFLOAT16): "mm of [2, 2] is inf away"})
    number_formats.remember_finding("training x", 2, finding)
    assert known_finding("training x", 2) == finding
    assert known_finding("training x", 1) is None and known_finding("training y", 2) is None
    assert refusals() == ["bfloat16 channels-last is not used for training x: mm of [2, 2] is inf away."]
    for name in ("processor", "code_version", "_torch_version"):
        with monkeypatch.context() as other:
            other.setattr(number_formats, name, lambda: "another")
            assert known_finding("training x", 2) is None and refusals() == []
    assert finding.without(str(FLOAT32), "it crashed", "none").chosen == "none"


def test_a_damaged_cache_holds_nothing_and_one_that_cannot_be_written_is_no_error(empty_cache):
    empty_cache.mkdir()
    for damaged in ("[", "[1]", '{"a": 1, "b": {"topic": "x"}}'):
        (empty_cache / "number_formats.json").write_text(damaged)
        assert known_finding("x", 2) is None and refusals() == []
    (empty_cache / "number_formats.json").unlink()
    empty_cache.rmdir()
    empty_cache.write_text("a file in its place")
    number_formats.remember_finding("x", 2, Finding("a"))


def answers(monkeypatch: pytest.MonkeyPatch, *refused: str) -> list[dict]:
    """Let checks answer at once: bfloat16 is the fastest, and these are refused. What they were asked is listed."""
    asked = []

    def answer(function: str, told: dict, **_: object) -> dict:
        asked.append(told)
        right = [name for name in told["formats"] if name not in refused]
        taken = {name: 1.0 if "bfloat16" in name else 2.0 for name in right}
        return {"milliseconds": taken, "refused": {name: "mm is wrong" for name in refused if name in told["formats"]}}

    monkeypatch.setattr(numbers, "in_child", answer)
    monkeypatch.setattr(numbers, "candidates", lambda: CANDIDATES)
    return asked


def test_a_training_takes_the_fastest_format_that_is_right_and_asks_once(films, tmp_path, monkeypatch, empty_cache):
    asked = answers(monkeypatch, str(BFLOAT16))
    wanted = small(films, system=SYSTEM, numbers="auto", epochs=1)
    for name in ("one", "two"):
        run = train_here(tmp_path / name, wanted)
        assert events(run, "started")[0]["dtype"] == "float32"
    assert len(asked) == 1 and asked[0]["targets"] and asked[0]["threads"] == 1
    assert refusals()[0].startswith("bfloat16 channels-last is not used for training fstcn (3 classes")
    with pytest.raises(RunError, match="Leave --numbers out"):
        train_here(tmp_path / "three", small(films, system=SYSTEM, numbers="bfloat16", epochs=1))


def test_bfloat16_that_is_asked_for_may_leave_layers_in_float32(films, tmp_path, monkeypatch, empty_cache):
    mixed = replace(BFLOAT16, float32_layers=("lower.0",))
    told = {"milliseconds": {str(mixed): 1.0}, "refused": {str(BFLOAT16): "convolution_backward is wrong"}}
    monkeypatch.setattr(numbers, "in_child", lambda *_, **__: told)
    run = train_here(tmp_path / "run", small(films, system=SYSTEM, numbers="bfloat16", epochs=1))
    assert numbers.recorded_format(run) == mixed and events(run, "started")[0]["dtype"] == "bfloat16"


def test_a_check_that_crashes_leaves_float32_and_is_made_again(films, tmp_path, monkeypatch, empty_cache):
    def crash(*_: object, **__: object) -> dict:
        raise ChildError("its check ended with status -11")

    answers(monkeypatch)
    monkeypatch.setattr(numbers, "in_child", crash)
    run = train_here(tmp_path / "run", small(films, system=SYSTEM, numbers="auto", epochs=1))
    assert events(run, "started")[0]["dtype"] == "float32"
    assert any("status -11" in event["sentence"] for event in events(run, "note")) and refusals() == []


# --- a training that meets garbage -----------------------------------------------------------------


class Spoilt(torch.autograd.Function):
    """A weight as it is, whose gradient is infinite the fourth time it is computed."""

    times = 0

    @staticmethod
    def forward(ctx: object, weight: torch.Tensor) -> torch.Tensor:
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        Spoilt.times += 1
        return gradient * (math.inf if Spoilt.times == 4 else 1.0)


def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 the last layer's fourth gradient is infinite: the second step of the second epoch's."""
    Spoilt.times = 0

    def forward(self: nn.Linear, value: torch.Tensor) -> torch.Tensor:
        garbage = torch.is_autocast_enabled("cpu") and self.out_features == 3
        return nn.functional.linear(value, Spoilt.apply(self.weight) if garbage else self.weight, self.bias)

    monkeypatch.setattr(nn.Linear, "forward", forward)


def events(run: Run, kind: str) -> list[dict]:
    return [event for event in run.events() if event["event"] == kind]


def same(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one), load_file(other)
    return set(ours) == set(theirs) and all(ours[name].equal(theirs[name]) for name in ours)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ask a training to stop after so many steps."""
    asked = iter([False] * (step - 1))
    monkeypatch.setattr(Run, "asked_to", lambda self, what: what == "stop" and next(asked, True))


@pytest.fixture
def spoilt(films, tmp_path, monkeypatch) -> Run:
    """A training that met garbage on its way and was never cut off."""
    answers(monkeypatch)
    monkeypatch.setattr(
        "actrec.training.loop.refuse", lambda *_: None
    )  # other trainings of the test take bfloat16, too
    with monkeypatch.context() as patched:
        spoil(patched)
        return train_here(tmp_path / "spoilt", wanted(films))


def wanted(films: Path):
    return small(films, system=SYSTEM, numbers="auto", epochs=4)


def test_a_training_that_meets_garbage_goes_on_in_float32_from_the_step_before(films, spoilt, tmp_path, monkeypatch):
    """Bit for bit what a training gives that was stopped there and set to float32 by hand: it met no garbage."""
    assert spoilt.status()["state"] == "finished"
    (changed,) = events(spoilt, "number_format")
    assert (changed["epoch"], changed["step"], changed["dtype"]) == (1, 1, "float32")
    assert "bfloat16 gave a loss or a gradient that is not finite" in changed["sentence"]
    assert numbers.recorded_format(spoilt) == FLOAT32
    record = json.loads((spoilt.folder / "number_format.json").read_text())
    assert record["since"] == {"epoch": 1, "step": 1} and record["before"]["dtype"] == "bfloat16"
    run = Run.create(tmp_path / "by hand", wanted(films))
    with monkeypatch.context() as patched:
        stop_at(patched, 3)
        train(run)
    assert run.status()["state"] == "stopped" and numbers.recorded_format(run) == BFLOAT16
    (run.folder / "number_format.json").write_text(json.dumps(vars(FLOAT32)))
    train(run)
    assert same(run.checkpoint, spoilt.checkpoint) and same(run.best, spoilt.best)


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_resuming_after_the_change_changes_no_bit(way, films, spoilt, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", wanted(films))
    with monkeypatch.context() as patched:
        spoil(patched)
        if way == "stopped":
            stop_at(patched, 5)
            train(run)
        else:  # right after the change, long before the next checkpoint of a training without one
            from actrec.training.loop import Training

            whole = Training._changed_format
            patched.setattr(Training, "_changed_format", lambda self, *told: (whole(self, *told), crash()))
            with pytest.raises(KeyboardInterrupt):
                train(run)
    train(run)
    assert same(run.checkpoint, spoilt.checkpoint) and same(run.best, spoilt.best)
    assert not events(run, "inexact") and events(run, "resumed")


def crash() -> None:
    raise KeyboardInterrupt


def test_scores_that_are_not_finite_are_computed_again_in_float32(films, tmp_path, monkeypatch, empty_cache):
    from actrec.training.updates import Learner

    answers(monkeypatch)
    whole = Learner.outputs
    monkeypatch.setattr(
        Learner, "outputs", lambda self, views: whole(self, views) * (math.inf if self.numbers == BFLOAT16 else 1)
    )
    run = train_here(tmp_path / "run", wanted(films))
    (changed,) = events(run, "number_format")
    assert "scores that are not finite" in changed["sentence"] and run.status()["state"] == "finished"


def test_a_resumed_training_whose_format_is_refused_now_goes_on_in_float32(films, tmp_path, monkeypatch, empty_cache):
    answers(monkeypatch, str(BFLOAT16))
    run = Run.create(tmp_path / "run", wanted(films))
    (run.folder / "numbers.json").write_text(json.dumps(vars(BFLOAT16)))  # as earlier versions wrote it
    train(run)
    assert events(run, "number_format")[0]["dtype"] == "float32" and run.status()["state"] == "finished"


def test_in_float32_a_training_stops_and_says_how_to_go_on(films, tmp_path, capsys):
    folder = tmp_path / "run"
    told = ["--data", str(films), "--batch", "6", "--threads", "1", "--numbers", "float32", "--device", "cpu"]
    assert main(["train", *told, "--epochs", "4", "--rate", "1e30", "--out", str(folder)]) == 2
    status = Run(folder).status()
    assert status["state"] == "failed" and status["rate"] == 3.3e29
    assert f"python -m actrec train --resume {folder} --rate 3.3e+29" in status["sentence"]
    assert "with a third of the learning rate" in capsys.readouterr().err


# --- the name of a failed run ----------------------------------------------------------------------


def test_a_failed_runs_name_can_be_used_again_and_nothing_finished_is_lost(films, tmp_path):
    folder = tmp_path / "run"
    for place, moved in enumerate(("run-failed", "run-failed-2")):
        run = train_here(folder, small(films, epochs=1, seed=place))
        kept = run.checkpoint.read_bytes(), (run.weights / "model.safetensors").read_bytes()
        with pytest.raises(RunError, match="There is a run in"):
            Run.create(folder, small(films, epochs=1))
        run.set_status("failed", "The disk was full.")
        again = Run.create(folder, small(films, epochs=1))
        assert again.status()["state"] == "new" and not again.checkpoint.exists() and again.events() == []
        aside = Run(tmp_path / moved)
        assert aside.status()["state"] == "failed"
        assert (aside.checkpoint.read_bytes(), (aside.weights / "model.safetensors").read_bytes()) == kept
        again.set_status("failed")  # without a checkpoint it has finished nothing, and goes
        (folder / "settings.json").unlink()
