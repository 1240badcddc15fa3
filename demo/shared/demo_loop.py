"""The demo loop: bundled clips played there and back as if they were a camera's frames."""

from __future__ import annotations

import numpy as np

from demo.server.services import Services, name_of
from demo.shared.examples import paths

ALL = "all of them in turn"
PLAY, STOP = "Play the demo loop", "Stop the demo loop"
TURN = 8.0  # seconds that each clip is played where all of them are


def names() -> list[str]:
    return [ALL, *(name_of(path) for path in paths())]


def frame(services: Services, name: str, seconds: float) -> np.ndarray:
    """What the loop shows after so many seconds: forwards, then backwards, so that it never jumps."""
    clips = {name_of(path): path for path in paths()}
    chosen = clips.get(name) or list(clips.values())[int(seconds // TURN) % len(clips)]
    clip = services.example(chosen)
    there_and_back = seconds % (2 * clip.duration)
    return clip.at(clip.times[0] + np.array([min(there_and_back, 2 * clip.duration - there_and_back)])).frames[0]
