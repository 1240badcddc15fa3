"""Who is in a clip, and whether anything moves: what has to hold before an action can have a name.

Nobody is there only where two witnesses agree: the person detector sees nobody, and nothing moves by itself. Hands
without a body move, so they are answered; a person who sits still is detected, and answered too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actrec.motion.own_motion import OwnMotion, own_motion
from actrec.video import Clip

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector

NOBODY, NOTHING_MOVES = "nobody", "nothing moves"
EVERY, FEWEST, MOST = 0.5, 5, 16  # seconds between two searched frames; searched frames of a clip
JUST_BEFORE = 1.0  # seconds of a camera in which something has to move
BESIDE = 0.8  # of the detector's own confidence is enough for a second person: people who interact hide each other
MOVES = 0.03  # of the picture, in the liveliest tenth of the compared pairs
CLEARLY = 1.2  # times the detector's own confidence: so clearly is a person seen who keeps still
SNOW = 6.0  # grey levels that most pixels change between two frames; no still scene does


@dataclass(frozen=True)
class Presence:
    """At `seconds` the number of `people` that a detector sees and how clearly it sees the first of them, in times of
    its own confidence; and what moves. Without a detector `people` is None."""

    seconds: np.ndarray
    people: np.ndarray | None
    clearness: np.ndarray
    motion: OwnMotion

    @property
    def most_people(self) -> int | None:
        """The largest number of people that were seen at once; None where no detector looked."""
        return None if self.people is None else int(self.people.max(initial=0))

    @property
    def nobody(self) -> str:
        """`NOTHING_MOVES` or `NOBODY` where there is no person to name an action of; otherwise empty.

        What moves by itself is answered, whether the detector sees a person or not. Where nothing does, a person has
        to be seen clearly in half of the looks: furniture is mistaken for one now and then. Without a detector a
        person who keeps still cannot be told from furniture: then only a frozen picture counts.
        """
        if not len(self.motion.seconds) or _liveliest(self.motion.moving) >= MOVES:
            return ""
        if self.people is None:
            return "" if self.motion.noise.max() > 0 else NOTHING_MOVES
        if len(self.clearness) and float(np.median(self.clearness)) >= CLEARLY:
            return ""
        shaken = _liveliest(self.motion.changing) >= MOVES or float(np.median(self.motion.noise)) >= SNOW
        return NOBODY if shaken else NOTHING_MOVES

    def during(self, start: float, stop: float) -> Presence:
        """The same for a part of the clip: what was seen in it, and just before and after it."""
        inside, near = _around(self.seconds, start, stop), _around(self.motion.seconds, start, stop)
        motion = OwnMotion(*(values[near] for values in vars(self.motion).values()))
        people = None if self.people is None else self.people[inside]
        return Presence(self.seconds[inside], people, self.clearness[inside], motion)


def presence_now(clip: Clip, detector: PersonDetector | None) -> Presence:
    """Who is in the newest frame of a camera, and what has moved just before it: a look that costs little."""
    clip = clip.between(float(clip.times[-1]) - JUST_BEFORE, float("inf"))
    return _looked(clip, detector, np.array([len(clip) - 1]))


def presence(clip: Clip, detector: PersonDetector | None) -> Presence:
    """Who is in a clip and what moves in it. The cost has a limit: a few frames are searched, and small pictures
    compared."""
    count = int(np.clip(np.ceil(clip.duration / EVERY), FEWEST, MOST))
    searched = np.unique(np.linspace(0, len(clip) - 1, count).round().astype(int))
    return _looked(clip, detector, searched)


def _looked(clip: Clip, detector: PersonDetector | None, searched: np.ndarray) -> Presence:
    people, clearness = None, np.zeros(len(searched))
    if detector is not None:
        people, clearness = people_in(detector, clip.frames[searched])
    return Presence(clip.times[searched].astype(float), people, clearness, own_motion(clip.frames, clip.times))


def people_in(detector: PersonDetector, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many people a detector sees in each of the frames, and how clearly the first; a second one may be seen less
    clearly."""
    sure = detector.card.confidence
    rows = [scores[:, 4] for scores in detector.detect(frames, BESIDE * sure)]
    people = [len(scores) if len(scores) and scores[0] >= sure else 0 for scores in rows]
    return np.array(people), np.array([float(scores.max(initial=0)) / sure for scores in rows])


def _liveliest(fractions: np.ndarray) -> float:
    """What the liveliest tenth of the pairs reaches: one odd pair does not decide."""
    return float(np.quantile(fractions, 0.9))


def _around(seconds: np.ndarray, start: float, stop: float) -> slice:
    """The places of the seconds from the last one before `start` to the first one after `stop`."""
    first = max(0, int(np.searchsorted(seconds, start, side="right")) - 1)
    return slice(first, int(np.searchsorted(seconds, stop, side="left")) + 1)
