"""Who is there: the rule that says "nobody" or "nothing moves", for real clips and for frames without anybody.

    python -m benchmarks.honest DATA [--seeds N] [--weights NAME …]

Real clips have to be answered, and what is drawn without a person has to be called out. With weights, it prints also
what they answered alone, and how many of their answers are sure.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from actrec.people import usable_detector
from actrec.people.presence import presence
from actrec.synthetic.scenery import room
from actrec.video import Clip, VideoError
from actrec.video.read import read_clip

ENDINGS = (".mp4", ".avi", ".mpg", ".mkv", ".webm")
FPS, SECONDS, SIZE, SIDE = 12.5, 3.0, (240, 320), 240


def empty_clips(seed: int) -> dict[str, Clip]:
    """Clips in which nobody is: flat, still, noisy, flickering, and an empty room before a camera that moves."""
    rng = np.random.default_rng(seed)
    count, (height, width) = int(FPS * SECONDS), SIZE
    times = np.arange(count) / FPS
    large = room(rng, (height * 3 // 2, width * 9 // 5), height * 0.9, height * 1.35).astype(np.float32)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (height, width, 3)).astype(np.float32), (0, 0), 3)
    still = large[60 : 60 + height, 100 : 100 + width]
    ones = np.ones((count, height, width, 3), np.float32)
    shake = np.cumsum(rng.normal(0, 1.5, (count, 2)), 0) + np.array([100, 60])
    pan = np.stack([np.arange(count) * 0.75 * width / count, 10 * np.sin(np.arange(count) / 5) + height // 5], 1)
    frames = {
        "black": 0 * ones,
        "grey": 128 * ones,
        "dark, noise of a sensor": np.abs(rng.normal(0, 3, ones.shape)),
        "grey, noise of a sensor": rng.normal(128, 6, ones.shape),
        "still texture": ones * ((texture - texture.mean()) * 6 + 128),
        "still room": ones * still,
        "still room, noise of a sensor": ones * still + rng.normal(0, 5, ones.shape),
        "white noise": rng.uniform(0, 255, ones.shape),
        "flicker of grey": 128 + 80 * rng.choice([-1, 1], (count, 1, 1, 1)) * ones,
        "flicker of a room": ones * still * (1 + 0.4 * np.sin(6 * np.pi * times))[:, None, None, None],
        "room, slow exposure": ones * still * (0.7 + 0.3 * times / times[-1])[:, None, None, None],
        "pan over a room": _filmed(large, pan, rng),
        "hand-held camera in a room": _filmed(large, shake, rng),
    }
    return {name: Clip(np.clip(value, 0, 255).round().astype(np.uint8), times) for name, value in frames.items()}


def _filmed(picture: np.ndarray, corners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = SIZE
    shots = [
        cv2.warpAffine(picture, np.array([[1, 0, -x], [0, 1, -y]], np.float32), (width, height)) for x, y in corners
    ]
    return np.stack(shots) + rng.normal(0, 3, (len(shots), height, width, 3))


def real(folder: Path) -> None:
    """Which real clips would not be answered, and how many people are seen in clips of two."""
    detector, spent, groups = usable_detector(), [], {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS):
        try:
            clip = read_clip(path, short_side=SIDE)
        except VideoError:
            continue
        start = time.perf_counter()
        seen = presence(clip, detector)
        spent.append(time.perf_counter() - start)
        kind = path.parent.relative_to(folder).as_posix()
        groups.setdefault(kind, []).append((seen.nobody, seen.most_people or 0))
        if seen.nobody:
            print(f"not answered ({seen.nobody}): {path.relative_to(folder)}")
    for kind, found in groups.items():
        two = sum(people >= 2 for _, people in found)
        print(f"{kind:45} {len(found):4} clips, {sum(not none for none, _ in found):4} answered, two seen in {two}")
    total = [none for found in groups.values() for none, _ in found]
    median, late = (1000 * np.quantile(spent, part) for part in (0.5, 0.95))
    print(
        f"answered: {sum(not none for none in total)} of {len(total)}; a look takes {median:.0f} ms, p95 {late:.0f} ms"
    )


def empty(seeds: int, weights: list[str]) -> None:
    """What is called out of what is drawn without anybody, and what weights answer to it alone."""
    from actrec.recognition.recognizer import Recognizer

    detector, answers = usable_detector(), {}
    for seed in range(seeds):
        for name, clip in empty_clips(seed).items():
            answers.setdefault(name, Counter())[presence(clip, detector).nobody or "answered"] += 1
    for name, counts in answers.items():
        print(f"{name:35} {dict(counts)}")
    clips = empty_clips(0)
    for name in weights:
        recognizer = Recognizer.load(name, "cpu", only_torch=True)
        for clip, prediction in zip(clips, recognizer.predict_many(list(clips.values()), "one"), strict=True):
            print(f"{name:20} {clip:35} {prediction.decision.text}, {prediction.scores.max():.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--weights", nargs="*", default=[])
    args = parser.parse_args()
    empty(args.seeds, args.weights)
    if args.data:
        real(args.data)


if __name__ == "__main__":
    main()
