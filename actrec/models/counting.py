"""Size and cost of a network: learned weights and multiplications, counted and not estimated.

Weights are counted the way Yang et al. count them ("Asymmetric 3D Convolutional Neural Networks for Action
Recognition", Table 2): without biases. Multiplications are those of convolutions and matrix products;
additions, normalisation, pooling and point-wise operations are left out, as in every published count.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from math import prod

import torch
import torchvision.ops  # noqa: F401  (registers torchvision::deform_conv2d)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def weights(model: nn.Module) -> int:
    """Learned weights without biases: every parameter of two or more dimensions that is not called a bias.

    What has one dimension does not count: biases, and scale and shift of a batch or layer norm. What is fixed
    by construction is a buffer and does not count either; a frozen teacher's parameters were learned and do.
    A parameter that two layers share counts once.
    """
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() >= 2 and "bias" not in name.rpartition(".")[2]
    )


def multiplications(model: nn.Module, inputs: Mapping[str, Sequence[int] | Tensor]) -> int:
    """Multiplications of `model(**inputs)` in evaluation mode; an input is a tensor or its shape.

    A copy without memory or numbers runs (PyTorch's meta device), so that the largest network costs
    milliseconds and the given one is left alone: its mode, its hooks and its weights.
    """
    shadow = _shadow(model)
    tensors = {
        name: torch.empty(tuple(given.shape if isinstance(given, Tensor) else given), device="meta")
        for name, given in inputs.items()
    }
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deform_conv2d_flops})
    with torch.no_grad(), torch.device("meta"), counter:
        shadow(**tensors)
    return counter.get_total_flops() // 2  # one floating-point operation in two is an addition


def _shadow(model: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode, in float32, whose tensors have shapes only."""
    memo: dict[int, object] = {}
    for parameter in model.parameters():
        shape_only = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(shape_only, requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).float().eval()


def _deform_conv2d_flops(
    _input: object, weight: Sequence[int], _offset: object, *_rest: object, out_shape: Sequence[int], **_names: object
) -> int:
    """The weighted sum alone, as in the plain convolution of the same size; not the interpolation."""
    c_out, c_in_per_group, height, width = weight
    batch, _, rows, columns = out_shape
    return 2 * prod((batch, rows, columns, c_out, c_in_per_group, height, width))
