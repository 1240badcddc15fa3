"""Class saliency: how much the score of a class depends on each pixel of a network's input.

Sun et al., "Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks" (FstCN), sec. 4:
the class's neuron in the classifier layer is propagated back to the input image domain.
Beside it SmoothGrad (Smilkov et al. 2017: the mean derivative over noisy copies; here the clip itself is the first)
and Grad-CAM (Selvaraju et al. 2017: the last maps, weighted by how the score depends on them; here the last of at
least 6×6, as the light networks' very last are 3×3).
Ours, not the papers': the largest absolute derivative over the channels, per byte of the input, stands for a pixel
(FstCN does not say how it makes three derivatives one); within a frame it counts against what random weights give the
same place (`chance`), because strides, pools and borders let more paths begin at one place than at another, and that
pattern is alike in every network of the architecture, trained or not; the score of a system that judges by class
centres is minus the squared distance of its code, of length one, to the class's centre; Grad-CAM sums the derivatives
over a map where its authors take their mean, so that paths of different sizes compare; the map of a live frame
takes the largest value over all frames of the input, is smoothed, and divided by its 99 % quantile.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from actrec.core.errors import BadValue
from actrec.core.number_formats import FLOAT32
from actrec.explain.layers import NotListed, Recorded, layers_of, recorded
from actrec.recognition.recognizer import Recognizer
from actrec.systems.layers import Layer
from actrec.systems.system import Network, System, Views
from actrec.video import Clip

SMOOTHING = 2.0  # σ in pixels of the network's input
PEAK = 0.99
NOISE, COPIES = 0.15, 3  # SmoothGrad's σ as a fraction of the input's range, and how many noisy copies
DRAWS, NOISY = 4, 4  # random networks, and clips of noise before each, that show what a place gets by chance
FEWER = (2, 2)  # the same for a network that takes a second for each
AT_ONCE = 2  # clips of a network of the papers' size that go back together: each keeps half a gigabyte meanwhile
SCARCE = 0.1  # a place with less than this fraction of its frame's mean counts as if it had so much
FINE = 6  # Grad-CAM's maps have at least so many positions a side

Maps = dict[str, np.ndarray]  # input name → [B, T, S, S], never negative


class ClassSaliency:
    """Derivatives of a copy of a recognizer's network, in float32: the one that answers visitors is left alone."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self.system = recognizer.system.with_options(recognizer.system.smaller)  # as its protocol `one` sees a clip
        self.network = FLOAT32.convert(copy.deepcopy(recognizer.network))
        self.device = next(self.network.parameters()).device
        self.lock = threading.Lock()  # what is recorded inside the network is one caller's at a time
        self._chance: Maps = {}  # shared with the shuffled: found once, by who needs it first

    @cached_property
    def last_fine(self) -> Layer:
        """The highest layer whose maps are not too coarse for a frame."""
        layers = layers_of(self.system, self.network)
        blank = {name: value.to(self.device) for name, value in self.system.blank().items()}
        for layer in reversed(layers):
            with torch.no_grad(), self.lock, recorded(self.network, layer, 1) as records:
                cast(Network, self.network).code(**blank)
            if min(min(maps.shape[-2:]) for maps in records.maps().values()) >= FINE:
                return layer
        return layers[0]

    def shuffled(self, seed: int = 0) -> ClassSaliency:
        """The same with every layer's weights in random order: its maps do not depend on what was learned."""
        other = ClassSaliency(self.recognizer)
        other._chance = self._chance
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in other.network.parameters():
                order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
                weight.copy_(weight.flatten()[order].reshape(weight.shape))
        return other

    def chance(self) -> Maps:
        """What a place gets from random weights, `[1, T, S, S]` by input, 1 being the mean of its frame: the mean map
        of networks with their weights in random order, looking at noise. Frames keep their part of the derivative."""
        if not self._chance:
            draws, clips = (DRAWS, NOISY) if self.system.size == "light" else FEWER
            generator, maps = torch.Generator().manual_seed(0), []
            for seed in range(draws):
                inputs = {
                    name: torch.randn((clips, *value.shape[1:]), generator=generator).to(self.device)
                    for name, value in self.system.blank().items()
                }
                label = self.recognizer.labels[seed % len(self.recognizer.labels)]
                maps.append(self._largest(self.shuffled(1000 + seed)._back(inputs, label)[0]))
            self._chance |= {
                name: _by_place(np.concatenate([map_of_draw[name] for map_of_draw in maps])) for name in maps[0]
            }
        return self._chance

    def gradients(self, views: list[Views], label: str) -> dict[str, Tensor]:
        """∂ score of the class / ∂ input, `[B, C, T, S, S]` for each input of the network."""
        return self._back(self._tensors(views), label)[0]

    def score(self, inputs: dict[str, Tensor], label: str) -> Tensor:
        """The class's score before the softmax, added up over the batch: clips do not see each other."""
        recognizer = self.recognizer
        place = recognizer.index(label)
        network = cast(Network, self.network)
        code, centres = network.code(**inputs), recognizer.card.centres
        if recognizer.system.decides == "scores" or centres is None:
            return network.scores(code)[:, place].sum()
        centre = torch.tensor(centres[label], device=code.device)
        code = nn.functional.normalize(code, dim=1) if recognizer.system.unit_length else code
        return -(code - centre).square().sum()

    def class_saliency(self, views: list[Views], label: str) -> Maps:
        """Sec. 4: the derivative itself."""
        return self._per_pixel(self.gradients(views, label))

    def smooth(self, views: list[Views], label: str, copies: int = COPIES) -> Maps:
        """SmoothGrad: the mean derivative over copies of the input with noise on them, the input itself the first."""
        return self._smoothed(self._tensors(views), label, self.gradients(views, label), copies)

    def grad_cam(self, views: list[Views], label: str) -> Maps:
        """Grad-CAM: the last maps, each weighted by how the score depends on it; negative values are cut off."""
        return self._back(self._tensors(views), label, self.last_fine)[1]

    def every(self, views: list[Views], label: str, copies: int = COPIES) -> dict[str, Maps]:
        """All methods that the network allows, as one by one but with fewer passes: class saliency and Grad-CAM share
        theirs, and it is SmoothGrad's first copy."""
        inputs = self._tensors(views)
        try:
            layer = self.last_fine
        except NotListed:
            layer = None
        slopes, cam = self._back(inputs, label, layer)
        by_method = {
            "class saliency": self._per_pixel(slopes),
            "SmoothGrad": self._smoothed(inputs, label, slopes, copies),
            "Grad-CAM": cam,
        }
        return {name: maps for name, maps in by_method.items() if maps}

    def over(self, clip: Clip, label: str) -> np.ndarray:
        """One map `[H, W]` in [0, 1] for the clip's newest frame."""
        if self.recognizer.system.size != "light":
            raise BadValue("Class saliency is laid over the frame for the light systems only: they see all of it.")
        maps = self.class_saliency(self.recognizer.system.protocols["one"].views(clip)[:1], label)
        size = max(map_of_input.shape[-1] for map_of_input in maps.values())
        whole = np.zeros((size, size), np.float32)
        for map_of_input in maps.values():
            np.maximum(whole, cv2.resize(map_of_input[0].max(0), (size, size)), out=whole)
        blurred = cv2.GaussianBlur(whole, (0, 0), SMOOTHING)
        smooth = blurred / max(float(np.quantile(blurred, PEAK)), 1e-12)
        return on_frames(self.recognizer.system, clip, np.minimum(smooth, 1))

    def _tensors(self, views: list[Views]) -> dict[str, Tensor]:
        return self.system.tensors(views, self.device)

    def _back(
        self, inputs: dict[str, Tensor], label: str, layer: Layer | None = None
    ) -> tuple[dict[str, Tensor], Maps]:
        """One pass back, of a large network a few clips at a time: the derivatives of all inputs, and Grad-CAM's maps
        of a layer where one is asked for."""
        clips = len(next(iter(inputs.values())))
        step = clips if self.system.size == "light" else AT_ONCE
        passes = [
            self._pass_back({name: value[start : start + step] for name, value in inputs.items()}, label, layer)
            for start in range(0, clips, step)
        ]
        slopes = {name: torch.cat([part[name] for part, _ in passes]) for name in inputs}
        return slopes, {name: np.concatenate([cam[name] for _, cam in passes]) for name in passes[0][1]}

    def _pass_back(self, inputs: dict[str, Tensor], label: str, layer: Layer | None) -> tuple[dict[str, Tensor], Maps]:
        clips = len(next(iter(inputs.values())))
        inputs = {name: value.detach().requires_grad_() for name, value in inputs.items()}
        with self.lock, ExitStack() as stack, torch.enable_grad():
            records = stack.enter_context(recorded(self.network, layer, clips)) if layer else None
            score = self.score(inputs, label)
            asked = inputs | (records.outputs if records else {})
            derivatives = torch.autograd.grad(score, list(asked.values()), allow_unused=True)
        slopes = {
            name: torch.zeros_like(value) if slope is None else slope
            for (name, value), slope in zip(asked.items(), derivatives, strict=True)
        }
        cam = _weighted(records, slopes, inputs) if records else {}
        return {name: slopes[name] for name in inputs}, cam

    def _smoothed(self, clean: dict[str, Tensor], label: str, slopes: dict[str, Tensor], copies: int) -> Maps:
        generator = torch.Generator().manual_seed(0)
        total = {name: slope / copies for name, slope in slopes.items()}
        for _ in range(copies - 1):
            noisy = {
                name: value
                + NOISE * (value.amax() - value.amin()) * torch.randn(value.shape, generator=generator).to(value.device)
                for name, value in clean.items()
            }
            for name, slope in self._back(noisy, label)[0].items():
                total[name] = total[name] + slope / copies
        return self._per_pixel(total)

    def _per_pixel(self, gradients: dict[str, Tensor]) -> Maps:
        """[B, C, T, S, S] → [B, T, S, S]: the largest over the channels, against what the place gets by chance."""
        chance = self.chance()
        return {name: largest / chance[name] for name, largest in self._largest(gradients).items()}

    def _largest(self, gradients: dict[str, Tensor]) -> Maps:
        """The largest over the channels, per byte, so that inputs compare."""
        inputs = self.system.inputs
        return {name: (gradient.abs().amax(1) / inputs[name].std).cpu().numpy() for name, gradient in gradients.items()}


