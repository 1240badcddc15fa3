"""RGB and RGBF in one system (Asymmetric 3D-CNN, sec. 4.7): trained each by itself, answering together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import some_views, square
from torch.nn import functional

from actrec.__main__ import main
from actrec.cli import train
from actrec.core.number_formats import FLOAT32
from actrec.evaluation.cost import counted
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS, named
from actrec.training.distributed import World
from actrec.training.load_data import needs, stored
from actrec.training.objective import objective
from actrec.training.run import Run
from actrec.training.updates import Learner, Pieces
from actrec.training.whole_batch import Rows
from actrec.video import Clip
from actrec.weights.cards import read_card
from actrec.weights.checkpoint import write_checkpoint

NAME = "asym3d-rgb-rgbf"
PARTS = {"rgb": "asym3d-rgb", "rgbf": "asym3d-rgbf"}


@pytest.fixture(scope="module")
def run(films, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("fused") / "run"
    words = ["--system", NAME, "--epochs", "1", "--batch", "6", "--threads", "1", "--numbers", "float32"]
    assert main(["train", "--data", str(films), "--out", str(folder), "--device", "cpu", *words]) == 0
    return Run(folder)


@pytest.fixture(scope="module")
def weights(run) -> dict[str, Path]:
    """The checkpoint of both, and one of each network for the system with that input alone, none of them calibrated."""
    card, tensors = replace(read_card(run.weights), temperature=1.0), load_file(run.weights / "model.safetensors")
    folders = {"both": run.folder / "both"}
    write_checkpoint(folders["both"], card, tensors)
    for stream, system in PARTS.items():
        prefix, folders[stream] = f"streams.{stream}.", run.folder / stream
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        inputs = {name: vars(view) for name, view in named(system).inputs.items()}
        alone = replace(card, name=stream, system=system, centres=None, threshold=None, inputs=inputs)
        write_checkpoint(folders[stream], alone, own)
    return folders


def clip(action: str = "right") -> Clip:
    return Clip(square(action, 77), np.arange(20) / 15)


def test_what_was_trained_together_answers_with_the_mean_of_both_networks(weights):
    both, rgb, rgbf = (Recognizer.load(weights[name], "cpu") for name in ("both", "rgb", "rgbf"))
    for protocol in ("one", "clip"):
        said, alone = both.predict(clip(), protocol), [each.predict(clip(), protocol).scores for each in (rgb, rgbf)]
        assert np.abs(alone[0] - alone[1]).max() > 1e-3, "the two networks differ"
        assert said.scores == pytest.approx((alone[0] + alone[1]) / 2, abs=1e-5)
    assert both.embed(clip()).shape == (256,)


def test_evaluation_of_the_system_is_that_of_the_two_weights_fused(weights, films, capsys):
    words = ["--data", str(films), "--device", "cpu", "--json"]
    assert main(["evaluate", "--weights", str(weights["both"]), *words]) == 0
    of_system = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--fuse", "--weights", str(weights["rgb"]), str(weights["rgbf"]), *words]) == 0
    of_two = json.loads(capsys.readouterr().out)
    assert of_system["clips"] == of_two["clips"] == 15
    for figure in ("top1", "calibration_error", "negative_log_likelihood"):
        assert of_system[figure] == pytest.approx(of_two[figure], abs=1e-4), figure
    assert of_system["confusion"] == of_two["confusion"]
    assert main(["evaluate", "--weights", str(weights["rgb"]), *words]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert abs(alone["negative_log_likelihood"] - of_two["negative_log_likelihood"]) > 1e-3


def test_the_svm_sees_the_codes_of_both_networks(weights, films, monkeypatch):
    from actrec.evaluation import ensemble

    fitted = []

    class Watched(ensemble.FeatureSVM):
        def fit(self, features, labels):
            fitted.append({name: values.shape for name, values in features.items()})
            return super().fit(features, labels)

    monkeypatch.setattr(ensemble, "FeatureSVM", Watched)
    words = ["--weights", str(weights["rgb"]), str(weights["rgbf"]), "--data", str(films), "--device", "cpu"]
    assert main(["evaluate", "--svm", str(films), *words]) == 0
    assert fitted == [{"network 1": (15, 128), "network 2": (15, 128)}]


def test_each_network_learns_as_it_would_alone():
    """The gradient of the sum is, in each network, that of its own cross-entropy with the recipe's smoothing."""
    system = named(NAME)
    learner = objective(system, system.schedules["scratch"], FLOAT32)
    views, targets = some_views(system, 4)
    inputs, wanted = system.tensors(views), torch.from_numpy(targets)
    torch.manual_seed(0)
    network = learner.build(2)
    assert learner.begin(network, 0) == "all"
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    loss, _ = learner(network, inputs, wanted)
    loss.backward()
    together = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    network.zero_grad()
    alone = 0.0
    for stream in ("rgb", "rgbf"):
        own = functional.cross_entropy(network.streams[stream](inputs[stream]), wanted, label_smoothing=0.05)
        own.backward()
        alone += own.item()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, msg=name)
    assert loss.item() == pytest.approx(alone, rel=1e-5)


