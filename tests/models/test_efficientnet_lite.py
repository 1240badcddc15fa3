"""EfficientNet-Lite against its paper's table, arithmetic by hand, and the tensors that others have published."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from actrec.models.efficientnet_lite import VARIANTS, EfficientNetLite, InvertedBottleneck, SameConv2d, Trunk, scaled
from actrec.weights.cards import WeightsError
from actrec.weights.convert import efficientnet_tensors


def unit(c_in: int, c_out: int, kernel: int = 1, groups: int = 1) -> int:
    """Weights of a convolution without bias, and the two of each channel of its batch norm."""
    return kernel * kernel * c_in // groups * c_out + 2 * c_out


def bottleneck(c_in: int, c_out: int, kernel: int, expand: int = 6) -> int:
    wide = c_in * expand
    return (unit(c_in, wide) if expand > 1 else 0) + unit(wide, wide, kernel, wide) + unit(wide, c_out)


# Every block of the two networks, written down by hand from table 1 (channels in, out, kernel).
LITE_0 = [(16, 24, 3), (24, 24, 3), (24, 40, 5), (40, 40, 5), (40, 80, 3), (80, 80, 3), (80, 80, 3), (80, 112, 5),
          (112, 112, 5), (112, 112, 5), (112, 192, 5), (192, 192, 5), (192, 192, 5), (192, 192, 5),
          (192, 320, 3)]  # fmt: skip
# 1.1 × 24, 40, 80, 112, 192, 320 to eights: 24 (26.4 → 24 is 0.91), 48 (44), 88, 120 (123.2), 208 (211.2), 352;
# 16 → 16 (17.6). 1.2 × 2, 3, 4 blocks: 3, 4, 5.
LITE_2 = [(16, 24, 3), *[(24, 24, 3)] * 2, (24, 48, 5), *[(48, 48, 5)] * 2, (48, 88, 3), *[(88, 88, 3)] * 3,
          (88, 120, 5), *[(120, 120, 5)] * 3, (120, 208, 5), *[(208, 208, 5)] * 4, (208, 352, 3)]  # fmt: skip


def by_hand(blocks: list[tuple[int, int, int]]) -> int:
    first = bottleneck(32, 16, 3, expand=1)
    head = unit(blocks[-1][1], 1280) + 1280 * 1000 + 1000
    return unit(3, 32, 3) + first + sum(bottleneck(c_in, c_out, kernel) for c_in, c_out, kernel in blocks) + head


# What others print of the same networks (efficientnet-lite.pytorch, timm): 4.652 and 6.092 million.
@pytest.mark.parametrize(
    ("name", "blocks", "weights"),
    [("efficientnet-lite0", LITE_0, 4_652_008), ("efficientnet-lite2", LITE_2, 6_092_072)],
)
def test_weights_are_those_counted_by_hand(name, blocks, weights):
    with torch.device("meta"):
        network = VARIANTS[name](1000)
    assert sum(p.numel() for p in network.parameters()) == by_hand(blocks) == weights


WIDTHS = [(24, 1.1, 24), (40, 1.1, 48), (112, 1.1, 120), (16, 1.1, 16), (80, 1.0, 80), (8, 0.5, 8)]


@pytest.mark.parametrize(("channels", "width", "expected"), WIDTHS)
def test_channels_go_by_eights_and_lose_no_tenth(channels, width, expected):
    assert scaled(channels, width) == expected


@pytest.mark.parametrize(("size", "map_size"), [(224, 7), (161, 6)])
def test_a_picture_becomes_a_map_a_code_and_scores(size, map_size):
    network = VARIANTS["efficientnet-lite0"](7, generator=torch.Generator().manual_seed(0)).eval()
    pictures = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        assert network.features(pictures).shape == (2, 1280, map_size, map_size)
        code = network.code(pictures)
        assert code.shape == (2, 1280) and torch.equal(network(pictures), network.scores(code))
    assert network(pictures).shape == (2, 7)


def test_the_odd_zero_stands_behind():
    conv = SameConv2d(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    picture = torch.tensor([[1.0, 2, 4, 8]] * 4).view(1, 1, 4, 4)
    # columns 0–2 and 2–4, rows 0–2 and 2–4, of which the fifth is zero
    assert conv(picture).flatten().tolist() == [3 * 7, 3 * 12, 2 * 7, 2 * 12]
    wide = torch.rand(1, 1, 5, 8)  # an odd height is padded on both sides, an even width behind only
    assert torch.allclose(conv(wide), F.conv2d(F.pad(wide, (0, 1, 1, 1)), conv.weight, stride=2), atol=1e-6)


def test_a_block_adds_its_input_only_where_it_fits():
    assert InvertedBottleneck(8, 8, 3, 1, 6).adds
    assert not InvertedBottleneck(8, 8, 3, 2, 6).adds and not InvertedBottleneck(8, 16, 3, 1, 6).adds
    block = InvertedBottleneck(8, 8, 3, 1, 6).eval()
    torch.nn.init.zeros_(block.project.conv.weight)
    torch.nn.init.constant_(block.project.norm.bias, -1)
    x = torch.randn(1, 8, 5, 5)
    assert torch.equal(block(x), x - 1)  # what is added is linear: negative numbers pass


def test_every_parameter_learns():
    network = EfficientNetLite(3, generator=torch.Generator().manual_seed(0))
    network(torch.rand(2, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_published_tensors_fill_every_place_and_no_other():
    network = VARIANTS["efficientnet-lite0"](1000)
    state, names = network.state_dict(), network.published_names()
    assert names.keys() == state.keys() and len(set(names.values())) == len(names) == 296
    theirs = {names[ours]: torch.full_like(value, 2) for ours, value in state.items()}
    assert all((value == 2).all() for value in efficientnet_tensors(network, theirs).values())
    with pytest.raises(WeightsError, match=r"lack '_conv_stem\.weight'"):
        efficientnet_tensors(network, {name: value for name, value in theirs.items() if name != "_conv_stem.weight"})
    with pytest.raises(WeightsError, match=r"more than the network has: '_se\.weight'"):
        efficientnet_tensors(network, theirs | {"_se.weight": torch.zeros(1)})
    with pytest.raises(
        WeightsError, match=r"do not fit: for '_fc\.bias' the network holds \[1000\] and the weights \[9\]"
    ):
        efficientnet_tensors(network, theirs | {"_fc.bias": torch.zeros(9)})


def with_statistics(network: EfficientNetLite) -> EfficientNetLite:
    """Norms with statistics of their own, as published ones have."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def stages_of(network: EfficientNetLite, blocks: int, pictures: torch.Tensor) -> torch.Tensor:
    maps = network.stem(pictures)
    for block in network.blocks[:blocks]:
        maps = block(maps)
    return maps


