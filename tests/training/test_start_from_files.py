"""Training starts from files that others have published, in files of the same layout that are made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.models import alexnet, resnet18, resnet50

from actrec.__main__ import main
from actrec.models.efficientnet_lite import VARIANTS
from actrec.systems import named
from actrec.training.start import _known_rows, start_from
from actrec.weights.cards import WeightsError

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
        ("fstcn", "resnet18.pth", r"first that differs is spatial layer 1 .* --option lower=efficientnet-lite0"),
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


# --- FstCN: a picture network for its spatial path (sec. 2.3) ---------------------------------------


def cnn_m(fc6: int = 18432) -> dict[str, torch.Tensor]:
    """The layers of CNN-M-2048, the spatial stream of two-stream networks, under Caffe's names. At 224 pixels its
    first fully connected layer sees 512 × 6 × 6; ours, at 204, 512 × 5 × 5."""
    shapes = {
        "conv1": (96, 3, 7, 7), "conv2": (256, 96, 5, 5), "conv3": (512, 256, 3, 3), "conv4": (512, 512, 3, 3),
        "conv5": (512, 512, 3, 3), "fc6": (4096, fc6), "fc7": (2048, 4096), "fc8": (1000, 2048),
    }  # fmt: skip
    tensors = {}
    for number, (name, shape) in enumerate(shapes.items(), 1):
        tensors[f"{name}.weight"] = torch.full(shape, number / 1000)
        tensors[f"{name}.bias"] = torch.full(shape[:1], number / 100)
    return tensors


def test_layers_of_equal_shape_are_copied_by_stage_and_the_others_are_named(tmp_path):
    theirs = cnn_m()
    torch.save(theirs, tmp_path / "cnn_m.pth")
    torch.manual_seed(3)
    system = named("fstcn-scl")
    network = system.network(3)
    sentence = start_from(str(tmp_path / "cnn_m.pth"), network, system.network, system, ["a", "b", "c"])
    torch.manual_seed(3)
    again = system.network(3)
    same = {name for name, value in network.state_dict().items() if torch.equal(value, again.state_dict()[name])}
    assert same == {"spatial.fc.0.weight", "spatial.fc.0.bias", "classifier.weight", "classifier.bias"}
    convs = [module for module in network.lower if isinstance(module, torch.nn.Conv2d)]
    for number, layer in enumerate([*convs, network.spatial.between[0]], 1):
        if number > 1:  # the first one is changed to the range that our pictures have
            assert torch.equal(layer.weight, theirs[f"conv{number}.weight"])
            assert torch.equal(layer.bias, theirs[f"conv{number}.bias"])
    assert torch.equal(network.spatial.fc[3].weight, theirs["fc7.weight"])
    assert sentence == (
        "Started from 'cnn_m.pth': by stage spatial layer 1, spatial layer 2, spatial layer 3, spatial layer 4, "
        "spatial layer 5, spatial FC 2; at random: spatial FC 1 ([4096, 18432] there, [4096, 12800] here); the "
        "classifier is new."
    )


def test_a_layer_of_the_same_shape_is_copied_although_an_earlier_one_differs(tmp_path):
    """Natural order: layer 10 stands behind layer 3. Without a spatial path the shared layers alone are there."""
    theirs = {
        "features.0.weight": torch.ones(64, 3, 11, 11), "features.0.bias": torch.ones(64),
        "features.10.weight": torch.full((512, 256, 3, 3), 0.3), "features.10.bias": torch.full((512,), 0.4),
        "features.3.weight": torch.full((256, 96, 5, 5), 0.1), "features.3.bias": torch.full((256,), 0.2),
        "features.12.weight": torch.ones(512, 512, 3, 3),  # no bias: behind it stands a batch norm that we have not
    }  # fmt: skip
    save_file(theirs, tmp_path / "other.safetensors")
    system = named("fstcn-tcl")
    network = system.network(3)
    sentence = start_from(str(tmp_path / "other.safetensors"), network, system.network, system, ["a", "b", "c"])
    assert sentence == (
        "Started from 'other.safetensors': by stage spatial layer 2, spatial layer 3; at random: spatial layer 1 "
        "([64, 3, 11, 11] there, [96, 3, 7, 7] here); spatial layer 4 (no bias there, [512] here); the classifier is "
        "new."
    )
    convs = [module for module in network.lower if isinstance(module, torch.nn.Conv2d)]
    assert (convs[1].weight == 0.1).all() and (convs[2].bias == 0.4).all() and (convs[3].bias == 0).all()


def test_the_first_layer_gives_for_our_range_what_it_gives_for_torchvisions():
    """A picture as bytes, once as (x − 0.485…) / 0.229…, once as (x − 0.5) / 0.25."""
    torch.manual_seed(0)
    tensors = cnn_m() | {"conv1.weight": torch.randn(96, 3, 7, 7), "conv1.bias": torch.randn(96)}
    system = named("fstcn-scl", {"stages": "pairs"})
    network = system.network(2)
    system.published.load(network, tensors)
    picture = torch.randint(0, 256, (1, 3, 21, 21)).float()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = (picture / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    expected = F.conv2d(theirs, tensors["conv1.weight"], tensors["conv1.bias"], stride=2)
    ours = network.lower[0](system.inputs["frames"].normalise(picture.clone()))
    assert torch.allclose(ours, expected, atol=1e-3)


def test_a_picture_networks_classifier_is_no_layer_of_ours():
    """Its last fully connected layer answers for ImageNet's classes, whatever its shape."""
    system = named("fstcn-scl", {"stages": "pairs"})
    network = system.network(2)
    before = network.spatial.fc[0].weight.detach().clone()
    tensors = {name: value for name, value in cnn_m().items() if name.startswith("conv1")}
    tensors |= {"fc.weight": torch.zeros(1, 1).expand(4096, 12800), "fc.bias": torch.zeros(4096)}
    sentence = system.published.load(network, tensors)
    assert sentence.startswith("by stage spatial layer 1; at random: spatial layer 2 (the file has no more)")
    assert "spatial FC 1 (the file has no more)" in sentence
    assert torch.equal(network.spatial.fc[0].weight, before)


