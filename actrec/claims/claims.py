"""Do the papers' claims hold here? Each is two arms that differ in one thing, measured with the same seeds.

A measurement is one arm on one ground with one seed; it is a line of `claims.jsonl` and is never taken twice. A claim
holds when the mean paired difference is above two standard errors, does not when it is below minus two, and is unclear
in between; with fewer than three pairs nothing is said.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from actrec.claims.datasets import GROUNDS, REAL
from actrec.core.errors import BadValue, Refusal
from actrec.core.files import write_json
from actrec.metrics.intervals import mean_and_deviation

FEWEST = 3  # pairs before anything is said
NOT_YET = "not measured yet"
SUFFIX = f"-{REAL}"
MEASURES = {
    "top1": "top-1 accuracy",
    "fused": "top-1 accuracy of both streams together",
    "auroc": "AUROC of known against unknown",
    "steps_per_second": "training steps per second",
}


@dataclass(frozen=True)
class Claim:
    """`better` minus `worse` is the difference of a pair; with `against` the same difference there is taken away.

    `margin` is what may be lost where a claim says "at no loss".
    """

    id: str
    paper: str
    claim: str
    better: str
    worse: str
    measure: str = "top1"
    ground: str = "hard"
    against: str = ""
    margin: float = 0.0

    def needed(self) -> list[tuple[str, str]]:
        """The arms and grounds it takes, without seeds."""
        grounds = [self.ground, *([self.against] if self.against else [])]
        return [(arm, ground) for ground in grounds for arm in (self.better, self.worse)]

    def on_real_clips(self) -> Claim | None:
        """The same claim on UT-Interaction; None where it speaks of a kind of scene."""
        return None if self.against else replace(self, id=self.id + SUFFIX, ground=REAL)

    def describe(self) -> str:
        """What is measured, in words."""
        text = f"{MEASURES[self.measure]}: {self.better} − {self.worse}"
        if self.against:
            text += f", less the same difference on {self.against} clips"
        return text + (f"; up to {self.margin:g} may be lost" if self.margin else "")


FST, ASYM, MDT, CROSS, OURS = "FstCN", "Asymmetric", "MDT-Net", "Cross-enhancement", "ours"
CLAIMS = (
    Claim("fstcn-sci", FST, "SCI is better than averaging", "views/sci", "views/average"),
    Claim("fstcn-many-clips", FST, "Many clips are better than one", "views/average", "views/one"),
    Claim("fstcn-two-kernels-3", FST, "Two temporal kernels are better than 3×3 alone", "fstcn/tcl", "fstcn/tcl-3"),
    Claim("fstcn-two-kernels-5", FST, "Two temporal kernels are better than 5×5 alone", "fstcn/tcl", "fstcn/tcl-5"),
    Claim("fstcn-5-over-3", FST, "The 5×5 kernel is better than the 3×3 one", "fstcn/tcl-5", "fstcn/tcl-3"),
    Claim("fstcn-both-over-scl", FST, "SCL and TCL together are better than SCL", "fstcn/both", "fstcn/scl"),
    Claim("fstcn-both-over-tcl", FST, "SCL and TCL together are better than TCL", "fstcn/both", "fstcn/tcl"),
    Claim(
        "asym-faster", ASYM, "Asymmetric layers train faster than dense ones",
        "layers/asymmetric-345", "layers/dense", "steps_per_second",
    ),
    Claim(
        "asym-no-loss", ASYM, "Asymmetric layers lose nothing against dense ones",
        "layers/asymmetric-345", "layers/dense", margin=0.02,
    ),
    Claim(
        "asym-late", ASYM, "Replacing a late layer is better than replacing an early one",
        "layers/asymmetric-5", "layers/asymmetric-3",
    ),
    Claim("asym-m2-over-m3", ASYM, "MicroNet M2 is better than M3", "micro/M2", "micro/M3"),
    Claim("asym-m3-over-m1", ASYM, "MicroNet M3 is better than M1", "micro/M3", "micro/M1"),
    Claim("asym-rgbf-over-rgb", ASYM, "RGBF is better than RGB", "input/rgbf", "input/rgb"),
    Claim("asym-rgbf-over-flow", ASYM, "RGBF is better than flow", "input/rgbf", "input/flow"),
    Claim("asym-rgb-and-rgbf", ASYM, "RGB and RGBF together are better than RGBF", "input/rgb+rgbf", "input/rgbf"),
    Claim(
        "asym-trajectories", ASYM, "Trajectories add to RGB and RGBF in a linear SVM",
        "input/svm+trajectories", "input/svm",
    ),
    Claim("mdt-salience", MDT, "Salience is better than raw frames in clutter", "salience/enhanced", "salience/raw"),
    Claim(
        "mdt-salience-plain", MDT, "Salience gains less on plain ground than in clutter",
        "salience/enhanced", "salience/raw", against="plain",
    ),
    Claim(
        "cross-student", CROSS, "The taught student is better than the plain stream", "cross/taught", "cross/plain"
    ),
    Claim(
        "cross-first-bridge", CROSS, "The first bridge is better than none (α = 0)", "cross/taught", "cross/second-only"
    ),
    Claim(
        "cross-weak-teacher", CROSS, "The weaker stream is the worse teacher", "cross/taught", "cross/reversed", "fused"
    ),
    Claim(
        "ours-variance-rate", OURS, "The shipped network does better on frames drawn by the variance rate than evenly",
        "drawing/variance-rate", "drawing/uniform",
    ),
    Claim(
        "ours-variance-rate-taught", OURS, "Networks taught on frames drawn by the variance rate are better",
        "pathways/variance-rate", "pathways/uniform",
    ),
    Claim(
        "ours-unknown", OURS, "Centres with N-pair are better than softmax at “unknown”",
        "unknown/centres", "unknown/softmax", "auroc",
    ),
    Claim(
        "ours-tailoring", OURS, "The shipped network does better on clips tailored to the people that are found",
        "window/people", "window/none",
    ),
    Claim(
        "ours-tailoring-moving", OURS, "The shipped network does better on clips tailored to what moves",
        "window/moving", "window/none",
    ),
    Claim(
        "ours-tailoring-taught", OURS, "A network taught on clips tailored to the people that are found is better",
        "tailor/people", "tailor/none",
    ),
    Claim(
        "ours-tailoring-moving-taught", OURS, "A network taught on clips tailored to what moves is better",
        "tailor/moving", "tailor/none",
    ),
)  # fmt: skip


def verdict(differences: Sequence[float], margin: float = 0.0) -> tuple[str, float | None, float | None]:
    """What pairs say: the verdict, their mean, and its standard error."""
    if not len(differences):
        return NOT_YET, None, None
    mean, deviation = mean_and_deviation(differences)
    if len(differences) < FEWEST:
        return NOT_YET, mean, None
    error = deviation / math.sqrt(len(differences))
    beyond = mean + margin
    if beyond > 2 * error:
        return "holds", mean, error
    return ("does not" if beyond < -2 * error else "unclear"), mean, error


class Log:
    """All measurements of a file, one a line; what stands there is not taken again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.whole = not text or text.endswith("\n")
        self.lines: dict[tuple, dict] = {}
        for line in text.splitlines():
            try:
                found = json.loads(line)
                self.lines[_key(found)] = found
            except (ValueError, KeyError):  # cut off while it was written: it is measured again
                continue

    def find(self, arm: str, ground: str, seed: int, settings: str) -> dict | None:
        """A measurement that was taken with these settings; one that was taken with others does not count."""
        return self.lines.get((arm, ground, seed, settings))

    def append(self, line: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if self.whole else "\n") + json.dumps(line, ensure_ascii=False) + "\n")
        self.whole = True
        self.lines[_key(line)] = line


