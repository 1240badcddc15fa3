"""TEA: motion excitation and aggregation by hand, weights and multiplications as published, ImageNet's start."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from overfitting import accuracy_by_heart, clips

from actrec.models.counting import multiplications, weights
from actrec.models.mdtnet import FRAMES, VARIANTS
from actrec.models.tea import (
    ChannelTime,
    MotionExcitation,
    TEABasicBlock,
    TEABottleneck,
    tea,
    tea50,
)
from actrec.systems import named

# Res2Net-50 (26w × 4s) as its authors publish it, 1000 classes: every parameter, biases and norms too.
RES2NET_MILLION = 25.70
# TEA, table 3: eight frames of 224×224. Never edit a published number to match the code.
TEA_BILLION = 35


def test_weights_are_res2nets_and_the_modules_counted_by_hand():
    """A block of width p has fragments of w = ⌊26p/64⌋, W = 4w. Its layers: c·W + 3·9w² + W·4p, and c·4p where the
    shape changes. Motion excitation: 2·W·r + 9r with r = ⌊W/16⌋. Time: three convolutions of 3w."""
    layers, me, time, norms = 3 * 64 * 49, 0, 0, 2 * 64
    c = 64
    for p, count, w in ((64, 3, 26), (128, 4, 52), (256, 6, 104), (512, 3, 208)):
        for place in range(count):
            layers += c * 4 * w + 27 * w * w + 4 * w * 4 * p + (c * 4 * p if place == 0 else 0)
            norms += 2 * (4 * w + 3 * w + 4 * p + (4 * p if place == 0 else 0))
            r = 4 * w // 16
            me += 2 * 4 * w * r + 9 * r
            time += 3 * 3 * w
            c = 4 * p
    assert (layers, me, time) == (23_590_628, 418_190, 13_806)
    assert (layers + norms + 2048 * 1000 + 1000) / 1e6 == pytest.approx(RES2NET_MILLION, abs=0.005)
    with torch.device("meta"):
        assert weights(tea50(8)) == layers + me + time


def test_multiplications_are_the_published_ones():
    with torch.device("meta"):
        net = VARIANTS["tea"](174, segments=8)
    assert multiplications(net, {"frames": (1, 3, 8 * FRAMES, 224, 224)}) / 1e9 == pytest.approx(TEA_BILLION, rel=0.02)


def excitation() -> MotionExcitation:
    """Two channels of which the first is measured as it is, and raises the second by its logarithm of three."""
    net = MotionExcitation(2, reduction=2).eval()
    with torch.no_grad():
        net.reduce[0].weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        net.reduce[1].running_var.fill_(1 - net.reduce[1].eps)
        net.transform.weight.zero_()
        net.transform.weight[:, :, 1, 2] = 1  # reads one column to the right
        net.expand.weight.copy_(torch.tensor([0.0, math.log(3)]).view(2, 1, 1, 1))
    return net


def test_motion_excitation_by_hand():
    # three frames of one row: the first channel 0 0 0 · 1 2 3 · 1 2 3; the second is 10 everywhere
    first = torch.tensor([[0.0, 0, 0], [1, 2, 3], [1, 2, 3]])
    x = torch.stack([first, torch.full((3, 3), 10.0)], 1)[:, :, None]
    with torch.no_grad():
        raised = excitation()(x, 3)
    # the next frame's features one column to the right: 2 3 0, minus the present ones 0 0 0: mean 5/3
    # then 2 3 0 minus 1 2 3: mean −1/3; after the last frame nothing
    gate = [2 / (1 + 3 ** -(5 / 3)) - 1, 2 / (1 + 3 ** (1 / 3)) - 1, 0.0]
    assert raised[:, 1, 0, 0].tolist() == pytest.approx([10 * (1 + g) for g in gate], rel=1e-5)
    assert torch.equal(raised[:, 0], x[:, 0])


def test_motion_excitation_does_not_look_into_another_video():
    x = torch.randn(6, 32, 4, 4)
    net = MotionExcitation(32).eval()
    with torch.no_grad():
        torch.testing.assert_close(net(x, 3)[:3], net(x[:3], 3))
        assert torch.equal(net(x, 3)[[2, 5]], x[[2, 5]])


def test_time_is_convolved_in_each_channel_by_itself():
    net = ChannelTime(2)
    with torch.no_grad():
        net.conv.weight[:, 0, :, 0, 0] = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
        frames = torch.tensor([[1.0, 10], [2, 20], [3, 30]]).view(3, 2, 1, 1)
        # the first channel gets the frame before, the second the one after
        assert net(frames, 3).flatten(1).tolist() == [[0, 20], [1, 30], [2, 0]]
        net.start()
        assert torch.equal(net(frames, 3), frames)


def plain(block, segments: int = 2):
    """A block whose norms change nothing and whose excitation is off."""
    block.eval()
    for module in block.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1 - module.eps)
        if isinstance(module, ChannelTime):
            module.start()
    torch.nn.init.zeros_(block.me.expand.weight)
    return block


def test_fragments_are_aggregated_one_after_another():
    """Kernels that multiply by 2, 3 and 5: 2a, 3(b + 2a), 5(c + 3b + 6a), and d as it is."""
    block = plain(TEABasicBlock(8, 8, segments=2))
    for factor, conv in zip((2.0, 3.0, 5.0), block.convs, strict=True):
        torch.nn.init.dirac_(conv.weight)
        conv.weight.data *= factor
    x = torch.rand(2, 8, 3, 3)
    a, b, c, d = x.split(2, dim=1)
    with torch.no_grad():
        found = block.aggregate(x, 1)
    torch.testing.assert_close(found, torch.cat([2 * a, 3 * (b + 2 * a), 5 * (c + 3 * b + 6 * a), d], 1))


@pytest.mark.parametrize("stride", [1, 2])
def test_where_the_shape_changes_fragments_stand_alone_and_the_last_is_averaged(stride):
    block = plain(TEABottleneck(16, 64, stride=stride, segments=2))
    for conv in block.convs:
        torch.nn.init.dirac_(conv.weight)
    x = torch.rand(2, 4 * 26, 6, 6)
    a, b, c, d = x.split(26, dim=1)
    with torch.no_grad():
        found = block.aggregate(x, stride)
    alone = [part[:, :, ::stride, ::stride] for part in (a, b, c)]
    expected = torch.cat([*alone, F.avg_pool2d(d, 3, stride, 1)], 1)
    torch.testing.assert_close(found, expected)


def test_the_excited_features_are_what_is_aggregated():
    block = plain(TEABottleneck(256, 64, segments=2))
    torch.nn.init.normal_(block.me.expand.weight)
    x = torch.rand(2, 256, 4, 4)
    seen: list[torch.Tensor] = []
    block.me.register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.no_grad():
        out = block(x)
        reduced = F.relu(block.bn1(block.conv1(x)))
        assert not torch.equal(seen[0], reduced)
        expected = F.relu(block.bn3(block.conv3(block.aggregate(seen[0], 1))) + x)
    torch.testing.assert_close(out, expected)


def test_every_temporal_convolution_starts_as_the_identity():
    net = tea(TEABasicBlock, (1, 1, 1, 1), (8, 8, 8, 8), 3, torch.Generator().manual_seed(0))
    times = [module for module in net.modules() if isinstance(module, ChannelTime)]
    assert len(times) == 4 * 3
    for time in times:
        assert time.conv.weight[:, 0, :, 0, 0].tolist() == [[0.0, 1.0, 0.0]] * 2


def test_frames_far_apart_meet_within_one_block():
    """Each of three fragments sees one frame further: together a block reaches three frames, TSM's reaches one."""
    block = plain(TEABasicBlock(16, 16, segments=9))
    for time in block.times:
        torch.nn.init.ones_(time.conv.weight)
    for conv in (block.conv1, *block.convs):
        torch.nn.init.dirac_(conv.weight)
    x = torch.zeros(9, 16, 3, 3)
    x[4] = 1
    with torch.no_grad():
        reached = block(x).flatten(1).abs().sum(1) > 0
    assert reached.tolist() == [False, True, True, True, True, True, True, True, False]


def test_imagenet_weights_of_res2net_start_teas_layers_and_leave_the_temporal_ones():
    system = named("tea")
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in system.network(3).backbone.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    theirs = {
        name: torch.rand(shape, generator=generator)
        for name, shape in shapes.items()
        if not any(word in name for word in (".me.", ".times.", "num_batches_tracked"))
    }
    network = system.network(3, generator=torch.Generator().manual_seed(2))
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    classifier = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    said = system.published.load(network, theirs | classifier)
    assert said.startswith(f"{len(theirs)} tensors")
    for name, value in network.backbone.state_dict().items():
        assert torch.equal(value, theirs.get(name, before[name])), name
    assert {"layer1.0.convs.2.weight", "layer4.2.bns.0.bias", "layer2.0.downsample.0.weight"} <= set(theirs)


def test_tea_learns_eight_clips_by_heart_and_every_parameter_learns():
    net = VARIANTS["tea-light"](4, segments=3, dropout=0.0, generator=torch.Generator().manual_seed(0))
    inputs = {"frames": clips(3, 3 * FRAMES, 32, seed=1), "motion": clips(3, 3 * FRAMES, 32, seed=2)}
    net(**inputs).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert accuracy_by_heart(net, inputs) == 1.0
