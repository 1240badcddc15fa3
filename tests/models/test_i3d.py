"""I3D against independent counts, TensorFlow's padding rule by hand, and what every network must do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from overfitting import accuracy_by_heart, clips

from actrec.core.number_formats import NumberFormat
from actrec.models.counting import multiplications, weights
from actrec.models.i3d import I3D, VARIANTS, MaxPoolSame, Unit, same_padding

# Independent counts of the published network (RGB, 400 classes, 64×224×224). Never edit one to match the code.
WEIGHTS_MILLION = 12.7
MULTIPLICATIONS_BILLION = 111


def light(channels: int = 3, classes: int = 4, seed: int = 0) -> I3D:
    generator = torch.Generator().manual_seed(seed)
    return VARIANTS["i3d-rgb-light"](classes, channels=channels, dropout=0.0, generator=generator)


def test_weights_and_multiplications_are_those_of_the_published_network():
    with torch.device("meta"):
        net = VARIANTS["i3d-rgb"](400)
    assert weights(net) / 1e6 == pytest.approx(WEIGHTS_MILLION, rel=0.02)
    cost = multiplications(net, {"clip": (1, 3, 64, 224, 224)})
    assert cost / 1e9 == pytest.approx(MULTIPLICATIONS_BILLION, rel=0.02)


def test_code_is_1024_long_and_bridges_find_their_maps():
    with torch.device("meta"):
        net = VARIANTS["i3d-flow"](101).eval()
        code, maps = net.features(torch.empty(1, 2, 64, 224, 224), ("Mixed_3c", "Mixed_4f", "Mixed_5c"))
    assert code.shape == (1, 1024)
    shapes = {name: tuple(features.shape[1:]) for name, features in maps.items()}
    assert shapes == {
        "Mixed_3c": (480, 32, 28, 28), "Mixed_4f": (832, 16, 14, 14), "Mixed_5c": (1024, 8, 7, 7),
    }  # fmt: skip
    assert net.channels["Mixed_4f"] == 832


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pair"),
    # TensorFlow: total = (ceil(n / s) − 1)·s + k − n, the odd zero at the end.
    [
        (64, 7, 2, (2, 3)),
        (112, 3, 2, (0, 1)),
        (7, 3, 2, (1, 1)),
        (7, 2, 2, (0, 1)),
        (8, 2, 2, (0, 0)),
        (5, 3, 1, (1, 1)),
    ],
)
def test_same_padding_is_tensorflows(size, kernel, stride, pair):
    assert same_padding([size], [kernel], [stride]) == [pair]


def test_uneven_padding_of_a_strided_convolution_by_hand():
    unit = Unit(1, 1, (1, 1, 3), (1, 1, 2)).eval()
    torch.nn.init.ones_(unit.conv.weight)
    unit.norm.eps = 0.0
    row = torch.tensor([1.0, 2, 4, 8]).view(1, 1, 1, 1, 4)
    assert unit(row).flatten().tolist() == [1 + 2 + 4, 4 + 8 + 0]  # the zero stands after, not before


@pytest.mark.parametrize("size", [(5, 6, 7), (8, 13, 14), (2, 3, 4)])
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pooling_equals_zeros_written_out(size, kernel, stride):
    x = torch.rand(2, 3, *size)
    padding = [n for pair in reversed(same_padding(size, kernel, stride)) for n in pair]
    assert torch.equal(MaxPoolSame(kernel, stride)(x), F.max_pool3d(F.pad(x, padding), kernel, stride))


def test_first_and_last_time_weigh_half_as_in_the_published_average():
    net = light().eval()
    clip = torch.rand(1, 3, 24, 32, 32)
    code, maps = net.features(clip, ["Mixed_5c"])
    last = maps["Mixed_5c"]
    assert last.shape[2] == 3
    windows = F.avg_pool3d(last, (2, *last.shape[3:]), stride=1)
    scores = torch.stack([net.scores(windows[:, :, t, 0, 0]) for t in range(2)]).mean(0)
    torch.testing.assert_close(net.scores(code), scores)


def test_channels_last_without_gradients_gives_the_same_scores():
    net = light().eval()
    clip = torch.rand(1, 3, 16, 48, 48)
    expected = net(clip).detach()
    numbers = NumberFormat("float32", channels_last=True)
    numbers.convert(net)
    with torch.inference_mode():
        torch.testing.assert_close(net(numbers.arrange(clip)), expected, atol=1e-5, rtol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert net(numbers.arrange(clip)).argmax() == expected.argmax()


def test_every_parameter_learns():
    net = light()
    net(torch.rand(2, 3, 16, 64, 64)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_scores_do_not_depend_on_the_batch():
    net = light().eval()
    clips = torch.rand(3, 3, 16, 48, 48)
    with torch.no_grad():
        together, alone = net(clips), torch.cat([net(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["i3d-rgb-light", "i3d-flow-light"])
def test_light_is_light(name):
    net = VARIANTS[name](10)
    channels = 3 if "rgb" in name else 2
    assert weights(net) <= 0.75e6  # two of them make a two-stream network of at most 1.5 M
    assert multiplications(net, {"clip": (1, channels, 16, 112, 112)}) <= 1.5e9


def test_one_seed_one_start():
    first, second, third = light(seed=1), light(seed=1), light(seed=2)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.logits.weight, third.logits.weight)


def test_light_learns_eight_clips_by_heart_and_bfloat16_agrees():
    net = light()
    inputs = {"clip": clips(3, 16, 32, seed=1)}
    assert accuracy_by_heart(net, inputs) == 1.0
    net.eval()
    numbers = NumberFormat("bfloat16", channels_last=True)
    with torch.no_grad():
        before = net(**inputs)
        after = numbers.convert(net)(numbers.arrange(inputs["clip"]))
    assert after.dtype == torch.bfloat16
    assert torch.equal(before.argmax(1), after.argmax(1))


@torch.no_grad()
def test_the_light_rgb_stream_does_not_see_what_stands_still():
    clip, ground = torch.randn(1, 3, 4, 32, 32), torch.randn(1, 3, 1, 32, 32)
    light, full = VARIANTS["i3d-rgb-light"](4).eval(), VARIANTS["i3d-rgb"](4, width=0.25).eval()
    torch.testing.assert_close(light(clip + ground), light(clip), atol=1e-3, rtol=1e-3)
    assert (full(clip + ground) - full(clip)).abs().max() > 1e-3


def test_each_block_has_googlenets_channels_and_each_norm_the_published_epsilon():
    """Szegedy et al. 2015, table 1: the filters of each Inception block; published I3D: epsilon 0.001."""
    network = VARIANTS["i3d-rgb"](400)
    assert network.channels == {
        "Mixed_3b": 256, "Mixed_3c": 480, "Mixed_4b": 512, "Mixed_4c": 512, "Mixed_4d": 512, "Mixed_4e": 528,
        "Mixed_4f": 832, "Mixed_5b": 832, "Mixed_5c": 1024,
    }  # fmt: skip
    block = network.layers["Mixed_4e"]
    assert [unit.conv.out_channels for unit in (block.single, block.reduce3, block.conv3, block.reduce5, block.conv5,
                                                block.project)] == [112, 144, 288, 32, 64, 64]  # fmt: skip
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm3d)]
    assert len(norms) == 57 and {norm.eps for norm in norms} == {1e-3}
