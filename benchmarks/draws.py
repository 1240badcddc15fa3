"""How far the variance rate shapes what MS3D draws: `python -m benchmarks.draws DATA [--json]`.

DATA is a folder of videos, of which some of each subfolder are taken. For each option `pairs`, and for cameras of some
rates, it prints which part of a pathway's frames comes from the liveliest quarter of the pairs that differ (0.25 where
the rate does not matter), and which part of all change lies there (what draws that do not exhaust it would show).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from actrec import sampling
from actrec.data.samples import VIDEO
from actrec.motion.difference import variance_rate
from actrec.systems.ms3d import PAIRS
from actrec.systems.views import THIN, starts, window
from actrec.video import Clip
from actrec.video.read import read_clip

PATHWAYS = ("slow", "mid", "fast")
CAMERAS = (None, 15.0, 10.0)  # frames a second; None: as the video has them
EACH, DRAWS = 8, 20  # videos of each subfolder, draws of each


def videos(data: Path) -> list[Path]:
    """Some videos of each of its subfolders, the same every time."""
    by_folder: dict[str, list[Path]] = {}
    for path in sorted(data.rglob("*")):
        if path.suffix.lower() in VIDEO:
            by_folder.setdefault(path.relative_to(data).parts[0], []).append(path)
    return [path for paths in by_folder.values() for path in paths[:: max(1, len(paths) // EACH)][:EACH]]


def shares(clip: Clip, pairs: str, rng: np.random.Generator) -> list[float]:
    """Of one clip's middle window: the part of each pathway, and of all change, and how many pairs differ."""
    frames, fps = PAIRS[pairs]
    seen = window(clip, frames, fps, starts(clip, (frames - 1) / fps, 1)[0])
    rate = variance_rate(np.ascontiguousarray(seen[:, ::THIN, ::THIN]))
    moving = int((rate > 0).sum())
    quarter = np.argsort(-rate, kind="stable")[: max(1, round(moving / 4))]
    draws = [sampling.pathways(rate, rng) for _ in range(DRAWS)]
    drawn = [float(np.mean([np.isin(draw[place], quarter + 1).mean() for draw in draws])) for place in range(3)]
    return [*drawn, float(rate[quarter].sum()), moving]


def rows(data: Path) -> list[dict]:
    rng, clips = np.random.default_rng(0), [read_clip(path) for path in videos(data)]
    results = []
    for camera in CAMERAS:
        seen = clips if camera is None else [clip.at_rate(min(camera, clip.fps)) for clip in clips]
        for pairs in sorted(PAIRS, key=int):
            means = np.mean([shares(clip, pairs, rng) for clip in seen if len(clip) > 1], axis=0)
            parts = dict(zip((*PATHWAYS, "change", "differ"), np.round(means, 3).tolist(), strict=True))
            results.append({"camera": camera or "own", "pairs": int(pairs), "clips": len(seen), **parts})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    results = rows(args.data)
    if args.json:
        print(json.dumps(results))
        return
    print(f"{'camera':>7} {'pairs':>6} {'differ':>7}   slow   mid  fast   of change ({results[0]['clips']} videos)")
    for row in results:
        parts = " ".join(f"{row[name]:5.2f}" for name in PATHWAYS)
        print(f"{row['camera']!s:>7} {row['pairs']:6} {row['differ']:7.1f}  {parts}   {row['change']:.2f}")


if __name__ == "__main__":
    main()
