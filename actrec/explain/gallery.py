"""The clips that networks are looked at with: drawn with seeds outside training, of the actions the weights know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from actrec.data import synthetic
from actrec.data.drawn import gallery_clips
from actrec.data.split import Split
from actrec.video import Clip

CLIPS, FEWEST = 96, 4  # in all, and of each action
THUMB = 64  # pixels a side


@dataclass(frozen=True)
class Gallery:
    """Clips with the names of their actions; `labels[i]` is that of clip i."""

    labels: tuple[str, ...]
    split: Split

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, place: int) -> Clip:
        return self.split.clip(place)

    def thumbs(self) -> np.ndarray:
        """The middle picture of every clip, small: `[n, THUMB, THUMB, 3]`."""
        return np.stack(
            [
                cv2.resize(clip.frames[len(clip) // 2], (THUMB, THUMB), interpolation=cv2.INTER_AREA)
                for clip in map(self.clip, range(len(self)))
            ]
        )


def gallery_of(known: Sequence[str], told: Callable[[str], None] = lambda said: None, clips: int = CLIPS) -> Gallery:
    """A gallery of the actions among `known` that can be drawn; of the six where there are none."""
    if set(known) <= set(synthetic.INTERACTIONS):  # two people's actions, under the names of their data set
        drawn = {label: synthetic.INTERACTIONS[label] for label in known}
    else:
        drawn = {label: label for label in known if label in synthetic.ACTIONS or label in synthetic.PAIRS}
    drawn = drawn or {label: label for label in synthetic.SIX}
    split = gallery_clips(tuple(drawn.values()), max(FEWEST, clips // len(drawn)), told)
    names = tuple(drawn)
    return Gallery(tuple(names[target] for target in split.targets), split)