def _key(line: Mapping) -> tuple:
    return tuple(line[name] for name in ("arm", "ground", "seed", "settings"))


def judged(claim: Claim, log: Log, settings: Mapping[str, str]) -> dict:
    """A claim as a row of the summary, from all seeds that every arm it takes was measured with."""
    needed = claim.needed()
    found = {
        each: {
            key[2]: line
            for key, line in log.lines.items()
            if key[:2] == each and key[3] == settings.get(each[0]) and claim.measure in line["values"]
        }
        for each in needed
    }
    seeds = sorted(set.intersection(*(set(of) for of in found.values())))
    signs = (1, -1, -1, 1)  # better − worse, less the same elsewhere
    differences = [
        sum(sign * found[each][seed]["values"][claim.measure] for sign, each in zip(signs, needed, strict=False))
        for seed in seeds
    ]
    said, mean, error = verdict(differences, claim.margin)
    lines = [found[each][seed] for each in needed for seed in seeds]
    newest = max(lines, key=lambda line: line["date"], default={"commit": "", "date": ""})
    return {
        "id": claim.id, "paper": claim.paper, "claim": claim.claim, "verdict": said,
        "mean": None if mean is None else round(mean, 4), "error": None if error is None else round(error, 4),
        "pairs": len(seeds), "measure": claim.describe(), "where": GROUNDS[claim.ground].where,
        "commit": newest["commit"], "date": newest["date"],
    }  # fmt: skip


