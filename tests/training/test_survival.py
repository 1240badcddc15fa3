"""What goes wrong in a long training ends in a smaller step or in a clear status, never in lost weights."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch
from safetensors.torch import load_file
from small_runs import small, some_views, train_here

from actrec.__main__ import main
from actrec.systems import named
from actrec.training import state, updates
from actrec.training.loop import train
from actrec.training.run import Run, RunError
from actrec.training.schedule import chosen, patience


def events(run: Run, kind: str) -> list[dict]:
    return [event for event in run.events() if event["event"] == kind]


def test_out_of_memory_halves_the_pieces_and_gives_the_same_gradients(films, tmp_path, monkeypatch):
    """A network without batch norm: there pieces are exact but for rounding, dropout included."""
    whole = updates.Learner._accumulated
    refused = []

    def tight(self, views, targets, total, seed, parts):
        if max(part.stop - part.start for part in parts) > 2:
            refused.append(len(parts))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return whole(self, views, targets, total, seed, parts)

    gradients = {}
    for name, accumulated in (("roomy", whole), ("tight", tight)):
        with monkeypatch.context() as patched:
            patched.setattr(updates.Learner, "_accumulated", accumulated)
            learner = a_learner(6)
            views, targets = some_views(learner.system, 6)
            learner.gradients(views, targets, 6, seed=3)
            gradients[name] = [parameter.grad.clone() for parameter in learner.network.parameters()]
            assert learner.pieces.most == (6 if name == "roomy" else 1)
    assert refused == [1, 2]  # six at once, then three, then one
    for roomy, tight_one in zip(gradients["roomy"], gradients["tight"], strict=True):
        assert torch.allclose(roomy, tight_one, rtol=1e-6, atol=1e-7 * float(roomy.abs().max()))


def a_learner(batch: int) -> updates.Learner:
    """c3d-b5's shape, tiny: no batch norm, dropout 0.5."""
    from torch import nn

    from actrec.core.number_formats import FLOAT32
    from actrec.training.distributed import World
    from actrec.training.objective import objective
    from actrec.training.schedule import make_optimiser
    from actrec.training.whole_batch import Rows, see_whole_batch

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv3d(3, 4, 3, 2),
                nn.ReLU(),
                nn.AdaptiveAvgPool3d(2),
                nn.Flatten(),
                nn.Dropout(0.5),
                nn.Linear(32, 3),
            )

        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            return self.layers(clip.double())

    system, rows, world = named("asym3d"), Rows(), World()
    schedule = system.schedules["scratch"]
    torch.manual_seed(0)
    network = see_whole_batch(Tiny().double(), rows, world, torch.device("cpu")).train()
    return updates.Learner(
        system, network, objective(system, schedule, FLOAT32), make_optimiser(network, schedule), FLOAT32, world,
        torch.device("cpu"), rows, updates.Pieces(batch, lambda before, now: None),
    )  # fmt: skip


def test_out_of_memory_is_told_and_the_training_ends_well(films, tmp_path, monkeypatch):
    whole = updates.Learner._accumulated

    def tight(self, views, targets, total, seed, parts):
        if len(parts) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return whole(self, views, targets, total, seed, parts)

    monkeypatch.setattr(updates.Learner, "_accumulated", tight)
    run = train_here(tmp_path / "run", small(films, epochs=1))
    logged = events(run, "out_of_memory")
    assert len(logged) == 1 and (logged[0]["before"], logged[0]["micro_batch"]) == (6, 3)
    assert events(run, "inexact")[0]["changed"] == {"micro_batch": [6, 3]}
    assert run.status()["state"] == "finished"
    run.change(epochs=2)
    train(run)  # what fitted is remembered: no second refusal
    assert len(events(run, "out_of_memory")) == 1


def test_when_not_even_one_clip_fits_a_sentence_says_so(monkeypatch):
    def never(self, *_):
        raise MemoryError

    monkeypatch.setattr(updates.Learner, "_accumulated", never)
    learner = a_learner(2)
    views, targets = some_views(learner.system, 2)
    with pytest.raises(RunError, match="more memory"):
        learner.gradients(views, targets, 2, seed=0)