def test_a_long_gradient_of_one_network_does_not_shorten_the_other_ones():
    system = named(NAME)
    goal = objective(system, system.schedules["scratch"], FLOAT32)
    network = goal.build(2)
    for stream, length in (("rgb", 3.0), ("rgbf", 500.0)):
        parameters = list(network.streams[stream].parameters())
        for parameter in parameters:  # as long as asked for, all together
            parameter.grad = torch.full_like(parameter, length / sum(p.numel() for p in parameters) ** 0.5)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.0)
    learner = Learner(
        system, network, goal, optimiser, FLOAT32, World(), torch.device("cpu"), Rows(),
        Pieces(4, lambda before, now: None),
    )  # fmt: skip
    assert learner._all_finite(0.5)
    left = {
        stream: float(torch.cat([p.grad.flatten() for p in network.streams[stream].parameters()]).norm())
        for stream in ("rgb", "rgbf")
    }
    assert left == {"rgb": pytest.approx(3.0, rel=1e-3), "rgbf": pytest.approx(5.0, rel=1e-3)}


@pytest.mark.parametrize("sure", ["rgb", "rgbf"])
def test_what_counts_as_right_is_the_common_answer(sure):
    """One network is sure of class 0, the other leans to class 1: (1 + 0.27) / 2 is for class 0."""
    system = named(NAME)
    learner = objective(system, system.schedules["scratch"], FLOAT32)
    views, _ = some_views(system, 4)
    network, inputs = learner.build(2), system.tensors(views)
    network.eval()
    with torch.no_grad():
        for name, stream in network.streams.items():
            stream.classifier.weight.zero_()
            stream.classifier.bias.copy_(torch.tensor([50.0, 0.0] if name == sure else [0.0, 1.0]))
        assert learner.loss(network, inputs, torch.zeros(4, dtype=torch.long))[1] == 4
        assert learner.loss(network, inputs, torch.ones(4, dtype=torch.long))[1] == 0
        assert learner.outputs(network, inputs).argmax(1).tolist() == [0] * 4


def test_it_stands_in_both_sizes_costs_twice_as_much_and_keeps_the_flow_of_whole_frames():
    for name, alone in ((NAME, "asym3d-rgb"), ("asym3d-paper-rgb-rgbf", "asym3d-paper")):
        both, one = counted(named(name)), counted(named(alone))
        assert (both.weights, both.multiplications) == (2 * one.weights, 2 * one.multiplications)
    paper = SYSTEMS["asym3d-paper-rgb-rgbf"]
    assert needs(paper) == {"flow": "brox", "cameras": 0} and needs(named(NAME))["flow"] == ""
    assert set(paper.options) == {"flow", "frames"} and paper.with_options({"flow": "tvl1"}).flow == "tvl1"
    assert set(paper.with_options({"flow": "tvl1"}).inputs) == {"rgb", "rgbf"}
    assert paper.loss == named(NAME).loss == "streams"


def asked(*words: str) -> dict[str, object]:
    import argparse

    parser = argparse.ArgumentParser()
    train.add(parser)
    return train._settings(parser.parse_args(["--data", "films", *words])).options


def test_the_preset_of_pre_training_brings_its_larger_frames_unless_others_are_asked_for():
    larger = ["--system", "asym3d-paper", "--preset", "paper-pre-train"]
    assert asked(*larger) == {"frames": "via-256x320"}
    assert asked(*larger, "--option", "frames=256x320") == {"frames": "256x320"}
    assert asked(*larger, "--option", "frames=128x171") == {}
    for preset in ("paper", "scratch", "paper-fine-tune"):
        assert asked("--system", "asym3d-paper", "--preset", preset) == {}
    assert stored(named("asym3d-paper", asked(*larger))).size == 256
    assert stored(named("asym3d-paper")).size == 128
