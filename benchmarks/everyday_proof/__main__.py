"""Figures of the everyday weights on given clips, each with n, a 95 % interval by recording, and what chose it.

    python -m benchmarks.everyday_proof DATA [--parts shipped own unknown taught ablations crops] [--seeds 0 1 2]

DATA is the folder whose clips benchmarks/register.tsv lists. What the frozen network gives for them is computed once
and kept in the cache; the rest is arithmetic, an hour of one core for all parts. Figures of random folds are means over
seeds. They are written to benchmarks/results/everyday_proof.json, each part and seed as soon as it is there, beside
those of earlier runs; curves to docs/experiments/everyday-coverage.png.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from actrec.core.places import PROJECT
from actrec.training.everyday.head import Fit
from actrec.training.everyday.views import Viewed
from actrec.weights.folders import WEIGHTS
from benchmarks.everyday_proof import ablations, crops, own, shipped, teach, unknown
from benchmarks.everyday_proof.figures import averaged
from benchmarks.everyday_proof.nested import Answered, nested
from benchmarks.everyday_proof.shipped import SAMPLES, Weights, labelled
from benchmarks.everyday_proof.stored import VIEWS, judges, learned_from, of_people, report

RESULTS = PROJECT / "benchmarks" / "results" / "everyday_proof.json"
IMAGE = PROJECT / "docs" / "experiments" / "everyday-coverage.png"
SHIPPED_WAY = "classes alike, s1 = 1"
PARTS = ("shipped", "own", "unknown", "taught", "ablations", "crops")


class Clips:
    """The given clips through the frozen network, by the size of view."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.learned = cache(lambda view: learned_from(data, view))
        self.judges = cache(lambda view: judges(data, view))
        self.tables = {"everyday": labelled(data / "everyday.tsv"), "samples": labelled(SAMPLES)}

    @property
    def right(self) -> dict[str, set[int]]:
        return {file: places for table in self.tables.values() for file, places in table.items()}

    def of_both(self) -> list[Viewed]:
        return [item for view in VIEWS for item in self.learned(view)]


def of_shipped(clips: Clips) -> dict:
    """The shipped weights beside the published I3D, on clips that neither learned from; unknown, question (b)."""
    weights = Weights.read(WEIGHTS / "everyday")
    figures: dict = {"chosen by": "nothing: the shipped weights"}
    for view in VIEWS:
        judged = [weights.answered(item) for item in clips.judges(view)]
        usual = [weights.answered(item) for item in clips.learned(view) if not item.drawn]
        figures[view] = {
            name: shipped.named(weights, clips.judges(view), table) for name, table in clips.tables.items()
        }
        figures[view]["masked"] = {name: unknown.masked(judged, table, usual) for name, table in clips.tables.items()}
        figures[view]["masked_chosen_on_half"] = unknown.masked_on_half(judged, clips.tables["everyday"], usual)
        known = [answer for answer in judged if answer.item.file in clips.tables["everyday"]]
        scores = np.stack([answer.probabilities() for answer in known])
        right = np.array([shipped.among(row, clips.right[answer.item.file], 1) for row, answer in
                          zip(scores, known, strict=True)])  # fmt: skip
        figures[view]["coverage"] = own.coverage(scores, right, [answer.item.group for answer in known])
    return figures


def of_own(clips: Clips, seed: int) -> dict:
    """Answers out of fold, and the guard over all given clips."""
    weights = Weights.read(WEIGHTS / "everyday")
    by_way = nested(clips.of_both(), Fit(), seed)
    views = {id(item): view for view in VIEWS for item in clips.learned(view)}
    figures: dict = {"chosen by": "the settings by leaving one source out; the three numbers inside each fold"}
    for view in VIEWS:
        judged = [weights.answered(item) for item in clips.judges(view)]
        for way, answers in by_way.items():
            of_view = [answer for answer in answers if views[id(answer.item)] == view]
            figures.setdefault(view, {})[way] = {
                **own.by_recording(of_view),
                "guard": shipped.guard(of_view, clips.right),
                "calibration": own.calibration(of_view, seed),
                "calibration_own": own.calibration([answer for answer in of_view if answer.item.target >= 0], seed),
                "coverage": {"UT": _coverage(of_view, unknown.UT),
                             "generated people": _coverage(of_view, ("generated people",))},
            }  # fmt: skip
            if way == SHIPPED_WAY:
                figures[view][way]["guard"] = shipped.guard([*of_view, *judged], clips.right)
    return figures


def _coverage(answers: Sequence[Answered], sources: Iterable[str]) -> dict:
    known = [answer for answer in answers if answer.item.source in sources and answer.place >= 0]
    scores = np.stack([answer.probabilities() for answer in known])
    right = scores.argmax(1) == np.array([answer.place for answer in known])
    return own.coverage(scores, right, [answer.item.group for answer in known])


def of_unknown(clips: Clips, seed: int) -> dict:
    """Each own name left out, question (a), by the full view."""
    return unknown.each_left_out(clips.of_both(), Fit(), seed, report)


