"""MS3D: the start of eq. 4, the sparse topology of eq. 2, the kernel that never moves, learning by N-pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from overfitting import clips
from torch.nn import functional

from actrec.models.counting import multiplications, weights
from actrec.models.layers import for_inference
from actrec.models.ms3d import MS3D, VARIANTS, SparseBlock, TimeConv3d, extend_time, kept, light, temporal_start
from actrec.recognition.repository import Repository
from actrec.systems.losses import n_pair_of_batch

FRAMES = {"slow": 7, "mid": 17, "fast": 25}


def shapes(side: int) -> dict[str, tuple[int, ...]]:
    return {name: (1, 3, count, side, side) for name, count in FRAMES.items()}


def three(side: int) -> dict[str, torch.Tensor]:
    return {name: clips(3, count, side, seed=count) for name, count in FRAMES.items()}


@pytest.mark.parametrize("slice_", ["first", "middle"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 7])
def test_equation_4_sums_to_one_over_time_for_every_depth(depth, slice_):
    kernel = temporal_start(torch.ones(1, 1, 2, 2), depth, slice_)
    assert kernel.shape == (1, 1, depth, 2, 2)
    assert torch.allclose(kernel.sum(2), torch.ones(1, 1, 2, 2))


def test_equation_4_by_hand():
    # d = 3: (2·3 − 1)/3 = 5/3 on one slice, −1/3 on the other two
    assert temporal_start(torch.full((1, 1, 1, 1), 3.0), 3).flatten().tolist() == pytest.approx([5, -1, -1])
    middle = temporal_start(torch.full((1, 1, 1, 1), 3.0), 3, "middle")
    assert middle.flatten().tolist() == pytest.approx([-1, 5, -1])
    with pytest.raises(ValueError, match="first or middle"):
        temporal_start(torch.ones(1, 1, 1, 1), 3, "last")


@pytest.mark.parametrize("size", [(3, 3, 3), (3, 5, 5), (3, 7, 7), (5, 3, 3)])
def test_a_still_clip_gets_exactly_the_two_dimensional_response(size):
    random = torch.Generator().manual_seed(0)
    flat = torch.randn(4, 2, *size[1:], generator=random)
    picture = torch.randn(2, 2, 9, 9, generator=random)
    expected = functional.conv2d(picture, flat, padding=(size[1] // 2, size[2] // 2))
    still = picture.unsqueeze(2).expand(-1, -1, 6, -1, -1)
    for padding in ("replicate", "zeros"):
        conv = TimeConv3d(2, 4, size, padding=padding)
        with torch.no_grad():
            conv.weight.copy_(temporal_start(flat, size[0]))
            answer = conv(still)
        assert answer.shape[2] == 6
        inside = answer if padding == "replicate" else answer[:, :, size[0] // 2 : -(size[0] // 2)]
        assert torch.allclose(inside, expected.unsqueeze(2).expand_as(inside), atol=1e-5), padding
        if padding == "zeros":  # as the paper leaves it: the border frames do not
            assert not torch.allclose(answer[:, :, 0], expected, atol=0.1)


def test_time_is_extended_by_the_border_frames():
    maps = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 3, 1, 1)
    assert extend_time(maps, 5, "replicate").flatten().tolist() == [1, 1, 1, 2, 3, 3, 3]
    assert extend_time(maps, 1, "replicate") is maps


def test_the_whole_network_starts_by_equation_4_from_one_seed():
    network, again, other = light(seed=1), light(seed=1), light(seed=2)
    for module in network.modules():
        if isinstance(module, TimeConv3d) and module.kernel_size[0] == 3:
            first, second, third = module.weight.unbind(2)
            assert torch.allclose(first, -5 * second, atol=1e-6)
            assert torch.equal(second, third)
    state = network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    assert not torch.equal(other.shared.kernel, network.shared.kernel)


def block(alpha: float = 0.7, seed: int = 0, redraw: bool = False) -> SparseBlock:
    return SparseBlock(
        8,
        4,
        alpha=alpha,
        bottleneck=None,
        redraw=redraw,
        padding="replicate",
        generator=torch.Generator().manual_seed(seed),
    )


def test_each_layer_hears_its_predecessor_and_the_share_of_equation_2():
    # (l − 2) · 0.7 for l = 2…9: 0, 0.7, 1.4, 2.1, 2.8, 3.5, 4.2, 4.9
    assert [kept(layer, 0.7) for layer in range(2, 10)] == [0, 1, 1, 2, 3, 4, 4, 5]
    made = block()
    for layer, heard in enumerate(made.heard, start=2):
        assert heard[-1] == layer - 1
        assert len(heard) == len(set(heard)) == 1 + kept(layer, 0.7)
        assert all(1 <= source < layer for source in heard)
        assert made.layers[layer - 2][0].in_channels == 4 * len(heard)
    assert [len(heard) for heard in block(alpha=1.0).heard] == list(range(1, 9))  # DenseNet
    assert block(alpha=0.0).heard == [[index] for index in range(1, 9)]  # a chain


def test_each_layer_is_given_the_outputs_of_the_layers_it_hears_in_order():
    """Layer 1 is the input; layer l is given what the others gave, its predecessor's output last."""
    made, inputs, outputs = block(alpha=0.7, seed=2).eval(), [], []
    for layer in made.layers:
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
        layer.register_forward_hook(lambda _, given, answer: outputs.append(answer))
    maps = torch.randn(1, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        joined = made(maps)
    everything = [maps, *outputs]
    assert torch.equal(joined, torch.cat(everything, dim=1))
    assert any(1 in heard[:-1] for heard in made.heard), "some later layer hears the block's input"
    for layer, (given, heard) in enumerate(zip(inputs, made.heard, strict=True), start=2):
        assert heard[-1] == layer - 1 and heard[:-1] == sorted(set(heard[:-1]))
        assert torch.equal(given, torch.cat([everything[source - 1] for source in heard], dim=1))


def test_which_ones_is_random_but_part_of_the_model():
    one, other = block(seed=0), block(seed=3)
    assert one.heard != other.heard
    assert one.heard == block(seed=0).heard
    maps = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = one.eval()(maps)
        assert not torch.allclose(other.eval()(maps), expected)
        other.load_state_dict(one.state_dict())
        assert other.heard == one.heard
        assert torch.equal(other(maps), expected)


def test_the_topology_survives_a_safetensors_file(tmp_path):
    from safetensors.torch import load_file, save_file

    network, fresh = light(seed=0).eval(), light(seed=5).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    fresh.load_state_dict(load_file(tmp_path / "model.safetensors"))
    inputs = {name: value[:1] for name, value in three(32).items()}
    with torch.no_grad():
        assert torch.equal(fresh(**inputs), network(**inputs))


def test_weights_made_with_another_share_are_refused_with_a_sentence():
    with pytest.raises((ValueError, RuntimeError), match="another α"):
        block(alpha=0.7).load_state_dict(block(alpha=0.3).state_dict())


def test_the_topology_can_be_drawn_anew_at_each_training_step():
    made = block(redraw=True)
    before = [list(sources) for sources in made.heard]
    maps = torch.randn(1, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    with torch.no_grad():
        made.train()
        assert not torch.allclose(made(maps), made(maps))
        made.eval()
        assert torch.equal(made(maps), made(maps))
    assert made.heard == before


@pytest.fixture(scope="module")
def trained() -> tuple[MS3D, dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """The light network after N-pair training on two clips of each of four classes; the kernel it started with."""
    torch.manual_seed(0)
    network, inputs, labels = light(), three(48), torch.arange(4).repeat(2)
    kernel = network.shared.kernel.clone()
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    for step in range(1, 61):
        network.train()
        loss = n_pair_of_batch(network(**inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 10 == 0 and judged(network, inputs, labels) == 1.0:
            break
    return network.eval(), inputs, labels, kernel


@torch.no_grad()
def judged(network: MS3D, inputs: dict[str, torch.Tensor], labels: torch.Tensor) -> float:
    """Accuracy by the nearest centre as the paper judges, each clip by the centres of the other ones: a clip
    that helped to make its own centre would be right untrained."""
    codes = network.eval()(**inputs).numpy()
    right = 0
    for left_out in range(len(codes)):
        rest = np.arange(len(codes)) != left_out
        repository = Repository()
        for name in range(4):
            repository.add(str(name), codes[rest & (labels.numpy() == name)])
        right += int(repository.judge(codes[left_out]).label) == labels[left_out]
    return float(right) / len(codes)


def test_the_light_size_learns_eight_clips_by_heart(trained):
    network, inputs, labels, _ = trained
    assert judged(light(), inputs, labels) < 1.0
    assert judged(network, inputs, labels) == 1.0


def test_the_shared_kernel_has_not_moved(trained):
    network, _, _, kernel = trained
    assert torch.equal(network.shared.kernel, kernel)
    assert "shared.kernel" in network.state_dict()
    assert "shared.kernel" not in dict(network.named_parameters())


@torch.no_grad()
def test_the_light_size_does_not_see_what_stands_still(trained):
    """The same movement over another ground is the same to it; the paper's pathways see the ground."""
    network, inputs, _, _ = trained
    ground = torch.randn(1, 3, 1, *inputs["slow"].shape[-2:], generator=torch.Generator().manual_seed(1))
    elsewhere = {name: clip + ground for name, clip in inputs.items()}
    torch.testing.assert_close(network(**elsewhere), network(**inputs), atol=1e-3, rtol=0)
    seeing = MS3D(sizes=replace(network.sizes, ground=True)).eval()
    seeing.load_state_dict(network.state_dict())
    assert (seeing(**elsewhere) - seeing(**inputs)).abs().max() > 0.05


def test_every_parameter_learns():
    network = light(dropout=0.5)
    n_pair_of_batch(network(**three(32)), torch.arange(4).repeat(2)).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_answer_does_not_depend_on_the_rest_of_the_batch(trained):
    network, inputs, *_ = trained
    with torch.no_grad():
        together = network(**inputs)[2:3]
        alone = network(**{name: value[2:3] for name, value in inputs.items()})
    assert torch.allclose(together, alone, atol=1e-3)


def test_bfloat16_channels_last_and_the_folded_copy_give_the_same_judgement(trained):
    network, inputs, labels, _ = trained
    layout = torch.channels_last_3d
    small = for_inference(network).bfloat16().to(memory_format=layout)
    with torch.no_grad():
        codes = network(**inputs)
        folded = for_inference(network)(**inputs)
        one = for_inference(network)(**{name: value[:1] for name, value in inputs.items()})
        rough = small(**{n: v.bfloat16().contiguous(memory_format=layout) for n, v in inputs.items()}).float()
    assert torch.allclose(folded, codes, atol=1e-3)
    assert torch.allclose(one, codes[:1], atol=1e-3)
    repository = Repository()
    for name in range(4):
        repository.add(str(name), codes[labels == name].numpy())
    fine = [judged.label for judged in repository.judge_many(codes.numpy())]
    assert [judged.label for judged in repository.judge_many(rough.numpy())] == fine
    assert network.densenet.block1.topology.dtype == torch.uint8


def test_the_three_pathways_may_come_from_three_cameras(trained):
    network, inputs, *_ = trained
    with torch.no_grad():
        code = network(**inputs)[:1]
        mine = {name: value[:1] for name, value in inputs.items()}
        for name in FRAMES:
            other = network(**(mine | {name: inputs[name][1:2]}))
            assert not torch.allclose(other, code, atol=1e-2), f"{name} counts for nothing"
        with pytest.raises(ValueError, match="one size"):
            network(**(mine | {"mid": torch.zeros(1, 3, 17, 32, 32)}))


def test_pathways_are_piled_up_one_after_the_other_slow_first():
    """Along time 7 + 17 + 25 moments; along channels each is brought to the fast one's 25 moments first."""
    moments = {name: torch.arange(count).float() for name, count in FRAMES.items()}
    maps = [100 * (number + 1) + moments[name].view(1, 1, -1, 1, 1) for number, name in enumerate(FRAMES)]
    piled = light().pile_up(maps)[0, 0, :, 0, 0].tolist()
    assert piled == [*range(100, 107), *range(200, 217), *range(300, 325)]
    beside = light(stack="channels").pile_up(maps)[0, :, :, 0, 0]
    assert beside.shape == (3, 25)
    assert beside[:, 0].tolist() == [100, 200, 300] and beside[:, -1].tolist() == [106, 216, 324]
    assert beside[0].tolist()[::4] == [100, 101, 102, 103, 104, 105, 106]  # moment 4 of 24 is moment 1 of 6


def test_each_pathway_has_its_own_kernel_after_the_shared_one():
    network, seen = light().eval(), {}
    for name, pathway in network.pathways.items():
        pathway.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    inputs = {name: value[:1] for name, value in three(32).items()}
    with torch.no_grad():
        network(**inputs)
    assert {name: maps.shape[2] for name, maps in seen.items()} == FRAMES
    for name, maps in seen.items():
        still = inputs[name] - inputs[name].mean(2, keepdim=True)  # the light size sees what moves
        padded = torch.cat([still[:, :, :1], still, still[:, :, -1:]], dim=2)
        expected = functional.conv3d(padded, network.shared.kernel, stride=(1, 2, 2), padding=(0, 1, 1))
        assert torch.allclose(maps, expected, atol=1e-5), name


def test_pathways_can_be_stacked_along_channels():
    network = light(stack="channels").eval()
    assert network.densenet.transition1[0].in_channels == 3 * 16
    with torch.no_grad():
        assert network(**{name: value[:1] for name, value in three(32).items()}).shape == (1, 256)
    with pytest.raises(ValueError, match="time or channels"):
        light(stack="depth")


def test_there_is_no_classifier_and_the_code_has_256_numbers(trained):
    network, inputs, *_ = trained
    with torch.no_grad():
        code = network.code(**inputs)
    assert code.shape == (8, 256)
    assert code.norm(dim=1).tolist() == pytest.approx([4.0] * 8, rel=1e-5)  # the light size's sphere
    with pytest.raises(NotImplementedError, match="repository"):
        network.scores(torch.zeros(1, 256))


def test_the_sizes_are_what_is_stated():
    with torch.device("meta"):
        paper, small = VARIANTS["ms3d"](), VARIANTS["ms3d-light"](20)
    kernels = {name: paper.pathways[name][0].kernel_size for name in FRAMES}
    assert kernels == {"slow": (3, 3, 3), "mid": (3, 5, 5), "fast": (3, 7, 7)}
    assert paper.shared.kernel.shape == (16, 3, 3, 3, 3)
    assert multiplications(paper, shapes(224)) < 47e9  # what one 7×7 kernel at stride 1 would cost
    assert weights(small) <= 1.5e6
    assert multiplications(small, shapes(112)) <= 3e9
    assert paper.sizes.radius is None  # the paper's codes are as long as they come
