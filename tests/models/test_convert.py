"""Published weights: files in each publisher's layout, computed the publisher's way, against our network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.models import resnet50 as torchvision_resnet50

from actrec.models import i3d
from actrec.models.i3d import I3D
from actrec.models.mdtnet import mdtnet
from actrec.models.resnet import resnet18
from actrec.systems.mdtnet import from_imagenet
from actrec.weights.checkpoint import WeightsError
from actrec.weights.convert import i3d_channels, load_i3d, load_imagenet, read_tensors

# The published tables, written down independently of the code: layer → kernel, channels in and out.
CLASSES = 7
BLOCKS = {
    "3b": (192, (64, 96, 128, 16, 32, 32)), "3c": (256, (128, 128, 192, 32, 96, 64)),
    "4b": (480, (192, 96, 208, 16, 48, 64)), "4c": (512, (160, 112, 224, 24, 64, 64)),
    "4d": (512, (128, 128, 256, 24, 64, 64)), "4e": (512, (112, 144, 288, 32, 64, 64)),
    "4f": (528, (256, 160, 320, 32, 128, 128)), "5b": (832, (256, 160, 320, 32, 128, 128)),
    "5c": (832, (384, 192, 384, 48, 128, 128)),
}  # fmt: skip


def units() -> dict[str, tuple[int, int, int]]:
    """Layer (with pytorch-i3d's short names) → channels in, channels out, kernel size."""
    table = {"Conv3d_1a_7x7": (3, 64, 7), "Conv3d_2b_1x1": (64, 64, 1), "Conv3d_2c_3x3": (64, 192, 3)}
    for block, (c, (one, r3, three, r5, five, pool)) in BLOCKS.items():
        sizes = {"b0": (c, one, 1), "b1a": (c, r3, 1), "b1b": (r3, three, 3)}
        sizes |= {"b2a": (c, r5, 1), "b2b": (r5, five, 3), "b3b": (c, pool, 1)}
        table |= {f"Mixed_{block}.{name}": size for name, size in sizes.items()}
    return table


def pytorch_i3d(seed: int = 0, scale: bool = True) -> dict[str, Tensor]:
    """A random file in the layout of pytorch-i3d."""
    g = torch.Generator().manual_seed(seed)
    state = {}
    for name, (c_in, c_out, k) in units().items():
        spread = (2 / (c_in * k**3)) ** 0.5
        state[f"{name}.conv3d.weight"] = torch.randn(c_out, c_in, k, k, k, generator=g) * spread
        state[f"{name}.bn.weight"] = 0.8 + 0.4 * torch.rand(c_out, generator=g) if scale else torch.ones(c_out)
        state[f"{name}.bn.bias"] = 0.1 * torch.randn(c_out, generator=g)
        state[f"{name}.bn.running_mean"] = 0.1 * torch.randn(c_out, generator=g)
        state[f"{name}.bn.running_var"] = 0.5 + torch.rand(c_out, generator=g)
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(9)
    state["logits.conv3d.weight"] = torch.randn(CLASSES, 1024, 1, 1, 1, generator=g)
    state["logits.conv3d.bias"] = torch.randn(CLASSES, generator=g)
    return state


def kinetics_i3d_pytorch(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same numbers under the names of kinetics_i3d_pytorch."""
    parts = {"b0": "branch_0", "b1a": "branch_1.0", "b1b": "branch_1.1", "b2a": "branch_2.0", "b2b": "branch_2.1"}
    parts |= {"b3b": "branch_3.1", "bn": "batch3d", "logits": "conv3d_0c_1x1"}
    renamed = {}
    for name, value in state.items():
        first, *rest = name.split(".")
        renamed[".".join([parts.get(first, first.lower()), *(parts.get(part, part) for part in rest)])] = value
    return renamed


def kinetics_i3d(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The same numbers as the authors' TensorFlow variables: no scale, other axes, one misnamed layer."""
    branches = {
        "b0": "Branch_0/Conv3d_0a_1x1", "b1a": "Branch_1/Conv3d_0a_1x1", "b1b": "Branch_1/Conv3d_0b_3x3",
        "b2a": "Branch_2/Conv3d_0a_1x1", "b2b": "Branch_2/Conv3d_0b_3x3", "b3b": "Branch_3/Conv3d_0b_1x1",
    }  # fmt: skip
    kinds = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    variables = {}
    for name, value in state.items():
        *place, module, kind = name.split(".")
        path = "/".join(branches.get(part, part) for part in place).replace("logits", "Logits/Conv3d_0c_1x1")
        if place == ["Mixed_5b", "b2b"]:
            path = "Mixed_5b/Branch_2/Conv3d_0a_3x3"
        if module == "conv3d":
            array = value.permute(2, 3, 4, 1, 0) if kind == "weight" else value
            variables[f"RGB/inception_i3d/{path}/conv_3d/{kind[0]}"] = array.numpy()
        elif kind in kinds:
            variables[f"RGB/inception_i3d/{path}/batch_norm/{kinds[kind]}"] = value.view(1, 1, 1, 1, -1).numpy()
    return variables


def published_forward(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network as its publishers compute it, straight from the tensors."""

    def pad(x: Tensor, kernel: tuple, stride: tuple) -> Tensor:
        pads = []
        for n, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
            total = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)

    def unit(name: str, x: Tensor, stride: int = 1) -> Tensor:
        kernel = state[f"{name}.conv3d.weight"]
        x = F.conv3d(pad(x, kernel.shape[2:], (stride,) * 3), kernel, stride=stride)
        norm = [state[f"{name}.bn.{statistic}"] for statistic in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(x, *norm, eps=1e-3))

    def pool(x: Tensor, kernel: tuple, stride: tuple) -> Tensor:
        return F.max_pool3d(pad(x, kernel, stride), kernel, stride)

    x = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x)), (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        if block in ("4b", "5b"):
            x = pool(x, *[((3,) * 3, (2,) * 3), ((2,) * 3, (2,) * 3)][block == "5b"])
        b = f"Mixed_{block}."
        columns = [unit(b + "b0", x), unit(b + "b1b", unit(b + "b1a", x)), unit(b + "b2b", unit(b + "b2a", x))]
        x = torch.cat([*columns, unit(b + "b3b", pool(x, (3,) * 3, (1,) * 3))], 1)
    x = F.avg_pool3d(x, (2, *x.shape[3:]), stride=1)  # 2×7×7 at 224×224
    x = F.conv3d(x, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
    return x.squeeze(4).squeeze(3).mean(2)


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return pytorch_i3d()


@pytest.mark.parametrize("size", [(20, 48, 64), (17, 45, 33)])
def test_published_i3d_gives_the_published_scores(published, size, tmp_path):
    torch.save(published, tmp_path / "rgb_imagenet.pt")
    net = I3D(CLASSES).eval()
    report = load_i3d(net, tmp_path / "rgb_imagenet.pt")
    assert (report.layout, report.loaded, report.left_out) == ("pytorch-i3d", 57 * 5 + 2, ())
    clip = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(net(clip), published_forward(published, clip), atol=1e-3, rtol=1e-3)


def test_three_layouts_hold_the_same_network(published, tmp_path):
    unscaled = {k: torch.ones_like(v) if k.endswith("bn.weight") else v for k, v in published.items()}
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in kinetics_i3d_pytorch(unscaled).items()}}, tmp_path / "a.pth"
    )
    np.savez(tmp_path / "b.npz", **kinetics_i3d(unscaled))
    nets = [I3D(CLASSES) for _ in range(3)]
    layouts = [
        load_i3d(nets[0], unscaled),
        load_i3d(nets[1], tmp_path / "a.pth"),
        load_i3d(nets[2], tmp_path / "b.npz"),
    ]
    assert [layout.layout for layout in layouts] == ["pytorch-i3d", "kinetics_i3d_pytorch", "kinetics-i3d"]
    assert [layout.left_out for layout in layouts] == [(), (), ()]
    first = nets[0].state_dict()
    for net in nets[1:]:
        assert [name for name, value in net.state_dict().items() if not torch.equal(value, first[name])] == []


def test_other_classes_keep_their_own_classifier(published):
    net = I3D(3)
    before = net.logits.weight.clone()
    report = load_i3d(net, published, classifier=False)
    assert torch.equal(net.logits.weight, before)
    assert report.left_out == ("logits.conv3d.bias", "logits.conv3d.weight")
    assert torch.equal(net.layers["Mixed_4e"].conv5.conv.weight, published["Mixed_4e.b2b.conv3d.weight"])


def test_i3d_weights_that_do_not_fit_name_the_tensor(published):
    with pytest.raises(WeightsError, match=r"'logits.conv3d.weight' the network holds \[3, 1024\] .* \[7, 1024\]"):
        load_i3d(I3D(3), published)
    with pytest.raises(WeightsError, match=r"'Conv3d_1a_7x7.conv3d.weight' the network holds \[64, 2, 7, 7, 7\]"):
        load_i3d(I3D(CLASSES, channels=2), published)
    broken = {name: value for name, value in published.items() if name != "Mixed_4c.b1b.bn.bias"}
    with pytest.raises(WeightsError, match=r"lack 'Mixed_4c.b1b.bn.bias'"):
        load_i3d(I3D(CLASSES), broken)
    with pytest.raises(WeightsError, match="no I3D weights in a known layout"):
        load_i3d(I3D(CLASSES), {"conv1.weight": torch.zeros(1)})


class Harmful:
    def __reduce__(self):
        return print, ("ran",)


def test_files_are_read_without_running_them(tmp_path, capsys):
    torch.save({"conv1.weight": Harmful()}, tmp_path / "a.pt")
    (tmp_path / "b.pth").write_bytes(b"no weights at all")
    (tmp_path / "c.safetensors").write_bytes(b"neither")
    (tmp_path / "d.npz").write_bytes(b"nor this")
    torch.save([1, 2], tmp_path / "e.pt")
    for name in ("a.pt", "b.pth", "c.safetensors", "d.npz"):
        with pytest.raises(WeightsError, match=r"is not a weights file that can be read safely"):
            read_tensors(tmp_path / name)
    with pytest.raises(WeightsError, match="holds no table of named tensors"):
        read_tensors(tmp_path / "e.pt")
    with pytest.raises(WeightsError, match="There is no weights file"):
        read_tensors(tmp_path / "absent.pt")
    assert capsys.readouterr().out == ""


def test_imagenet_weights_load_by_key_and_start_the_embeddings(tmp_path):
    torch.manual_seed(0)
    theirs = torchvision_resnet50().eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet50.pth")
    net = mdtnet(5, segments=2).eval()
    assert from_imagenet(net, read_tensors(tmp_path / "resnet50.pth")) == "318 tensors of ImageNet's ResNet"
    report = load_imagenet(net.backbone, tmp_path / "resnet50.pth")
    assert report.left_out == ("fc.bias", "fc.weight") and report.loaded == 318
    theirs.fc = torch.nn.Identity()
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net.backbone(picture), theirs(picture))
    fine = net.differences.fine[0].weight
    torch.testing.assert_close(fine[:, 5], theirs.conv1.weight.mean(1) * 3 / 12)
    # so a grey difference, equal in all twelve channels, is answered as a grey picture is
    grey = torch.randn(1, 1, 32, 32)
    answered = F.conv2d(grey.expand(1, 12, 32, 32), fine), F.conv2d(grey.expand(1, 3, 32, 32), theirs.conv1.weight)
    torch.testing.assert_close(*answered, atol=1e-4, rtol=1e-4)


def test_imagenet_weights_that_do_not_fit_name_the_tensor():
    state = torchvision_resnet18().state_dict()
    load_imagenet(resnet18(), state)
    with pytest.raises(WeightsError, match=r"'conv1.weight' it holds \[32, 3, 7, 7\] and the weights \[64, 3, 7, 7\]"):
        load_imagenet(resnet18((32, 64, 128, 128)), state)
    with pytest.raises(WeightsError, match=r"'layer1.0.conv1.weight' it holds .* 3, 3\] and the weights .* 1, 1\]"):
        load_imagenet(resnet18(), torchvision_resnet50().state_dict())


def test_our_own_layout_starts_another_stream():
    """What `fetch` keeps, and a two-stream network's RGB stream goes on from."""
    kept = i3d.rgb(400, generator=torch.Generator().manual_seed(0)).state_dict()
    network = i3d.rgb(5, generator=torch.Generator().manual_seed(1))
    found = load_i3d(network, kept, classifier=False)
    assert found.layout == "actrec" and i3d_channels(kept) == 3
    assert found.left_out == ("logits.bias", "logits.weight")
    state = network.state_dict()
    assert all(torch.equal(state[name], kept[name]) for name in kept if not name.startswith("logits."))
    assert state["logits.weight"].shape == (5, 1024)
