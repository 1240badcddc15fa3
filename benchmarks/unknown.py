"""Is what was never learned recognised as unknown? On UT-Interaction, by the settings of `protocol.json`.

    python -m benchmarks.unknown DATA [--systems S …] [--seeds N …] [--what class negatives beside]

Trained on sequences 1 to 7 of set 1, tested on 8 to 10. `class`: one of the six interactions is left out of training,
six runs; its videos are the unknown ones. `negatives`: the videos without an interaction are; both sides are cut to
their middle 1.9 seconds, brought to the same number of frames by index, and letterboxed, for their length, rate and
size would give them away. Beside each AUROC: what a header's facts alone reach, and what the nearest neighbours of one
still frame do. The class centres and the threshold come from known clips only. `beside`: the same negatives, but the
network learns, beside the videos, what drawn people do, alone and in pairs, and what generated people do, by the
protocol's `beside`, and a video is as known as the six classes' probability is large; no negative is learned. Runs are
lines of `benchmarks/results/unknown.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.interactions import PROTOCOL, carry_out, done, learned, tested

RUNS = Path(__file__).parent / "results" / "unknown.jsonl"
NAMES = ("what", "left_out", "system", "seed", "start")  # one run from another
WHAT = ("class", "negatives", "beside")
LABELS = ("handshake", "hug", "kick", "point", "punch", "push")
LEARNED = range(1, 8)  # sequences of set 1; the others test
SECONDS, FRAMES, SIDE = 1.9, 38, 256
STILL, NEIGHBOURS = 16, 5  # pixels of the still frame's thumbnail, and those that it is compared with


def sequence(path: Path) -> int:
    return int(path.stem[1:].split("_")[0])


def videos_of(data: Path, label: str, learned: bool) -> list[Path]:
    return [path for path in sorted((data / "set1" / label).iterdir()) if (sequence(path) in LEARNED) == learned]


def middle(path: Path) -> np.ndarray:
    """The middle of a video, the same number of frames of the same size whatever it was."""
    from actrec.sampling import letterbox
    from actrec.video.read import read_clip

    clip = read_clip(path)
    half = min(len(clip), round(SECONDS * clip.fps)) / 2
    places = np.linspace(len(clip) / 2 - half, len(clip) / 2 + half - 1, FRAMES).round().astype(int)
    return letterbox(clip.frames[places], SIDE)[0]


def lay_out(data: Path, folder: Path, left_out: str) -> None:
    """`learned` and `tested`, a folder for each class; what is unknown stands among the tested alone, or it would be a
    class of the network. With no class left out, the unknown ones are the negatives."""
    from actrec.video.write import write_mp4

    for label in LABELS:
        if label != left_out:
            (folder / "learned" / label).mkdir(parents=True)
        (folder / "tested" / label).mkdir(parents=True)
        for video in videos_of(data, label, learned=True) if label != left_out else []:
            shutil.copy(video, folder / "learned" / label)
        for video in videos_of(data, label, learned=False):
            if left_out:
                shutil.copy(video, folder / "tested" / label)
            else:
                write_mp4(folder / "tested" / label / f"{video.stem}.mp4", middle(video), FRAMES / SECONDS)
    if not left_out:
        (folder / "tested" / "none").mkdir()
        for video in sorted((data / "set1_negatives" / "none").iterdir()):
            write_mp4(folder / "tested" / "none" / f"{video.stem}.mp4", middle(video), FRAMES / SECONDS)


def by_one_frame(folder: Path, unknown: str) -> float:
    """AUROC of the part of known videos among the nearest neighbours of a video's middle frame, itself left out."""
    from actrec.metrics.unknown import auroc
    from actrec.video.read import read_clip

    paths = [path for path in sorted((folder / "tested").rglob("*")) if path.is_file()]
    clips = (read_clip(path, short_side=STILL) for path in paths)
    thumbnails = np.stack([_thumbnail(clip.frames[len(clip) // 2]) for clip in clips])
    known = np.array([path.parent.name != unknown for path in paths])
    apart = np.linalg.norm(thumbnails[:, None] - thumbnails[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    near_known = known[np.argsort(apart, axis=1)[:, :NEIGHBOURS]].mean(1)
    return auroc(near_known[known], near_known[~known])


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    from actrec.sampling import letterbox

    return letterbox(frame[None], STILL)[0][0].astype(np.float32).ravel() / 255


def run(data: Path, key: dict, protocol: dict, commit: str) -> dict:
    """One training and one evaluation."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(data, folder, key["left_out"])
        if key["what"] == "beside":
            weights = learned_beside(key, protocol["beside"], folder / "run", data, folder / "learned")
            result = tested(key, protocol, weights, folder / "tested", "--among-data")
        else:
            weights = learned(key, protocol, folder / "run", folder / "learned", "all")
            result = tested(key, protocol, weights, folder / "tested")
        still = by_one_frame(folder, key["left_out"] or "none")
    unknown = result["unknown"]
    return key | {
        "known": unknown["known"], "unknown": unknown["unknown"], "by": unknown["by"], "auroc": unknown["auroc"],
        "one_frame": still, "header": unknown["shortcut_auroc"], "top1_of_known": result["top1"],
        "seconds": round(time.monotonic() - start), "commit": commit,
    }  # fmt: skip


def start_of(what: str, protocol: dict) -> dict[str, str]:
    """The weights that each system goes on from."""
    return protocol["beside"]["start"] if what == "beside" else protocol["start"]


def learned_beside(key: dict, settings: dict, out: Path, data: Path, videos: Path) -> Path:
    """The weights of a training that also shows what others do: drawn clips, then other folders beside `data`."""
    drawn, *folders = settings["data"]
    everything = [drawn, *(data.parent / folder for folder in folders), videos]
    return learned(
        key, settings, out, "+".join(map(str, everything)), "all", "--clips-per-class", settings["clips_per_class"],
        "--leave-out", *settings["leave_out"], "--keep", "last",
    )  # fmt: skip


def summary(runs: list[dict]) -> list[str]:
    rows = ["| what | system | AUROC | one frame | seeds |", "|---|---|---|---|---|"]
    for what in WHAT:
        for system in dict.fromkeys(run["system"] for run in runs if run["what"] == what):
            of_system = [run for run in runs if (run["what"], run["system"]) == (what, system)]
            seeds = [
                [run for run in of_system if run["seed"] == seed] for seed in sorted({run["seed"] for run in of_system})
            ]
            whole = [seed for seed in seeds if len(seed) == (len(LABELS) if what == "class" else 1)]
            if whole:
                means = [np.mean([run["auroc"] for run in of_seed]) for of_seed in whole]
                spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else ""
                still = np.mean([run["one_frame"] for of_seed in whole for run in of_seed])
                rows.append(f"| {what} | {system} | {np.mean(means):.3f}{spread} | {still:.3f} | {len(whole)} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that holds set1 and set1_negatives")
    parser.add_argument("--systems", nargs="+", default=["asym3d"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--what", nargs="+", default=list(WHAT), choices=WHAT)
    args = parser.parse_args()
    protocol = json.loads(PROTOCOL.read_text())
    plan = [
        dict(zip(NAMES, (what, left_out, system, seed, start_of(what, protocol)[system]), strict=True))
        for seed in args.seeds
        for system in args.systems
        for what in args.what
        if system in start_of(what, protocol)  # others have nothing to learn beside from yet
        for left_out in (LABELS if what == "class" else ("",))
    ]
    carry_out(plan, NAMES, RUNS, partial(run, args.data, protocol=protocol))
    runs = [run for run in done(RUNS) if run["start"] == start_of(run["what"], protocol)[run["system"]]]
    print("\n".join(summary(runs)))


if __name__ == "__main__":
    main()
