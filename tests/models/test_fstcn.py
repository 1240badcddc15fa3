"""FstCN: the T-P operator by hand, the paper's sizes, its paths and the three stages of its training."""

from __future__ import annotations

import pytest
import torch
from overfitting import accuracy_by_heart, clips
from torch import nn
from torch.nn import functional

from actrec.models.counting import multiplications, weights
from actrec.models.fstcn import (
    LIGHT,
    PAPER,
    VARIANTS,
    Inside,
    LocalResponseNorm,
    TemporalLayer,
    TPOperator,
    light,
    lower_side,
    lower_stride,
)
from actrec.models.layers import for_inference


def build(name: str, **options):
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        return VARIANTS[name](classes=101, **options)


def pair(side: int, batch: int = 1) -> dict[str, tuple[int, ...]]:
    return {"frames": (batch, 3, 5, side, side), "difference": (batch, 3, 5, side, side)}


def test_the_tp_operator_by_hand():
    """Two frames, two features, maps of 2×2. P swaps the features and doubles the one that comes first."""
    #                     feature 0          feature 1
    maps = torch.tensor(
        [
            [
                [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],  # frame 0
                [[[10, 20], [30, 40]], [[50, 60], [70, 80]]],  # frame 1
            ]
        ],
        dtype=torch.float32,
    )
    operator = TPOperator(2, 2)
    with torch.no_grad():
        operator.p.copy_(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
    # For each of the four positions a picture [time, feature]: (2·feature 1, feature 0).
    expected = [
        [[10, 1], [100, 10]],
        [[12, 2], [120, 20]],
        [[14, 3], [140, 30]],
        [[16, 4], [160, 40]],
    ]
    assert operator(maps)[0].tolist() == expected


def test_the_paper_size_has_252_7_million_weights():
    # 4.17 lower, 0.59 + 0.02 + 0.01 + 167.77 + 8.39 temporal, 2.36 + 52.43 + 8.39 spatial, 8.39 + 0.21 on top
    assert weights(build("fstcn")) / 1e6 == pytest.approx(252.7, abs=0.1)


def test_a_picture_of_204_becomes_11_and_the_paths_see_40960_and_12800():
    network = build("fstcn")
    assert network.lower(torch.empty(1, 3, 204, 204, device="meta")).shape == (1, 512, 11, 11)
    assert lower_side(network.sizes) == 11
    assert network.temporal.fc[0].in_features == 64 * 5 * 128
    assert network.spatial.fc[0].in_features == 512 * 5 * 5
    assert [column.in_channels for column in network.temporal.layer.columns] == [9, 9]


@pytest.mark.parametrize(
    ("name", "paths", "kernels"),
    [
        ("fstcn", {"spatial", "temporal", "spatiotemporal"}, [3, 5]),
        ("fstcn-scl", {"spatial"}, None),
        ("fstcn-tcl", {"temporal"}, [3, 5]),
        ("fstcn-tcl-3", {"temporal"}, [3]),
        ("fstcn-tcl-5", {"temporal"}, [5]),
    ],
)
def test_the_papers_ablations_keep_what_they_name(name, paths, kernels):
    network = build(name)
    inputs = {key: torch.empty(shape, device="meta") for key, shape in pair(204, 2).items()}
    features = network.features(**inputs)
    assert set(features) == paths
    assert all(feature.shape == (2, 2048) for feature in features.values())
    if kernels:
        assert [column.kernel_size[0] for column in network.temporal.layer.columns] == kernels
    assert network(**inputs).shape == (2, 101)


def test_one_kernel_can_be_shared_by_all_positions():
    network = light(4, positions="shared")
    kernels = [parameter for parameter in network.temporal.layer.parameters() if parameter.dim() == 4]
    assert [kernel.shape[1] for kernel in kernels] == [1, 1]
    # Nine positions with the same vector get the same answer from the shared kernel, in nine copies.
    layer = network.temporal.layer.eval()
    same = torch.randn(1, 1, 5, 48, generator=torch.Generator().manual_seed(0)).expand(1, 9, 5, 48)
    answers = layer(same).view(9, -1)
    assert torch.allclose(answers, answers[:1].expand_as(answers), atol=1e-6)
    with pytest.raises(ValueError, match="channels or shared"):
        light(4, positions="some")
    with pytest.raises(ValueError, match="both, scl or tcl"):
        light(4, path="neither")


def test_local_response_norm_by_hand_and_in_bfloat16():
    # One position, six channels 0…5; channel 2 sees 0…4: Σx² = 30 → 2 / (2 + 5e-4/5 · 30)^0.75
    maps = torch.arange(6.0).view(1, 6, 1, 1)
    norm = LocalResponseNorm()
    assert norm(maps)[0, 2].item() == pytest.approx(2 / (2 + 1e-4 * 30) ** 0.75)
    assert norm(maps)[0, 5].item() == pytest.approx(5 / (2 + 1e-4 * (9 + 16 + 25)) ** 0.75)
    small = norm(maps.bfloat16())
    assert small.dtype == torch.bfloat16
    assert torch.allclose(small.float(), norm(maps), rtol=0.01)


def test_training_takes_a_random_frame_and_test_the_middle_one():
    network = light(4)
    frames = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(64, 3, 5, 2, 2)
    torch.manual_seed(0)
    assert network.train()._one_frame(frames).unique().tolist() == [0, 1, 2, 3, 4]
    assert network.eval()._one_frame(frames).unique().tolist() == [2]


def test_the_auxiliary_classifier_trains_the_networks_own_layers_in_three_stages():
    torch.manual_seed(0)
    network = light(4, dropout=0.0)
    with pytest.raises(ValueError, match="need the auxiliary classifier"):
        network.begin("pictures")
    network.add_auxiliary(10)
    clip = torch.randn(4, 3, 5, 112, 112)
    labels = torch.tensor([0, 1, 2, 3])
    # the auxiliary classifier by hand, on the frames that are drawn
    torch.manual_seed(5)
    picture = network.train()._one_frame(clip)[:, :, 0]
    torch.manual_seed(5)
    scores = network.picture_scores(clip)
    assert torch.equal(scores, network.auxiliary(network.spatial(network.lower(picture))))

    network.begin("pictures")
    learning = {n.split(".")[0] for n, p in network.named_parameters() if p.requires_grad}
    assert learning == {"lower", "spatial", "auxiliary"}

    lower = {name: value.clone() for name, value in network.lower.state_dict().items()}
    upper = network.spatial.fc[0].weight.detach().clone()
    network.begin("last layers")
    learning = [n for n, p in network.named_parameters() if p.requires_grad and p.dim() > 1]
    assert learning == ["spatial.fc.0.weight", "spatial.fc.4.weight", "auxiliary.weight"]
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    functional.cross_entropy(network.picture_scores(clip), labels).backward()
    optimiser.step()
    assert all(torch.equal(value, lower[name]) for name, value in network.lower.state_dict().items())  # norms, too
    assert not torch.equal(network.spatial.fc[0].weight, upper)

    network.begin("pairs")
    assert all(p.requires_grad for p in network.parameters()) and network.auxiliary is None
    assert all(module.training for module in network.modules())
    assert set(network.state_dict()) == set(light(4).state_dict())
    with pytest.raises(ValueError, match="needs the spatial path"):
        light(4, path="tcl").add_auxiliary(10)


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, dict[str, torch.Tensor], float]:
    torch.manual_seed(0)
    network = light(4, dropout=0.0)
    inputs = {"frames": clips(3, 5, 112, seed=0), "difference": clips(3, 5, 112, seed=1).abs()}
    return network, inputs, accuracy_by_heart(network, inputs)


