"""docs/measured.md, written from the results on file: what, target, measured, n, command.

    python -m benchmarks.scorecard            # write the document
    python -m benchmarks.scorecard --print    # print it and write nothing

To add a row, add a line to `SECTIONS` below; to change a figure, run the command that the row names. Figures of
`results/reported.json` were printed by their command and written down by hand; the document marks them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "measured.md"
REPORTED, AGAIN = "¹", "²"

HEAD = """# What was measured

What we measured, beside what we aimed at. **Bold** is below target.
`python -m benchmarks.scorecard` writes this page from `benchmarks/results/` and from the cards in `weights/`.

DATA is a folder of real clips. We cannot redistribute these data sets. Speeds are medians on two processor cores; ours
and the baseline take turns in one run. What was tried and dropped is in [experiments](experiments/README.md).
"""
FOOT = """
¹ The command prints this figure and stores nothing. It was written down on the day of the measurement, with its date in
`benchmarks/results/reported.json`, and was not measured again since.
² The same, but measured again, with the same result.

*Optimistic*: the held-out clips also chose epoch, temperature or threshold. Real accuracy is lower.
"""


# --- A figure, and where it comes from ------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A number to compare with the target, how it is shown, what it was measured on, and the mark of a footnote."""

    value: float
    shown: str
    n: str
    command: str = ""
    mark: str = ""


Source = Callable[[], Figure]


