"""The asymmetric networks against Tables 2 and 3, and the cascade against the dense convolution it stands for."""

from __future__ import annotations

import pytest
import torch
from overfitting import accuracy_by_heart, clips
from torch import nn
from torch.nn import functional

from actrec.models.asym3d import VARIANTS, AsymmetricConv3d, MicroNet, light
from actrec.models.counting import multiplications, weights
from actrec.models.layers import for_inference

CLIP = {"clip": (1, 3, 16, 112, 112)}

# What the paper prints (Tables 2 and 3, 101 classes), in millions. Never edit a number to match the code.
TABLE_2 = {
    "b5-asyConv3": 17.05,
    "b5-asyConv4": 16.26,
    "b5-asyConv5": 16.26,
    "b5-asyConv34": 15.87,
    "b5-asyConv35": 15.87,
    "b5-asyConv45": 15.08,
    "b5-asyConv345": 14.69,
    "b8-asyConv3": 76.43,
    "b8-asyConv4": 70.53,
    "b8-asyConv5": 67.65,
    "b8-asyConv34": 68.56,
    "b8-asyConv35": 65.68,
    "b8-asyConv45": 59.78,
    "b8-asyConv345": 57.82,
}
TABLE_3 = {"b5-M1": 16.07, "b5-M2": 16.04, "b5-M3": 15.87, "b5-M4": 15.84}


def build(name: str, **options):
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        return VARIANTS[name](classes=101, **options)


@pytest.mark.parametrize(("name", "millions"), TABLE_2.items())
def test_weight_count_is_table_2s(name, millions):
    assert weights(build(name)) / 1e6 == pytest.approx(millions, abs=0.01)


def test_micronet_counts_differ_as_in_table_3_and_total_within_0_2_percent():
    ours = {name: weights(build(name)) / 1e6 for name in TABLE_3}
    for name, millions in TABLE_3.items():
        assert ours[name] == pytest.approx(millions, rel=0.002), name
        assert ours["b5-M1"] - ours[name] == pytest.approx(TABLE_3["b5-M1"] - millions, abs=0.01), name


def test_the_paper_names_every_variant_once():
    assert set(TABLE_2) | set(TABLE_3) <= set(VARIANTS)


def test_the_whole_network_costs_less_than_c3d_and_sees_figure_4s_sizes():
    network = build("asym3d")
    assert multiplications(network, CLIP) / 1e9 < 38.5 / 2
    maps, seen = torch.empty(CLIP["clip"], device="meta"), {}
    for name, layer in network.features.named_children():
        seen[name] = tuple(maps.shape[2:])
        maps = layer(maps)
    # Sec. 3.3: the MicroNets' inputs.
    assert (seen["conv3"], seen["conv4"], seen["conv5"]) == ((8, 28, 28), (4, 14, 14), (2, 7, 7))
    assert maps.shape[1:] == (512, 1, 4, 4)


def composed(cascade: AsymmetricConv3d) -> torch.Tensor:
    """The dense kernel that height, width and time make together when nothing stands between them."""
    height, width, time = (getattr(cascade, name).conv.weight for name in ("height", "width", "time"))
    return torch.einsum("mdt,dkw,kch->mcthw", time[..., 0, 0], width[:, :, 0, 0], height[:, :, 0, :, 0])


