"""The recipe of the everyday weights: Kinetics' 400 actions, and what people do before a webcam or two together.

Ours, no paper's: the published I3D, frozen, with a second head (`models/everyday.py`). Every class sees the same views:
windows at 25 frames a second, in proportion, their centre. It learns in a way of its own
(`actrec.training.everyday`): a few hundred clips cannot protect 400 classes from fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from actrec.models.everyday import Everyday
from actrec.systems import crossenh
from actrec.systems.everyday_names import PLACES
from actrec.systems.layers import Layer, plain
from actrec.systems.system import System

NAME = "everyday"


def network(classes: int) -> Everyday:
    return Everyday(classes, PLACES)


def layers(network: Everyday) -> list[Layer]:
    """I3D's layers."""
    return plain(crossenh.SHOWN, "trunk.layers")


def recipe(view: str = "full") -> System:
    """What is seen of a clip is what the published I3D sees of it."""
    build: Callable[..., nn.Module] = network
    return replace(
        crossenh.published_rgb(view),
        name=NAME,
        title="Everyday actions",
        network=build,
        layers=layers,
        published=None,
        remade=recipe,
    )


def systems() -> list[System]:
    return [recipe()]
