"""Training starts from files that others have published, in files of the same layout that are made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18, resnet50

from actrec.__main__ import main
from actrec.systems import named
from actrec.training.start import start_from

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from test_convert import kinetics_i3d_pytorch, pytorch_i3d


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    torch.save(resnet50().state_dict(), folder / "resnet50.pth")
    torch.save(resnet18().state_dict(), folder / "resnet18.pth")
    rgb, flow = pytorch_i3d(1), pytorch_i3d(2)
    flow["Conv3d_1a_7x7.conv3d.weight"] = flow["Conv3d_1a_7x7.conv3d.weight"][:, :2].clone()
    torch.save(rgb, folder / "rgb_imagenet.pt")
    save_file(kinetics_i3d_pytorch(flow), folder / "flow.safetensors")
    return folder


def started(name: str, system: str) -> tuple[torch.nn.Module, str]:
    torch.manual_seed(3)
    network = named(system).network(3)
    return network, start_from(name, network, named(system).network, named(system), ["a", "b", "c"])


def test_imagenet_weights_go_into_the_two_dimensional_backbone(files):
    network, sentence = started(str(files / "resnet50.pth"), "tsn")
    theirs = torch.load(files / "resnet50.pth", weights_only=True)
    assert torch.equal(network.backbone.layer4[2].conv3.weight, theirs["layer4.2.conv3.weight"])
    assert sentence.startswith("Started from 'resnet50.pth': 318 tensors of ImageNet's ResNet")


def test_i3d_weights_go_into_the_stream_with_their_channels(files):
    both = os.pathsep.join([str(files / "flow.safetensors"), str(files / "rgb_imagenet.pt")])
    network, sentence = started(both, "crossenh-paper")
    rgb, flow = pytorch_i3d(1), pytorch_i3d(2)
    name = "Mixed_4c.b1b.conv3d.weight"
    assert torch.equal(network.streams["rgb"].layers["Mixed_4c"].conv3.conv.weight, rgb[name])
    assert torch.equal(network.streams["flow"].layers["Mixed_4c"].conv3.conv.weight, flow[name])
    assert "rgb stream, 285 tensors of I3D, layout pytorch-i3d" in sentence
    assert "flow stream, 285 tensors of I3D, layout kinetics_i3d_pytorch" in sentence
    alone, _ = started(str(files / "rgb_imagenet.pt"), "i3d-rgb")
    assert torch.equal(alone.layers["Mixed_4c"].conv3.conv.weight, rgb[name])


def test_the_command_starts_from_a_file_and_says_so(films, files, tmp_path):
    """A narrow backbone in torchvision's layout into the light 2-D network, trained for an epoch."""
    from actrec.training.run import Run

    small = named("tsn-light").network(2).backbone.state_dict()
    torch.save({**small, "fc.weight": torch.zeros(1000, 128), "fc.bias": torch.zeros(1000)}, tmp_path / "narrow.pth")
    words = ["--system", "tsn-light", "--data", films, "--out", tmp_path / "run", "--epochs", 1, "--batch", 6]
    words += ["--threads", 1, "--numbers", "float32", "--device", "cpu", "--start-from", tmp_path / "narrow.pth"]
    words += ["--rate", 1e-12]
    assert main(["train", *map(str, words)]) == 0
    run = Run(tmp_path / "run")
    assert any("narrow.pth" in event.get("sentence", "") for event in run.events())
    assert run.settings().preset == "fine-tune"
    from safetensors.torch import load_file

    shipped = load_file(run.weights / "model.safetensors")["backbone.layer3.0.conv1.weight"]
    assert torch.allclose(shipped.float(), small["layer3.0.conv1.weight"], atol=1e-3)


@pytest.mark.parametrize(
    ("system", "file", "sentence"),
    [
        ("mdtnet-paper", "resnet18.pth", "'resnet18.pth' cannot start 'mdtnet-paper'. .*'layer1.0.conv1.weight'"),
        ("mdtnet", "resnet18.pth", r"'conv1.weight' it holds \[32, 3, 7, 7\] and the weights \[64, 3, 7, 7\]"),
        ("i3d-flow", "rgb_imagenet.pt", "for 'Conv3d_1a_7x7.conv3d.weight' the network holds"),
        ("i3d-rgb", "resnet18.pth", "no I3D weights in a known layout .* first tensor is 'conv1.weight'"),
        ("crossenh", "rgb_imagenet.pt", "for 'Conv3d_1a_7x7.conv3d.weight' the network holds"),
        ("asym3d", "resnet18.pth", "'asym3d' starts from its own checkpoints only"),
        ("tsn", "letter.pth", "is not a weights file that can be read safely"),
    ],
)
def test_a_wrong_file_is_refused_before_any_time_is_spent(films, files, tmp_path, capsys, system, file, sentence):
    import re

    (files / "letter.pth").write_text("dear all")
    words = ["--system", system, "--data", films, "--out", tmp_path / "run", "--start-from", files / file]
    assert main(["train", *map(str, words)]) == 2
    assert re.search(sentence, capsys.readouterr().err.replace("\n", " "))
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_and_a_catalogue_entry_that_was_not_fetched(films, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    words = ["train", "--system", "tsn", "--data", str(films), "--out", str(tmp_path / "run"), "--start-from"]
    assert main([*words, "resnet50-imagenet"]) == 2
    assert "python -m actrec fetch resnet50-imagenet" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "nowhere.pth")]) == 2
    assert "There are no weights" in capsys.readouterr().err


def test_a_fusion_layer_over_other_classes_keeps_its_start(films, tmp_path):
    """Its columns are classes, too: rows alone cannot be taken over."""
    from actrec.weights.cards import Card
    from actrec.weights.checkpoint import write_checkpoint

    torch.manual_seed(0)
    system = named("crossenh")
    card = Card("four", "crossenh", ["a", "b", "c", "d"], "nothing", "", 0)
    write_checkpoint(tmp_path / "four", card, system.network(4).state_dict())
    network = system.network(3)
    before = network.fusion_layer.weight.detach().clone()
    start_from(str(tmp_path / "four"), network, system.network, system, ["b", "x", "a"])
    assert torch.equal(network.fusion_layer.weight, before)
