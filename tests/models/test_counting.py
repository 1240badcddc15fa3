"""Counts worked out by hand, and that counting leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.ops import DeformConv2d

from actrec.models.counting import multiplications, weights


class Deformed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = DeformConv2d(4, 6, 3, padding=1, groups=2)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.conv(clip, clip.new_zeros(clip.shape[0], 18, *clip.shape[2:]))


class Named(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.net(clip)


def test_biases_and_batch_norm_are_not_weights_and_a_shared_weight_counts_once():
    shared = nn.Linear(5, 5)
    net = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 5)), nn.BatchNorm3d(4), shared, shared)
    assert weights(net) == 3 * 4 * 15 + 25


def test_a_fixed_kernel_is_no_weight_but_a_frozen_teacher_is():
    net = nn.Linear(5, 5).requires_grad_(False)
    net.register_buffer("kernel", torch.ones(3, 3))
    assert weights(net) == 25


def test_a_strided_grouped_convolution_and_a_linear_layer_by_hand():
    net = Named(nn.Sequential(nn.Conv3d(4, 6, 3, stride=2, padding=1, groups=2), nn.Flatten(), nn.Linear(48, 7)))
    # output 2×2×2: 8 positions × 6 channels × (4/2)·27 products; then 48·7; twice for a batch of two
    assert multiplications(net, {"clip": (2, 4, 4, 4, 4)}) == 2 * (8 * 6 * 2 * 27 + 48 * 7)


def test_a_deformable_convolution_costs_what_the_plain_one_does():
    plain = Named(nn.Conv2d(4, 6, 3, padding=1, groups=2))
    by_hand = 3 * 5 * 7 * 6 * 2 * 9
    assert multiplications(plain, {"clip": (3, 4, 5, 7)}) == by_hand
    assert multiplications(Deformed(), {"clip": torch.zeros(3, 4, 5, 7)}) == by_hand


def test_resnet50_costs_what_torchvision_says():
    with torch.device("meta"):
        net = Named(resnet50())
    assert multiplications(net, {"clip": (1, 3, 224, 224)}) / 1e9 == pytest.approx(4.089, abs=0.001)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_counted_network_is_left_alone(dtype):
    net = Named(nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.Dropout())).to(dtype).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    multiplications(net, {"clip": (1, 3, 4, 4, 4)})
    assert net.training and net.net[1].training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in net.modules())
    assert net.net[0].weight.device.type == "cpu" and net.net[0].weight.dtype == dtype


def test_counting_stops_cleanly_when_the_network_fails():
    broken = Named(nn.Conv3d(3, 4, 3))
    with pytest.raises(RuntimeError):
        multiplications(broken, {"clip": (1, 5, 4, 4, 4)})
    assert broken(torch.zeros(1, 3, 4, 4, 4)).shape == (1, 4, 2, 2, 2)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.layer(clip) + self.layer(clip) if self.training else self.layer(clip)


def test_what_runs_in_training_only_is_not_counted():
    assert multiplications(Twice().train(), {"clip": (1, 3)}) == 12
