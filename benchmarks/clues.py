"""How long every motion clue takes, and how far the flow is from the true one.

    python -m benchmarks.clues [--contrib PYTHON] [--rounds N]

Prints the settings and a table, writes benchmarks/results/clues.json. Medians over the rounds; ours and its peer take
turns in the same run. `--contrib` names a Python that has opencv-contrib-python-headless, whose TV-L1 is the peer: the
package cannot be installed beside opencv-python. The processor's time is printed too, since other work on the machine
slows the clock. The memory allocator is set as every program of the project sets it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from actrec.core.processes import relaunch_with_allocator
from actrec.figures import colour_maps
from actrec.motion import brox, difference, flow, rgbf, salience, tvl1

RESULTS = Path(__file__).parent / "results" / "clues.json"
HEIGHT, WIDTH, PAIRS = 240, 320, 15
OUTSIDE = """
import sys, time, cv2, numpy as np
cv2.setNumThreads(2)
frames = np.load(sys.argv[1])
method = cv2.optflow.DualTVL1OpticalFlow_create()
times = []
for first, second in zip(frames[:4], frames[1:5]):
    start = time.perf_counter()
    method.calc(first, second, None)
    times.append(time.perf_counter() - start)
print(np.median(times[1:]) * 1000)
"""


def moving_frames(count: int = PAIRS + 1, longest: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames `uint8 [T, H, W, 3]` of a texture that turns about a corner, and the flow `[H, W, 2]` from each to the
    next; known exactly, since the texture is a formula."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    length = np.exp(rng.uniform(np.log(5), np.log(60), 80))
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 80))
    turn = longest / np.hypot(HEIGHT, WIDTH)
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    for t in range(count):
        cos, sin = np.cos(-turn * t), np.sin(-turn * t)
        value = np.zeros_like(x)
        for wave, direction, start in zip(length, angle, phase, strict=True):
            across = (cos * x - sin * y) * np.cos(direction) + (sin * x + cos * y) * np.sin(direction)
            value += wave**0.5 * np.cos(2 * np.pi * across / wave + start)
        frames[t] = np.clip(127.5 + 45 * value / np.sqrt(length.sum() / 2), 0, 255).round()[..., None]
    cos, sin = np.cos(turn), np.sin(turn)
    return frames, np.stack([cos * x - sin * y - x, sin * x + cos * y - y], -1)


def medians(rounds: int, *calls: Callable[[], object]) -> list[tuple[float, float]]:
    """For each call the median milliseconds by the clock and of processor time; they take turns."""
    times_of: list[list[tuple[float, float]]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for call, times in zip(calls, times_of, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [(float(np.median([w for w, _ in t])) * 1000, float(np.median([c for _, c in t])) * 1000) for t in times_of]


def row(
    name: str, ours: tuple[float, float], goal: float | None, peer: str = "", per: int = 1, unit: str = "ms"
) -> dict:
    wall, cpu = (round(value / per, 2) for value in ours)
    return {"name": name, "ours": wall, "processor": cpu, "goal": goal, "peer": peer, "unit": unit}


def contrib_tvl1(python: str | None, grey: np.ndarray) -> str:
    """Milliseconds per pair of OpenCV's own TV-L1 in another Python, as words."""
    if python is None:
        return "not asked for (--contrib)"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npy"
        np.save(path, grey.astype(np.uint8))
        result = subprocess.run([python, "-c", OUTSIDE, str(path)], capture_output=True, text=True, timeout=300)
    return f"OpenCV-contrib {float(result.stdout):.0f} ms" if result.returncode == 0 else "OpenCV-contrib failed"


def flow_rows(frames: np.ndarray, truth: np.ndarray, rounds: int, contrib: str | None) -> list[dict]:
    grey = torch.from_numpy(salience.grey(frames))
    first, second = grey[:-1], grey[1:]
    two = frames[:2]
    to = np.mgrid[:HEIGHT, :WIDTH][::-1].transpose(1, 2, 0) + truth
    inside = ((to >= 0) & (to <= [WIDTH - 1, HEIGHT - 1])).all(-1)

    def error(estimate: np.ndarray) -> float:
        return float(np.linalg.norm(estimate[0] - truth, axis=-1)[inside].mean())

    few = max(3, rounds // 5)
    calls = {
        "TV-L1, 5 scales × 5 warps × 30 iterations": (lambda: tvl1.tvl1(first, second), 170, "tvl1"),
        "TV-L1, the same with scale step 0.8": (lambda: tvl1.tvl1(first, second, step=0.8), None, "tvl1"),
        "Brox": (lambda: brox.brox(first, second), 400, "brox"),
    }
    rows = []
    for name, (call, goal, _) in calls.items():
        rows.append(row(f"{name}, per pair", medians(few, call)[0], goal, per=PAIRS))
    rows[0]["peer"] = contrib_tvl1(contrib, grey.numpy())
    presets = flow.DIS_PRESETS
    times = medians(
        rounds, *(lambda p=p: flow.flow(two, preset=p) for p in presets), lambda: flow.flow(two, "farneback")
    )
    for preset, median in zip(presets, times, strict=False):
        goal = 5 if preset == "fast" else None
        rows.append(row(f"DIS {preset}, per pair", median, goal, f"Farnebäck {times[-1][0]:.1f} ms"))
    for method, goal in (("tvl1", 0.15), ("brox", 0.20), ("dis", None), ("farneback", None)):
        px = round(error(flow.flow(two, method)), 3)
        rows.append({"name": f"{method}: mean end-point error", "ours": px, "goal": goal, "peer": "", "unit": "px"})
    return rows


def numpy_salience(frames: np.ndarray) -> np.ndarray:
    """The same clue as one would write it down: numpy's FFT, then OpenCV's Gaussian."""
    grey = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]).astype(np.float32)
    spectrum = np.fft.rfft(grey, axis=0)
    spectrum[0] = 0
    energy = np.fft.irfft(spectrum, n=len(frames), axis=0) ** 2
    energy = np.stack([cv2.GaussianBlur(e, (0, 0), 2) for e in energy])
    return np.minimum(energy / np.quantile(energy, 0.95), 1)


