"""Synthetic clips per second: two processes with one thread each, 32 frames of 112×112, all actions in turn.

    python benchmarks/synthetic.py            # prints a table; wanted: 30 clips/s or more in all

Other work on the machine slows the clock but not the processor time, so both are printed.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

WANTED = 30.0


def batch(job: tuple[int, int, tuple[str, ...] | None]) -> tuple[int, float]:
    """Render `count` clips from `first` on; how many there were and the processor seconds they took."""
    import cv2

    from actrec.data.synthetic import ACTIONS, PAIRS, render

    first, count, wanted = job
    cv2.setNumThreads(1)
    names = wanted or (*ACTIONS, *PAIRS)
    render(names[0], first)  # textures are made once per process
    start = time.process_time()
    for i in range(count):
        render(names[i % len(names)], first + i)
    return count, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=120, help="per process")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--actions", default="", help="comma-separated; all when left out")
    args = parser.parse_args()
    actions = tuple(a for a in args.actions.split(",") if a) or None
    with ProcessPoolExecutor(args.processes) as pool:
        list(pool.map(batch, [(0, 1, actions)] * args.processes))  # warm
        start = time.perf_counter()
        done = list(pool.map(batch, [(10_000 * (k + 1), args.clips, actions) for k in range(args.processes)]))
        wall = time.perf_counter() - start
    clips, cpu = sum(n for n, _ in done), sum(s for _, s in done)
    print(f"{clips} clips of 32×112×112 in {wall:.1f} s: {clips / wall:.1f} clips/s by the clock")
    idle = args.processes * clips / cpu
    print(f"{1000 * cpu / clips:.1f} ms of processor time per clip: {idle:.1f} clips/s on idle cores")
    print(f"wanted: {WANTED:.0f} clips/s")


if __name__ == "__main__":
    main()
