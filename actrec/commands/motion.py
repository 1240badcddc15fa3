"""`motion`: every motion clue of a clip as picture and video, what was found and what it cost."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from actrec.motion import pictures
from actrec.motion.difference import frame_difference
from actrec.motion.difference import variance_rate as eq_1
from actrec.motion.flow import METHODS
from actrec.motion.flow import flow as flow_of
from actrec.motion.rgbf import rgbf as eq_7
from actrec.motion.salience import salience as fourier_salience
from actrec.motion.trajectories import draw, track
from actrec.sampling.frames import PATHWAYS, pathways
from actrec.tailor import open_detector
from actrec.tailor import tailor as tailored
from actrec.video import Clip
from actrec.video.read import read_clip
from actrec.video.write import write_mp4


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into; made if it is missing")
    parser.add_argument("--flow", default="dis", choices=METHODS, metavar="METHOD", help=" or ".join(METHODS))
    parser.add_argument("--side", type=int, default=240, help="pixels of the shorter side, never enlarged")
    parser.add_argument("--start", type=float, help="seconds to begin at")
    parser.add_argument("--stop", type=float, help="seconds to end before")
    parser.add_argument("--seed", type=int, default=0, help="seed of the frames that the pathways draw")
    parser.add_argument("--device", default="cpu", help="where tvl1 and brox run: cpu, cuda, cuda:1")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


@dataclass
class Clue:
    """One clue that was computed: a sentence, its numbers, its picture and its video."""

    found: str
    numbers: dict
    picture: np.ndarray
    video: Iterable[np.ndarray]
    files: list[str] = field(default_factory=list)
    milliseconds: float = 0.0


@dataclass
class Look:
    """A clip with what several clues share: its flow is computed once."""

    clip: Clip
    seed: int
    method: str
    device: str
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
    gain = pictures.difference_gain(found)
    shown = (cv2.convertScaleAbs(picture, alpha=gain) for picture in found)
    return Clue(f"{sentence}; shown × {gain:.1f}", numbers, cv2.convertScaleAbs(found[most], alpha=gain), shown)


def variance_rate(look: Look) -> Clue:

    p = eq_1(look.clip.frames)
    names = ("slow", "mid", "fast")
    indices = pathways(p, np.random.default_rng(look.seed), PATHWAYS)
    drawn = {name: [int(i) for i in index] for name, index in zip(names, indices, strict=True)}
    width = look.clip.size[1]
    curve = pictures.variance_rate_curve(p, drawn, (max(width, 480), 260))

    def shown(t: int) -> np.ndarray:
        return pictures.below(look.clip.frames[t], pictures.with_cursor(curve, t, len(p)))

    z = int(p.argmax())
    sentence = f"most happens between frames {z} and {z + 1} ({p[z]:.3f}, {p[z] * len(p):.1f} × uniform)"
    return Clue(
        sentence, {"p": [round(float(v), 6) for v in p], "drawn": drawn}, curve, map(shown, range(len(look.clip)))
    )


def salience(look: Look) -> Clue:

    found = fourier_salience(look.clip.frames)
    share = (found > 0.5).mean((1, 2))
    most = int(found.mean((1, 2)).argmax())
    legend = pictures.heat_legend()

    def shown(t: int) -> np.ndarray:
        return pictures.with_legend(pictures.overlay(look.clip.frames[t], found[t]), legend)

    sentence = f"{share.mean():.1%} of the picture is salient, the liveliest moment is at {look.second(most)} s"
    numbers = {"salient_share": round(float(share.mean()), 4), "most_at": look.second(most)}
    return Clue(sentence, numbers, shown(most), map(shown, range(len(found))))


def flow(look: Look) -> Clue:

    look.flow = flow_of(look.clip.frames, look.method, device=look.device)
    length = np.hypot(look.flow[..., 0], look.flow[..., 1])
    reach = pictures.flow_reach(look.flow)
    legend = pictures.wheel_legend(reach)
    most = int(length.mean((1, 2)).argmax())

    def shown(t: int) -> np.ndarray:
        return pictures.with_legend(pictures.flow_picture(look.flow[t], reach), legend)

    middle, fast = (float(np.quantile(length, q)) for q in (0.5, 0.99))
    sentence = f"{look.method}: half of the pixels move less than {middle:.2f} px per frame, 1 % more than {fast:.1f}"
    numbers = {"method": look.method, "median": round(middle, 4), "quantile_99": round(fast, 4)}
    return Clue(sentence, numbers, shown(most), map(shown, range(len(look.flow))))


def rgbf(look: Look) -> Clue:

    found = eq_7(look.clip.frames, look.flow)
    kept = float(found.mean() / max(look.clip.frames.mean(), 1e-9))
    rows = pictures.rgbf_rows(look.clip.frames, look.flow, found)
    return Clue(f"{kept:.1%} of the brightness is left where things move", {"kept": round(kept, 4)}, rows, found)


def trajectories(look: Look) -> Clue:

    tracks = track(look.clip, flow=look.flow)
    alive = [((tracks.start <= t) & (t <= tracks.start + tracks.length)).sum() for t in range(len(look.clip))]
    most = int(np.argmax(alive))

    def shown(t: int) -> np.ndarray:
        return draw(tracks, look.clip.frames[t], t)

    dropped = ", ".join(f"{count} {why}" for why, count in tracks.dropped.items())
    sentence = f"{len(tracks)} tracks kept; dropped: {dropped}"
    return Clue(
        sentence, {"kept": len(tracks), "dropped": tracks.dropped}, shown(most), map(shown, range(len(look.clip)))
    )


def tailor(look: Look) -> Clue:

    found = tailored(look.clip, detector=open_detector())
    left, top, right, bottom = (int(v) for v in found.window)
    picture = look.clip.frames[len(look.clip) // 2].copy()
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (235, 60, 40), 2)
    x0, y0, x1, y1 = (int(v) for v in found.boxes + np.array([left, top, left, top]))
    cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), (40, 200, 90), 1)
    sentence = f"window {right - left}×{bottom - top} at ({left}, {top}): {found.people.source}"
    numbers = {"window": [left, top, right, bottom], "detected": found.people.detected}
    return Clue(sentence, numbers, picture, found.clip.frames)


CLUES: dict[str, Callable[[Look], Clue]] = {
    "difference": difference,
    "variance_rate": variance_rate,
    "salience": salience,
    "flow": flow,
    "rgbf": rgbf,
    "trajectories": trajectories,
    "tailor": tailor,
}


def write(clue: Clue, name: str, out: Path, fps: float) -> None:

    picture = out / f"{name}.png"
    if not cv2.imwrite(str(picture), cv2.cvtColor(clue.picture, cv2.COLOR_RGB2BGR)):
        raise ValueError(f"The picture {picture} could not be written; choose a folder that can be written to.")
    clue.files = [str(picture), str(write_mp4(out / f"{name}.mp4", clue.video, fps))]


def run(args: argparse.Namespace) -> int:

    if args.side < 16:
        raise ValueError(f"--side is at least 16 pixels, not {args.side}.")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder {args.out} cannot be made: {error.strerror}. Choose another --out.") from error
    began = time.perf_counter()
    clip = read_clip(args.clip, short_side=args.side, start=args.start, stop=args.stop)
    reading = (time.perf_counter() - began) * 1000
    if len(clip) < 2:
        raise ValueError(f"{args.clip} has one frame; a motion clue needs at least two.")
    look = Look(clip, args.seed, args.flow, args.device)
    height, width = clip.size
    say = (lambda line: None) if args.json else print
    say(f"{args.clip}: {len(clip)} frames of {width}×{height}, {clip.fps:.1f} per second, read in {reading:.0f} ms")
    for note in clip.notes:
        say(f"note: {note}")
    found = {}
    for name, compute in CLUES.items():
        began = time.perf_counter()
        clue = compute(look)
        clue.milliseconds = (time.perf_counter() - began) * 1000
        write(clue, name, args.out, clip.fps)
        say(f"{name:14} {clue.milliseconds:7.0f} ms  {clue.found}")
        found[name] = clue
    say(f"pictures and videos: {args.out}")
    if args.json:
        clues = {
            name: {"found": c.found, **c.numbers, "milliseconds": round(c.milliseconds, 1), "files": c.files}
            for name, c in found.items()
        }
        about = {"clip": str(args.clip), "frames": len(clip), "width": width, "height": height, "fps": clip.fps}
        print(json.dumps(about | {"notes": clip.notes, "read_milliseconds": round(reading, 1), "clues": clues}))
    return 0
