"""The tailor as an option of a recipe: clips cut close to what acts, before any of their frames is drawn.

MS3D, sec. IV-B, "Preprocess": it comes first, and the variance rate (eq. 1) is that of tailored frames. Ours, not the
paper's: one window for the whole clip, found in frames half a second apart, of which there are at most as many as a
camera's answer can wait for; `moving` takes the region that moves in place of the detector's people, and so does
`people` where nobody is found; `square` widens the window for a recipe that crops a square ("properly pad the frames").
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.people.boxes import union
from actrec.people.find import moving_region, open_detector, people_by
from actrec.tailor.crop import tailor_to, window_around
from actrec.tailor.geometry import ETA, XI
from actrec.video import Clip

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector

KINDS = ("none", "moving", "people")
APART = 0.5  # seconds between two frames in which people are looked for
MOST_IN_CLIP, MOST_IN_NEWEST = 24, 6  # frames; the newest seconds of a camera are searched for every answer
SMALL, FEW = 96, 48  # pixels of the shorter side and frames by which the moving region is found
REMEMBERED = 1 << 18  # boxes of clips, some 50 MB


@dataclass(frozen=True)
class Tailor:
    """Cuts clips close to what acts; pixels inside its box are multiplied by η (eq. 7), those outside by ξ^d (eq. 8).

    A clip's box is found once; whoever shows the clip again, in whatever view, gets the same one.
    """

    kind: str = "people"
    eta: float = ETA
    xi: float = XI
    square: bool = False  # for recipes that crop a square out of what they get

    def __post_init__(self) -> None:
        if self.kind not in KINDS[1:]:
            raise BadValue(f"The tailor cuts to moving or to people, not to {self.kind!r}.")
        if not self.eta > 0 or not 0 < self.xi <= 1:
            raise BadValue(f"η must be positive and ξ in (0, 1], not η = {self.eta:g} and ξ = {self.xi:g}.")

    def __call__(self, clip: Clip, most: int = MOST_IN_CLIP) -> Clip:
        """The tailored clip; what other cameras saw is tailored each by itself."""
        beside = tuple(self(other, most) for other in clip.beside)
        cut, _, _ = tailor_to(clip, self.box(clip, most), self.eta, self.xi, square=self.square)
        return replace(cut, beside=beside)

    def newest(self, clip: Clip, seconds: float) -> Clip:
        """The clip's last seconds, tailored to what is seen in them."""
        return self(last_seconds(clip, seconds), MOST_IN_NEWEST)

    def newest_window(self, clip: Clip, seconds: float) -> np.ndarray:
        """The part of the frames that `newest` keeps."""
        return self.window(last_seconds(clip, seconds), MOST_IN_NEWEST)

    def window(self, clip: Clip, most: int = MOST_IN_CLIP) -> np.ndarray:
        """The part of the clip's frames that is kept (left, top, right, bottom), in whole pixels."""
        return window_around(self.box(clip, most), *clip.size, square=self.square)

    def box(self, clip: Clip, most: int = MOST_IN_CLIP) -> np.ndarray:
        """The box around all that acts in the clip, `[4]`: found the first time, remembered from then on."""
        key = (self.kind, most, _fingerprint(clip))
        known = _BOXES.get(key)
        if known is None:
            known = _BOXES.put(key, self._search(clip, most))
        return known

    def _search(self, clip: Clip, most: int) -> np.ndarray:
        if self.kind == "people":
            people = people_by(the_detector(), clip, searched(clip, most), batch=1)
            if people is not None:
                return union(people.region)
        return _moving_box(clip)


def last_seconds(clip: Clip, seconds: float) -> Clip:
    """The frame that is shown so many seconds before the end, and those that follow."""
    first = int(clip.shown(np.array([clip.times[-1] - seconds]))[0])
    return clip.between(float(clip.times[first]), np.inf)


def searched(clip: Clip, most: int) -> np.ndarray:
    """The frames in which people are looked for: half a second apart, or as many as may be, spread over the clip."""
    count = int(np.clip(np.ceil((clip.times[-1] - clip.times[0]) / APART) + 1, 2, most))
    return np.unique(clip.shown(np.linspace(clip.times[0], clip.times[-1], count)))


@lru_cache(maxsize=1)
def the_detector() -> PersonDetector:
    """The person detector of this process, opened when it is first needed."""
    detector = open_detector()
    if detector is None:
        raise BadValue(
            "--option tailor=people needs a person detector, and there is none in weights/person-detector. "
            "Train one with `make detector`, or take --option tailor=moving."
        )
    return detector


def _moving_box(clip: Clip) -> np.ndarray:
    """The box of what moves, found in a few small frames, in pixels of the clip's own."""
    few = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), FEW)).round().astype(np.int64))
    height, width = clip.size
    scale = min(1.0, SMALL / min(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    frames = np.stack([cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in clip.frames[few]])
    region = moving_region(Clip(frames, clip.times[few]), "that was asked for").region
    return union(region) * np.tile([width / small[0], height / small[1]], 2)


def _fingerprint(clip: Clip) -> bytes:
    """Equal for the same clip read again; every fourth pixel both ways tells clips apart."""
    digest = hashlib.blake2b(clip.frames[:, ::4, ::4].tobytes(), digest_size=12)
    digest.update(repr((clip.frames.shape, float(clip.times[0]), float(clip.times[-1]))).encode())
    return digest.digest()


class _Boxes:
    """The boxes of the clips seen last, for all threads of the process."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple) -> np.ndarray | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: tuple, box: np.ndarray) -> np.ndarray:
        with self._lock:
            self._held[key] = box
            while len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
        return box


_BOXES = _Boxes()
