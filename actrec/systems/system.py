"""A system is one paper as a recipe: how a clip becomes views, which network, how scores fuse, how it is trained."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from actrec.core.errors import BadValue
from actrec.systems.claim import Claim, Experiment
from actrec.systems.fusion import Fused
from actrec.systems.layers import Layer
from actrec.video import Clip
from actrec.weights.catalogue import Entry

# Input name → uint8 [C, T, H, W]: small to store, quick to move; floats on the device.
Views = dict[str, np.ndarray]


@dataclass(frozen=True)
class Input:
    """The shape of one input of a network, and how bytes become its floats: (byte / 255 − mean) / std."""

    channels: int
    frames: int
    size: int
    mean: float = 0.5
    std: float = 0.25

    def normalise(self, value: torch.Tensor) -> torch.Tensor:
        return value.float().div_(255).sub_(self.mean).div_(self.std)


@dataclass(frozen=True)
class Schedule:
    """An optimiser and how its rate falls: divided by `divide` at each of the `at` epochs, or along a half cosine.

    `brings` is what it chooses of the recipe's options where the user does not. Where a training has several stages,
    each one counts from its own first epoch.
    """

    optimiser: str
    rate: float
    epochs: int
    batch: int
    momentum: float = 0.9
    weight_decay: float = 5e-4
    at: tuple[int, ...] = ()
    divide: float = 10.0
    cosine: bool = False
    label_smoothing: float = 0.0
    last_layer: float = 1.0  # how many times as fast the last layer learns
    longest_gradient: float = 0.0  # a longer gradient is scaled down to it; 0: never
    balanced: bool = False  # rare classes repeat within an epoch; otherwise each clip is seen once
    brings: Mapping[str, str] = field(default_factory=dict)


def light_schedule(rate: float, epochs: int, batch: int, weight_decay: float, label_smoothing: float = 0.0) -> Schedule:
    """What the light networks learn by (ours): AdamW along a half cosine, no gradient longer than 5, classes in
    balance."""
    return Schedule(
        "adamw", rate, epochs, batch, weight_decay=weight_decay, label_smoothing=label_smoothing, cosine=True,
        longest_gradient=5.0, balanced=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """One way to test: which views of a clip, and how their scores become one answer.

    `moments` gives the second of every frame that the first view is made of, where a recipe goes by the clock.
    `windows` gives the second at which each window begins, where the views are windows spread over the clip: as many
    views of each window stand together, and the first of them is a view as `one` makes it of that window.
    """

    views: Callable[[Clip], list[Views]]
    fuse: Callable[[np.ndarray], Fused]
    moments: Callable[[Clip], np.ndarray] | None = None
    windows: Callable[[Clip], list[float]] | None = None


@dataclass(frozen=True)
class Option:
    """A choice that a recipe offers: its default, and the values that are possible; none listed: a number of at least 0
    and at most `most`. `before` is how it was before there was a choice, which is what older cards and runs mean. One
    that is `in_test` changes how views are made or fused, and nothing of the network: weights can be asked with another
    value than they were trained with."""

    default: str | float
    meaning: str
    values: tuple[str, ...] = ()
    most: float = float("inf")
    before: str | float | None = None
    in_test: bool = False

    def read(self, name: str, value: object) -> str | float:
        """The value that a command line or a card gives; another is refused with those that are possible."""
        if self.values:
            if str(value) not in self.values:
                raise BadValue(f"--option {name} ({self.meaning}) is one of {', '.join(self.values)}, not '{value}'.")
            return str(value)
        try:
            number = float(str(value))
        except (TypeError, ValueError):
            number = float("nan")
        if not 0 <= number <= self.most or number == float("inf"):
            most = "" if self.most == float("inf") else f" and at most {self.most:g}"
            raise BadValue(f"--option {name} ({self.meaning}) is a number of at least 0{most}, not '{value}'.")
        return number


class Network(typing.Protocol):
    """What every network of a recipe has besides `nn.Module`: its embedding, and the scores from it."""

    def code(self, **inputs: torch.Tensor) -> torch.Tensor: ...

    def scores(self, code: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True)
class Features:
    """Several feature vectors of one network, each of which can be mapped; the last one is the embedding.

    `about` says what they are; `figure` is where the paper shows them.
    """

    of: Callable[..., dict[str, torch.Tensor]]  # network, **inputs → features by name
    about: str
    figure: str


@dataclass(frozen=True)
class Published:
    """Weights that others have published, from which a training may start.

    `load` puts a file's tensors into the network and returns a sentence on them; `files` can be fetched. `networks` are
    published networks that `fetch` keeps as weights of their own, from which `load` takes what it needs.
    """

    load: Callable[..., str]  # the recipe's own kind of network, and the file's tensors by name
    files: tuple[Entry, ...] = ()
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """One recipe. The test protocols are `one` (the newest frames), `clip` (all of a clip) and `paper`.

    `options` is what may be chosen, `chosen` what was chosen otherwise than the default, `remade` the recipe anew with
    every option given by name. Where the protocol `one` makes smaller views than the others, `smaller` holds the
    options with which all views are as small. `fps` is the rate at which a training keeps its clips, where it is not
    the usual one of its size; `parts` gives the scores of those parts of a network that answer for themselves, by name,
    from its embeddings.

    The rest is for a paper that has it, and stays out of a small recipe. `layers` lists the layers whose maps can be
    shown, the lowest first; Grad-CAM takes the last one. The accuracy in `headline` (data set → top-1 in per cent) is
    what the paper prints for this very network, `claims` with their `experiments` its statements that can be measured;
    these three belong to the recipe with its defaults.

    `unit_length` says whether embeddings are brought to length one before they are compared. `gallery` gives the views
    of a clip whose embeddings make its class's centre: one as `one` makes it, where a recipe has no other. `window` is
    the part of a clip's frames that its views show (left, top, right, bottom), where that is not all of them.
    """

    name: str
    title: str
    paper: str
    size: str
    inputs: Mapping[str, Input]
    network: Callable[..., nn.Module]  # the number of classes, and options that only training has
    seconds: float
    training_view: Callable[[Clip, np.random.Generator], Views]
    protocols: Mapping[str, Protocol]
    schedules: Mapping[str, Schedule]
    loss: str = "cross-entropy"
    decides: str = "scores"
    flow: str = ""
    stored_side: int = 0  # pixels of a clip's short side as it is kept; 0: as few as the inputs need
    notes: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    chosen: Mapping[str, str | float] = field(default_factory=dict)
    remade: Callable[..., System] | None = None
    smaller: Mapping[str, object] = field(default_factory=dict)
    fps: float = 0.0
    parts: Callable[..., dict[str, torch.Tensor]] | None = None  # this system's own kind of network, and embeddings
    layers: Callable[..., list[Layer]] | None = None  # takes this system's own kind of network
    features: Features | None = None
    unit_length: bool = True
    gallery: Callable[[Clip], list[Views]] | None = None
    window: Callable[[Clip], np.ndarray] | None = None
    published: Published | None = None
    headline: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    experiments: Mapping[str, Experiment] = field(default_factory=dict)

    def option(self, name: str) -> str | float:
        """The value of an option."""
        return self.chosen.get(name, self.options[name].default)

    @property
    def recorded(self) -> dict[str, str | float]:
        """The options as a card or a run holds them: what was chosen otherwise than the default, and what older ones
        may not name yet."""
        newer = {name: self.option(name) for name, option in self.options.items() if option.before is not None}
        return newer | dict(self.chosen)

    @property
    def before(self) -> dict[str, str | float]:
        """What a card or a run means by the options that it does not name."""
        return {name: option.before for name, option in self.options.items() if option.before is not None}

    def with_options(self, given: Mapping[str, object]) -> System:
        """The same system with other options; unknown names and values are refused with those there are."""
        if not given:
            return self
        for name in given:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise BadValue(f"'{self.name}' has no option '{name}'. It has: {known}.")
        values = {name: option.read(name, given.get(name, self.option(name))) for name, option in self.options.items()}
        chosen = {name: value for name, value in values.items() if value != self.options[name].default}
        if self.remade is None:
            raise BadValue(f"'{self.name}' has no options.")
        return replace(self.remade(**values), options=self.options, chosen=chosen, remade=self.remade)

    def asked_with(self, given: Mapping[str, object]) -> System:
        """The same system with other options of testing; those that trained weights cannot change are refused."""
        asked = self.with_options(dict(self.chosen) | dict(given))
        for name in given:
            if not self.options[name].in_test and asked.option(name) != self.option(name):
                can = ", ".join(other for other, option in self.options.items() if option.in_test) or "none"
                raise BadValue(
                    f"--option {name} is decided in training, and these weights were trained with "
                    f"{name}={self.option(name)}: train anew for another value. Without training can be chosen: {can}."
                )
        return asked

    def fits(self, view: Views) -> bool:
        """Whether a view has the size of the inputs."""
        shapes = {
            name: (view_input.channels, view_input.frames, view_input.size, view_input.size)
            for name, view_input in self.inputs.items()
        }
        return shapes == {name: value.shape for name, value in view.items()}

    def blank(self, batch: int = 1) -> dict[str, torch.Tensor]:
        """Inputs of the right shape, for counting and for timing."""
        return {
            name: torch.zeros(batch, view_input.channels, view_input.frames, view_input.size, view_input.size)
            for name, view_input in self.inputs.items()
        }

    def tensors(self, views: list[Views], device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """A batch of views as normalised floats on the device; bytes travel, floats are made there."""
        batch = {}
        for name, view_input in self.inputs.items():
            stacked = torch.from_numpy(np.stack([view[name] for view in views]))
            if torch.device(device).type == "cuda":
                stacked = stacked.pin_memory().to(device, non_blocking=True)
            batch[name] = view_input.normalise(stacked)
        return batch