def test_a_full_disk_and_a_loss_that_is_no_number_keep_the_last_good_checkpoint(films, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    options = [
        "train",
        "--data",
        str(films),
        "--batch",
        "6",
        "--threads",
        "1",
        "--numbers",
        "float32",
        "--device",
        "cpu",
    ]
    assert main([*options, "--epochs", "1", "--out", str(folder)]) == 0
    run = Run(folder)
    good = load_file(run.checkpoint)

    with monkeypatch.context() as patched:
        patched.setattr(state.os, "fsync", full_disk)
        assert main(["train", "--resume", str(folder), "--epochs", "2"]) == 2
    status = run.status()
    assert status["state"] == "failed" and "No space left" in status["sentence"]
    assert "No space left" in capsys.readouterr().err
    assert not list(folder.glob(".*.new"))  # the half file has given its room back
    assert unchanged(good, run)

    assert main(["train", "--resume", str(folder), "--rate", "1e30"]) == 2
    status = run.status()
    assert status["state"] == "failed" and "third of the learning rate" in status["sentence"]
    assert unchanged(good, run)
    assert main(["train", "--resume", str(folder), "--rate", "0.001"]) == 0
    assert run.status()["state"] == "finished"
    changed = events(run, "inexact")[-1]["changed"]
    assert changed["rate"] == [0.002, 0.001]


def full_disk(handle: int) -> None:
    if "safetensors" in os.readlink(f"/proc/self/fd/{handle}"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unchanged(good: dict, run: Run) -> bool:
    now = load_file(run.checkpoint)
    return set(now) == set(good) and all(now[name].equal(good[name]) for name in good)


def test_the_best_epoch_ships_and_patience_ends_a_training(films, tmp_path, monkeypatch):
    from actrec.training.loop import Training

    scores = iter([(0.5, 1.0, []), (0.75, 0.9, []), (0.75, 0.95, []), (0.5, 1.0, []), (0.9, 0.1, [])])
    monkeypatch.setattr(Training, "validate", lambda self: next(scores))
    run = train_here(tmp_path / "run", small(films, epochs=9, patience=2))
    assert [event["best"] for event in events(run, "epoch")] == [True, True, False, False]
    assert events(run, "early")[0]["best_epoch"] == 2 and events(run, "finished")[0]["best_epoch"] == 2
    best, shipped = load_file(run.best), load_file(run.weights / "model.safetensors")
    last = load_file(run.checkpoint)
    name = next(name for name in shipped if name.endswith("weight"))
    assert shipped[name].equal(best[f"network/{name}"].half())
    assert not shipped[name].equal(last[f"network/{name}"].half())
    train(run)  # it is over: resuming trains no further epoch
    assert len(events(run, "epoch")) == 4


def test_the_last_epoch_ships_where_that_is_asked_for(films, tmp_path, monkeypatch, capsys):
    from actrec.training.loop import Training

    scores = iter([(0.9, 0.1, []), (0.5, 1.0, []), (0.5, 1.0, [])])
    monkeypatch.setattr(Training, "validate", lambda self: next(scores))
    folder = tmp_path / "run"
    failed = Run.create(folder, small(films))
    failed.best.write_bytes(b"another training's best")
    failed.set_status("failed")
    run = train_here(folder, small(films, epochs=3, keep="last"))
    shipped, last = load_file(run.weights / "model.safetensors"), load_file(run.checkpoint)
    name = next(name for name in shipped if name.endswith("weight"))
    assert shipped[name].equal(last[f"network/{name}"].half()) and not run.best.exists()
    card = json.loads((run.weights / "card.json").read_text())
    assert card["measured"]["split"].endswith("which also chose temperature and threshold")
    assert "--keep last" in card["command"]
    assert main(["train", "--resume", str(folder), "--keep", "best"]) == 2
    assert "leave --keep out" in capsys.readouterr().err


def test_the_last_epoch_is_waited_for_and_no_other_word_is_taken(films):
    assert patience(small(films, preset="fine-tune", keep="last")) == 0
    assert patience(small(films, preset="fine-tune", keep="last", patience=2)) == 2
    with pytest.raises(RunError, match="best or last, not 'frist'"):
        chosen(named("asym3d"), small(films, keep="frist"))


def test_the_fine_tuning_preset_is_patient_and_scratch_never_stops_early(films):
    assert patience(small(films, preset="fine-tune")) == 8
    assert patience(small(films)) == 0 and patience(small(films, patience=3)) == 3


def test_fine_tuning_starts_from_weights_with_a_new_classifier_for_new_classes(films, tmp_path):
    from actrec.training.start import classifier, start_from

    first = train_here(tmp_path / "first", small(films, epochs=1))
    system = named("asym3d")
    of_classes = classifier(system.network)
    assert of_classes and all(name.startswith("classifier") for name in of_classes)
    stored = load_file(first.weights / "model.safetensors")
    for labels in (["down", "left", "right"], ["a", "b", "c"]):
        torch.manual_seed(7)
        network = system.network(3)
        fresh = {name: value.clone() for name, value in network.state_dict().items()}
        start_from(str(first.weights), network, system.network, system, labels)
        for name, value in network.state_dict().items():
            new = labels[0] == "a" and name in of_classes
            assert value.equal(fresh[name] if new else stored[name].to(value.dtype)), name
    network = system.network(4)
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    start_from(str(first.weights), network, system.network, system, ["right", "a", "b", "down"])
    for name in of_classes:
        known = [fresh[name][row] if old is None else stored[name][old] for row, old in enumerate((2, None, None, 0))]
        assert network.state_dict()[name].equal(torch.stack(known).to(fresh[name].dtype)), name
    with pytest.raises(RunError, match="for the system 'asym3d', not for 'fstcn'"):
        start_from(str(first.weights), network, system.network, named("fstcn"), labels)
    run = train_here(tmp_path / "tuned", small(films, epochs=1, preset="fine-tune", start_from=str(first.weights)))
    assert "same classes" in events(run, "note")[-1]["sentence"]
    assert f"--start-from {first.weights}" in (run.weights / "card.json").read_text()


def test_tensorboard_files_hold_the_epochs_figures(films, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train_here(tmp_path / "run", small(films, epochs=2))
    board = EventAccumulator(str(run.folder / "tensorboard"))
    board.Reload()
    figures = [round(Scalar.value, 4) for Scalar in board.Scalars("validation/accuracy")]
    assert figures == [event["accuracy"] for event in events(run, "epoch")]
    assert [Scalar.step for Scalar in board.Scalars("training/loss")] == [2, 4]


def test_every_loss_trains_and_ships_weights_that_load(films, tmp_path):
    """N-pair groups with class centres, and three stages of which only the last can be the best."""
    from actrec.recognition.recognizer import Recognizer

    run = train_here(tmp_path / "ms3d", small(films, system="ms3d", epochs=1))
    assert Recognizer.load(run.weights, "cpu").labels == ("down", "left", "right")
    run = train_here(tmp_path / "crossenh", small(films, system="crossenh", epochs=3))
    figures = events(run, "epoch")
    assert [event["stage"] for event in figures] == ["streams", "student", "fusion"]
    assert [event["best"] for event in figures] == [False, False, True]
    assert Recognizer.load(run.weights, "cpu").labels == ("down", "left", "right")