def of_taught(clips: Clips) -> dict:
    """Yoga and push-ups on the frozen codes."""
    takes = teach.takes_of(clips.data)
    figures: dict = {"chosen by": "nothing for 'as they are' and 'unit length'; the others are what was tried"}
    for name, views in (*((view, (view,)) for view in VIEWS), ("both", VIEWS)):
        items = [item for view in views for item in clips.learned(view) if not item.drawn]
        figures[name] = {}
        for source, ask in (
            ("yoga", lambda codes, rule: {"five poses": teach.yoga(codes, rule),
                                          "pairs": teach.yoga_pairs(codes, rule)}),
            ("push-ups", lambda codes, rule: {f"{count} of each": teach.pushups(codes, takes, count, rule)
                                              for count in teach.PUSHUPS_TAUGHT}),
        ):  # fmt: skip
            codes = teach.codes_by_clip([item for item in items if item.source == source])
            others = np.concatenate([item.codes for item in items if item.source != source])
            figures[name][source] = {
                f"{change}, {rule}": ask({file: alter(rows) for file, rows in codes.items()}, rule)
                for change, alter in teach.changes(others).items()
                for rule in teach.RULES
            }
    return figures


def of_ablations(clips: Clips) -> dict:
    """Heads, settings and views by leaving one source out; nothing here is random."""
    full, both = clips.learned("full"), clips.of_both()
    rows: dict = {"chosen by": "this is what chooses"}
    for name, fit in ablations.HEADS.items():
        report(f"head: {name}")
        rows[f"full view, {name}"] = ablations.by_source(full, Fit(), fit)
    for name, how in ablations.settings().items():
        report(f"settings: {name}")
        rows[f"both views, {name}"] = ablations.by_source(both if how.drawn else _real(both), how)
    for name, viewed in (
        ("live view", clips.learned("live")),
        ("both views, one window", ablations.middle_views(both, 1)),
    ):
        rows[name] = ablations.by_source(viewed, Fit())
    return rows


def of_crops(clips: Clips) -> dict:
    """A crop to people against the whole picture, at the live view, without drawn clips on either side."""
    seen, count = of_people(clips.data, "live")
    whole = [*_real(clips.learned("live")), *clips.judges("live")]
    how = Fit(drawn=0.0)
    figures: dict = {"chosen by": "this is what chooses", "cropped": crops.counted(seen, whole), "of": len(whole)}
    judged = {item.file for item in clips.judges("live")}
    for name, items in (("whole", whole), ("people", seen)):
        figures[name] = ablations.by_source([item for item in items if item.file not in judged], how)
        codes = teach.codes_by_clip([item for item in items if item.source == "yoga"])
        figures[name]["yoga"] = teach.yoga({file: teach.unit(rows) for file, rows in codes.items()}, "nearest centre")
        head = Weights.read(WEIGHTS / "everyday")
        figures[name]["judges"] = {table: shipped.named(head, [i for i in items if i.file in judged], rows)
                                   for table, rows in clips.tables.items()}  # fmt: skip
    return figures | {"clips": count}


def _real(viewed: Sequence[Viewed]) -> list[Viewed]:
    return [item for item in viewed if not item.drawn]


def store(part: str, figures: dict, seed: int | None = None) -> dict:
    """Beside what earlier runs wrote; the mean over seeds with them."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    if seed is None:
        stored[part] = figures
    else:
        seeds = stored.setdefault(part, {}).setdefault("seeds", {})
        seeds[str(seed)] = figures
        stored[part]["mean"] = averaged([seeds[name] for name in sorted(seeds)])
    RESULTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return stored[part]


def draw_coverage() -> None:
    """The curves of all sets at both sizes of view."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    if not {"own", "shipped"} <= set(stored):
        return
    curves = {}
    for view in VIEWS:
        of_view = stored["own"]["mean"][view][SHIPPED_WAY]["coverage"]
        curves |= {f"{name}, {view}": row["curve"] for name, row in of_view.items()}
        curves[f"everyday.tsv, {view}"] = stored["shipped"][view]["coverage"]["curve"]
    IMAGE.write_bytes(own.coverage_image(curves))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder whose clips benchmarks/register.tsv lists")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    clips = Clips(args.data)
    seeded: dict[str, Callable[[Clips, int], dict]] = {"own": of_own, "unknown": of_unknown}
    once = {"shipped": of_shipped, "taught": of_taught, "ablations": of_ablations, "crops": of_crops}
    for part in args.parts:
        if part in once:
            print(json.dumps({part: store(part, once[part](clips))}, indent=1, ensure_ascii=False), flush=True)
            continue
        for seed in args.seeds:
            figures = store(part, seeded[part](clips, seed), seed)
        if part == "unknown":
            store("unknown beside", unknown.by_file(clips.data, clips.learned("full")))
        print(json.dumps({part: figures["mean"]}, indent=1, ensure_ascii=False), flush=True)
    draw_coverage()


if __name__ == "__main__":
    main()
