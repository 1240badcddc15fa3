"""Public Kinetics-400 recognisers of torchvision behind the interface of our own networks.

R3D, MC3, R(2+1)D (Tran et al. 2018), S3D (    dropout, last = classifier.children()
    if not isinstance(dropout, nn.Dropout):
        raise TypeError(f"A classifier is a linear layer, or a dropout and a layer, not {classifier}.")
    if isinstance(last, nn.Conv3d):ie et al. 2018), Video Swin (Liu et al. 2022), MViT (Fan et al. 2021, Li et
al. 2022). The caller fills them with the published weights; nothing is read or fetched here.
Ours: the classifier is taken off so that the code can be had, and each network normalises its own input, because the
publishers' means and deviations differ by channel. Input is `clip` [B, 3, T, H, W] in 0…1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actrec.core.errors import BadValue

CLASSES = 400


@dataclass(frozen=True)
class Preparation:
    """What a public model wants to see: frames at a rate, resized, centre-cropped; mean and deviation are inside.

    `resize` is the short side, or (height, width); `clips` is how many of a video torchvision measured with.
    """

    frames: int
    fps: float
    clips: int
    resize: int | tuple[int, int]
    crop: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# The publishers' own numbers, written down because torchvision takes a second to import.
OF_RESNETS = ((128, 171), (112, 112), (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
OF_MVIT = (256, (224, 224), (0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
PREPARATIONS = {
    "r3d_18": Preparation(16, 15.0, 5, *OF_RESNETS),
    "mc3_18": Preparation(16, 15.0, 5, *OF_RESNETS),
    "r2plus1d_18": Preparation(16, 15.0, 5, *OF_RESNETS),
    "s3d": Preparation(128, 15.0, 1, (256, 256), (224, 224), *OF_RESNETS[2:]),
    "mvit_v1_b": Preparation(16, 7.5, 5, *OF_MVIT),
    "mvit_v2_s": Preparation(16, 7.5, 5, *OF_MVIT),
    "swin3d_t": Preparation(32, 15.0, 12, 256, (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
CLASSIFIERS = {"mvit_v1_b": "head", "mvit_v2_s": "head", "swin3d_t": "head", "s3d": "classifier"}  # the others': "fc"


def labels(name: str) -> tuple[str, ...]:
    """The 400 names of Kinetics in the order of the scores."""
    from torchvision.models import get_model_weights

    return tuple(get_model_weights(name).DEFAULT.meta["categories"])


class Reference(nn.Module):
    """A public network without its classifier, and the classifier."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name = name
        classifier = CLASSIFIERS.get(name, "fc")
        self.head = _linear(getattr(network, classifier))
        setattr(network, classifier, nn.Identity())
        if name == "s3d":
            network.avgpool = WindowMean()
        self.network = network
        prepared = PREPARATIONS[name]
        for kind, values in (("mean", prepared.mean), ("std", prepared.std)):
            self.register_buffer(kind, torch.tensor(values).view(3, 1, 1, 1), persistent=False)

    def code(self, clip: Tensor) -> Tensor:
        """The input of the publisher's classifier: pooled features [B, C]."""
        return self.network((clip - self.mean) / self.std)

    def scores(self, code: Tensor) -> Tensor:
        return self.head(code)

    def forward(self, clip: Tensor) -> Tensor:
        return self.scores(self.code(clip))


class WindowMean(nn.Module):
    """S3D's average over 2×7×7 windows in float32: a CPU has no such operator in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(x.float(), (2, 7, 7), stride=1).to(x.dtype)


def reference(name: str, classes: int = CLASSES, *, load: Callable[[nn.Module], object] | None = None) -> Reference:
    """A public model by torchvision's name; `load` fills the network as torchvision lays it out."""
    if name not in PREPARATIONS:
        raise BadValue(f"There is no public model '{name}'. Known: {', '.join(PREPARATIONS)}.")
    from torchvision.models import get_model

    network = get_model(name, weights=None, num_classes=classes)
    if load is not None:
        load(network)
    return Reference(name, network)


def _linear(classifier: nn.Module) -> nn.Module:
    """The classifier as a layer over codes [B, C]; S3D's is a 1×1×1 convolution, whose scores are then averaged."""
    if isinstance(classifier, nn.Linear):
        return classifier
    dropout, last = classifier.children()
    if not isinstance(dropout, nn.Dropout):
        raise TypeError(f"A classifier is a linear layer, or a dropout and a layer, not {classifier}.")
    if isinstance(last, nn.Conv3d):
        flat = nn.Linear(last.in_channels, last.out_channels, device=last.weight.device)
        flat.weight = nn.Parameter(last.weight.detach().flatten(1))
        if last.bias is not None:
            flat.bias = nn.Parameter(last.bias.detach())
        last = flat
    return nn.Sequential(nn.Dropout(dropout.p), last)  # theirs drops in place, which would change the code


VARIANTS: dict[str, Callable[..., Reference]] = {name: partial(reference, name) for name in PREPARATIONS}
