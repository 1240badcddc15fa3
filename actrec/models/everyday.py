"""The network of the everyday weights: a published I3D that stays as it is, and a second head for names it lacks.

Ours, no paper's. I3D (`i3d.py`) gives 1024 numbers and the scores of Kinetics' 400 actions. The second head reads the
same numbers. Its scores are compared with Kinetics' in one softmax over [s₁ · Kinetics, s₂ · own + b]; s₂ and b are a
part of the head's weights. Where an own name means the same as one of Kinetics', both are one class, whose
probabilities add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from actrec.models import i3d
from actrec.models.layers import start_classifier

NEVER = -1e4  # the score before a softmax of a name that a head lacks


class Everyday(nn.Module):
    """`clip` [B, 3, T, H, W] in −1…1 → scores of `classes` classes: Kinetics' first, then the own names that it lacks.

    `places` gives the class of each own name.
    """

    def __init__(
        self, classes: int, places: Sequence[int], *, published: int = 400, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.trunk = i3d.rgb(published, generator=generator)
        width = self.trunk.logits.in_features
        self.own = nn.Linear(width, len(places))
        start_classifier(self.own, generator)
        self.register_buffer("scale", torch.ones(()))  # s₁
        spread = torch.zeros(len(places), classes)
        spread[torch.arange(len(places)), torch.tensor(places)] = 1.0
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("lacks", NEVER * (1 - spread.sum(0)), persistent=False)
        self.missing = classes - published

    def code(self, clip: Tensor) -> Tensor:
        return self.trunk.code(clip)

    def scores(self, code: Tensor) -> Tensor:
        """The logarithm of each class's sum over its names, but for a constant."""
        kinetics = nn.functional.pad(cast(Tensor, self.scale) * self.trunk.scores(code), (0, self.missing), value=NEVER)
        own = self.own(code) @ cast(Tensor, self.spread) + cast(Tensor, self.lacks)
        larger = torch.maximum(kinetics, own)
        return larger + torch.log1p(torch.exp(-(kinetics - own).abs()))

    def forward(self, clip: Tensor) -> Tensor:
        return self.scores(self.code(clip))
