"""Synthetic actions: articulated figures that move, dressed, lit, filmed; any number of clips from seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actrec.core.errors import BadValue
from actrec.synthetic import exercises, gait, gestures, pairs
from actrec.synthetic.camera import FRAMINGS
from actrec.synthetic.captures import Capture, captures
from actrec.synthetic.scene import SETTINGS, film_pair, film_single
from actrec.synthetic.skeleton import Body, Motion
from actrec.video.clip import Clip

Program = Callable[[np.random.Generator, Body, np.ndarray, bool], Motion]

__all__ = ["ACTIONS", "INTERACTIONS", "PAIRS", "SIX", "WEBCAM", "Capture", "captures", "make", "render"]

ACTIONS: dict[str, Program] = {
    "idle": gestures.idle,
    "wave": gestures.wave,  # one hand
    "wave both hands": gestures.wave_both,
    "clap": gestures.clap,
    "raise arms": gestures.raise_arms,
    "point": gestures.point,
    "box": gestures.box,
    "drink": gestures.drink,
    "phone": gestures.phone,
    "squat": exercises.squat,
    "jumping jack": exercises.jumping_jack,
    "kick": exercises.kick,
    "bend": exercises.bend,
    "jump": exercises.jump,
    "sit down": exercises.sit_down,
    "stand up": exercises.stand_up,
    "turn around": exercises.turn_around,
    "walk": gait.walk,
    "jog": gait.jog,
    "run": gait.run,
}
WEBCAM = tuple(ACTIONS)  # what one person can do in front of a webcam
SIX = ("idle", "wave", "clap", "raise arms", "squat", "jumping jack")

# Two people; where one person's action has the same name, the pair's is told apart.
PAIRS: dict[str, pairs.PairProgram] = {
    "handshake": pairs.handshake,
    "hug": pairs.hug,
    "kick a person": pairs.kick,
    "point at a person": pairs.point,
    "punch": pairs.punch,
    "push": pairs.push,
}
# UT-Interaction's labels → the action that is rendered for each; `make` takes it as it is.
INTERACTIONS: dict[str, str] = {
    "handshake": "handshake",
    "hug": "hug",
    "kick": "kick a person",
    "point": "point at a person",
    "punch": "punch",
    "push": "push",
}


def render(
    action: str,
    seed: int,
    *,
    frames: int = 32,
    size: int | tuple[int, int] = 112,
    fps: float = 8.0,
    framing: str | None = None,
    capture: Capture | None = None,
    setting: str = "any",
) -> Clip:
    """A clip of one action; the same seed gives the same clip, and the same scene for every action.

    `size` is a side or (height, width); `framing` is "whole", "webcam" or None for either by chance. With a
    `capture` the recorded movement drives the figure instead of the program, and `action` is only its label.
    `setting` "hard" is clutter, two others who walk about and a camera that shakes and pans; "plain" is a bare wall,
    nobody else and a still camera.
    """
    if frames < 1:
        raise BadValue(f"A clip has at least one frame, not {frames}.")
    if framing not in (None, *FRAMINGS):
        raise BadValue(f"There is no framing “{framing}”; there are: {', '.join(FRAMINGS)}.")
    if setting not in SETTINGS:
        raise BadValue(f"There is no setting “{setting}”; there are: {', '.join(SETTINGS)}.")
    scene = SETTINGS[setting]
    times = np.arange(max(frames, 2)) / fps  # speeds need two moments
    shape = (size, size) if isinstance(size, int) else (size[0], size[1])
    if capture is not None:
        pictures = film_single(capture, seed, action, times, shape, framing, scene)
    elif action in ACTIONS:
        pictures = film_single(ACTIONS[action], seed, action, times, shape, framing, scene)
    elif action in PAIRS:
        pictures = film_pair(PAIRS[action], seed, action, times, shape, framing, scene)
    else:
        known = ", ".join((*ACTIONS, *PAIRS))
        raise BadValue(f"There is no synthetic action “{action}”; there are: {known}.")
    return Clip(pictures[:frames], times[:frames], source=f"synthetic {action} {seed}")


def make(
    actions: Iterable[str] | Mapping[str, str | Sequence[str]], clips_per_class: int, seed: int, **options: Any
) -> Iterator[tuple[Clip, str]]:
    """Clips and labels, class after class in turn; each round shows one scene in every action.

    A mapping gives each label the action that is rendered for it, or several that take turns:
    {"kick": ("kick", "kick a person")}. `options` go to `render`.
    """
    actions = actions if isinstance(actions, Mapping) else {a: a for a in actions}
    for i in range(clips_per_class):
        for label, names in actions.items():
            name = names if isinstance(names, str) else names[i % len(names)]
            yield render(name, seed * 1_000_003 + i, **options), label
