"""The classes of the everyday weights: Kinetics' 400 actions and what people do in front of a webcam, or two together.

The table of synonyms was written before anything was measured with it. A synonym is one class: the probabilities of
both names add up, and Kinetics' name is shown.
"""

from __future__ import annotations

from actrec.weights.kinetics import KINETICS_400

# Own name → the name in Kinetics that means the same; None where Kinetics has none.
OWN_NAMES: dict[str, str | None] = {
    "idle": None,
    "wave": None,
    "wave both hands": None,
    "clap": "clapping",
    "raise arms": None,
    "point": None,
    "box": None,
    "drink": "drinking",
    "phone": None,
    "read": "reading book",
    "squat": "squat",
    "jumping jack": None,
    "kick": None,
    "bend": None,
    "jump": None,
    "sit": None,
    "sit down": None,
    "stand up": None,
    "turn around": None,
    "walk": None,
    "jog": "jogging",
    "run": None,
    "handshake": "shaking hands",
    "hug": "hugging",
    "kick a person": None,
    "point at a person": None,
    "punch": "punching person (boxing)",
    "push": None,
    "meet and split": None,
}
OWN: tuple[str, ...] = tuple(OWN_NAMES)
# What an answer may be: Kinetics' names in the order of its scores, then the own names that it lacks.
LABELS: tuple[str, ...] = (*KINETICS_400, *(name for name, same in OWN_NAMES.items() if same is None))
PLACES: tuple[int, ...] = tuple(LABELS.index(same or name) for name, same in OWN_NAMES.items())


def shown(name: str) -> str:
    """The class that an own name belongs to."""
    return OWN_NAMES.get(name) or name