def _weighted(last: Recorded, slopes: dict[str, Tensor], inputs: dict[str, Tensor]) -> Maps:
    """A layer's maps, weighted by their summed slopes, added up and spread over the frames of each input."""
    by_input, shown = last.maps(slopes), {}
    for name, maps in last.maps().items():
        weights = by_input[name].sum((2, 3, 4), keepdim=True)
        cam = torch.relu((weights * maps).sum(1, keepdim=True)).detach()
        size = inputs[name].shape[2:]
        spread = nn.functional.interpolate(cam, size=size, mode="trilinear", align_corners=False)
        shown[name] = spread[:, 0].cpu().numpy()
    return shown


def _by_place(drawn: np.ndarray) -> np.ndarray:
    """Maps `[N, T, S, S]` of random networks → `[1, T, S, S]`: their mean, each frame's mean being 1. A network whose
    derivatives are larger does not count for more."""
    weight = drawn.mean((1, 2, 3), keepdims=True)
    drawn, weight = (values[np.isfinite(weight).ravel()] for values in (drawn, weight))
    mean = (drawn / np.maximum(weight, 1e-30)).mean(0, keepdims=True)
    level = mean.mean((2, 3), keepdims=True)
    return np.where(level > 0, np.maximum(mean / np.maximum(level, 1e-30), SCARCE), 1).astype(np.float32)


METHODS: dict[str, Callable[[ClassSaliency, list[Views], str], Maps]] = {
    "class saliency": ClassSaliency.class_saliency,
    "SmoothGrad": ClassSaliency.smooth,
    "Grad-CAM": ClassSaliency.grad_cam,
}


def on_frames(system: System, clip: Clip, square: np.ndarray) -> np.ndarray:
    """A map `[S, S]` of what a light system sees of a clip as a map of the clip's own frames; zero where a tailored
    view shows nothing of them."""
    height, width = clip.size
    if system.window is None:
        return unletterboxed(square, height, width)
    left, top, right, bottom = (int(side) for side in system.window(clip))
    whole = np.zeros((height, width), square.dtype)
    whole[top:bottom, left:right] = unletterboxed(square, bottom - top, right - left)
    return whole


def unletterboxed(square: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map `[S, S]` of a letterboxed frame as a map `[height, width]` of the frame itself: `place` backwards."""
    size = len(square)
    scale = size / max(height, width)
    middle = (size - 1) / 2
    matrix = np.array([[scale, 0, middle - scale * (width - 1) / 2], [0, scale, middle - scale * (height - 1) / 2]])
    return cv2.warpAffine(square, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