def summary(log: Log, settings: Mapping[str, str]) -> dict:
    """Every claim, and those on real clips that something was measured of."""
    rows = []
    for claim in CLAIMS:
        rows.append(judged(claim, log, settings))
        real = claim.on_real_clips()
        if real and (row := judged(real, log, settings))["pairs"]:
            rows.append(row)
    return {"claims": rows}


def chosen(only: Iterable[str], real: bool) -> list[Claim]:
    """The claims of these names; on real clips where they can be judged there."""
    only = [name.removesuffix(SUFFIX) for name in only]
    known = [claim.id for claim in CLAIMS]
    if unknown := [name for name in only if name not in known]:
        raise BadValue(f"There is no claim '{unknown[0]}'. There is: {', '.join(known)}.")
    wanted = [claim for claim in CLAIMS if not only or claim.id in only]
    return [found for claim in wanted if (found := claim.on_real_clips())] if real else wanted


def plan(claims: Iterable[Claim], seeds: Sequence[int]) -> list[tuple[str, str, int]]:
    """(arm, ground, seed) in the order of the claims; arms of one family and one seed follow each other, since they
    share what they learned."""
    families: dict[str, dict[tuple[str, str], None]] = {}
    for claim in claims:
        for arm, ground in claim.needed():
            families.setdefault(arm.partition("/")[0], {})[arm, ground] = None
    return [(arm, ground, seed) for of in families.values() for seed in seeds for arm, ground in of]


def measure_all(
    wanted: Sequence[tuple[str, str, int]],
    arms: Mapping[str, object],
    log: Log,
    bench: object,
    *,
    minutes: float | None,
    told: Callable[[str], None],
    after: Callable[[], None],
) -> int:
    """Take what is missing, one measurement at a time; how many were taken. `after` is called after each."""
    began, taken, commit = time.monotonic(), 0, code_version()
    for arm, ground, seed in wanted:
        settings = arms[arm].settings
        if log.find(arm, ground, seed, settings):
            continue
        if minutes is not None and time.monotonic() - began >= 60 * minutes:
            told("The minutes are over; the same command goes on from here.")
            break
        started = time.monotonic()
        try:
            values = arms[arm].measure(bench.desk(ground, seed))
        except Refusal as reason:
            told(f"{arm} on {ground}, seed {seed}: {reason}")
            continue
        line = {"arm": arm, "ground": ground, "seed": seed, "settings": settings}
        line |= {"values": {name: round(float(value), 6) for name, value in values.items()}}
        line |= {"seconds": round(time.monotonic() - started, 1), "commit": commit, "date": date.today().isoformat()}
        log.append(line)
        taken += 1
        figures = ", ".join(f"{name} {value:.3f}" for name, value in line["values"].items())
        told(f"{arm} on {ground}, seed {seed}: {figures} ({line['seconds']} s)")
        after()
    return taken


def code_version() -> str:
    """The commit of this code, with a + where files differ from it; unknown outside of a repository."""
    here = Path(__file__).resolve().parent
    try:
        commit, changed = (
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", ".."])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def write_summary(folder: Path, log: Log, settings: Mapping[str, str]) -> dict:
    """`claims.json`, whole or not at all."""
    found = summary(log, settings)
    write_json(folder / "claims.json", found)
    return found
