"""A class's saliency over a whole clip: maps laid over the clip's own frames, moment by moment.

A network sees a window of two or three seconds at a time. Windows that follow each other cover the clip; a moment of
the clip gets the map of the frame that was nearest in time, the largest over the network's inputs. All moments share
one scale: 1 is the 99 % quantile over the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actrec.core.errors import BadValue
from actrec.explain.saliency import COPIES, METHODS, PEAK, SMOOTHING, ClassSaliency, Maps, on_frames
from actrec.figures import scales
from actrec.systems.system import System, Views
from actrec.video import Clip

FPS, MOST = 8.0, 10  # frames per second that are shown; windows at most
STILL = 12  # grey levels by which a pixel of a still clip may flicker


@dataclass(frozen=True)
class Windows:
    """A clip as the network sees it: one view per window, and the second of every frame of every input."""

    clip: Clip
    views: list[Views]
    seconds: dict[str, np.ndarray]  # [B, T] for each input
    parts: list[Clip]  # the stretch of the clip that each view is the end of

    @classmethod
    def of(cls, system: System, clip: Clip) -> Windows:
        parts = parts_of(clip, system.seconds)
        views = [system.protocols["one"].views(part)[0] for part in parts]
        seconds = [_seconds(system, part) for part in parts]
        return cls(clip, views, {name: np.stack([part[name] for part in seconds]) for name in system.inputs}, parts)

    def notes(self) -> list[str]:
        """What a viewer has to know before trusting a map of this clip."""
        clip, notes = self.clip, list(self.clip.notes)
        if len(clip) < 3:
            notes.append(
                f"The clip has {'one frame' if len(clip) == 1 else 'two frames'}: the network sees a still scene, "
                "so the maps show where a change would count, not what happened."
            )
        elif not _moves(clip):
            notes.append(
                "Nothing moves in this clip. The maps show where a change would count for the class, not what happened."
            )
        return notes


@dataclass(frozen=True)
class ClipMaps:
    """The clip's frames at FPS, a map in [0, 1] for each, and how much each moment counts."""

    clip: Clip
    maps: np.ndarray  # [N, H, W]
    influence: np.ndarray  # [N], adds up to one: how much of all influence each moment has
    inputs: dict[str, float]  # how much of it each input of the network has

    @property
    def rate(self) -> float:
        return self.clip.fps or FPS

    def laid_over(self, scale: scales.Scale) -> list[np.ndarray]:
        """The frames with their maps over them."""
        return [
            scales.laid_over(frame, values, scale) for frame, values in zip(self.clip.frames, self.maps, strict=True)
        ]


def parts_of(clip: Clip, seconds: float, most: int = MOST) -> list[Clip]:
    """Stretches of the clip that end where the windows of a network end: they cover it, the last ends with it."""
    first, last = float(clip.times[0]), float(clip.times[-1])
    count = int(np.clip(round((last - first) / max(seconds, 1e-6)), 1, most))
    ends = np.linspace(min(first + seconds, last), last, count) if count > 1 else np.array([last])
    return [clip.between(first, end + 1e-6) for end in ends]


def clip_maps(saliency: ClassSaliency, windows: Windows, label: str, method: str = "class saliency") -> ClipMaps:
    """One method's maps of a class over the clip."""
    if method not in METHODS:
        raise BadValue(f"The methods are {', '.join(METHODS)}, not '{method}'.")
    return laid_out(saliency.recognizer.system, windows, METHODS[method](saliency, windows.views, label))


def all_clip_maps(saliency: ClassSaliency, windows: Windows, label: str, copies: int = COPIES) -> dict[str, ClipMaps]:
    """Every method that the network allows, class saliency first."""
    by_method = saliency.every(windows.views, label, copies)
    return {name: laid_out(saliency.recognizer.system, windows, maps) for name, maps in by_method.items()}


def _moves(clip: Clip) -> bool:
    """Whether any pixel changes by more than a camera's noise."""
    few = clip.frames[:: max(1, len(clip) // 24), ::4, ::4].astype(np.int16)
    return bool(np.quantile(np.ptp(few, axis=0).max(-1), 0.999) > STILL)


def laid_out(system: System, windows: Windows, maps: Maps, smoothing: float = SMOOTHING) -> ClipMaps:
    """Maps of the network's inputs over the clip's frames."""
    clip = windows.clip
    shown = clip.at_rate(FPS) if len(clip) > 1 else clip
    whole = system.size == "light"
    if not whole:
        shown = _as_seen(windows, shown)
    size = clip.size if whole else shown.size
    out = np.zeros((len(shown), *size), np.float32)
    totals = {}
    for name, map_of_input in maps.items():
        moments, flat = windows.seconds[name].ravel(), map_of_input.reshape(-1, *map_of_input.shape[-2:])
        totals[name] = float(flat.sum())
        for place, second in enumerate(shown.times):
            nearest = int(np.abs(moments - second).argmin())
            moment_map, part = flat[nearest], windows.parts[nearest // map_of_input.shape[1]]
            moment_map = cv2.GaussianBlur(moment_map, (0, 0), smoothing) if smoothing else moment_map
            np.maximum(out[place], on_frames(system, part, moment_map) if whole else moment_map, out=out[place])
    strength = out.mean((1, 2))
    peak = max(float(np.quantile(out[:: max(1, len(out) // 16)], PEAK)), 1e-12)
    everything = sum(totals.values()) or 1.0
    return ClipMaps(
        shown,
        np.minimum(out / peak, 1),
        strength / max(float(strength.sum()), 1e-12),
        {name: total / everything for name, total in totals.items()},
    )


def _seconds(system: System, part: Clip) -> dict[str, np.ndarray]:
    """The second of every frame of every input. Where a view is made of as many frames as its inputs hold together,
    they are dealt out in order (MS3D's pathways, FstCN's two clips); otherwise frame t of an input is frame t."""
    counts = {name: view.frames for name, view in system.inputs.items()}
    moments = system.protocols["one"].moments
    if moments is None:  # a recipe by frame numbers: its frames spread over the part
        first, last = float(part.times[0]), float(part.times[-1])
        return {name: np.linspace(first, last, count) for name, count in counts.items()}
    seconds = moments(part)
    if len(seconds) == sum(counts.values()):
        return dict(zip(counts, np.split(seconds, np.cumsum(list(counts.values()))[:-1]), strict=True))
    return {name: seconds[:count] for name, count in counts.items()}


def _as_seen(windows: Windows, shown: Clip) -> Clip:
    """The network's own input as frames, where it sees a crop only: the first input with three channels."""
    for name, seconds in windows.seconds.items():
        frames = np.concatenate([view[name].transpose(1, 2, 3, 0) for view in windows.views])
        if frames.shape[-1] == 3:
            near = [int(np.abs(seconds.ravel() - second).argmin()) for second in shown.times]
            return Clip(np.ascontiguousarray(frames[near]), shown.times, shown.source, shown.notes)
    raise BadValue("This network sees no frames, only flow: there is nothing to lay the map over.")