def test_the_light_size_is_light():
    with torch.device("meta"):
        network = light(20)
    assert weights(network) <= 1.5e6
    assert multiplications(network, pair(112)) <= 3e9


def test_the_light_size_learns_eight_clips_by_heart(trained):
    assert trained[2] == 1.0


@pytest.mark.parametrize("name", ["lrn", "batch"])
def test_every_parameter_learns(name):
    from dataclasses import replace

    from actrec.models.fstcn import LIGHT, FstCN

    torch.manual_seed(0)
    network = FstCN(4, sizes=replace(LIGHT, norm=name))
    inputs = {"frames": clips(3, 5, 112, seed=0)[:3], "difference": clips(3, 5, 112, seed=1)[:3]}
    functional.cross_entropy(network(**inputs), torch.tensor([0, 1, 2])).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_answer_does_not_depend_on_the_rest_of_the_batch(trained):
    network, inputs, _ = trained
    with torch.no_grad():
        together = network(**inputs)[2:3]
        alone = network(**{name: value[2:3] for name, value in inputs.items()})
    assert torch.allclose(together, alone, atol=1e-4)


def test_bfloat16_channels_last_and_the_folded_copy_give_the_same_answer(trained):
    network, inputs, _ = trained
    small = for_inference(network).bfloat16().to(memory_format=torch.channels_last)
    with torch.no_grad():
        scores = network(**inputs)
        assert torch.allclose(for_inference(network)(**inputs), scores, atol=1e-4)
        answers = small(**{n: v.bfloat16().contiguous(memory_format=torch.channels_last_3d) for n, v in inputs.items()})
    assert answers.argmax(1).tolist() == scores.argmax(1).tolist()
    assert torch.allclose(answers.float().softmax(1), scores.softmax(1), atol=0.05)


