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
from actrec.models.resnet import resnet18, resnet50, shift_in_time

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


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light"])
def test_every_parameter_learns(name):
    net = light(name, segments=3)
    net(**both(2, 3)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", ["mdtnet-light", "tsm-light"])
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


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light"])
def test_light_is_light(name):
    net = VARIANTS[name](10)
    shape = (1, 3, 8 * FRAMES, 112, 112)
    assert weights(net) <= 1.5e6
    assert multiplications(net, {"frames": shape, "motion": shape}) <= 3e9


@pytest.mark.parametrize("name", ["mdtnet-light", "tsn-light", "tsm-light"])
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
