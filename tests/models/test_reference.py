"""Public models: the same scores as torchvision's own networks, from files of the same layout."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from actrec.core.number_formats import NumberFormat
from actrec.models.counting import multiplications
from actrec.models.torchvision_models import PREPARATIONS, VARIANTS, Reference, labels, reference
from actrec.weights.checkpoint import WeightsError
from actrec.weights.convert import torchvision_model

# the smallest clip each takes, to be quick
SHAPES = {
    "r3d_18": (1, 3, 8, 32, 32), "mc3_18": (1, 3, 8, 32, 32), "r2plus1d_18": (1, 3, 8, 32, 32),
    "s3d": (1, 3, 16, 224, 224), "mvit_v1_b": (1, 3, 16, 224, 224), "mvit_v2_s": (1, 3, 16, 224, 224),
    "swin3d_t": (1, 3, 8, 64, 64),
}  # fmt: skip
QUICK = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t")


def written(name: str, path) -> torch.nn.Module:
    """A random file of torchvision's layout, and torchvision's network that wrote it."""
    torch.manual_seed(0)
    theirs = get_model(name, weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
    torch.save(theirs.state_dict(), path)
    return theirs


@pytest.mark.parametrize("name", QUICK)
def test_scores_are_those_of_torchvisions_network(name, tmp_path):
    theirs = written(name, tmp_path / "weights.pth")
    ours = torchvision_model(name, tmp_path / "weights.pth").eval()
    clip = torch.rand(SHAPES[name])
    published = get_model_weights(name).DEFAULT.transforms()
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (published.mean, published.std))
    with torch.no_grad():
        expected = theirs((clip - mean) / std)
        code = ours.code(clip)
        torch.testing.assert_close(ours(clip), expected, atol=1e-4, rtol=1e-3)
        assert torch.equal(ours.scores(code), ours(clip))
    assert code.shape == (1, expected_width(name))


def expected_width(name: str) -> int:
    return {"s3d": 1024, "swin3d_t": 768}.get(name, 512)


@pytest.mark.parametrize("name", PREPARATIONS)
def test_every_model_has_400_labels_and_runs_as_prepared(name):
    assert len(labels(name)) == len(set(labels(name))) == 400
    assert labels(name)[0] == "abseiling" and labels(name)[-1] == "zumba"
    preparation = PREPARATIONS[name]
    with torch.device("meta"):
        net = VARIANTS[name]().eval()
        clip = torch.empty(1, 3, preparation.frames, *preparation.crop)
        assert net(clip).shape == (1, 400)
    assert isinstance(net, Reference)


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18", "s3d"])
def test_cost_is_what_torchvision_prints(name):
    with torch.device("meta"):
        net = VARIANTS[name]()
    preparation, printed = PREPARATIONS[name], get_model_weights(name).DEFAULT.meta["_ops"]
    frames = {"s3d": 16}.get(name, preparation.frames)  # torchvision counts every model on its smallest clip
    shape = (1, 3, frames, *preparation.crop)
    assert multiplications(net, {"clip": shape}) / 1e9 == pytest.approx(printed, rel=0.01)


@pytest.mark.parametrize("name", PREPARATIONS)
def test_preparation_is_the_publishers(name):
    ours, theirs = PREPARATIONS[name], get_model_weights(name).DEFAULT.transforms()
    resize = [ours.resize] if isinstance(ours.resize, int) else list(ours.resize)
    assert (resize, list(ours.crop)) == (theirs.resize_size, theirs.crop_size)
    assert (list(ours.mean), list(ours.std)) == (theirs.mean, theirs.std)


def test_the_number_of_frames_is_what_torchvisions_page_says():
    swin = PREPARATIONS["swin3d_t"]
    assert (swin.frames, swin.fps, swin.clips) == (32, 15.0, 12)


def test_systems_are_there_without_torchvision():
    """It takes as long to import as PyTorch itself; whoever waits for a first answer does not wait for it."""
    asked = "import sys, actrec.recognition.recognizer as _; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0


@pytest.mark.parametrize("name", ["r3d_18", "s3d", "swin3d_t"])
def test_bfloat16_channels_last_gives_the_same_class(name):
    torch.manual_seed(0)
    net = reference(name).eval()
    torch.nn.init.normal_(next(p for p in net.head.parameters() if p.dim() == 2))  # classes far apart
    numbers = NumberFormat("bfloat16", channels_last=True)
    clip = torch.rand(SHAPES[name])
    with torch.no_grad():
        before = net(clip)
        after = numbers.convert(net)(numbers.arrange(clip))
    assert after.dtype == torch.bfloat16 and after.argmax() == before.argmax()


def test_fine_tuning_reaches_every_parameter():
    net = reference("r3d_18", classes=5)
    net(torch.rand(2, 3, 8, 32, 32)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_wrong_files_and_names_are_sentences(tmp_path):
    written("r3d_18", tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"public model 'mc3_18': for 'layer2.0.conv1.0.weight' it holds"):
        torchvision_model("mc3_18", tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"for 'fc.weight' it holds \[7, 512\] and the weights \[400, 512\]"):
        torchvision_model("r3d_18", tmp_path / "weights.pth", classes=7)
    with pytest.raises(ValueError, match=r"no public model .r4d.. Known: r3d_18, mc3_18"):
        reference("r4d")
