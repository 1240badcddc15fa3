"""Layers that several papers build from, and the random start that they share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Size3 = tuple[int, int, int]


def convolve(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """A 3-D convolution that calls oneDNN directly, on a CPU in float32.

    PyTorch unrolls a single small clip into a matrix instead (as of 2.15: batch 1 and C·T·H up to 20 480), which
    takes 3 to 7 times as long.
    """
    direct = maps.device.type == "cpu" and maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if direct and torch.backends.mkldnn.is_available():
        ones = (1, 1, 1)
        return torch.mkldnn_convolution(maps, weight, bias, padding, stride, ones, 1)
    return nn.functional.conv3d(maps, weight, bias, stride, padding)


class Conv3d(nn.Conv3d):
    """PyTorch's 3-D convolution; with `direct` it computes by `convolve`. See `for_inference`."""

    direct = False

    def _conv_forward(self, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.direct and self.groups == 1 and self.dilation == (1, 1, 1) and not isinstance(self.padding, str):
            return convolve(maps, weight, bias, self.stride, self.padding)
        return super()._conv_forward(maps, weight, bias)


class ConvReLU3d(nn.Sequential):
    """A 3-D convolution that keeps the size of its input ("same" padding), then ReLU.

    With `norm` a batch norm stands between the two and the convolution has no bias of its own.
    """

    def __init__(self, c_in: int, c_out: int, size: Size3, *, stride: Size3 = (1, 1, 1), norm: bool = False) -> None:
        padding = (size[0] // 2, size[1] // 2, size[2] // 2)
        layers: dict[str, nn.Module] = {
            "conv": Conv3d(c_in, c_out, size, stride=stride, padding=padding, bias=not norm)
        }
        if norm:
            layers["norm"] = nn.BatchNorm3d(c_out)
        layers["relu"] = nn.ReLU(inplace=True)
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


class RandomPlace(nn.Module):
    """One of `places` for each row of a batch, drawn where a layer chooses at random."""

    def forward(self, rows: int, places: int, device: torch.device) -> Tensor:
        return torch.randint(places, (rows,), device=device)


def less_ground(clip: Tensor) -> Tensor:
    """A clip [B, C, T, H, W] minus its mean over time, which removes the still background."""
    return clip - clip.mean(2, keepdim=True)


def start(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """He's normal start for everything before a ReLU, zero biases: ours where a paper names none."""
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def start_classifier(layer: nn.Linear, generator: torch.Generator | None = None) -> None:
    """Small Gaussian weights: the first scores are near each other and the first loss near log(classes)."""
    nn.init.normal_(layer.weight, std=0.01, generator=generator)
    nn.init.zeros_(layer.bias)


def for_inference(network: nn.Module) -> nn.Module:
    """A copy that answers the same and faster: batch norms folded into the convolution in front of them,
    3-D convolutions of single clips computed directly. It is in evaluation mode and cannot be trained."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
    for module in network.modules():
        if type(module) is nn.Conv3d and not isinstance(module.padding, str):
            module.__class__ = Conv3d
        if hasattr(module, "direct"):
            setattr(module, "direct", True)  # noqa: B010  (a class of three declares it; mypy knows modules only)
    return network


def _fold_norms(layers: nn.Sequential) -> None:
    for (name, conv), (after, norm) in pairwise(list(layers.named_children())):
        if not isinstance(conv, (nn.Conv2d, nn.Conv3d)) or not isinstance(norm, (nn.BatchNorm2d, nn.BatchNorm3d)):
            continue
        if norm.track_running_stats:
            layers.add_module(name, fuse_conv_bn_eval(conv, norm))
            layers.add_module(after, nn.Identity())
