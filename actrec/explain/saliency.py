"""Class saliency: how much the score of a class depends on each pixel of a network's input.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks" (FstCN), sec. 4:
the class's neuron in the classifier layer is propagated back to the input image domain.
Ours, not the paper's: the largest absolute derivative over the channels stands for a pixel (the paper does not say
how it makes three derivatives one); the score of a system that judges by class centres is minus the squared distance
of its code, of length one, to the class's centre; the picture of a live frame takes the largest value over all frames
of the input, is smoothed, and divided by its 99 % quantile.
"""

from __future__ import annotations

import copy

import cv2
import numpy as np
import torch

from actrec.machine import FLOAT32
from actrec.recognizer import Recognizer
from actrec.refusal import BadValue
from actrec.systems.system import Views
from actrec.video import Clip

SMOOTHING = 2.0  # σ in pixels of the network's input
PEAK = 0.99


class ClassSaliency:
    """Asks a copy of a recognizer's network, in float32: the one that answers visitors is left alone."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self._network = FLOAT32.convert(copy.deepcopy(recognizer.network))

    def gradients(self, views: Views, label: str) -> dict[str, torch.Tensor]:
        """∂ score of the class / ∂ input, `[C, T, S, S]` for each input of the network."""
        recognizer = self.recognizer
        inputs = recognizer.system.tensors([views], recognizer.device)
        with torch.enable_grad():
            inputs = {name: value.requires_grad_() for name, value in inputs.items()}
            found = torch.autograd.grad(self.score(inputs, label), list(inputs.values()), allow_unused=True)
        return {
            name: torch.zeros_like(value[0]) if gradient is None else gradient[0]
            for (name, value), gradient in zip(inputs.items(), found, strict=True)
        }

    def score(self, inputs: dict[str, torch.Tensor], label: str) -> torch.Tensor:
        """The class's score before the softmax, a number."""
        recognizer = self.recognizer
        code = self._network.code(**inputs)
        if recognizer.system.decides == "scores":
            return self._network.scores(code)[0, recognizer.labels.index(label)]
        centre = torch.tensor(recognizer.card.centres[label], device=code.device)
        return -(torch.nn.functional.normalize(code[0], dim=0) - centre).square().sum()

    def maps(self, clip: Clip, label: str) -> dict[str, np.ndarray]:
        """For each input of the newest view, the largest absolute derivative over its channels: `[T, S, S]`."""
        views = self.recognizer.system.protocols["one"].views(clip)[0]
        return {name: found.abs().amax(0).cpu().numpy() for name, found in self.gradients(views, label).items()}

    def over(self, clip: Clip, label: str) -> np.ndarray:
        """One map `[H, W]` in [0, 1] for the picture of the clip's newest frame."""
        if self.recognizer.system.size != "light":
            raise BadValue("Class saliency is laid over the picture for the light systems only: they see all of it.")
        found = self.maps(clip, label)
        size = max(each.shape[-1] for each in found.values())
        whole = np.zeros((size, size), np.float32)
        for each in found.values():
            np.maximum(whole, cv2.resize(each.max(0), (size, size)), out=whole)
        whole = cv2.GaussianBlur(whole, (0, 0), SMOOTHING)
        whole /= max(float(np.quantile(whole, PEAK)), 1e-12)
        return unletterboxed(np.minimum(whole, 1), *clip.size)


def unletterboxed(square: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map `[S, S]` of a letterboxed picture as a map `[height, width]` of the picture itself: `place` backwards."""
    size = len(square)
    scale = size / max(height, width)
    middle = (size - 1) / 2
    matrix = np.array([[scale, 0, middle - scale * (width - 1) / 2], [0, scale, middle - scale * (height - 1) / 2]])
    return cv2.warpAffine(square, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