def test_a_network_without_a_layer_of_our_shapes_is_refused_and_the_way_is_shown(tmp_path):
    torch.save(alexnet().state_dict(), tmp_path / "alexnet.pth")
    system = named("fstcn-scl")
    with pytest.raises(
        WeightsError, match=r"\[64, 3, 11, 11\] there, \[96, 3, 7, 7\] here.*--option lower=efficientnet"
    ):
        start_from(str(tmp_path / "alexnet.pth"), system.network(2), system.network, system, ["a", "b"])


@pytest.fixture
def fetched(tmp_path, monkeypatch) -> dict[str, torch.Tensor]:
    """EfficientNet-Lite0 in the cache as `fetch` keeps it, with made-up weights."""
    from actrec.weights.cards import Card
    from actrec.weights.checkpoint import write_checkpoint
    from actrec.weights.starts import starts_folder

    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(7)
    tensors = VARIANTS["efficientnet-lite0"](4).state_dict()
    card = Card("efficientnet-lite0", "efficientnet-lite0", ["a", "b", "c", "d"], "made up", "", 0)
    write_checkpoint(starts_folder() / "efficientnet-lite0", card, tensors, exact=True)
    return tensors


@pytest.mark.parametrize("name", ["fstcn", "fstcn-tcl"])
def test_the_first_stages_of_a_fetched_picture_network_stand_for_the_spatial_layers(fetched, name):
    system = named(name, {"lower": "efficientnet-lite0"})
    torch.manual_seed(3)
    network = system.network(3)
    sentence = start_from("efficientnet-lite0", network, system.network, system, ["a", "b", "c"])
    # the stem's 6 tensors, 12 of the first block, which does not widen, and 18 of each of the ten others
    assert sentence == (
        "Started from 'efficientnet-lite0': the first 5 stages of efficientnet-lite0, 198 tensors, as the spatial "
        "layers; the classifier is new."
    )
    trunk = network.lower[0].state_dict()
    assert len(trunk) == 6 + 12 + 10 * 18 and all(torch.equal(value, fetched[key]) for key, value in trunk.items())
    torch.manual_seed(3)
    again = system.network(3).state_dict()
    others = [key for key in again if not key.startswith("lower.0.")]
    assert all(torch.equal(network.state_dict()[key], again[key]) for key in others)


