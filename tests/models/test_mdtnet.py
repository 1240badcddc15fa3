"""MDT-Net: differences by hand, DCME against the plain convolution, TSM's shift by hand, counts, and learning."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from overfitting import accuracy_by_heart, clips
from torchvision.models import resnet50 as torchvision_resnet50

from actrec.core.number_formats import NumberFormat
from actrec.models.counting import multiplications, weights
from actrec.models.mdtnet import (
    DCME,
    FRAMES,
    VARIANTS,
    ChannelExcitation,
    Deformable,
    Excitation,
    coarse_differences,
    fine_differences,
)
from actrec.models.resnet import BasicBlock, Bottleneck, resnet18, resnet50, shift_in_time

# TSN on ResNet-50, 224×224, multiplications per frame, counted independently. Never edit it to match the code.
TSN_BILLION_PER_FRAME = 4.09


def light(name: str = "mdtnet-light", segments: int = 8, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return VARIANTS[name](4, segments=segments, dropout=0.0, generator=generator)


def both(batch: int, segments: int, size: int = 48, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 3, segments * FRAMES, size, size)
    return {name: torch.randn(shape, generator=generator) for name in ("frames", "motion")}


def test_tsn_costs_what_is_known_and_mdtnet_is_tsn_plus_modules():
    cost = {}
    for name in ("tsn", "tsm", "mdtnet"):
        with torch.device("meta"):
            net = VARIANTS[name](400, segments=8)
        shape = (1, 3, 8 * FRAMES, 224, 224)
        cost[name] = multiplications(net, {"frames": shape, "motion": shape})
    assert cost["tsn"] / 8 / 1e9 == pytest.approx(TSN_BILLION_PER_FRAME, rel=0.02)
    assert cost["tsm"] == cost["tsn"] < cost["mdtnet"]


def test_backbone_is_torchvisions_by_name_shape_and_number():
    theirs = torchvision_resnet50().eval()
    ours = resnet50().eval()
    state = {name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    ours.load_state_dict(state)
    theirs.fc = torch.nn.Identity()
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(picture), theirs(picture))


def test_differences_by_hand():
    # two segments of five frames of one pixel: 0 1 3 6 10 · 20 21 23 26 30; the key frames are 6 and 26
    frames = torch.tensor([0.0, 1, 3, 6, 10, 20, 21, 23, 26, 30]).view(1, 2, 5, 1, 1, 1)
    assert fine_differences(frames).flatten(1).tolist() == [[1, 2, 3, 4], [1, 2, 3, 4]]
    # channels: to the next key frame, from the one before
    assert coarse_differences(frames).flatten(1).tolist() == [[20, 0], [0, 20]]


def test_shift_in_time_by_hand():
    x = torch.arange(1.0, 25.0).view(3, 8, 1, 1)  # segments 1…8, 9…16, 17…24
    shifted = shift_in_time(x, 3).flatten(1)
    assert shifted[:, 0].tolist() == [9, 17, 0]  # from the next
    assert shifted[:, 1].tolist() == [0, 2, 10]  # from the one before
    assert torch.equal(shifted[:, 2:], x.flatten(1)[:, 2:])
    twice = shift_in_time(torch.cat([x, x + 100]), 3).flatten(1)
    assert twice[:, 0].tolist() == [9, 17, 0, 109, 117, 0]  # one video never looks into another


@pytest.mark.parametrize("size", [3, 5])
def test_deformable_with_zero_offsets_is_the_plain_convolution(size):
    deformable = Deformable(6, size)
    torch.nn.init.normal_(deformable.weight)
    torch.nn.init.zeros_(deformable.offsets.weight)
    torch.nn.init.zeros_(deformable.offsets.bias)
    now, following = torch.randn(2, 2, 6, 9, 8)
    plain = F.conv2d(following, deformable.weight, padding=size // 2)
    torch.testing.assert_close(deformable(now, following), plain, atol=1e-5, rtol=1e-5)
    torch.nn.init.constant_(deformable.offsets.bias, 0.5)
    assert not torch.allclose(deformable(now, following), plain, atol=1e-2)


def test_offset_of_one_column_reads_the_next_column():
    deformable = Deformable(1, 3)
    torch.nn.init.dirac_(deformable.weight)
    torch.nn.init.zeros_(deformable.offsets.weight)
    with torch.no_grad():
        deformable.offsets.bias.copy_(torch.tensor([0.0, 1.0]).repeat(9))  # (down, right) for each of the nine taps
    row = torch.tensor([1.0, 2, 4, 8]).view(1, 1, 1, 4)
    assert deformable(row, row).flatten().tolist() == [2, 4, 8, 0]


def test_dcme_is_the_difference_to_the_next_key_frame_and_leaves_the_last():
    dcme = DCME(16).eval()
    for deformable in dcme.deformables:
        torch.nn.init.dirac_(deformable.weight)
        torch.nn.init.zeros_(deformable.offsets.weight)
        torch.nn.init.zeros_(deformable.offsets.bias)
    x = torch.randn(6, 16, 5, 5)  # two videos of three segments
    with torch.no_grad():
        gate = dcme(x, 3)
        reduced = dcme.reduce(x)
        step = torch.sigmoid(dcme.expand(2 * (reduced[1] - reduced[0])[None])) - 0.5
    torch.testing.assert_close(gate[:1], step, atol=1e-5, rtol=1e-4)
    assert not gate[[2, 5]].any() and gate[[0, 1, 3, 4]].any()


def test_channel_excitation_hears_time_by_itself_and_space_by_itself():
    net = ChannelExcitation(4)
    torch.nn.init.zeros_(net.space.weight)
    x = torch.randn(3, 4, 5, 5)
    gate = net(x, 3)
    by_hand = F.conv1d(x.mean((2, 3)).T[None], net.time.weight, net.time.bias, padding=1, groups=4)[0].T
    torch.testing.assert_close(gate, (by_hand.sigmoid() - 0.5)[..., None, None].expand(3, 4, 5, 5))
    torch.nn.init.zeros_(net.time.weight)
    torch.nn.init.zeros_(net.time.bias)
    torch.nn.init.normal_(net.space.weight)
    picture = net.space(x.mean(0, keepdim=True)).sigmoid() - 0.5
    torch.testing.assert_close(net(x, 3), picture.expand(3, 4, 5, 5))


def test_excitation_is_residual():
    net = Excitation(16).eval()
    x = torch.randn(3, 16, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(net(x, 3), x + x * net.motion(x, 3) + x * net.channels(x, 3))


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light", "tea-light"])
def test_every_parameter_learns(name):
    net = light(name, segments=3)
    net(**both(2, 3)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", ["mdtnet-light", "tsm-light", "tea-light"])
def test_scores_do_not_depend_on_the_batch(name):
    net = light(name, segments=3).eval()
    inputs = both(3, 3)
    with torch.no_grad():
        together = net(**inputs)
        alone = torch.cat([net(**{k: v[i : i + 1] for k, v in inputs.items()}) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_motion_frames_matter_to_mdtnet_and_not_to_tsn():
    inputs, other = both(1, 3), both(1, 3, seed=1)
    with torch.no_grad():
        for name, matters in (("mdtnet-light", True), ("tsn-light", False)):
            net = light(name, segments=3).eval()
            same = torch.equal(net(**inputs), net(inputs["frames"], other["motion"]))
            assert same is not matters
    still = {name: value[:, :, :1].expand_as(value) for name, value in inputs.items()}
    assert not fine_differences(still["motion"].transpose(1, 2).unflatten(1, (3, 5))).any()


def test_appearance_looks_at_every_fourth_of_five_frames():
    net = light("tsn-light", segments=3).eval()
    frames = both(1, 3)["frames"]
    key = torch.tensor([3, 8, 13])
    only = torch.zeros_like(frames)
    only[:, :, key] = frames[:, :, key]
    with torch.no_grad():
        assert torch.equal(net(frames), net(only))


def test_differences_of_several_channels_and_clips_by_hand():
    # two clips of two segments, two channels: the second channel is ten times the first, the second clip runs backwards
    one = torch.tensor([0.0, 1, 3, 6, 10, 20, 21, 23, 26, 30])
    frames = torch.stack([torch.stack([clip, 10 * clip], 1) for clip in (one, one.flip(0))]).view(2, 2, 5, 2, 1, 1)
    # of a segment: its four differences one after the other, both channels of each together
    assert fine_differences(frames).flatten(1).tolist() == [
        [1, 10, 2, 20, 3, 30, 4, 40], [1, 10, 2, 20, 3, 30, 4, 40],
        [-4, -40, -3, -30, -2, -20, -1, -10], [-4, -40, -3, -30, -2, -20, -1, -10],
    ]  # fmt: skip
    # the fourth frames are 6 and 26, and 21 and 1 backwards
    assert coarse_differences(frames).flatten(1).tolist() == [
        [20, 200, 0, 0], [0, 0, 20, 200], [-20, -200, 0, 0], [0, 0, -20, -200],
    ]  # fmt: skip


def test_fine_and_coarse_differences_are_embedded_each_by_its_own_and_added():
    net = light("mdtnet-light", segments=2).differences.eval()
    motion = torch.randn(1, 3, 10, 16, 16)
    half = F.avg_pool2d(motion[0].transpose(0, 1), 2).view(1, 2, 5, 3, 8, 8)
    with torch.no_grad():
        expected = net.fine(fine_differences(half)) + net.coarse(coarse_differences(half))
        torch.testing.assert_close(net(motion, 2), expected)
    assert (net.fine[0].in_channels, net.coarse[0].in_channels) == (3 * 4, 3 * 2)


@pytest.mark.parametrize(("reach", "kernel"), [(1, 0), (2, 1)])
def test_each_of_two_kernels_looks_as_far_as_its_size(reach, kernel):
    """One reads `reach` columns to the right, which a 3×3 kernel cannot do for two; the other one reads nothing."""
    dcme = DCME(8, reduction=1).eval()
    with torch.no_grad():
        dcme.reduce[0].weight.copy_(torch.eye(8)[..., None, None])
        dcme.reduce[1].running_var.fill_(1 - dcme.reduce[1].eps)
        dcme.expand.weight.copy_(torch.eye(8)[..., None, None])
        for number, deformable in enumerate(dcme.deformables):
            deformable.weight.zero_()
            if number == kernel:
                middle = deformable.size // 2
                deformable.weight[:, :, middle, middle + reach] = torch.eye(8)
        row = torch.tensor([1.0, 2, 4, 8])
        x = torch.stack([torch.zeros(4), row])[:, None, None].expand(2, 8, 1, 4)  # two key frames
        gate = dcme(x, 2)
    moved = [2.0, 4, 8, 0] if reach == 1 else [4.0, 8, 0, 0]
    by_hand = [1 / (1 + 2.718281828**-value) - 0.5 for value in moved]
    assert gate[0, 3, 0].tolist() == pytest.approx(by_hand, abs=1e-5)
    assert not gate[1].any()


def test_the_present_features_are_taken_from_both_kernels_answers():
    """Kernels that read nothing leave −now twice: a sigmoid of −2·now, less a half."""
    dcme = DCME(8, reduction=1).eval()
    with torch.no_grad():
        dcme.reduce[0].weight.copy_(torch.eye(8)[..., None, None])
        dcme.reduce[1].running_var.fill_(1 - dcme.reduce[1].eps)
        dcme.expand.weight.copy_(torch.eye(8)[..., None, None])
        for deformable in dcme.deformables:
            deformable.weight.zero_()
        x = torch.stack([torch.full((8, 2, 2), 0.3), torch.full((8, 2, 2), 7.0)])
        gate = dcme(x, 2)
    assert [deformable.size for deformable in dcme.deformables] == [3, 5]
    assert gate[0].unique().tolist() == pytest.approx([1 / (1 + 2.718281828**0.6) - 0.5], abs=1e-5)


@pytest.mark.parametrize("name", ["mdtnet", "mdtnet-light"])
def test_deformable_offsets_start_at_zero_and_kernels_at_the_identity(name):
    net = VARIANTS[name](4, generator=torch.Generator().manual_seed(0))
    deformables = [module for module in net.modules() if isinstance(module, Deformable)]
    assert len(deformables) == 2 * (3 if name == "mdtnet" else 2)
    for deformable in deformables:
        assert not deformable.offsets.weight.any() and not deformable.offsets.bias.any()
        middle, channels = deformable.size // 2, len(deformable.weight)
        expected = torch.zeros_like(deformable.weight)
        expected[range(channels), range(channels), middle, middle] = 1
        assert torch.equal(deformable.weight, expected)


def test_time_is_convolved_channel_by_channel():
    net = ChannelExcitation(2)
    with torch.no_grad():
        net.space.weight.zero_()
        net.time.bias.zero_()
        net.time.weight.copy_(torch.tensor([[[1.0, 0, 0]], [[0.0, 0, 2]]]))  # the segment before; twice the next
        x = torch.tensor([[1.0, 10], [2, 20], [3, 30]])[..., None, None].expand(3, 2, 2, 2) / 10
        gate = net(x, 3)[:, :, 0, 0]
    values = torch.tensor([[0.0, 4], [0.1, 6], [0.2, 0]])
    torch.testing.assert_close(gate, values.sigmoid() - 0.5)


def test_excitation_multiplies_by_one_and_both_gates():
    net = Excitation(8).eval()
    x = torch.rand(3, 8, 2, 2)
    net.motion.forward = lambda given, segments: torch.full_like(given, 0.25)
    net.channels.forward = lambda given, segments: torch.full_like(given, -0.5)
    torch.testing.assert_close(net(x, 3), 0.75 * x)


def test_appearance_sees_raw_key_frames_and_motion_the_enhanced_ones():
    net, inputs = light("mdtnet-light", segments=3).eval(), both(1, 3)
    seen: dict[str, torch.Tensor] = {}
    net.backbone.conv1.register_forward_hook(lambda _m, given, _o: seen.update(appearance=given[0]))
    net.differences.fine.register_forward_hook(lambda _m, given, _o: seen.update(fine=given[0]))
    net.differences.coarse.register_forward_hook(lambda _m, given, _o: seen.update(coarse=given[0]))
    with torch.no_grad():
        net(**inputs)
    assert torch.equal(seen["appearance"], inputs["frames"][0, :, [3, 8, 13]].transpose(0, 1))
    half = F.avg_pool2d(inputs["motion"][0].transpose(0, 1), 2)
    torch.testing.assert_close(seen["fine"][1, :3], half[6] - half[5])  # segment 2: its second frame less its first
    torch.testing.assert_close(seen["coarse"][1], torch.cat([half[13] - half[8], half[8] - half[3]]))


def test_excitation_follows_the_last_layers():
    """The paper's size: after layer2, layer3 and layer4; the light one: after layer3 and layer4."""
    widths = {name: VARIANTS[name](3).excitations for name in ("mdtnet", "mdtnet-light")}
    channels = {name: [part.channels.time.in_channels for part in parts] for name, parts in widths.items()}
    assert channels == {"mdtnet": [512, 1024, 2048], "mdtnet-light": [128, 128]}
    reduced = [part.motion.reduce[0].out_channels for part in widths["mdtnet"]]
    assert reduced == [512 // 16, 1024 // 16, 2048 // 16]


def test_an_eighth_of_the_channels_comes_from_the_next_segment_and_an_eighth_from_the_one_before():
    segment = torch.tensor([1.0, 2, 3])[:, None, None, None].expand(3, 64, 1, 1)
    shifted = shift_in_time(segment, 3).flatten(1)
    from_next, from_before, own = shifted[:, :8], shifted[:, 8:16], shifted[:, 16:]
    assert [part.unique(dim=1).flatten().tolist() for part in (from_next, from_before, own)] == [
        [2, 3, 0], [0, 1, 2], [1, 2, 3]
    ]  # fmt: skip


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_the_shift_is_inside_the_residual_branch(block):
    """What is added to it, the block's own input, stays where it is in time."""
    inside = block(64, 64 // block.expansion, segments=3).eval()
    torch.nn.init.zeros_(inside.bn3.weight if block is Bottleneck else inside.bn2.weight)
    x = torch.rand(3, 64, 4, 4)
    seen: list[torch.Tensor] = []
    inside.conv1.register_forward_hook(lambda _m, given, _o: seen.append(given[0]))
    with torch.no_grad():
        torch.testing.assert_close(inside(x), x)
    assert torch.equal(seen[0], shift_in_time(x, 3))


def test_scores_are_the_mean_over_the_segments():
    net = light("tsn-light", segments=3).eval()
    frames = both(1, 3)["frames"]
    with torch.no_grad():
        alone = [net.backbone(frames[:, :, key]) for key in (3, 8, 13)]
        torch.testing.assert_close(net.code(frames), torch.stack(alone).mean(0))


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light", "tea-light"])
def test_light_is_light(name):
    net = VARIANTS[name](10)
    shape = (1, 3, 8 * FRAMES, 112, 112)
    assert weights(net) <= 1.5e6
    assert multiplications(net, {"frames": shape, "motion": shape}) <= 3e9


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light", "tea-light"])
def test_light_learns_eight_clips_by_heart(name):
    inputs = {"frames": clips(3, 3 * FRAMES, 32, seed=1), "motion": clips(3, 3 * FRAMES, 32, seed=2)}
    assert accuracy_by_heart(light(name, segments=3), inputs) == 1.0


def test_bfloat16_channels_last_gives_the_same_classes():
    net = light(segments=3)
    inputs = {"frames": clips(3, 3 * FRAMES, 32, seed=1), "motion": clips(3, 3 * FRAMES, 32, seed=2)}
    accuracy_by_heart(net, inputs, steps=10)
    net.eval()
    with torch.no_grad():
        before = net(**inputs)
        numbers = NumberFormat("bfloat16", channels_last=True)
        after = numbers.convert(net)(**{name: numbers.arrange(value) for name, value in inputs.items()})
    assert after.dtype == torch.bfloat16
    assert torch.equal(before.argmax(1), after.argmax(1))
    assert (before.softmax(1) - after.float().softmax(1)).abs().max() < 0.05


def test_autocast_runs_the_deformable_convolution_in_float32():
    net = light(segments=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(**both(2, 3)).float().square().sum().backward()
    assert net.excitations[0].motion.deformables[0].weight.grad.abs().sum() > 0


def test_wrong_number_of_frames_is_a_sentence():
    with pytest.raises(ValueError, match=r"'frames' must hold 40 frames \(8 segments of 5\), not 15"):
        light()(**both(1, 3))
    with pytest.raises(ValueError, match=r"'motion' must hold 15 frames .* not none"):
        light(segments=3)(both(1, 3)["frames"])


def test_widths_are_arguments():
    assert resnet18((16, 32, 64, 96)).channels == [16, 16, 32, 64, 96]
    assert resnet50().channels == [64, 256, 512, 1024, 2048]