@cache
def stored(name: str) -> dict | list[dict]:
    """A file of results: JSON, or one JSON object in each line."""
    text = (RESULTS / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def plain(value: float, digits: int) -> str:
    """A number with so many digits after the point, halves rounded up."""
    rounded = Decimal(str(round(value, 9))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded:,}".replace(",", " ").replace("-", "−")


def stored_figure(file: str, *keys: str, n: str, unit: str = "", digits: int = 0, scale: float = 1.0) -> Source:
    """One number of a JSON file. A key `name=…` picks the row of a list by its name; `n` may name its neighbours."""

    def read() -> Figure:
        item, beside = stored(file), {}
        for key in keys:
            name, equals, value = key.partition("=")
            beside, item = item, next(row for row in item if row[name] == value) if equals else item[key]
        return Figure(item * scale, f"{plain(item * scale, digits)}{unit}", n.format_map(beside))

    return read


def extreme(pick: Callable, rows: Callable[[], Iterable[tuple[str, float]]], n: str, unit: str, digits: int) -> Source:
    """The lowest or the highest of several systems, with its name: what holds for it holds for all."""

    def read() -> Figure:
        values = list(rows())
        name, value = pick(values, key=lambda row: row[1])
        return Figure(value, f"{plain(value, digits)}{unit} ({name})", n.format(count=len(values)))

    return read


def reported(name: str, unit: str = "", digits: int = 0) -> Source:
    """A figure that was written down by hand, as a number or as so many `of` so many."""

    def read() -> Figure:
        row = next(row for row in stored("reported.json")["figures"] if row["id"] == name)
        value = row["value"]
        shown = f"{value} of {row['of']}" if "of" in row else f"{plain(value, digits)}{unit}"
        number = 100 * value / row["of"] if "of" in row else value
        return Figure(number, shown, row["n"], row["command"], AGAIN if "again" in row else REPORTED)

    return read


def over_seeds(file: str, value: str, unit: str, digits: int, scale: float = 1.0, **which: object) -> Source:
    """Mean and deviation over seeds; each seed's figure is over all clips of its runs."""

    def read() -> Figure:
        runs = [run for run in stored(file) if all(run.get(key) == value_of for key, value_of in which.items())]
        seeds = []
        for seed in sorted({run["seed"] for run in runs}):
            of_seed = [run for run in runs if run["seed"] == seed]
            weigh = [run.get("clips", 1) for run in of_seed]
            seeds.append(scale * sum(run[value] * w for run, w in zip(of_seed, weigh, strict=True)) / sum(weigh))
        spread = f" ± {plain(stdev(seeds), digits)}" if len(seeds) > 1 else ""
        counted = "clips" if "clips" in runs[0] else "unknown"
        clips = sum(run[counted] for run in runs) // len(seeds)
        kind = "clips" if counted == "clips" else "unknown clips"
        return Figure(mean(seeds), f"{plain(mean(seeds), digits)}{spread}{unit}", f"{clips} {kind}, {len(seeds)} seeds")

    return read


def interactions(what: str, system: str) -> Source:
    """UT-Interaction by `protocol.json`: the runs that continued from the weights it names."""
    start = json.loads((ROOT / "benchmarks" / "protocol.json").read_text())["start"][system]
    return over_seeds("interactions.jsonl", "top1", " %", 1, 100, what=what, system=system, start=start)


def everyday(view: str) -> Source:
    """Everyday clips that the published I3D names, by one of its views."""

    def read() -> Figure:
        row = next(row for row in stored("everyday.json")["rows"] if row["name"] == f"kinetics-i3d, {view}")
        low, high = (plain(100 * bound, 0) for bound in row["interval"])
        n = f"{row['of']} clips, 95 % interval {low} to {high} %; {row['among_five']} among the five first"
        return Figure(100 * row["right"] / row["of"], f"{row['right']} of {row['of']}", n)

    return read


def unknown(what: str, system: str = "asym3d") -> Source:
    return over_seeds("unknown.jsonl", "auroc", "", 3, what=what, system=system)


def card(name: str) -> Source:
    """Accuracy and calibration error on a card; the target is that of the calibration error."""

    def read() -> Figure:
        measured = json.loads((ROOT / "weights" / name / "card.json").read_text())["measured"]
        right, off = measured["top1"], measured["calibration_error"]
        n = measured["split"].split(" held-out clips")[0] + " clips"
        return Figure(off, f"{plain(100 * right, 1)} %, calibration {plain(off, 3)}", n.replace("views of ", "views, "))

    return read


def detector(name: str) -> Source:
    def read() -> Figure:
        measured = json.loads((ROOT / "weights" / "person-detector" / "card.json").read_text())["measured"]
        return Figure(
            measured[name], plain(measured[name], 2), f"{measured['people']} people in {measured['frames']} frames"
        )

    return read


def faster(names: tuple[str, ...]) -> Callable[[], Iterable[tuple[str, float]]]:
    """How much faster than in plain float32 the trainings of these systems are."""
    return lambda: [
        (row["system"], row["times_faster"])
        for row in stored("training.json")["rows"]
        if row["system"] in names and row["device"] == "cpu"
    ]


def shipped(value: str, *states: str) -> Callable[[], Iterable[tuple[str, float]]]:
    """A figure of every network that ships, quiet or busy; without a state one that compares the two."""

    def rows() -> Iterable[tuple[str, float]]:
        for row in stored("models.json")["shipped"]:
            for times in [row[state] for state in states] or [row]:
                yield row["weights"], times[value]

    return rows


def machine(file: str) -> str:
    """The processor that a file's figures come from."""
    try:
        report = stored(file)
    except FileNotFoundError:
        return "no machine yet"
    return report.get("machine") or report.get("processor") or "a processor that was not named"


def each_of(
    file: str, key: str, name: str, value: str, scale: float = 1.0
) -> Callable[[], Iterable[tuple[str, float]]]:
    return lambda: [(row[name], row[value] * scale) for row in stored(file)[key]]


def explained(*keys: str) -> Callable[[], Iterable[tuple[str, float]]]:
    """A number of `explain.json` for each of the five systems."""

    def rows() -> Iterable[tuple[str, float]]:
        part, *rest = keys
        for system in SYSTEMS:
            item = stored("explain.json")[part][system]
            for key in rest:
                item = item[key]
            yield system, item["mean"] / item["standard_error"] if isinstance(item, dict) else item

    return rows


def decoded() -> Iterable[tuple[str, float]]:
    rows = [row for row in stored("clues.json")["rows"] if row["name"].startswith("Clip from a warm decoder")]
    return [(row["name"].split(", ")[1], row["ratio"]) for row in rows]


# --- The rows -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """`target` is ≥ or ≤, a number and its unit, or a number alone; an empty one is a figure without a target."""

    what: str
    target: str
    source: Source
    command: str = ""

    def figure(self) -> Figure | None:
        """The figure; None where the results on file do not have it: its command was not run since it was added."""
        try:
            return self.source()
        except (FileNotFoundError, KeyError, StopIteration):
            return None


SYSTEMS = ("asym3d", "fstcn", "ms3d", "mdtnet", "crossenh")
LIGHT = (*SYSTEMS, "tsn-light")
TITLES = dict(zip(SYSTEMS, ("Asymmetric 3D-CNN", "FstCN", "MS3D", "MDT-Net", "Cross-enhancement"), strict=True))
INTERACTIONS = "python -m benchmarks.interactions DATA/ut_interaction --what"
EVERYDAY = "python -m benchmarks.everyday DATA"
UNKNOWN = "python -m benchmarks.unknown DATA/ut_interaction --what"
CLUES, MODELS = "python -m benchmarks.clues", "python -m benchmarks.models"
BUSY, START = f"{MODELS} --busy", "python -m benchmarks.start"
TRAINING, LIVE = "python -m benchmarks.training", "python -m benchmarks.live"
FAITHFUL, SPEED = "python -m benchmarks.explain --only truth", "python -m benchmarks.explain --only speed"
DETECTOR = (
    "python -m actrec detector --data DATA/ut_interaction DATA/generated_people DATA/pushup_form DATA/samples "
    "--teacher DATA/detector/yolox_nano.onnx --evaluate"
)
WEIGHTS = (
    "asym3d-people", "asym3d-all", "asym3d-synthetic", "fstcn-synthetic", "ms3d-synthetic", "mdtnet-synthetic",
    "crossenh-synthetic", "asym3d-ut", "fstcn-ut", "ms3d-ut", "mdtnet-ut", "crossenh-ut",
)  # fmt: skip

ABOUT = {
    "Real people that no training saw": "The settings are in `benchmarks/protocol.json`, committed before each run. "
    "They were chosen on a part of set 1: 19 of its 60 clips. MS3D, FstCN and Cross-enhancement had been measured on "
    "set 2 before their drawn interactions were chosen. The choice did not look at it.",
    "Motion clues": "On a Xeon at 2.5 GHz without bfloat16 instructions, 21 November 2026.",
    "Speed of networks, against PyTorch as it comes": "On {models.json}. *Before* is PyTorch in the fastest of its "
    "formats, which answered until OpenVINO did. *Busy* is beside one other process that computes on both cores. Other "
    "processors differ: [experiments/speed.md](experiments/speed.md).",
    "Speed of training, against plain float32": "On {training.json}, in the fastest format that passed its check.",
    "Live": "On {live.json}; {live.json system}, a camera of ten frames per second in Chromium, motion salience over "
    "the frames. The starts: on {start.json}.",
    "Are saliency maps faithful?": "Whether what a map calls important is what the answer depends on: "
    "[experiments/saliency.md](experiments/saliency.md).",
}

SECTIONS: dict[str, tuple[Row, ...]] = {
    "Real people that no training saw": (
        *(
            Row(f"{TITLES[system]}: another place and other people (UT-Interaction, set 1 → set 2)",
                "≥ 80 %" if system == "crossenh" else "", interactions("transfer", system), f"{INTERACTIONS} transfer")
            for system in SYSTEMS
        ),
        Row("the same by shape and length of the clip alone", "", reported("shape-ut-transfer", " %")),
        *(
            Row(f"{TITLES[system]}: one sequence of set 1 left out at a time",
                "≥ 95 %" if system == "crossenh" else "≥ 80 %", interactions("set1", system), f"{INTERACTIONS} set1")
            for system in SYSTEMS
        ),
        Row("Push-ups, right or wrong, five folds", "",
            over_seeds("pushups.jsonl", "top1", " %", 1, 100, system="asym3d"),
            "python -m benchmarks.pushups DATA/pushup_form"),
        Row("the same by shape and length of the clip alone", "", reported("shape-pushups", " %")),
        Row("The published I3D on everyday clips, three views of 64 frames at 224²", "", everyday("full"), EVERYDAY),
        Row("the same, three views of 32 frames at 160²", "", everyday("live"), EVERYDAY),
        Row("asym3d-people on clips that it did not learn from", "", reported("people-films")),
        Row("asym3d-people on the bundled clips", "", reported("people-examples")),
        Row("Five actions of another generator's people (*optimistic*)", "≥ 80 %", reported("generated-five")),
        Row("asym3d-all, which saw no real clip, on UT-Interaction", "≥ 45 %", reported("drawn-only-ut", " %", 1)),
        Row("asym3d-all on generated people", "", reported("drawn-only-generated", " %", 1)),
    ),
    "What is unknown (AUROC)": (
        Row("One of the six interactions left out", "≥ 0.8", unknown("class"), f"{UNKNOWN} class"),
        Row("Clips without an interaction, Asymmetric 3D-CNN", "≥ 0.9", unknown("negatives"), f"{UNKNOWN} negatives"),
        Row("the same, learned beside other people's actions", "≥ 0.9", unknown("beside"), f"{UNKNOWN} beside"),
        Row("Clips without an interaction, Cross-enhancement", "≥ 0.9", unknown("negatives", "crossenh"),
            f"{UNKNOWN} negatives"),
    ),
    "The weights that ship, on their own held-out views (*optimistic*)": tuple(
        Row(name, "calibration ≤ 0.08", card(name), f"weights/{name}/card.json") for name in WEIGHTS
    ),
    "The person detector": (
        Row("Recall against its teacher", "≥ 0.85", detector("recall"), DETECTOR),
        Row("Precision against its teacher", "≥ 0.8", detector("precision"), DETECTOR),
    ),
    "Motion clues": (
        Row("TV-L1 at 320×240, per pair of frames", "≤ 170 ms",
            stored_figure("clues.json", "rows", "name=TV-L1, 5 scales × 5 warps × 30 iterations, per pair", "ours",
                          n="batches of 15 pairs; {peer}", unit=" ms"), CLUES),
        Row("its mean end-point error", "≤ 0.15 px",
            stored_figure("clues.json", "rows", "name=tvl1: mean end-point error", "ours", n="exact ground truth",
                          unit=" px", digits=3), CLUES),
        Row("Brox, per pair", "≤ 400 ms",
            stored_figure("clues.json", "rows", "name=Brox, per pair", "ours", n="batches of 15 pairs", unit=" ms"),
            CLUES),
        Row("its mean end-point error", "≤ 0.2 px",
            stored_figure("clues.json", "rows", "name=brox: mean end-point error", "ours", n="exact ground truth",
                          unit=" px", digits=3), CLUES),
        Row("DIS, per pair", "≤ 5 ms",
            stored_figure("clues.json", "rows", "name=DIS fast, per pair", "ours", n="{peer}", unit=" ms",
                          digits=1), CLUES),
        Row("Fourier salience of 16 frames", "≤ 12 ms",
            stored_figure("clues.json", "rows", "name=Fourier salience of 16 frames, amplitude", "ours",
                          n="{peer}", unit=" ms", digits=1), CLUES),
        Row("The tailor, per detected frame", "≤ 30 ms",
            stored_figure("clues.json", "rows", "name=tailor, yolo26n at 320 px, per detected frame", "ours",
                          n="ultralytics' own call {peer:.0f} ms", unit=" ms", digits=1), CLUES),
        Row("Decoding a clip, against a bare PyAV loop", "≤ 1.15 ×",
            extreme(max, decoded, "14 files, the slowest", " ×", 2), CLUES),
        Row("16 frames of a minute of 1080p: memory of the child", "≤ 400 MB",
            stored_figure("clues.json", "rows", "name=16 frames of 60 s of 1080p: child's peak", "ours", n="1 file",
                          unit=" MB"), CLUES),
    ),
    "Speed of networks, against PyTorch as it comes": (
        Row("The light networks that ship, one view, the smallest gain", "≥ 2 ×",
            extreme(min, shipped("times_faster", "quiet"), "{count} networks", " ×", 2), BUSY),
        Row("the same, geometric mean", "≥ 4 ×",
            stored_figure("models.json", "mean_times_faster", n="5 networks", unit=" ×", digits=2), BUSY),
        Row("the same against the answers before, the smallest gain", "≥ 1 ×",
            extreme(min, shipped("times_before", "quiet"), "{count} networks", " ×", 2), BUSY),
        Row("the same against the answers before, busy", "≥ 1 ×",
            extreme(min, shipped("times_before", "busy"), "{count} networks", " ×", 2), BUSY),
        Row("the same, busy: the largest slowdown of ours", "≤ 2.5 ×",
            extreme(max, shipped("slows_by"), "{count} networks", " ×", 2), BUSY),
        *(
            Row(f"i3d-rgb, {size}, {dtype}", f"≥ {target} ×",
                stored_figure("models.json", "i3d", f"input={size}", "times_faster", dtype, n="7 rounds", unit=" ×",
                              digits=2), MODELS)
            for size in ("64×224²", "32×160²") for dtype, target in (("float32", 1.8), ("bfloat16", 3.5))
        ),
        *(
            Row(f"{name}, one view", f"≥ {target} ×",
                stored_figure("models.json", "inference", f"name={name}", "times_faster", n="7 rounds",
                              unit=" ×", digits=2), MODELS)
            for name, target in (("c3d-b8", 6), ("asym3d-paper", 3.5), ("tsn-light", 2))
        ),
        Row("One view of a light system, the slowest", "≤ 60 ms",
            extreme(max, each_of("models.json", "one_view", "name", "views_and_network_ms"), "{count} systems", " ms",
                    0), MODELS),
        Row("the same with clues and tailor", "≤ 250 ms",
            extreme(max, each_of("models.json", "one_view", "name", "end_to_end_ms"), "{count} systems", " ms", 0),
            MODELS),
        Row("Clips of 50 that get the same class as in plain float32, the fewest", "≥ 50",
            extreme(min, each_of("models.json", "agreement", "weights", "same_top1"), "{count} checkpoints", "", 0),
            MODELS),
        Row("Difference of a score from plain float32, the largest", "≤ 0.02",
            extreme(max, each_of("models.json", "agreement", "weights", "largest_difference"), "{count} checkpoints",
                    "", 3), MODELS),
    ),
    "Speed of training, against plain float32": (
        Row("The smallest gain", "≥ 2 ×", extreme(min, faster(LIGHT), "{count} systems", " ×", 2), TRAINING),
        Row("The longest wait for clips", "≤ 5 %",
            extreme(max, each_of("training.json", "rows", "system", "waiting", 100), "{count} systems", " %", 1),
            TRAINING),
    ),
    "Live": (
        Row("Predictions per second", "≥ 9.5",
            stored_figure("live.json", "alone", "predictions_per_second", n="{answers} answers", digits=1), LIVE),
        Row("the same while a training runs", "≥ 9.5",
            stored_figure("live.json", "while_training", "predictions_per_second", n="{answers} answers",
                          digits=1), LIVE),
        Row("From a frame to its label on the page, median", "",
            stored_figure("live.json", "alone", "p50_ms", n="{answers} answers", unit=" ms"), LIVE),
        Row("the same, 95 %", "≤ 200 ms",
            stored_figure("live.json", "alone", "p95_ms", n="{answers} answers", unit=" ms"), LIVE),
        Row("the same, 95 %, while a training runs", "≤ 200 ms",
            stored_figure("live.json", "while_training", "p95_ms", n="{answers} answers", unit=" ms"), LIVE),
        Row("First label after the camera starts", "≤ 3 s",
            stored_figure("live.json", "first_label_s", n="1 start", unit=" s", digits=1), LIVE),
        *(
            Row(f"{what}, {cache}", target,
                stored_figure("start.json", cache, figure, n="median of {rounds} starts", unit=" s", digits=1), START)
            for what, figure, target in (("Usable page after `python app.py`", "page_s", "≤ 5 s"),
                                         ("first answer after that", "first_answer_s", "≤ 3 s"))
            for cache in ("empty cache", "warm cache")
        ),
    ),
    "Are saliency maps faithful?": (
        Row("Class saliency against random order, in standard errors, the weakest", "≥ 2",
            extreme(min, explained("truth", "methods", "class saliency", "both"), "24 drawn clips × 5 systems", "", 1),
            FAITHFUL),
        Row("Grad-CAM, the same", "≥ 2",
            extreme(min, explained("truth", "methods", "Grad-CAM", "both"), "24 drawn clips × 5 systems", "", 1),
            FAITHFUL),
        Row("Rank correlation with the map of shuffled weights, the highest", "≤ 0.5",
            extreme(max, explained("truth", "shuffled", "class saliency"), "24 drawn clips × 5 systems", "", 2),
            FAITHFUL),
        Row("Share of class saliency on the mover that decides", "≥ 70 %",
            stored_figure("explain.json", "movers", "max", "class saliency", "of the picture", n="3 networks",
                          unit=" %", scale=100), "python -m benchmarks.explain --only movers"),
        Row("Class saliency of a whole clip, the slowest", "≤ 400 ms",
            extreme(max, explained("speed", "class saliency of a clip"), "{count} systems", " ms", 0), SPEED),
        Row("Another class by all methods, the slowest", "≤ 1000 ms",
            extreme(max, explained("speed", "slider: another class, all methods"), "{count} systems", " ms", 0), SPEED),
        Row("t-SNE of 500 embeddings", "≤ 2000 ms",
            stored_figure("explain.json", "speed", "maps", "t-SNE of 500 codes", n="1 map", unit=" ms"), SPEED),
    ),
    "Damaged files, kills, crowds and long days": (
        Row("Damaged videos that broke the reader", "0", reported("fuzz-videos")),
        Row("the slowest of them", "", reported("fuzz-slowest", " s", 2)),
        Row("Damaged weights, taught sets, repositories, zips and runs that broke a reader", "0",
            reported("fuzz-folders")),
        Row("Damaged uploads that broke the page", "0", reported("fuzz-page")),
        Row("A training killed and resumed: runs that end with other weights", "0", reported("kill-training")),
        Row("Programs killed while they write: files half written", "0", reported("kill-writers")),
        Row("The page killed: files or actions lost", "0", reported("kill-page")),
        Row("Eight visitors: errors and mix-ups", "0", reported("crowd-mixups")),
        Row("Eight visitors: uploads answered, 95 %", "≤ 10 s", reported("crowd-uploads", " s", 1)),
        Row("Four cameras: the fewest answers ÷ the most", "≥ 0.7", reported("crowd-fairness", "", 2)),
        Row("Half an hour of camera: drift of the lag", "≤ 100 ms", reported("soak-lag", " ms")),
        Row("Half an hour of camera: growth of memory", "≤ 50 MB", reported("soak-memory", " MB")),
        Row("10 000 frames through Live: growth of memory", "≤ 50 MB", reported("soak-handler", " MB", 1)),
        Row("Processes and folders left behind", "0", reported("soak-left")),
    ),
}  # fmt: skip


# --- The document ---------------------------------------------------------------------------------


def reached(target: str, value: float) -> bool:
    """Whether a figure is at its target: "≥ 80 %", "calibration ≤ 0.08", or "0"; an empty target is always reached."""
    for sign, holds in (("≥", float.__ge__), ("≤", float.__le__)):
        if sign in target:
            return holds(float(value), float(target.split(sign)[1].split()[0]))
    return not target or float(value) == float(target)


def line(row: Row) -> str:
    figure = row.figure()
    if figure is None:
        return f"| {row.what} | {row.target} | *not measured yet* |  | `{row.command}` |"
    shown = figure.shown + figure.mark
    if not reached(row.target, figure.value):
        shown = f"**{shown}**"
    command = row.command or figure.command
    return f"| {row.what} | {row.target} | {shown} | {figure.n} | `{command}` |"


def of_file(found: re.Match) -> str:
    """What stands for `{FILE}`, its processor, and for `{FILE system}`, what was asked."""
    return stored(found[1])["system"] if found[2] else machine(found[1])


def document() -> str:
    parts = [HEAD]
    for title, rows in SECTIONS.items():
        head = ["| what | target | measured | n | command |", "|---|---|---|---|---|"]
        about = [re.sub(r"{(\S+?)( system)?}", of_file, ABOUT[title]) + "\n"] if title in ABOUT else []
        parts.append("\n".join([f"\n## {title}\n", *about, *head, *map(line, rows)]) + "\n")
    return "".join([*parts, FOOT])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", dest="shown", help="print the document and write nothing")
    args = parser.parse_args()
    if args.shown:
        print(document(), end="")
    else:
        DOCUMENT.write_text(document())


if __name__ == "__main__":
    main()
