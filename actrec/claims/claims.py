"""Do the papers' claims hold here? Each compares two experiments that differ in one thing, with the same seeds.

What is claimed, and by which experiments it is measured, stands in the recipes. A measurement is one experiment on one
data set with one seed; it is a line of `claims.jsonl` (with the keys `arm` and `ground`) and is never repeated.
A claim holds when the mean paired difference is above two standard errors, does not when it is below minus two, and is
unclear in between; with fewer than three pairs it is not decided.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from actrec.claims.datasets import DATASETS, REAL
from actrec.core.errors import BadValue, Refusal
from actrec.core.files import write_json
from actrec.metrics.intervals import mean_and_deviation
from actrec.systems import claims as all_claims
from actrec.systems.claim import Claim, Experiment

FEWEST = 3  # pairs before anything is decided
NOT_YET = "not measured yet"
SUFFIX = f"-{REAL}"
MEASURES = {
    "top1": "top-1 accuracy",
    "fused": "top-1 accuracy of both streams together",
    "auroc": "AUROC of known against unknown",
    "steps_per_second": "training steps per second",
}


def on_real_clips(claim: Claim) -> Claim | None:
    """The same claim on UT-Interaction; None where it is about a kind of scene."""
    return None if claim.against else replace(claim, id=claim.id + SUFFIX, dataset=REAL)


def describe(claim: Claim) -> str:
    """What is measured, in words."""
    text = f"{MEASURES[claim.measure]}: {claim.better} − {claim.worse}"
    if claim.against:
        text += f", less the same difference on {claim.against} clips"
    return text + (f"; up to {claim.margin:g} may be lost" if claim.margin else "")


def verdict(differences: Sequence[float], margin: float = 0.0) -> tuple[str, float | None, float | None]:
    """The verdict of some pairs, their mean, and its standard error."""
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
    """All measurements of a file, one a line; none is made twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.whole = not text or text.endswith("\n")
        self.lines: dict[tuple, dict] = {}
        for line in text.splitlines():
            try:
                measurement = json.loads(line)
                self.lines[_key(measurement)] = measurement
            except (ValueError, KeyError):  # cut off while it was written: it is measured again
                continue

    def find(self, experiment: str, dataset: str, seed: int, settings: str) -> dict | None:
        """A measurement that was made with these settings; one with others does not count."""
        return self.lines.get((experiment, dataset, seed, settings))

    def append(self, line: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if self.whole else "\n") + json.dumps(line, ensure_ascii=False) + "\n")
        self.whole = True
        self.lines[_key(line)] = line


def _key(line: Mapping) -> tuple:
    return tuple(line[name] for name in ("arm", "ground", "seed", "settings"))


def row_of(claim: Claim, log: Log, settings: Mapping[str, str]) -> dict:
    """A claim as a row of the summary, from all seeds that every experiment it takes was measured with."""
    needed = claim.needed()
    measured = {
        where: {
            key[2]: line
            for key, line in log.lines.items()
            if key[:2] == where and key[3] == settings.get(where[0]) and claim.measure in line["values"]
        }
        for where in needed
    }
    seeds = sorted(set.intersection(*(set(of) for of in measured.values())))
    signs = (1, -1, -1, 1)  # better − worse, less the same elsewhere
    differences = [
        sum(sign * measured[where][seed]["values"][claim.measure] for sign, where in zip(signs, needed, strict=False))
        for seed in seeds
    ]
    decision, mean, error = verdict(differences, claim.margin)
    lines = [measured[where][seed] for where in needed for seed in seeds]
    newest = max(lines, key=lambda line: line["date"], default={"commit": "", "date": ""})
    return {
        "id": claim.id, "paper": claim.paper, "claim": claim.claim, "verdict": decision,
        "mean": None if mean is None else round(mean, 4), "error": None if error is None else round(error, 4),
        "pairs": len(seeds), "measure": describe(claim), "where": DATASETS[claim.dataset].where,
        "commit": newest["commit"], "date": newest["date"],
    }  # fmt: skip


def summary(log: Log, settings: Mapping[str, str]) -> dict:
    """Every claim, and those on real clips that something was measured of."""
    rows = []
    for claim in all_claims():
        rows.append(row_of(claim, log, settings))
        real = on_real_clips(claim)
        if real and (row := row_of(real, log, settings))["pairs"]:
            rows.append(row)
    return {"claims": rows}


def chosen(only: Iterable[str], real: bool) -> list[Claim]:
    """The claims of these names; on real clips where they can be measured there."""
    only = [name.removesuffix(SUFFIX) for name in only]
    known = [claim.id for claim in all_claims()]
    if unknown := [name for name in only if name not in known]:
        raise BadValue(f"There is no claim '{unknown[0]}'. There is: {', '.join(known)}.")
    named = [claim for claim in all_claims() if not only or claim.id in only]
    return [real_claim for claim in named if (real_claim := on_real_clips(claim))] if real else named


def plan(claims: Iterable[Claim], seeds: Sequence[int]) -> list[tuple[str, str, int]]:
    """(experiment, ground, seed) in the order of the claims; experiments of one family and one seed follow each other,
    since they share what they learned."""
    families: dict[str, dict[tuple[str, str], None]] = {}
    for claim in claims:
        for experiment, dataset in claim.needed():
            families.setdefault(experiment.partition("/")[0], {})[experiment, dataset] = None
    return [(experiment, dataset, seed) for of in families.values() for seed in seeds for experiment, dataset in of]


def measure_all(
    needed: Sequence[tuple[str, str, int]],
    experiments: Mapping[str, Experiment],
    log: Log,
    open_workspace: Callable[[str, int], Any],  # a `Workspace`
    *,
    minutes: float | None,
    report: Callable[[str], None],
    after: Callable[[], object],
) -> int:
    """Make the measurements that are missing, one at a time; how many were made. `after` is called after each."""
    start, count, commit = time.monotonic(), 0, code_version()
    for name, dataset, seed in needed:
        settings = experiments[name].settings
        if log.find(name, dataset, seed, settings):
            continue
        if minutes is not None and time.monotonic() - start >= 60 * minutes:
            report("The minutes are over; the same command goes on from here.")
            break
        started = time.monotonic()
        try:
            values = experiments[name].measure(open_workspace(dataset, seed))
        except Refusal as reason:
            report(f"{name} on {dataset}, seed {seed}: {reason}")
            continue
        rounded = {measure: round(float(value), 6) for measure, value in values.items()}
        seconds = round(time.monotonic() - started, 1)
        line = {"arm": name, "ground": dataset, "seed": seed, "settings": settings, "values": rounded}
        line |= {"seconds": seconds, "commit": commit, "date": date.today().isoformat()}
        log.append(line)
        count += 1
        figures = ", ".join(f"{measure} {value:.3f}" for measure, value in rounded.items())
        report(f"{name} on {dataset}, seed {seed}: {figures} ({seconds} s)")
        after()
    return count


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
    content = summary(log, settings)
    write_json(folder / "claims.json", content)
    return content
