"""3D-Fused: frame by frame until the last maps, joined by a 3-D convolution, of the published size."""

from __future__ import annotations

import pytest
import torch
from overfitting import accuracy_by_heart, clips

from actrec.models.counting import weights
from actrec.models.fused3d import VARIANTS, Fused3D


def light(**options) -> Fused3D:
    generator = torch.Generator().manual_seed(0)
    return VARIANTS["fused-3d-light"](4, generator=generator, **{"dropout": 0.0, **options})


def inputs(batch: int = 8) -> dict[str, torch.Tensor]:
    return {"rgb": clips(3, 4, 32, 1)[:batch], "flow": clips(8, 4, 32, 2)[:batch]}


def test_it_has_the_published_39_million_weights_most_of_them_in_the_fusion():
    """Carreira and Zisserman, table 1: 39 M. The convolution alone: 2048 × 512 × 27; a stream: Inception-v1's 5.6 M."""
    with torch.device("meta"):
        network = VARIANTS["fused-3d"](400)
    assert weights(network.fuse) == 2048 * 512 * 27
    assert weights(network.streams["rgb"]) / 1e6 == pytest.approx(5.6, abs=0.05)
    assert 39e6 <= weights(network) < 40e6
    more_flow = (20 - 3) * 64 * 7 * 7  # ten steps of x and y instead of three colours
    assert weights(network.streams["flow"]) - weights(network.streams["rgb"]) == more_flow


def test_the_last_maps_of_five_frames_are_5_by_7_by_7():
    with torch.device("meta"):
        network = VARIANTS["fused-3d"](101)
        x = torch.zeros(1, 3, 5, 224, 224)
        for layer in network.streams["rgb"].values():
            x = layer(x)
    assert x.shape == (1, 1024, 5, 7, 7)


def test_until_the_fusion_no_frame_sees_another():
    network = light().eval()
    clip = inputs(1)["flow"]
    other = clip.clone()
    other[:, :, 2] += 1.0
    with torch.no_grad():
        one, two = clip, other
        for layer in network.streams["flow"].values():
            one, two = layer(one), layer(two)
    changed = (one != two).flatten(3).any(-1)[0].any(0)
    assert changed.tolist() == [False, False, True, False]


def test_the_fusion_sees_rgb_first_and_flow_behind_it():
    network = light().eval()
    half = network.fuse.in_channels // 2
    with torch.no_grad():
        network.fuse.weight[:, half:] = 0
        one = network.code(**inputs(2))
        assert torch.equal(one, network.code(inputs(2)["rgb"], inputs(2)["flow"] + 1))
        assert not torch.allclose(one, network.code(inputs(2)["rgb"].flip(2) * 2, inputs(2)["flow"]))


def test_fused_maps_are_pooled_3_by_3_by_3_and_averaged():
    """Relu, then the largest of each 3×3×3 at every second place (SAME), then their mean."""
    network = light(ground=True).eval()
    network.streams = torch.nn.ModuleDict(
        {name: torch.nn.ModuleDict({"as it is": torch.nn.Identity()}) for name in ("rgb", "flow")}
    )
    network.fuse = torch.nn.Conv3d(2, 1, 3, padding=1)
    with torch.no_grad():
        network.fuse.weight.zero_()
        network.fuse.weight[0, 0, 1, 1, 1], network.fuse.weight[0, 1, 1, 1, 1] = 1.0, -1.0
        network.fuse.bias.zero_()
    rgb, flow = torch.zeros(1, 1, 2, 2, 4), torch.full((1, 1, 2, 2, 4), 10.0)
    rgb[0, 0, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 0.0])
    flow[0, 0, 0, 0] = torch.tensor([0.0, 0.0, 5.0, 3.0])
    # rgb − flow: 1, 2, −2, −3, elsewhere −10. SAME pads behind: windows 0…2 and 2…3, largest 2 and −2,
    # of which the ReLU leaves 2 and 0.
    assert network.code(rgb, flow).item() == pytest.approx(1.0)


def test_every_parameter_learns():
    network = light()
    network(**inputs(4)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_light_learns_eight_clips_by_heart():
    assert accuracy_by_heart(light(), inputs()) == 1.0
