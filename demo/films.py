"""The demo loop: bundled clips played there and back as if they were a camera's pictures."""

from __future__ import annotations

import numpy as np

from demo.lab import EXAMPLES, Lab, name_of

ALL = "all of them in turn"
PLAY, STOP = "Play the demo loop", "Stop the demo loop"
TURN = 8.0  # seconds that each clip is played where all of them are


def names() -> list[str]:
    return [ALL, *(name_of(path) for path in sorted(EXAMPLES.glob("*.mp4")))]


def frame(lab: Lab, name: str, seconds: float) -> np.ndarray:
    """What the loop shows after so many seconds: forwards, then backwards, so that it never jumps."""
    paths = {name_of(path): path for path in sorted(EXAMPLES.glob("*.mp4"))}
    chosen = paths.get(name) or list(paths.values())[int(seconds // TURN) % len(paths)]
    clip = lab.example(chosen)
    there_and_back = seconds % (2 * clip.duration)
    return clip.at(clip.times[0] + np.array([min(there_and_back, 2 * clip.duration - there_and_back)])).frames[0]