@torch.no_grad()
def test_the_first_stages_alone_give_what_they_give_in_the_whole_network():
    torch.manual_seed(0)
    network, pictures = with_statistics(VARIANTS["efficientnet-lite0"](5)), torch.randn(1, 3, 96, 96)
    whole = stages_of(network, 11, pictures)  # 1 + 2 + 2 + 3 + 3 blocks
    trunk = Trunk(copy.deepcopy(network), 5, 16).eval()
    assert trunk.channels == 112 and trunk.ends == [1, 3, 5, 8, 11]
    assert torch.equal(trunk(pictures), whole) and whole.shape == (1, 112, 6, 6)


@torch.no_grad()
def test_at_half_the_stride_every_other_place_is_what_the_published_network_gives():
    torch.manual_seed(0)
    network, pictures = with_statistics(VARIANTS["efficientnet-lite0"](5)), torch.randn(1, 3, 96, 96)
    whole = stages_of(network, 11, pictures)
    fine = Trunk(copy.deepcopy(network), 5, 8).eval()(pictures)
    assert fine.shape == (1, 112, 12, 12)
    # A kernel of three at stride two over an even side begins one place behind the border: its places are 1, 3, 5, …
    inner, reach = fine[..., 1::2, 1::2], 1
    assert torch.allclose(inner[..., reach:-reach, reach:-reach], whole[..., reach:-reach, reach:-reach], atol=1e-5)


def test_the_norms_of_the_first_stages_come_to_know_other_pictures():
    trunk = Trunk(VARIANTS["efficientnet-lite0"](5), 5, 16)
    norms = [module for module in trunk.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 1 + 2 + 3 * 10 and {norm.momentum for norm in norms} == {0.1}
