"""What may be laid over a camera's newest frame, quick enough for a live view; the slow ones are refreshed seldom.

RGBF is eq. 7 of Asymmetric 3D-CNN on DIS flow; the tailor's box and its eq. 7/8 are MS3D's; motion salience is
MDT-Net's; class saliency is FstCN's. Between two refreshes the last box or map is laid over the newest frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.explain.saliency import ClassSaliency
from actrec.figures import colour_maps, scales
from actrec.motion.flow import flow
from actrec.motion.rgbf import rgbf
from actrec.motion.salience import salience
from actrec.people import find_people
from actrec.sampling import short_side
from actrec.systems.mdtnet import salience_options
from actrec.tailor.geometry import enhance
from actrec.video import Clip
from actrec.video.write import write_mp4

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector
    from actrec.recognition.recognizer import Recognizer

RECENT = 16  # frames that salience looks back over
SALIENT = 120  # pixels of their shorter side for it: the map is soft, and a quarter of the pixels takes a quarter
BOX = (40, 200, 90)
SLOWER = 0.95  # how fast the length with the full flow colour falls again, per frame


@dataclass
class Overlays:
    """One camera's overlays, with what they keep from frame to frame."""

    detector: Callable[[], PersonDetector | None] = lambda: None
    _drawn: int = 0
    _box: np.ndarray | None = None
    _source: str = ""
    _map: np.ndarray | None = None
    _of: str = ""
    _reach: float = 1.0
    _last: str = ""
    _asked: dict[int, ClassSaliency] = field(default_factory=dict)

    def draw(self, kind: str, clip: Clip, recognizer: Recognizer, label: str | None, every: int) -> tuple:
        """The newest frame of a clip of at least two under an overlay, and a sentence on what it shows.

        `label` is the class of the present prediction, where there is one; a box or a class saliency is refreshed
        every `every` frames.
        """
        if kind not in OVERLAYS:
            raise BadValue(f"the overlays are {', '.join(OVERLAYS)}, not {kind!r}")
        if kind != self._last:
            self._last, self._drawn, self._box, self._map = kind, 0, None, None
        fresh = self._drawn % max(1, every) == 0
        self._drawn += 1
        return OVERLAYS[kind](self, clip, recognizer, label, fresh)

    def nothing(self, clip: Clip, *_: object) -> tuple[np.ndarray, str]:
        return clip.frames[-1], "What the camera sees."

    def motion_salience(self, clip: Clip, recognizer: Recognizer, *_: object) -> tuple[np.ndarray, str]:
        recent = clip.frames[-RECENT:]
        height, width = clip.size
        settings, sentence = salience_options(recognizer.system), ""
        if settings.get("cutoff", 1) > 1:  # no more than a clip that has just begun holds
            settings["cutoff"] = min(settings["cutoff"], max(1, len(recent) // 2))
            gone = "slowest frequency" if settings["cutoff"] == 1 else f"{settings['cutoff']} slowest frequencies"
            sentence = f" Without the {gone}, as these weights learned."
        moving = salience(short_side(recent, min(SALIENT, height, width)), **settings)[-1]
        shown = colour_maps.overlay(recent[-1], cv2.resize(moving, (width, height)))
        return shown, f"Motion salience (MDT-Net): bright where the last {len(recent)} frames changed.{sentence}"

    def rgbf(self, clip: Clip, *_: object) -> tuple[np.ndarray, str]:
        pair = clip.frames[-2:]
        return rgbf(pair, flow(pair))[-1], "RGBF (Asymmetric 3D-CNN, eq. 7): each pixel as bright as it moves."

    def flow(self, clip: Clip, *_: object) -> tuple[np.ndarray, str]:
        moved = flow(clip.frames[-2:])[0]
        self._reach = max(colour_maps.flow_reach(moved), SLOWER * self._reach)
        legend = colour_maps.wheel_legend(self._reach, size=76)
        shown = colour_maps.flow_picture(moved, self._reach)
        height, width = legend.shape[:2]
        if height < shown.shape[0] and width < shown.shape[1]:
            shown[-height:, -width:] = legend
        return shown, "Optical flow (DIS): the colour shows which way a pixel goes, its strength how far."

    def tailor(self, clip: Clip, _recognizer: object, _label: object, fresh: bool) -> tuple[np.ndarray, str]:
        if fresh or self._box is None:
            recent = Clip(clip.frames[-RECENT:], clip.times[-RECENT:])
            people = find_people(recent, self.detector(), every=RECENT)
            self._box, self._source = people.region[-1], people.source
        shown = enhance(clip.frames[-1:], self._box)[0]
        left, top, right, bottom = (int(v) for v in self._box)
        cv2.rectangle(shown, (left, top), (right - 1, bottom - 1), BOX, 2)
        return shown, f"Tailor (MS3D, eq. 7 and 8): brighter in the box, darker away from it. Box: {self._source}."

    def class_saliency(
        self, clip: Clip, recognizer: Recognizer, label: str | None, fresh: bool
    ) -> tuple[np.ndarray, str]:
        if label is None:
            return clip.frames[-1], "Class saliency (FstCN) appears with the first answer."
        if fresh or self._map is None or self._map.shape != clip.size:
            if id(recognizer) not in self._asked:
                self._asked = {id(recognizer): ClassSaliency(recognizer)}
            try:
                self._map, self._of = self._asked[id(recognizer)].over(clip, label), label
            except ValueError as reason:
                return clip.frames[-1], str(reason)
        shown = scales.laid_over(clip.frames[-1], self._map, scales.INFLUENCE)
        return shown, f"Class saliency (FstCN): bright where the score of '{self._of}' depends on the frame most."


OVERLAYS: dict[str, Callable] = {
    "nothing": Overlays.nothing,
    "motion salience": Overlays.motion_salience,
    "RGBF": Overlays.rgbf,
    "optical flow": Overlays.flow,
    "tailor": Overlays.tailor,
    "class saliency": Overlays.class_saliency,
}


def salience_video(clip: Clip, path: Path, fps: float) -> str:
    """The clip with its motion salience over it, at most `fps` frames a second, as a file that browsers play."""
    clip = clip.at_rate(min(clip.fps or fps, fps))
    pairs = zip(clip.frames, salience(clip.frames), strict=True)
    return str(write_mp4(path, (colour_maps.overlay(frame, moving) for frame, moving in pairs), fps))
