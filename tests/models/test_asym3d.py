"""The asymmetric networks against Tables 2 and 3, and the cascade against the dense convolution it stands for."""

from __future__ import annotations

import pytest
import torch
from overfitting import accuracy_by_heart, clips
from torch import nn
from torch.nn import functional

from actrec.models.asym3d import VARIANTS, AsymmetricConv3d, MicroNet, TwoInputs, light
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


# Kernels (time, height, width) in the order in which they are computed.
DENSE, CUBE_BY_THREE, TWO_BY_THREE = (3, 3, 3), [(1, 3, 1), (1, 1, 3), (3, 1, 1)], [(1, 5, 1), (1, 1, 5), (3, 1, 1)]
ONE = (1, 1, 1)
COLUMNS = {  # fig. 3: the column of one 3×3×3, and the column of two
    "M1": ([ONE, DENSE], [ONE, DENSE, DENSE]),
    "M2": ([ONE, DENSE], [ONE, *TWO_BY_THREE]),
    "M3": ([ONE, *CUBE_BY_THREE], [ONE, DENSE, DENSE]),
    "M4": ([ONE, *CUBE_BY_THREE], [ONE, *TWO_BY_THREE]),
}


def kernels(part: nn.Module) -> list[tuple[int, ...]]:
    """The kernels of a part's convolutions as a clip meets them; every one keeps the size."""
    met: list[tuple[int, ...]] = []

    def note(conv: nn.Conv3d, given: tuple[torch.Tensor], after: torch.Tensor) -> None:
        met.append(tuple(conv.kernel_size))
        assert given[0].shape[2:] == after.shape[2:]

    convs = [module for module in part.modules() if isinstance(module, nn.Conv3d)]
    hooks = [conv.register_forward_hook(note) for conv in convs]
    part(torch.zeros(1, convs[0].in_channels, 4, 6, 6, device=convs[0].weight.device))
    for hook in hooks:
        hook.remove()
    return met


@pytest.mark.parametrize(("kind", "middle", "left"), [(kind, *columns) for kind, columns in COLUMNS.items()])
def test_the_columns_of_a_micronet_are_figure_3s(kind, middle, left):
    net = MicroNet(kind, 32, 32)
    assert (kernels(net.middle), kernels(net.left)) == (middle, left)
    assert kernels(net.linear) == kernels(net.pooled) == [ONE]
    pool = net.pooled[0]
    assert isinstance(pool, nn.MaxPool3d) and (pool.kernel_size, pool.stride, pool.padding) == (3, 1, 1)
    assert kernels(AsymmetricConv3d(4, 4)) == CUBE_BY_THREE
    maps = torch.randn(1, 32, 4, 6, 6)
    joined = torch.cat([net.linear(maps), net.middle(maps), net.left(maps), net.pooled(maps)], 1)
    assert torch.equal(net(maps), joined)


def test_a_relu_stands_behind_each_direction():
    cascade = AsymmetricConv3d(1, 1)
    for step, weight in zip(cascade, (1.0, -1.0, 1.0), strict=True):
        nn.init.constant_(step.conv.weight, weight)
        nn.init.zeros_(step.conv.bias)
    # Height adds three ones, width makes −9 of them, ReLU 0; without it time would make −27.
    assert not cascade(torch.ones(1, 1, 5, 5, 5)).any()
    nn.init.constant_(cascade.width.conv.weight, 1.0)
    assert cascade(torch.ones(1, 1, 5, 5, 5))[0, 0, 2, 2, 2] == 27


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("asym3d", ("M2", "M2", "M3")),
        ("asym3d-M2", ("M2", "M2", "M2")),
        ("asym3d-M3", ("M3", "M3", "M3")),
        ("asym3d-light", ("M2", "M2", "M3")),
    ],
)
def test_a_whole_network_is_two_dense_layers_and_three_micronets(name, kinds):
    features = build(name).features
    first = [module.kernel_size for part in (features.conv1, features.conv2) for module in part.modules()
             if isinstance(module, nn.Conv3d)]  # fmt: skip
    assert first == [DENSE, DENSE]
    for group, kind in zip((features.conv3, features.conv4, features.conv5), kinds, strict=True):
        assert (kernels(group.middle), kernels(group.left)) == COLUMNS[kind]


@pytest.mark.parametrize("name", TABLE_2)
def test_the_groups_in_a_name_are_asymmetric_and_no_others(name):
    """b5 has one layer in a group, b8 two from the third group on, which become one cascade of 5, 5, 3."""
    features, at = build(name).features, {int(number) for number in name.split("asyConv")[1]}
    for number in range(1, 6):
        dense = [DENSE] * (2 if name.startswith("b8") and number > 2 else 1)
        cascade = TWO_BY_THREE if name.startswith("b8") else CUBE_BY_THREE
        assert kernels(getattr(features, f"conv{number}")) == (cascade if number in at else dense), number


@pytest.mark.parametrize("kind", COLUMNS)
def test_table_3_puts_a_micronet_in_place_of_conv5_alone(kind):
    features = build(f"b5-{kind}").features
    assert [kernels(getattr(features, f"conv{number}")) for number in (1, 2, 3, 4)] == [[DENSE]] * 4
    assert (kernels(features.conv5.middle), kernels(features.conv5.left)) == COLUMNS[kind]


# --- two networks together ------------------------------------------------------------------------


def pair() -> tuple[TwoInputs, dict[str, torch.Tensor]]:
    network = TwoInputs(light, 3, dropout=0.0, generator=torch.Generator().manual_seed(0))
    return network, {"rgb": clips(3, 16, 48, seed=0)[:2], "rgbf": clips(3, 16, 48, seed=1)[:2]}


def test_two_networks_answer_with_the_mean_of_their_probabilities():
    network, inputs = pair()
    network.eval()
    # Probabilities 1/2 1/4 1/4 and 1/8 1/8 3/4: their mean is 5/16, 3/16, 8/16, not the softmax of the mean score.
    scores = [torch.tensor([[4.0, 2.0, 2.0]]).log(), torch.tensor([[2.0, 2.0, 12.0]]).log()]
    assert network.fused(scores).softmax(1)[0].tolist() == pytest.approx([5 / 16, 3 / 16, 8 / 16])
    assert network.fused(scores).exp()[0].tolist() == pytest.approx([5 / 16, 3 / 16, 8 / 16])
    with torch.no_grad():
        alone = [network.streams[name](inputs[name]).softmax(1) for name in ("rgb", "rgbf")]
        assert torch.allclose(network(**inputs).softmax(1), (alone[0] + alone[1]) / 2, atol=1e-6)
        code = network.code(**inputs)
        assert torch.equal(code, torch.cat([network.streams[n].code(inputs[n]) for n in ("rgb", "rgbf")], 1))
        assert torch.equal(network.scores(code), network(**inputs))


def test_two_networks_start_differently_and_neither_sees_the_other_s_input():
    network, inputs = pair()
    one, other = network.streams["rgb"], network.streams["rgbf"]
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    functional.cross_entropy(network.streams["rgb"](inputs["rgb"]), torch.tensor([0, 1])).backward()
    assert all(parameter.grad is not None for parameter in one.parameters())
    assert all(parameter.grad is None for parameter in other.parameters())


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