@pytest.mark.parametrize(("sizes", "inner"), [((3, 3, 3), None), ((5, 5, 3), None), ((5, 3, 3), (4, 7))])
def test_without_relu_and_bias_it_equals_the_dense_convolution_borders_included(sizes, inner):
    random = torch.Generator().manual_seed(0)
    cascade = AsymmetricConv3d(3, 6, sizes, inner=inner)
    for step in cascade:
        nn.init.normal_(step.conv.weight, std=0.3, generator=random)
        nn.init.zeros_(step.conv.bias)
        step.relu = nn.Identity()
    maps = torch.randn(2, 3, 6, 9, 8, generator=random)
    kernel = composed(cascade)
    assert kernel.shape == (6, 3, sizes[2], sizes[0], sizes[1])
    dense = functional.conv3d(maps, kernel, padding=[k // 2 for k in kernel.shape[2:]])
    assert torch.allclose(cascade(maps), dense, atol=1e-5)


def test_weights_of_the_cascade_are_chd_dwm_mtn():
    # C 8, D 5, M 7, N 6 with H 5, W 3, T 3: 8·5·5 + 5·3·7 + 7·3·6
    assert weights(AsymmetricConv3d(8, 6, (5, 3, 3), inner=(5, 7))) == 200 + 105 + 126


def test_a_micronet_has_googlenets_widths_and_its_kind_of_columns():
    for kind, (middle, left) in {"M1": (1, 2), "M2": (1, 3), "M3": (3, 2), "M4": (3, 3)}.items():
        net = MicroNet(kind, 192, 256)
        convs = {n: [m for m in c.modules() if isinstance(m, nn.Conv3d)] for n, c in net.named_children()}
        assert [convs[n][-1].out_channels for n in ("linear", "middle", "left", "pooled")] == [64, 128, 32, 32]
        assert (len(convs["middle"]) - 1, len(convs["left"]) - 1) == (middle, left), kind
        assert (convs["middle"][0].out_channels, convs["left"][0].out_channels) == (96, 16)
        assert net(torch.zeros(1, 192, 2, 3, 3)).shape == (1, 256, 2, 3, 3)
    with pytest.raises(ValueError, match="M1, M2, M3 or M4"):
        MicroNet("M5", 16, 32)
    with pytest.raises(ValueError, match="multiple of 16"):
        MicroNet("M1", 16, 40)


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, torch.Tensor, float]:
    torch.manual_seed(0)
    network, clip = light(4, dropout=0.0), clips(3, 16, 80, seed=0)  # any size: the mean takes it
    return network, clip, accuracy_by_heart(network, {"clip": clip})


def test_the_light_size_is_light():
    with torch.device("meta"):
        network = light(20)
    assert weights(network) <= 0.5e6
    assert multiplications(network, CLIP) <= 0.6e9


def test_the_light_size_learns_eight_clips_by_heart(trained):
    assert trained[2] == 1.0


def test_every_parameter_learns():
    network = light(4, generator=torch.Generator().manual_seed(0))
    clip = clips(3, 16, 112, seed=0)[:2]
    functional.cross_entropy(network(clip), torch.tensor([0, 1])).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_answer_does_not_depend_on_the_rest_of_the_batch(trained):
    network, clip, _ = trained
    with torch.no_grad():
        together, alone = network(clip)[2:3], network(clip[2:3])
    assert torch.allclose(together, alone, atol=1e-4)


def test_bfloat16_channels_last_and_the_folded_copy_give_the_same_answer(trained):
    network, clip, _ = trained
    with torch.no_grad():
        scores = network(clip[:3])
        folded = for_inference(network)
        assert torch.allclose(folded(clip[:3]), scores, atol=1e-4)
        assert torch.allclose(folded(clip[:1]), scores[:1], atol=1e-4)
        layout = torch.channels_last_3d
        small = for_inference(network).bfloat16().to(memory_format=layout)
        answers = small(clip[:3].bfloat16().contiguous(memory_format=layout))
    assert answers.argmax(1).tolist() == scores.argmax(1).tolist()
    assert torch.allclose(answers.float().softmax(1), scores.softmax(1), atol=0.05)
    assert network.training is False
    assert any(isinstance(m, nn.BatchNorm3d) for m in network.modules())  # the original is left alone


def test_code_scores_and_forward_agree(trained):
    network, clip, _ = trained
    with torch.no_grad():
        code = network.code(clip[:1])
        assert code.shape == (1, 128)
        assert torch.equal(network.scores(code), network(clip=clip[:1]))
