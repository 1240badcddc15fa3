"""Options of a system: chosen on the command line, at work in training, on the card, honoured when it is loaded."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import some_views

from actrec.__main__ import main
from actrec.cli import train
from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32
from actrec.explain.overlays import Overlays
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, named
from actrec.training.objective import objective
from actrec.training.run import Run
from actrec.training.settings import Settings, command
from actrec.training.state import load_state
from actrec.video import Clip

SHORT = ["--batch", "6", "--threads", "1", "--numbers", "float32", "--device", "cpu"]


def trained(films, folder, *words: str) -> Run:
    assert main(["train", "--data", str(films), "--out", str(folder), *SHORT, *words]) == 0
    return Run(folder)


def events(run: Run, kind: str) -> list[dict]:
    return [event for event in run.events() if event["event"] == kind]


def clip(frames: int = 40) -> Clip:
    return Clip(np.random.default_rng(0).integers(0, 255, (frames, 72, 96, 3), np.uint8), np.arange(frames) / 15)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"epochs": 3, "batch": 8, "micro_batch": 4, "rate": 0.01, "patience": 0, "keep": "last", "numbers": "float32"},
        {"fold": "all", "leave_out": ["wave", "meet and split"]},
    ],
)
def test_the_command_on_a_card_asks_for_the_same_settings(more):
    settings = Settings(
        "fstcn", "synthetic:six", "mine", preset="fine-tune", clips_per_class=30, seed=2, threads=3,
        start_from=os.pathsep.join(["rgb.pt", "flow.pt"]), options={"fusion": "average"}, **more,
    )  # fmt: skip
    parser = argparse.ArgumentParser()
    train.add(parser)
    assert train._settings(parser.parse_args(shlex.split(command(settings))[4:])) == settings


def test_a_class_that_is_left_out_is_not_on_the_card_and_stays_out_when_a_run_goes_on(films, tmp_path, capsys):
    run = trained(films, tmp_path / "run", "--epochs", "1", "--leave-out", "down")
    assert main(["train", "--resume", str(run.folder), "--leave-out", "left"]) == 2
    assert "--leave-out does not go with --resume" in capsys.readouterr().err
    assert main(["train", "--resume", str(run.folder), "--epochs", "2"]) == 0
    card = json.loads((run.weights / "card.json").read_text())
    assert card["labels"] == ["left", "right"] and set(card["centres"]) == {"left", "right"}
    assert "--leave-out down" in card["command"]
    assert load_file(run.weights / "model.safetensors")["classifier.weight"].shape[0] == 2


def test_fstcn_learns_pictures_then_last_layers_then_pairs_and_resumes_between_them(films, tmp_path):
    options = ["--system", "fstcn", "--option", "stages=auxiliary", "--option", "fusion=average"]
    run = trained(films, tmp_path / "run", *options, "--epochs", "4")
    assert [event["stage"] for event in events(run, "epoch")] == ["pictures", "last layers", "pairs", "pairs"]
    assert [event["best"] for event in events(run, "epoch")][:2] == [False, False]
    card = json.loads((run.weights / "card.json").read_text())
    assert card["options"] == {"stages": "auxiliary", "fusion": "average"}
    assert "--option fusion=average --option stages=auxiliary" in card["command"]
    shipped = load_file(run.weights / "model.safetensors")
    assert set(shipped) == set(named("fstcn").network(3).state_dict()), "the auxiliary classifier is gone"
    loaded = Recognizer.load(run.weights, "cpu")
    said = loaded.predict(clip())
    assert np.allclose(said.scores, said.view_scores.mean(0), atol=1e-6), "averaged, not by SCI"

    # the same, cut off after the second epoch, whose checkpoint still holds the auxiliary classifier
    whole = load_file(run.checkpoint)
    cut = cut_after(films, tmp_path / "cut", 2, *options, "--epochs", "4")
    assert any("auxiliary" in name for name in load_state(cut.checkpoint)[1])
    assert main(["train", "--resume", str(cut.folder)]) == 0
    assert all(load_file(cut.checkpoint)[name].equal(value) for name, value in whole.items())


def cut_after(films, folder, epochs: int, *words: str) -> Run:
    """A run that is stopped once so many epochs are done."""
    from actrec.training.loop import Training

    whole = Training.epoch

    def stops(self) -> bool:
        return self.progress.epoch < epochs and whole(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Training, "epoch", stops)
        return trained(films, folder, *words)


def test_a_bridge_of_other_widths_is_trained_over_resumed_past_and_gone_in_the_end(films, tmp_path):
    options = ["--system", "crossenh", "--option", "bridge=c", "--option", "teacher=rgb", "--option", "last=complete"]
    options += ["--epochs", "3"]
    run = cut_after(films, tmp_path / "run", 2, *options)
    kept = load_state(run.checkpoint)[1]
    assert kept["network/bridge.weight"].shape[:2] == (
        112,
        240,
    )  # Mixed_3c and Mixed_5c at 0.22
    assert main(["train", "--resume", str(run.folder)]) == 0
    assert [event["stage"] for event in events(run, "epoch")] == ["streams", "student", "complete"]
    loaded = Recognizer.load(run.weights, "cpu")
    assert loaded.system.option("teacher") == "rgb" and loaded.card.options["bridge"] == "c"
    assert not [name for name in load_file(run.weights / "model.safetensors") if "bridge" in name]


@pytest.mark.parametrize("teacher", ["flow", "rgb"])
def test_alpha_beta_and_gamma_weigh_the_three_parts_of_the_loss(teacher):
    losses = {}
    for shares in ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 3, 0.5)):
        chosen = dict(zip(("alpha", "beta", "gamma"), shares, strict=True))
        system = named("crossenh", {**chosen, "teacher": teacher, "bridge": "d"})
        goal = objective(system, system.schedules["scratch"], FLOAT32)
        torch.manual_seed(0)
        network = goal.build(3)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        student_epoch = next(epoch for epoch in range(12) if goal.stage(epoch) == "student")
        assert goal.begin(network, student_epoch) == "student" and network.teacher == teacher
        views, targets = some_views(system, 2)
        losses[shares] = goal(network, system.tensors(views), torch.from_numpy(targets))[0].item()
    first, second, entropy = (losses[each] for each in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert min(first, second, entropy) > 0
    assert losses[1, 1, 1] == pytest.approx(first + second + entropy, rel=1e-4)
    assert losses[2, 3, 0.5] == pytest.approx(2 * first + 3 * second + 0.5 * entropy, rel=1e-4)


def test_without_a_bridge_the_student_stage_is_left_out():
    system = named("crossenh", {"bridge": "none"})
    goal = objective(system, system.schedules["scratch"], FLOAT32)
    assert {goal.stage(epoch) for epoch in range(12)} == {"streams", "fusion"}
    assert goal.build(3).bridge is None


def test_every_option_of_every_system_builds_a_network_for_its_own_views():
    for name, system in SYSTEMS.items():
        for option, about in system.options.items():
            for value in about.values or (0.5,):
                if (option, value) in (("path", "tcl"), ("cameras", "3")) or (
                    system.size == "paper" and option != "flow"
                ):
                    continue
                made = system.with_options({option: value})
                assert made.name == name and made.option(option) == value
                assert made.chosen == ({} if value == about.default else {option: value})
                if system.size == "light":
                    views = made.protocols["one"].views(clip())[0]
                    with torch.inference_mode():
                        made.network(3).eval()(**made.tensors([views]))


def test_modes_modalities_and_paths_change_what_is_computed():
    assert named("mdtnet", {"mode": "tsn"}).network(3).differences is None
    assert named("mdtnet", {"mode": "tsm"}).paper.startswith("Lin")
    assert named("fstcn", {"path": "scl"}).network(3).temporal is None
    assert len(named("fstcn", {"kernels": "5"}).network(3).temporal.layer.columns) == 1
    seen = {
        modality: named("asym3d", {"modality": modality}).protocols["one"].views(clip())[0]["clip"]
        for modality in ("difference", "rgb", "rgbf", "flow")
    }
    assert len({value.tobytes() for value in seen.values()}) == 4
    frames = named("mdtnet").protocols["one"].views(clip())[0]
    both = named("mdtnet", {"enhanced": "both"}).protocols["one"].views(clip())[0]
    none = named("mdtnet", {"enhanced": "none"}).protocols["one"].views(clip())[0]
    assert not np.array_equal(frames["frames"], frames["motion"])
    assert np.array_equal(both["frames"], frames["motion"]) and np.array_equal(both["motion"], frames["motion"])
    assert np.array_equal(none["motion"], frames["frames"])


def test_how_salience_was_found_in_training_is_on_the_card_and_in_every_answer(films, tmp_path):
    chosen = {"cutoff": "3", "smoothing": 1.0, "salience": "phase", "strength": 0.5, "mirror": "no"}
    words = [word for name, value in chosen.items() for word in ("--option", f"{name}={value}")]
    run = trained(films, tmp_path / "run", "--system", "mdtnet", "--epochs", "1", *words)
    card = json.loads((run.weights / "card.json").read_text())
    assert card["options"] == chosen and "--option cutoff=3" in card["command"]
    recognizer, moving = Recognizer.load(run.weights, "cpu"), clip()
    for protocol in ("one", "clip"):
        seen, expected, default = (
            system.protocols[protocol].views(moving)[0]["motion"]
            for system in (recognizer.system, named("mdtnet", chosen), named("mdtnet"))
        )
        assert np.array_equal(seen, expected) and not np.array_equal(seen, default)
    assert recognizer.predict(moving, "one").label in recognizer.labels
    overlaid = Overlays().draw("motion salience", moving, recognizer, None, 1)
    assert "Without the 3 slowest frequencies" in overlaid[1]
    begun = Clip(moving.frames[:2], moving.times[:2])  # a camera's first two frames have no third frequency
    assert "Without the slowest frequency," in Overlays().draw("motion salience", begun, recognizer, None, 1)[1]
    # what a card always says, so that another default changes no answer
    plain = trained(films, tmp_path / "plain", "--system", "tea-light", "--epochs", "1")
    assert json.loads((plain.weights / "card.json").read_text())["options"] == {"mirror": "yes"}
    tea = Recognizer.load(plain.weights, "cpu")
    assert tea.predict(moving).label in tea.labels and tea.system.title == "TEA"
    assert "frequencies" not in Overlays().draw("motion salience", moving, tea, None, 1)[1]


def test_how_an_epoch_is_drawn_is_decided_when_a_training_starts(films, tmp_path, capsys):
    run = trained(films, tmp_path / "run", "--epochs", "1", "--balanced", "no", "--longest-gradient", "0")
    assert "--longest-gradient 0.0 --balanced no" in json.loads((run.weights / "card.json").read_text())["command"]
    for words in (["--balanced", "yes"], ["--longest-gradient", "0"]):
        assert main(["train", "--resume", str(run.folder), *words]) == 2
        assert "leave --balanced and --longest-gradient out with --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--option", "colour=red"], "'asym3d' has no option 'colour'. It has: modality."),
        (["--option", "modality=smell"], "is one of difference, rgb, rgbf, flow, not 'smell'"),
        (["--option", "modality"], "--option is NAME=VALUE, not 'modality'"),
        (["--system", "crossenh", "--option", "alpha=much"], "is a number of at least 0, not 'much'"),
        (["--system", "ms3d", "--option", "alpha=1.5"], "at least 0 and at most 1, not '1.5'"),
        (
            ["--system", "fstcn", "--option", "path=tcl", "--option", "stages=auxiliary"],
            "path=tcl there is none",
        ),
    ],
)
def test_options_that_are_none_are_refused_with_a_sentence(films, tmp_path, capsys, words, sentence):
    assert main(["train", "--data", str(films), "--out", str(tmp_path / "run"), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_after_a_training_the_process_ends_when_it_is_told_to(films, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    trained(films, tmp_path / "run", "--epochs", "1")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_card_with_an_option_of_another_version_is_refused():
    with pytest.raises(BadValue, match="has no option 'speed'"):
        named("asym3d", {"speed": "fast"})
