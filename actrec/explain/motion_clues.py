"""Every motion clue of a clip in one go: a sentence, numbers, an image, and a video of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.figures import colour_maps
from actrec.motion.difference import frame_difference
from actrec.motion.difference import variance_rate as eq_1
from actrec.motion.flow import flow as flow_of
from actrec.motion.rgbf import rgbf as eq_7
from actrec.motion.salience import salience as fourier_salience
from actrec.motion.trajectories import draw, track
from actrec.people import open_detector
from actrec.sampling.frames import PATHWAYS, pathways
from actrec.tailor import tailor as tailored
from actrec.video import Clip
from actrec.video.write import write_mp4

if TYPE_CHECKING:
    from actrec.people.detector import PersonDetector


@dataclass
class Clue:
    """One computed clue: a sentence, its numbers, its image, and the frame shown at each of `count` moments."""

    sentence: str
    numbers: dict
    image: np.ndarray
    shown: Callable[[int], np.ndarray]
    count: int
    milliseconds: float = 0.0

    def frames(self) -> Iterable[np.ndarray]:
        """All moments, one after the other."""
        return map(self.shown, range(self.count))


@dataclass
class SharedClip:
    """A clip with what several clues need: its flow is computed once."""

    clip: Clip
    seed: int
    method: str
    device: str
    detector: Callable[[], PersonDetector | None] = open_detector
    on_progress: Callable[[float], None] | None = None  # gets the fraction that is done of a slow flow
    _flow: np.ndarray | None = None

    @property
    def flow(self) -> np.ndarray:
        if self._flow is None:
            self._flow = flow_of(self.clip.frames, self.method, device=self.device, on_progress=self.on_progress)
        return self._flow

    def second(self, frame: int) -> float:
        return round(float(self.clip.times[frame]), 2)


def difference(shared: SharedClip) -> Clue:
    changes = frame_difference(shared.clip.frames)
    change = changes.mean((1, 2, 3))
    most = int(change.argmax())
    at = shared.second(most + 1)
    sentence = f"{change.mean():.1f} grey levels of change between frames, most ({change[most]:.1f}) at {at} s"
    numbers = {"mean": round(float(change.mean()), 3), "most": round(float(change[most]), 3), "most_at": at}
    gain = colour_maps.difference_gain(changes)

    def shown(t: int) -> np.ndarray:
        return cv2.convertScaleAbs(changes[t], alpha=gain)

    return Clue(f"{sentence}; shown × {gain:.1f}", numbers, shown(most), shown, len(changes))


def variance_rate(shared: SharedClip) -> Clue:
    p = eq_1(shared.clip.frames)
    names = ("slow", "mid", "fast")
    indices = pathways(p, np.random.default_rng(shared.seed), PATHWAYS)
    drawn = {name: [int(i) for i in index] for name, index in zip(names, indices, strict=True)}
    width = shared.clip.size[1]
    curve = colour_maps.variance_rate_curve(p, drawn, (max(width, 480), 260))

    def shown(t: int) -> np.ndarray:
        return colour_maps.below(shared.clip.frames[t], colour_maps.with_cursor(curve, t, len(p)))

    z = int(p.argmax())
    sentence = f"most happens between frames {z} and {z + 1} ({p[z]:.3f}, {p[z] * len(p):.1f} × uniform)"
    return Clue(
        sentence,
        {"p": [round(float(v), 6) for v in p], "drawn": drawn},
        curve,
        shown,
        len(shared.clip),
    )


def salience(shared: SharedClip) -> Clue:
    maps = fourier_salience(shared.clip.frames)
    fraction = (maps > 0.5).mean((1, 2))
    most = int(maps.mean((1, 2)).argmax())
    legend = colour_maps.heat_legend()

    def shown(t: int) -> np.ndarray:
        return colour_maps.with_legend(colour_maps.overlay(shared.clip.frames[t], maps[t]), legend)

    sentence = f"{fraction.mean():.1%} of the frame is salient, the liveliest moment is at {shared.second(most)} s"
    numbers = {"salient_share": round(float(fraction.mean()), 4), "most_at": shared.second(most)}
    return Clue(sentence, numbers, shown(most), shown, len(maps))


def flow(shared: SharedClip) -> Clue:
    length = np.hypot(shared.flow[..., 0], shared.flow[..., 1])
    reach = colour_maps.flow_reach(shared.flow)
    legend = colour_maps.wheel_legend(reach)
    most = int(length.mean((1, 2)).argmax())

    def shown(t: int) -> np.ndarray:
        return colour_maps.with_legend(colour_maps.flow_picture(shared.flow[t], reach), legend)

    middle, fast = (float(np.quantile(length, q)) for q in (0.5, 0.99))
    sentence = f"{shared.method}: half of the pixels move less than {middle:.2f} px per frame, 1 % more than {fast:.1f}"
    numbers = {"method": shared.method, "median": round(middle, 4), "quantile_99": round(fast, 4)}
    return Clue(sentence, numbers, shown(most), shown, len(shared.flow))


def rgbf(shared: SharedClip) -> Clue:
    brightened = eq_7(shared.clip.frames, shared.flow)
    left = float(brightened.mean() / max(shared.clip.frames.mean(), 1e-9))
    rows = colour_maps.rgbf_rows(shared.clip.frames, shared.flow, brightened)
    return Clue(
        f"{left:.1%} of the brightness is left where things move",
        {"kept": round(left, 4)},
        rows,
        brightened.__getitem__,
        len(brightened),
    )


def trajectories(shared: SharedClip) -> Clue:
    tracks = track(shared.clip, flow=shared.flow)
    alive = [((tracks.start <= t) & (t <= tracks.start + tracks.length)).sum() for t in range(len(shared.clip))]
    most = int(np.argmax(alive))

    def shown(t: int) -> np.ndarray:
        return draw(tracks, shared.clip.frames[t], t)

    dropped = ", ".join(f"{count} {why}" for why, count in tracks.dropped.items())
    sentence = f"{len(tracks)} tracks kept; dropped: {dropped}"
    return Clue(
        sentence,
        {"kept": len(tracks), "dropped": tracks.dropped},
        shown(most),
        shown,
        len(shared.clip),
    )


def tailor(shared: SharedClip) -> Clue:
    crop = tailored(shared.clip, detector=shared.detector())
    left, top, right, bottom = (int(v) for v in crop.window)
    image = shared.clip.frames[len(shared.clip) // 2].copy()
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), (235, 60, 40), 2)
    x0, y0, x1, y1 = (int(v) for v in crop.boxes + np.array([left, top, left, top]))
    cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), (40, 200, 90), 1)
    sentence = f"window {right - left}×{bottom - top} at ({left}, {top}): {crop.people.source}"
    numbers = {"window": [left, top, right, bottom], "detected": crop.people.detected}
    return Clue(sentence, numbers, image, crop.clip.frames.__getitem__, len(crop.clip))


CLUES: dict[str, Callable[[SharedClip], Clue]] = {
    "difference": difference,
    "variance_rate": variance_rate,
    "salience": salience,
    "flow": flow,
    "rgbf": rgbf,
    "trajectories": trajectories,
    "tailor": tailor,
}


def all_clues(
    clip: Clip,
    *,
    method: str = "dis",
    seed: int = 0,
    device: str = "cpu",
    detector: Callable[[], PersonDetector | None] = open_detector,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Clue]:
    """Every clue of a clip, in order; the flow is computed once for all that need it."""
    if len(clip) < 2:
        raise BadValue("The clip has one frame; a motion clue needs at least two.")
    shared, clues = SharedClip(clip, seed, method, device, detector, on_progress), {}
    for name, compute in CLUES.items():
        start = time.perf_counter()
        clues[name] = compute(shared)
        clues[name].milliseconds = (time.perf_counter() - start) * 1000
    return clues


def write(clue: Clue, name: str, out: Path, fps: float) -> list[str]:
    """The clue's image and its video; the files' names."""
    path = out / f"{name}.png"
    if not cv2.imwrite(str(path), cv2.cvtColor(clue.image, cv2.COLOR_RGB2BGR)):
        raise BadValue(f"The image {path} could not be written; choose a folder that can be written to.")
    return [str(path), str(write_mp4(out / f"{name}.mp4", clue.frames(), fps))]