def test_the_publishers_own_file_fills_the_same_layers(fetched, tmp_path):
    names = VARIANTS["efficientnet-lite0"](1000).published_names()
    theirs = {names[ours]: value for ours, value in fetched.items()}
    theirs |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    torch.save(theirs, tmp_path / "efficientnet-lite0.pth")
    system = named("fstcn", {"lower": "efficientnet-lite0"})
    network = system.network(3)
    start_from(str(tmp_path / "efficientnet-lite0.pth"), network, system.network, system, ["a", "b", "c"])
    assert torch.equal(network.lower[0].blocks[10].project.conv.weight, fetched["blocks.10.project.conv.weight"])
    torch.save(resnet18().state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(WeightsError, match=r"the first stages of efficientnet-lite0: for 'stem\.conv\.weight'"):
        start_from(str(tmp_path / "resnet18.pth"), network, system.network, system, ["a", "b", "c"])


def test_a_training_from_pictures_leaves_the_pictures_stage_out_and_its_weights_answer(films, fetched, tmp_path):
    """From the command to an answer: the start is named, two stages are left, and the card has what it takes."""
    from actrec.recognition.recognizer import Recognizer
    from actrec.training.run import Run

    words = ["--system", "fstcn", "--option", "lower=efficientnet-lite0", "--option", "stages=auxiliary"]
    words += ["--data", films, "--out", tmp_path / "run", "--epochs", 3, "--batch", 6, "--threads", 1]
    words += ["--numbers", "float32", "--device", "cpu", "--start-from", "efficientnet-lite0"]
    assert main(["train", *map(str, words)]) == 0
    run = Run(tmp_path / "run")
    assert [event["stage"] for event in run.events() if event["event"] == "epoch"] == ["last layers", "pairs", "pairs"]
    assert any("198 tensors" in event.get("sentence", "") for event in run.events())
    recognizer = Recognizer.load(run.weights, "cpu", only_torch=True)
    assert recognizer.card.options == {"lower": "efficientnet-lite0", "stages": "auxiliary"}
    assert recognizer.card.inputs["frames"]["mean"] == pytest.approx(127 / 255)
    assert recognizer.predict(_square()).label in ("down", "left", "right")


def _square():
    import numpy as np
    from small_runs import square

    from actrec.video import Clip

    frames = square("down", 9)
    return Clip(frames, np.arange(len(frames)) / 12.5)


def test_what_a_checkpoint_does_not_hold_is_counted_in_the_sentence(tmp_path):
    from actrec.weights.cards import Card
    from actrec.weights.checkpoint import write_checkpoint

    system = named("fstcn")
    alone = named("fstcn", {"path": "scl"})
    card = Card("scl", "fstcn", ["a", "b"], "nothing", "", 0, options={"path": "scl"})
    write_checkpoint(tmp_path / "scl", card, alone.network(2).state_dict())
    network = system.network(2)
    missing = len(set(network.state_dict()) - set(alone.network(2).state_dict()))
    sentence = start_from(str(tmp_path / "scl"), network, system.network, system, ["a", "b"])
    assert (
        f"{missing} of the network's {len(network.state_dict())} tensors are not in it and start at random" in sentence
    )


def test_a_classifier_that_goes_on_takes_the_rows_of_the_classes_that_it_knows():
    mine, theirs = torch.zeros(3, 2), torch.tensor([[1.0, 1], [2, 2], [3, 3]])
    rows = _known_rows(mine, theirs, ["wave", "clap", "walk"], ["walk", "run", "wave"], ["wave", "walk"])
    assert rows.tolist() == [[3, 3], [0, 0], [1, 1]]