def numpy_rgbf(frames: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Eq. 7 in plain numpy."""
    length = np.hypot(given[..., 0], given[..., 1])
    least, most = length.min((1, 2), keepdims=True), length.max((1, 2), keepdims=True)
    return (frames * ((length - least) / (most - least))[..., None]).astype(np.uint8)


def other_rows(frames: np.ndarray, rounds: int) -> list[dict]:
    clip = np.ascontiguousarray(frames[:16])
    given = flow.flow(clip)
    energy = salience.salience(clip)
    ours, phase, peer = medians(
        rounds,
        lambda: salience.salience(clip),
        lambda: salience.salience(clip, variant="phase"),
        lambda: numpy_salience(clip),
    )
    rgbf_ours, rgbf_peer = medians(rounds, lambda: rgbf.rgbf(clip, given), lambda: numpy_rgbf(clip[:-1], given))
    rest = medians(
        rounds,
        lambda: salience.enhance(clip, energy),
        lambda: difference.variance_rate(clip),
        lambda: colour_maps.overlay(clip[0], energy[0]),
        lambda: colour_maps.flow_picture(given[0]),
    )
    return [
        row("Fourier salience of 16 frames, amplitude", ours, 12, f"numpy.fft {peer[0]:.0f} ms"),
        row("Fourier salience of 16 frames, phase only", phase, None, f"numpy.fft {peer[0]:.0f} ms (amplitude)"),
        row("RGBF from given flow, per frame", rgbf_ours, 3, f"numpy {rgbf_peer[0] / 15:.1f} ms", per=16),
        row("frames × salience, 16 frames", rest[0], None),
        row("variance rate of 16 frames", rest[1], None),
        row("salience overlay, one frame", rest[2], 3),
        row("flow as colour wheel, one frame", rest[3], 3),
    ]


def rows(rounds: int = 21, contrib: str | None = None) -> list[dict]:
    frames, truth = moving_frames()
    return [*flow_rows(frames, truth, rounds, contrib), *other_rows(frames, rounds)]


def neighbour_rows(name: str) -> list[dict]:
    """The rows of another benchmark, or none where its optional packages are missing."""
    try:
        return importlib.import_module(f"benchmarks.{name}").rows()
    except ImportError as error:
        print(f"benchmarks.{name} left out: {error}")
        return []


def table(rows: list[dict]) -> str:
    lines = ["| what | ours | processor time | peer | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        goal, unit = row.get("goal"), row.get("unit", "")
        met = "" if goal is None or row["ours"] is None else "met" if row["ours"] <= goal else "**missed**"
        peer = row.get("peer")
        peer = f"{peer:g} {unit}" if isinstance(peer, int | float) else peer or ""
        spent = f"{row['processor']:g} {unit}" if "processor" in row else ""
        target = "" if goal is None else f"≤ {goal:g} {unit}"
        ours = row["ours"] if isinstance(row["ours"], str) else f"{row['ours']:g} {unit}"
        lines.append(f"| {row['name']} | {ours} | {spent} | {peer} | {target} | {met} |")
    return "\n".join(lines)


def settings() -> dict:
    return {
        "size": f"{WIDTH}×{HEIGHT}",
        "batch": PAIRS,
        "torch_threads": torch.get_num_threads(),
        "opencv_threads": cv2.getNumThreads(),
        "cores": os.cpu_count(),
        "load": [round(v, 2) for v in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "brox": vars(brox.Settings()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contrib", help="a Python with opencv-contrib, to time its TV-L1")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--alone", action="store_true", help="without the rows of decoding and tailoring")
    args = parser.parse_args()
    about = settings()
    print(json.dumps(about, ensure_ascii=False))
    if about["load"] and about["load"][0] > 0.5:
        print(f"The machine is busy (load {about['load'][0]}): times by the clock are unreliable.")
    results = rows(args.rounds, args.contrib)
    print(table(results))
    if not args.alone:
        more = [*neighbour_rows("decoding"), *neighbour_rows("tailoring")]
        print(table(more))
        results += more
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"settings": about, "rows": results}, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
