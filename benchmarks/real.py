"""Which weights the page should ask first: right answers on real videos that none of them learned from, on samples of
people who walk, and on the clips that the page offers.

    python -m benchmarks.real [--weights FOLDER ...] [--data FOLDER ...]

The videos are those that `--fold all` with seed 0 holds back; they had a part in choosing the epoch or the temperature
of weights that learned from the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from actrec.data.clips import clips_source
from actrec.data.mixed import SAME
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.training.load_data import stored
from actrec.video import Clip
from actrec.video.read import read_clip

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
WALKING = ("kth_person01_walking_d1_uncomp.avi", "intel_one_by_one_person.mp4", "opencv_vtest_copy.avi")
SYSTEM = "asym3d"
CANDIDATES = tuple(ROOT / "weights" / f"{SYSTEM}-{kind}" for kind in ("synthetic", "all", "people"))


def held_out(folder: Path) -> list[tuple[Clip, str]]:
    """The videos of a data set that no training with `--fold all` and seed 0 learns from, with their labels."""
    source = clips_source(
        str(folder), seed=0, on_progress=print, protocol="all", settings=stored(named(SYSTEM)), device="cpu"
    )  # fmt: skip
    validation = source.validation
    return [(validation.clip(n), source.labels[validation.targets[n]]) for n in range(len(validation))]


def right(recognizer: Recognizer, asked: Iterable[tuple[Clip, str]]) -> int:
    return sum(recognizer.predict(clip).label in (label, SAME.get(label)) for clip, label in asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folders = [SHARED / "generated_people", SHARED / "ut_interaction"]
    parser.add_argument("--weights", type=Path, nargs="+", default=CANDIDATES, help="folders of weights")
    parser.add_argument("--data", type=Path, nargs="+", default=folders, help="folders of real videos")
    args = parser.parse_args()
    asked = {folder.name: held_out(folder) for folder in args.data}
    samples = [path for name in WALKING if (path := SHARED / "samples" / name).is_file()]
    asked["samples of walking"] = [(read_clip(path), "walk") for path in samples]
    bundled = sorted((ROOT / "assets" / "examples").glob("*.mp4"))
    asked["bundled clips"] = [(read_clip(path), path.stem.replace("-", " ")) for path in bundled]
    for folder in args.weights:
        recognizer = Recognizer.load(folder, "cpu")
        figures = (f"{where}: {right(recognizer, some)} of {len(some)}" for where, some in asked.items())
        print(folder.name, *figures, sep="  ")


if __name__ == "__main__":
    main()
