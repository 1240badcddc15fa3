"""How quick the explanations are, and whether the maps are faithful: medians, and areas against random order.

    python -m benchmarks.explain [--repeats N] [--clips N] [--only PART ...] [--systems NAME ...] [--out FILE]

`speed`: class saliency of one whole clip by every shipped system, t-SNE of 500 codes, and what the page's sliders ask
for (another class, SmoothGrad's copies, another neuron, another draw of the map). `truth`: deletion and insertion on
held-out clips that no training used, for the class that the network answers, against the same cells in random order;
a map passes where the mean paired difference is more than two standard errors above zero. `shuffled`: the rank
correlation with the map of the same network with its weights in random order. The results of other systems and
parts in FILE stay. Run nothing beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from actrec.core.devices import choose_device, describe
from actrec.core.processes import relaunch_with_allocator
from actrec.explain.activations import neuron_film, of_views
from actrec.explain.embedding import flat
from actrec.explain.faithfulness import compared, maps_of, rank_correlation
from actrec.explain.gallery import Gallery, gallery_of
from actrec.explain.over_time import Windows, all_clip_maps, clip_maps
from actrec.explain.saliency import METHODS, ClassSaliency
from actrec.recognition.recognizer import Recognizer
from actrec.systems.system import Views
from actrec.video.read import read_clip
from benchmarks import movers

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "explain.json"
PARTS = ("speed", "truth", "movers")
SYSTEMS = ("asym3d", "fstcn", "ms3d", "mdtnet", "crossenh")
EXAMPLE = ROOT / "assets" / "examples" / "jumping-jack.mp4"
GOALS_MS = {"class saliency of a clip": 400, "t-SNE of 500 codes": 2000, "slider": 1000}
CODES, SIDE, SHUFFLES = 500, 180, 3


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Median after one call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(times), 1)


def opened(system: str) -> ClassSaliency:
    return ClassSaliency(Recognizer.load(ROOT / "weights" / f"{system}-synthetic", "cpu"))


def speed(systems: Sequence[str], repeats: int) -> dict:
    """Medians in milliseconds, each beside its goal."""
    clip, times = read_clip(EXAMPLE, short_side=SIDE), {}
    for system in systems:
        saliency = opened(system)
        windows = Windows.of(saliency.recognizer.system, clip)
        label = saliency.recognizer.labels[0]
        layer = list(of_views(saliency, windows.views[:1]).peaks)[-1]
        times[system] = {
            "class saliency of a clip": median_ms(partial(clip_maps, saliency, windows, label), repeats),
            "Grad-CAM": median_ms(partial(clip_maps, saliency, windows, label, "Grad-CAM"), repeats),
            "slider: another class, all methods": median_ms(partial(all_clip_maps, saliency, windows, label), repeats),
            "slider: another neuron": median_ms(partial(neuron_film, saliency, windows, layer, 0), repeats),
        }
        print(system, times[system], flush=True)
    codes = np.random.default_rng(0).standard_normal((CODES, 128)).astype(np.float32)
    codes += 3 * np.random.default_rng(1).standard_normal((10, 128))[np.arange(CODES) % 10]
    times["maps"] = {
        f"t-SNE of {CODES} codes": median_ms(partial(flat, codes, "t-SNE"), repeats),
        "slider: another draw of a gallery's map": median_ms(partial(flat, codes[:96], "t-SNE", 1), repeats),
    }
    print(times["maps"], flush=True)
    return times


def faithfulness(system: str, gallery: Gallery, clips: int) -> dict:
    """Mean paired difference, its standard error, and how many standard errors it is above zero, by method."""
    saliency = opened(system)
    shuffled, recognizer = [saliency.shuffled(seed) for seed in range(SHUFFLES)], saliency.recognizer
    gains: dict[str, list] = {name: [] for name in METHODS}
    same: dict[str, list] = {}
    for place in np.linspace(0, len(gallery) - 1, clips).astype(int):
        clip = gallery.clip(int(place))
        view = recognizer.system.protocols["one"].views(clip)[0]
        label = recognizer.predict(clip, "one").label
        for name, curve in compared(recognizer, view, label, maps_of(saliency, view, label), seed=int(place)).items():
            gains[name].append((curve.deletion_gain, curve.insertion_gain, curve.gain))
        mine = comparable_maps(saliency, view, label)
        for theirs in (comparable_maps(other, view, label) for other in shuffled):
            for name, maps in theirs.items():
                same.setdefault(name, []).append(rank_correlation(mine[name], maps, view))
            same.setdefault("silent", []).append(not any(values.any() for values in theirs["class saliency"].values()))
    rows = {name: _statistics(np.array(values)) for name, values in gains.items()}
    return {
        "clips": clips,
        "methods": rows,
        "shuffled": {name: round(float(np.mean(r)), 3) for name, r in same.items()},
    }


def comparable_maps(saliency: ClassSaliency, view: Views, label: str) -> dict[str, dict[str, np.ndarray]]:
    """The maps `[T, S, S]` by input in which shuffled weights are compared."""
    slopes = {name: maps[0] for name, maps in saliency.gradients([view], label).items()}
    return {
        "class saliency": {name: maps[0] for name, maps in saliency.class_saliency([view], label).items()},
        "Grad-CAM": {name: maps[0] for name, maps in saliency.grad_cam([view], label).items()},
        "derivative's size": {name: maps.abs().amax(0).numpy() for name, maps in slopes.items()},
        "derivative with its sign": {name: maps.sum(0).numpy() for name, maps in slopes.items()},
    }


def _statistics(gains: np.ndarray) -> dict:
    errors = gains.std(0, ddof=1) / len(gains) ** 0.5
    names = ("deletion", "insertion", "both")
    statistics_of = {name: {"mean": round(float(mean), 4), "standard_error": round(float(error), 4)}
             for name, mean, error in zip(names, gains.mean(0), errors, strict=True)}  # fmt: skip
    return statistics_of | {"passes": bool(gains.mean(0)[2] > 2 * errors[2])}


def goals_reached(results: dict) -> dict[str, bool]:
    """Every goal with whether it is reached."""
    reached = {}
    for system, times in results.get("speed", {}).items():
        for name, value in times.items():
            goal = next((limit for key, limit in GOALS_MS.items() if name.startswith(key)), None)
            if goal is not None:
                reached[f"{system}: {name} ≤ {goal} ms"] = value <= goal
    for system, result in results.get("truth", {}).items():
        reached[f"{system}: class saliency beats random order by 2 standard errors"] = result["methods"][
            "class saliency"
        ]["passes"]
        same = result["shuffled"]
        another = same["class saliency"] < 0.5 and same["silent"] == 0
        reached[f"{system}: shuffled weights give another map (< 0.5)"] = another
    if "movers" in results:
        on_the_mover = results["movers"]["max"]["class saliency"]["of the picture"]
        reached["most of a map lies on the mover that decides (≥ 70 %)"] = on_the_mover >= 0.7
    return reached


def written(results: dict, out: Path) -> dict[str, bool]:
    """Save the results so far, with the goals that they reach."""
    results["reached"] = goals_reached(results)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return results["reached"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--clips", type=int, default=24, help="held-out clips of each system")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    results: dict = json.loads(args.out.read_text()) if args.out.is_file() else {}
    results |= {"machine": describe(choose_device("cpu")), "torch": torch.__version__}
    if "speed" in args.only:
        results["speed"] = results.get("speed", {}) | speed(args.systems, args.repeats)
    if "truth" in args.only:
        gallery = gallery_of(opened(SYSTEMS[0]).recognizer.labels)
        for system in args.systems:
            results.setdefault("truth", {})[system] = faithfulness(system, gallery, args.clips)
            print(system, json.dumps(results["truth"][system]), flush=True)
            written(results, args.out)
    if "movers" in args.only:
        results["movers"] = movers.measured()
        print(json.dumps(results["movers"], ensure_ascii=False), flush=True)
    for goal, reached in written(results, args.out).items():
        print("reached " if reached else "MISSED  ", goal)


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
