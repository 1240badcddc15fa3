"""Synthetic actions: clips per second, and our movements beside recorded ones.

    python benchmarks/synthetic.py                       # clips per second; target: 30 or more in all
    python benchmarks/synthetic.py --movement FOLDER     # writes docs/synthetic.md from recordings in FOLDER

Speed is measured with two processes of one thread each, 32 frames of 112×112, all actions in turn. Other work on
the machine slows the clock more than the processor time, so both are printed.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

TARGET = 30.0
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "synthetic.md"
MEASURES = ("wrist m/s", "wrist m/s, fast (95 %)", "wrist Hz", "wrist above shoulder, m", "hips m/s", "trunk lean, °")


def batch(job: tuple[int, int, tuple[str, ...] | None]) -> tuple[int, float]:
    """Render `count` clips from seed `first` on; how many there were and the processor seconds they took."""
    import cv2

    from actrec.synthetic import ACTIONS, PAIRS, render

    first, count, actions = job
    cv2.setNumThreads(1)
    names = actions or (*ACTIONS, *PAIRS)
    render(names[0], first)  # textures are made once per process
    start = time.process_time()
    for i in range(count):
        render(names[i % len(names)], first + i)
    return count, time.process_time() - start


def speed(clips: int, processes: int, actions: tuple[str, ...] | None) -> None:
    """Print clips per second."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(batch, [(0, 1, actions)] * processes))  # warm
        start = time.perf_counter()
        done = list(pool.map(batch, [(10_000 * (k + 1), clips, actions) for k in range(processes)]))
        wall = time.perf_counter() - start
    count, cpu = sum(n for n, _ in done), sum(s for _, s in done)
    print(f"{count} clips of 32×112×112 in {wall:.1f} s: {count / wall:.1f} clips/s by the clock")
    idle = processes * count / cpu
    print(f"{1000 * cpu / count:.1f} ms of processor time per clip: {idle:.1f} clips/s on idle cores")
    print(f"target: {TARGET:.0f} clips/s")


def measure(joints: np.ndarray, rate: float = 30.0) -> np.ndarray:
    """The six `MEASURES` of one movement, joints [T, 22, 3] in metres at 30 frames per second."""
    from actrec.synthetic.skeleton import INDEX, SHOULDER, WRIST

    moving = np.linalg.norm(np.diff(joints[:, WRIST], axis=0), axis=-1) * rate  # [T − 1, 2]
    side = int(moving.mean(0).argmax())
    wrist = joints[:, WRIST[side]] - joints[:, INDEX["Chest"]]
    main = wrist - wrist.mean(0)
    axis = np.linalg.svd(main, full_matrices=False)[2][0]
    spectrum = np.abs(np.fft.rfft((main @ axis) * np.hanning(len(main)), 1024)) ** 2
    hertz = np.fft.rfftfreq(1024, 1 / rate)
    band = (hertz > 0.4) & (hertz < 6)
    trunk = joints[:, INDEX["Neck"]] - joints[:, INDEX["Hips"]]
    lean = np.degrees(np.arccos(np.clip(trunk[:, 1] / np.linalg.norm(trunk, axis=-1), -1, 1)))
    hips = np.linalg.norm(np.diff(joints[:, INDEX["Hips"]], axis=0), axis=-1) * rate
    above = joints[:, WRIST[side], 1] - joints[:, SHOULDER[side], 1]
    return np.array(
        [
            moving[:, side].mean(),
            np.quantile(moving[:, side], 0.95),
            hertz[band][spectrum[band].argmax()],
            np.quantile(above, 0.95),
            np.median(hips),
            np.quantile(lean, 0.95),
        ]
    )


def compare(folder: Path, count: int = 60, seconds: float = 4.0) -> str:
    """A table in Markdown: our programs and the recordings, medians with the middle 80 % in brackets."""
    from actrec.synthetic import ACTIONS, captures
    from actrec.synthetic.captures import replay
    from actrec.synthetic.skeleton import Body, pose

    body, times = Body(), np.arange(int(seconds * 30)) / 30.0
    recorded: dict[str, list] = {}
    for capture in captures(folder):
        if capture.action:
            recorded.setdefault(capture.action, []).append(capture)
    lines = ["| action | | " + " | ".join(MEASURES) + " |", "|---" * (len(MEASURES) + 2) + "|"]
    for action in sorted(recorded):
        takes = recorded[action][:: max(1, len(recorded[action]) // count)][:count]
        rng = np.random.default_rng(0)
        theirs = [replay(rng, body, take, times)[1].joints for take in takes]
        ours = []
        for s in range(count):
            motion = ACTIONS[action](np.random.default_rng(s), body, times, False)
            ours.append(pose(body, motion).joints + motion.glide[:, None])
        for name, movements in (("ours", ours), (f"recorded ({len(takes)})", theirs)):
            low, middle, high = np.quantile([measure(m) for m in movements], (0.1, 0.5, 0.9), axis=0)
            cells = [f"{m:.2g} ({a:.2g} – {b:.2g})" for a, m, b in zip(low, middle, high, strict=True)]
            lines.append(f"| {action} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=104, help="per process")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--actions", default="", help="comma-separated; all when left out")
    parser.add_argument("--movement", type=Path, default=None, help="folder of recordings to compare with")
    args = parser.parse_args()
    if args.movement is None:
        speed(args.clips, args.processes, tuple(a for a in args.actions.split(",") if a) or None)
        return
    table = compare(args.movement)
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- movement -->\n")
    _, _, tail = rest.partition("<!-- /movement -->")
    DOCUMENT.write_text(f"{head}<!-- movement -->\n{table}\n<!-- /movement -->{tail}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
