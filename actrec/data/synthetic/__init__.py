"""Synthetic actions: articulated figures that move, dressed, lit, filmed; any number of clips from seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from actrec.data.synthetic.exercises import jumping_jack, squat
from actrec.data.synthetic.gestures import clap, idle, raise_arms, wave
from actrec.data.synthetic.scene import film_single
from actrec.data.synthetic.skeleton import Body, Motion
from actrec.video.clip import Clip

Program = Callable[[np.random.Generator, Body, np.ndarray, bool], Motion]

ACTIONS: dict[str, Program] = {
    "idle": idle,
    "wave": wave,
    "clap": clap,
    "raise arms": raise_arms,
    "squat": squat,
    "jumping jack": jumping_jack,
}
SIX = ("idle", "wave", "clap", "raise arms", "squat", "jumping jack")


def render(
    action: str,
    seed: int,
    *,
    frames: int = 32,
    size: int | tuple[int, int] = 112,
    fps: float = 8.0,
    framing: str | None = None,
) -> Clip:
    """A clip of one action; the same seed gives the same clip, and the same scene for every action.

    `size` is a side or (height, width); `framing` is "whole", "webcam" or None for either by chance.
    """
    if action not in ACTIONS:
        raise ValueError(f"There is no synthetic action “{action}”; there are: {', '.join(ACTIONS)}.")
    times = np.arange(frames) / fps
    shape = (size, size) if isinstance(size, int) else size
    pictures = film_single(ACTIONS[action], seed, action, times, shape, framing)
    return Clip(pictures, times, source=f"synthetic {action} {seed}")


def make(actions: Iterable[str], clips_per_class: int, seed: int, **options: object) -> Iterator[tuple[Clip, str]]:
    """Clips and labels, class after class in turn; each round shows one scene in every action."""
    actions = tuple(actions)
    for i in range(clips_per_class):
        for action in actions:
            yield render(action, seed * 1_000_003 + i, **options), action
