"""`examples`: draw the small clips that the page offers and examines networks with; no training sees their seeds."""

from __future__ import annotations

import argparse
from pathlib import Path

from actrec.core.places import PROJECT

FOLDER = PROJECT / "assets" / "examples"
SECONDS, FPS = 6, 12.0
# Which draw of each action: one in which the person is easy to see.
NUMBERS = {"idle": 1, "wave": 5, "clap": 5, "raise arms": 6, "squat": 1, "jumping jack": 0}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--gallery", action="store_true", help="the gallery's videos as well, which takes a minute")


def run(args: argparse.Namespace) -> int:
    from actrec import synthetic
    from actrec.data.drawn import EXAMPLES
    from actrec.video.write import write_mp4

    args.out.mkdir(parents=True, exist_ok=True)
    for place, action in enumerate(synthetic.SIX):
        seed = EXAMPLES + NUMBERS[action] * 1000 + place
        clip = synthetic.render(action, seed, frames=int(SECONDS * FPS), size=(240, 320), fps=FPS, framing="whole")
        path = write_mp4(args.out / f"{action.replace(' ', '-')}.mp4", clip.frames, FPS, crf=26)
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")
    return _gallery() if args.gallery else 0


def _gallery() -> int:
    """The clips that networks are examined with, one video per action."""
    import numpy as np

    from actrec import synthetic
    from actrec.data.drawn import FPS as GALLERY_FPS
    from actrec.data.drawn import gallery_clips
    from actrec.explain.gallery import CLIPS, LENGTH, VIDEOS, video_of
    from actrec.video.write import write_mp4

    VIDEOS.mkdir(parents=True, exist_ok=True)
    split = gallery_clips(synthetic.SIX, CLIPS // len(synthetic.SIX), print)
    for target, action in enumerate(synthetic.SIX):
        places = np.flatnonzero(split.targets == target)
        frames = np.concatenate([split.clip(int(place)).frames[:LENGTH] for place in places])
        path = write_mp4(video_of(action), frames, GALLERY_FPS, crf=18)
        print(f"{path.name}: {len(places)} clips, {path.stat().st_size // 1024} KiB")
    return 0
