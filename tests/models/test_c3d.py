"""C3D and c3d-b5 against the counts of the asymmetric paper's Table 2, layer by layer."""

from __future__ import annotations

import pytest
import torch

from actrec.models.c3d import C3D, VARIANTS, dense_group
from actrec.models.counting import multiplications, weights

CLIP = {"clip": (1, 3, 16, 112, 112)}


def build(name: str, **options) -> C3D:
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        return VARIANTS[name](classes=101, **options)


# What the paper prints (Table 2, 101 classes). Never edit a number to match the code.
@pytest.mark.parametrize(("name", "millions"), [("c3d-b8", 78.40), ("c3d-b5", 17.44)])
def test_weight_count_is_the_papers(name, millions):
    assert weights(build(name)) / 1e6 == pytest.approx(millions, abs=0.01)


def test_c3d_makes_38_5_billion_multiplications():
    assert multiplications(build("c3d-b8"), CLIP) / 1e9 == pytest.approx(38.5, rel=0.01)


def test_the_conv3_row_of_table_1_is_corrected_and_the_others_stand():
    """Table 1 prints 31.12 B for Conv3; 2.65 M weights at 8·28·28 positions are 16.65 B. With them it is 38.5."""
    features = build("c3d-b8").features
    side = {"conv1": (16, 112), "conv2": (16, 56), "conv3": (8, 28), "conv4": (4, 14), "conv5": (2, 7)}
    printed = {"conv1": 1.04, "conv2": 11.09, "conv3": 16.65, "conv4": 8.33, "conv5": 1.39}
    for name, (frames, size) in side.items():
        billions = weights(getattr(features, name)) * frames * size**2 / 1e9
        assert billions == pytest.approx(printed[name], abs=0.01), name
    millions = [weights(getattr(features, name)) / 1e6 for name in side]
    assert millions == pytest.approx([0.005, 0.22, 2.65, 10.62, 14.16], abs=0.005)


def test_the_maps_halve_as_in_figure_6_and_fc6_sees_8192():
    network = build("c3d-b8")
    maps = torch.empty(CLIP["clip"], device="meta")
    seen = {}
    for name, layer in network.features.named_children():
        maps = layer(maps)
        seen[name] = tuple(maps.shape[1:])
    assert seen["pool1"] == (64, 16, 56, 56)
    assert seen["pool2"] == (128, 8, 28, 28)
    assert seen["pool3"] == (256, 4, 14, 14)
    assert seen["pool4"] == (512, 2, 7, 7)
    assert seen["pool5"] == (512, 1, 4, 4)
    assert [layer.in_features for layer in network.fc] == [8192, 4096]


def small() -> C3D:
    """The same class with numbers that a test can afford."""
    groups = [dense_group(3, 4, 1), dense_group(4, 4, 1), dense_group(4, 8, 2), dense_group(8, 8, 1)]
    groups.append(dense_group(8, 8, 1))
    return C3D(groups, 8, 5, fc=(16, 16), dropout=0.0, generator=torch.Generator().manual_seed(0))


def test_every_parameter_learns():
    network = small()
    clip = torch.randn(2, 3, 16, 112, 112, generator=torch.Generator().manual_seed(1))
    torch.nn.functional.cross_entropy(network(clip), torch.tensor([0, 1])).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_seed_gives_the_same_start():
    one, again = small(), small()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
