"""Every motion clue of a clip in one go: what was found in words and numbers, a picture, and a film of it."""

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
    """One computed clue: a sentence, its numbers, its picture, and what is shown at each of `count` moments."""

    found: str
    numbers: dict
    picture: np.ndarray
    shown: Callable[[int], np.ndarray]
    count: int
    milliseconds: float = 0.0

    def film(self) -> Iterable[np.ndarray]:
        """All moments, one after the other."""
        return map(self.shown, range(self.count))


@dataclass
class Look:
    """A clip with what several clues share: its flow is computed once."""

    clip: Clip
    seed: int
    method: str
    device: str
    detector: Callable[[], PersonDetector | None] = open_detector
    told: Callable[[float], None] | None = None  # hears the share that is done of a slow flow
    flow: np.ndarray | None = None

    def second(self, frame: int) -> float:
        return round(float(self.clip.times[frame]), 2)


def difference(look: Look) -> Clue:
    found = frame_difference(look.clip.frames)
    change = found.mean((1, 2, 3))
    most = int(change.argmax())
    at = look.second(most + 1)
    sentence = f"{change.mean():.1f} grey levels of change between frames, most ({change[most]:.1f}) at {at} s"
    numbers = {"mean": round(float(change.mean()), 3), "most": round(float(change[most]), 3), "most_at": at}
    gain = colour_maps.difference_gain(found)

    def shown(t: int) -> np.ndarray:
        return cv2.convertScaleAbs(found[t], alpha=gain)

    return Clue(f"{sentence}; shown × {gain:.1f}", numbers, shown(most), shown, len(found))


def variance_rate(look: Look) -> Clue:
    p = eq_1(look.clip.frames)
    names = ("slow", "mid", "fast")
    indices = pathways(p, np.random.default_rng(look.seed), PATHWAYS)
    drawn = {name: [int(i) for i in index] for name, index in zip(names, indices, strict=True)}
    width = look.clip.size[1]
    curve = colour_maps.variance_rate_curve(p, drawn, (max(width, 480), 260))

    def shown(t: int) -> np.ndarray:
        return colour_maps.below(look.clip.frames[t], colour_maps.with_cursor(curve, t, len(p)))

    z = int(p.argmax())
    sentence = f"most happens between frames {z} and {z + 1} ({p[z]:.3f}, {p[z] * len(p):.1f} × uniform)"
    return Clue(
        sentence,
        {"p": [round(float(v), 6) for v in p], "drawn": drawn},
        curve,
        shown,
        len(look.clip),
    )


def salience(look: Look) -> Clue:
    found = fourier_salience(look.clip.frames)
    share = (found > 0.5).mean((1, 2))
    most = int(found.mean((1, 2)).argmax())
    legend = colour_maps.heat_legend()

    def shown(t: int) -> np.ndarray:
        return colour_maps.with_legend(colour_maps.overlay(look.clip.frames[t], found[t]), legend)

    sentence = f"{share.mean():.1%} of the picture is salient, the liveliest moment is at {look.second(most)} s"
    numbers = {"salient_share": round(float(share.mean()), 4), "most_at": look.second(most)}
    return Clue(sentence, numbers, shown(most), shown, len(found))


def flow(look: Look) -> Clue:
    look.flow = flow_of(look.clip.frames, look.method, device=look.device, on_progress=look.told)
    length = np.hypot(look.flow[..., 0], look.flow[..., 1])
    reach = colour_maps.flow_reach(look.flow)
    legend = colour_maps.wheel_legend(reach)
    most = int(length.mean((1, 2)).argmax())

    def shown(t: int) -> np.ndarray:
        return colour_maps.with_legend(colour_maps.flow_picture(look.flow[t], reach), legend)

    middle, fast = (float(np.quantile(length, q)) for q in (0.5, 0.99))
    sentence = f"{look.method}: half of the pixels move less than {middle:.2f} px per frame, 1 % more than {fast:.1f}"
    numbers = {"method": look.method, "median": round(middle, 4), "quantile_99": round(fast, 4)}
    return Clue(sentence, numbers, shown(most), shown, len(look.flow))


def rgbf(look: Look) -> Clue:
    found = eq_7(look.clip.frames, look.flow)
    kept = float(found.mean() / max(look.clip.frames.mean(), 1e-9))
    rows = colour_maps.rgbf_rows(look.clip.frames, look.flow, found)
    return Clue(
        f"{kept:.1%} of the brightness is left where things move",
        {"kept": round(kept, 4)},
        rows,
        found.__getitem__,
        len(found),
    )


def trajectories(look: Look) -> Clue:
    tracks = track(look.clip, flow=look.flow)
    alive = [((tracks.start <= t) & (t <= tracks.start + tracks.length)).sum() for t in range(len(look.clip))]
    most = int(np.argmax(alive))

    def shown(t: int) -> np.ndarray:
        return draw(tracks, look.clip.frames[t], t)

    dropped = ", ".join(f"{count} {why}" for why, count in tracks.dropped.items())
    sentence = f"{len(tracks)} tracks kept; dropped: {dropped}"
    return Clue(
        sentence,
        {"kept": len(tracks), "dropped": tracks.dropped},
        shown(most),
        shown,
        len(look.clip),
    )


def tailor(look: Look) -> Clue:
    found = tailored(look.clip, detector=look.detector())
    left, top, right, bottom = (int(v) for v in found.window)
    picture = look.clip.frames[len(look.clip) // 2].copy()
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (235, 60, 40), 2)
    x0, y0, x1, y1 = (int(v) for v in found.boxes + np.array([left, top, left, top]))
    cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), (40, 200, 90), 1)
    sentence = f"window {right - left}×{bottom - top} at ({left}, {top}): {found.people.source}"
    numbers = {"window": [left, top, right, bottom], "detected": found.people.detected}
    return Clue(sentence, numbers, picture, found.clip.frames.__getitem__, len(found.clip))


CLUES: dict[str, Callable[[Look], Clue]] = {
    "difference": difference,
    "variance_rate": variance_rate,
    "salience": salience,
    "flow": flow,
    "rgbf": rgbf,
    "trajectories": trajectories,
    "tailor": tailor,
}


def look(
    clip: Clip,
    *,
    method: str = "dis",
    seed: int = 0,
    device: str = "cpu",
    detector: Callable[[], PersonDetector | None] = open_detector,
    told: Callable[[float], None] | None = None,
) -> dict[str, Clue]:
    """Every clue of a clip, in order; the flow is computed once for all that need it."""
    if len(clip) < 2:
        raise BadValue("The clip has one frame; a motion clue needs at least two.")
    shared, found = Look(clip, seed, method, device, detector, told), {}
    for name, compute in CLUES.items():
        began = time.perf_counter()
        found[name] = compute(shared)
        found[name].milliseconds = (time.perf_counter() - began) * 1000
    return found


def write(clue: Clue, name: str, out: Path, fps: float) -> list[str]:
    """Its picture and its video; the files' names."""
    picture = out / f"{name}.png"
    if not cv2.imwrite(str(picture), cv2.cvtColor(clue.picture, cv2.COLOR_RGB2BGR)):
        raise BadValue(f"The picture {picture} could not be written; choose a folder that can be written to.")
    return [str(picture), str(write_mp4(out / f"{name}.mp4", clue.film(), fps))]