# --- sec. 2.5, layer by layer -----------------------------------------------------------------------


def layers(modules: nn.Module) -> list[tuple]:
    """Convolutions as (channels, kernel, stride, padding), pools as ("pool", kernel, stride), others by name."""
    listed: list[tuple] = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            listed.append((module.out_channels, module.kernel_size[0], module.stride[0], module.padding[0]))
        elif isinstance(module, nn.MaxPool2d):
            listed.append(("pool", module.kernel_size, module.stride, module.padding, module.ceil_mode))
        else:
            listed.append((type(module).__name__,))
    return listed


def test_the_papers_layers_are_those_of_section_2_5_in_their_order():
    network, relu, norm, pool = build("fstcn"), ("ReLU",), ("LocalResponseNorm",), ("pool", 3, 2, 0, False)
    # Conv(96,7,2) - ReLU - Norm - Pooling(3,2) - Conv(256,5,2) - ReLU - Norm - Pooling(3,2) - Conv(512,3,1) twice
    assert layers(network.lower) == [
        (96, 7, 2, 0), relu, norm, pool,
        (256, 5, 2, 0), relu, norm, pool,
        (512, 3, 1, 1), relu,
        (512, 3, 1, 1), relu,
    ]  # fmt: skip
    assert layers(network.temporal.between) == [(128, 3, 1, 1), relu, ("pool", 3, 3, 0, False)]
    assert layers(network.spatial.between) == [(512, 3, 1, 1), relu, pool]
    assert network.temporal.operator.p.shape == (128, 128)
    assert layers(network.temporal.layer.columns) == [(32, 3, 1, 1), (32, 5, 1, 2)]
    for path in (network.temporal, network.spatial):
        assert [full.out_features for full in path.fc if isinstance(full, nn.Linear)] == [4096, 2048]
    assert network.fusion[0].in_features == 2 * 2048 and network.fusion[0].out_features == 2048
    rates = {name: module.p for name, module in network.named_modules() if isinstance(module, nn.Dropout)}
    assert rates.pop("temporal.layer.dropout") == 0.5 and set(rates.values()) == {0.5}
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def test_the_permutation_matrix_starts_gaussian():
    torch.manual_seed(0)
    values = TPOperator(128, 128).p.detach().flatten()
    assert values.mean().abs() < 0.003 and values.std().item() == pytest.approx(1 / 128**0.5, rel=0.03)
    within = (values.abs() < values.std()).float().mean().item()
    assert within == pytest.approx(0.6827, abs=0.02)  # of a normal distribution; 0.577 of an even one


def test_the_operator_keeps_wide_maps_row_by_row():
    """Maps of two rows and three columns: place 1 of the vector is the second column of the first row."""
    maps = torch.arange(6.0).view(1, 1, 1, 2, 3)
    operator = TPOperator(1, 1)
    with torch.no_grad():
        operator.p.fill_(1.0)
    assert operator(maps).shape == (1, 6, 1, 1) and operator(maps).flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_the_temporal_layer_runs_along_time_first_and_channels_second():
    """One place, three times, four channels; kernels that look one time back, or one channel to the left."""
    vectors = torch.tensor([[[[1.0, 2, 3, 4], [5, 6, 7, 8], [9, -10, 11, 12]]]])
    layer = TemporalLayer(1, 1, (3, 5), 0.5, shared=False).eval()
    with torch.no_grad():
        for column in layer.columns:
            column.weight.zero_()
            column.bias.zero_()
        layer.columns[0].weight[0, 0, 0, 1] = 1.0  # the row above: the time before
        layer.columns[1].weight[0, 0, 2, 1] = 1.0  # of five: the column one to the left
        answer = layer(vectors).view(2, 3, 4)
    assert answer[0].tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert answer[1].tolist() == [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 0, 11]]  # −10 falls to the ReLU
    with torch.no_grad():
        dropped = layer.train()(torch.ones(1, 1, 3, 4) * 100)  # what is kept counts twice
    assert {round(value) for value in dropped.unique().tolist()} <= {0, 100, 200}


def reached(output: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    """The frames of each input that an output depends on."""
    slopes = torch.autograd.grad(output.sum(), list(inputs.values()), allow_unused=True, retain_graph=True)
    return {
        name: [] if slope is None else [t for t in range(slope.shape[2]) if slope[:, :, t].any()]
        for name, slope in zip(inputs, slopes, strict=True)
    }


def test_in_a_test_the_spatial_path_sees_the_middle_frame_and_the_temporal_one_all_differences():
    torch.manual_seed(0)
    network = light(4).eval()
    inputs = {name: torch.randn(shape, requires_grad=True) for name, shape in pair(112).items()}
    features = network.features(**inputs)
    assert reached(features["spatial"], inputs) == {"frames": [2], "difference": []}
    assert reached(features["temporal"], inputs) == {"frames": [], "difference": [0, 1, 2, 3, 4]}
    assert reached(features["spatiotemporal"], inputs) == {"frames": [2], "difference": [0, 1, 2, 3, 4]}
    first, second = torch.cat([features["spatial"], features["temporal"]], 1), network.fusion
    assert torch.equal(features["spatiotemporal"], second(first))
    assert torch.equal(network.code(**inputs), features["spatiotemporal"])


# --- the start from pictures ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "maps"), [("fstcn", (1, 512, 11, 11)), ("fstcn-light", (1, 128, 10, 10))])
def test_a_published_picture_network_gives_maps_of_the_same_size_and_leaves_the_paths_alone(name, maps):
    own, other = build(name), build(name, lower="efficientnet-lite0")
    side = own.sizes.side
    for network in (own, other):
        assert network.lower(torch.empty(1, 3, side, side, device="meta")).shape == maps
    behind = [
        {key: value.shape for key, value in network.state_dict().items() if not key.startswith("lower")}
        for network in (own, other)
    ]
    assert behind[0] == behind[1]
    with pytest.raises(ValueError, match="own or efficientnet-lite0"):
        light(4, lower="resnet")


def test_the_border_that_unpadded_layers_lack_is_left_out():
    """13 places at a stride of 16 over 204 pixels, 11 of them: rows and columns 1 to 11."""
    maps = torch.arange(13.0 * 13).view(1, 1, 13, 13)
    inner = Inside(11)(maps)
    assert inner.shape == (1, 1, 11, 11) and inner[0, 0, 0, 0] == 14 and inner[0, 0, -1, -1] == 11 * 13 + 11
    assert [lower_stride(sizes) for sizes in (PAPER, LIGHT)] == [16, 8]  # 2·2·2·2 and 2·2·1·2


def test_what_starts_from_pictures_learns_everywhere_and_its_stages_are_the_same():
    torch.manual_seed(0)
    network = light(4, lower="efficientnet-lite0")
    inputs = {"frames": clips(3, 5, 112, seed=0)[:2], "difference": clips(3, 5, 112, seed=1)[:2]}
    functional.cross_entropy(network(**inputs), torch.tensor([0, 1])).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
    network.add_auxiliary(4)
    network.begin("last layers")
    learning = [n for n, p in network.named_parameters() if p.requires_grad and p.dim() > 1]
    assert learning == ["spatial.fc.0.weight", "spatial.fc.4.weight", "auxiliary.weight"]
    assert not any(module.training for module in network.lower.modules())


def test_half_of_what_the_temporal_layer_finds_is_left_out_in_training_and_nothing_in_a_test():
    """Sec. 2.5: dropout 0.5 behind the temporal convolutions."""
    torch.manual_seed(0)
    layer = TemporalLayer(9, 8, (3, 5), 0.5, shared=False)
    vectors = torch.randn(4, 9, 5, 32)
    whole, left = layer.eval()(vectors), layer.train()(vectors)
    fires = whole > 0
    stays = left[fires] > 0
    assert abs(float(stays.float().mean()) - 0.5) < 0.05
    assert torch.allclose(left[fires][stays], 2 * whole[fires][stays]) and not left[~fires].any()
