"""Do the tests notice? Mistakes from a written list, one at a time, and the related tests on each.

    python -m benchmarks.mutants [--only ID …] [--paper NAME …] [--jobs N] [--again] [--check]

The list is in `benchmarks/mutants/`, a file per paper: what each mutation breaks, the snippet, what takes its place,
and the tests that should notice. Whoever chose the mutations had not read the tests. All work is done on copies of the
tree in a temporary folder, where tests that want real clips skip. The tests have to pass there without a mutation
first; a mutation counts as caught when a test fails, not when the code cannot be imported any more.

Every result is a line of `benchmarks/results/mutants.jsonl`. One that is there is not repeated while the mutation, its
source file and its tests are the same, so that a run that was cut off goes on; `--again` repeats it all the same.
`--check` only says which mutations are outdated: their snippet is not, or not only once, in its file. The status is 0
only if every mutation was caught or is named as equivalent.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.copied_tree import (
    CAUGHT,
    FAILING,
    NOT_IMPORTABLE,
    OUTDATED,
    PASSES,
    SURVIVED,
    TOO_LONG,
    Call,
    Outcome,
    Tree,
    Trees,
    copies,
    listed,
)
from benchmarks.mutation_list import ListError, Mutation, chosen, misfits, read_list, tests_of

HERE = Path(__file__).parent
LIST, RESULTS = HERE / "mutants", HERE / "results" / "mutants.jsonl"
EQUIVALENT = "equivalent"
SHORTEST, FACTOR = 180.0, 6.0  # the limit for a mutation: seconds at least, and times what its tests take without it
UNMUTATED = 3600.0  # seconds after which a test file is given up


@dataclass
class Log:
    """The results so far, a line each; the last line of a name counts."""

    path: Path
    commit: str
    lines: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                written = json.loads(line)
                self.lines[written["id"]] = written

    def known(self, name: str, mark: str) -> Outcome | None:
        """A result that still holds."""
        line = self.lines.get(name)
        return Outcome(line["outcome"], line["by"], line["seconds"]) if line and line["fingerprint"] == mark else None

    def write(self, name: str, mark: str, outcome: Outcome, **more: object) -> None:
        line = {"id": name, **more, "outcome": outcome.kind, "by": outcome.by, "seconds": outcome.seconds}
        self.lines[name] = line | {"commit": self.commit, "fingerprint": mark}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(self.lines[name], ensure_ascii=False) + "\n")


def fingerprint(root: Path, names: Iterable[str], *more: object) -> str:
    """A short sum over files and whatever else a result depends on."""
    total = hashlib.sha256(repr(more).encode())
    for name in names:
        path = root / name
        total.update(name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b""))
    return total.hexdigest()[:16]


def commit_of(root: Path) -> str:
    """The commit of the tree, with a + where files differ from it."""
    commit, changed = (
        subprocess.run(["git", *words], cwd=root, capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain"])
    )
    return commit + ("+" if changed else "")


def run(
    root: Path, mutations: Sequence[Mutation], log: Log, jobs: int, again: bool, report: Callable[[str], None]
) -> dict[str, Outcome]:
    """The outcome of each mutation."""
    outcomes = {m.id: Outcome(EQUIVALENT, m.equivalent) for m in mutations if m.equivalent}
    left = {mutation.id: mutation for mutation in mutations if not mutation.equivalent}
    tests = {name: tests_of(root, mutation) for name, mutation in left.items()}
    beside = [name for name in listed(root) if name.startswith("tests/") and not Path(name).name.startswith("test_")]
    helpers = [name for name in beside if name.endswith(".py")]
    marks = {name: fingerprint(root, [m.file, *tests[name], *helpers], m) for name, m in left.items()}
    for name in list(left):
        known = None if again else log.known(name, marks[name])
        if known and known.kind in (CAUGHT, SURVIVED):
            outcomes[name] = known
            del left[name]
    report(f"{len(left)} mutations to run, {len(outcomes)} known or equivalent.")
    if not left:
        return outcomes
    with copies(root, jobs) as trees:
        unmutated = pass_without(root, sorted({path for name in left for path in tests[name]}), log, trees, report)
        calls: dict[str, Call] = {}
        for name, mutation in left.items():
            failing = [path for path in tests[name] if unmutated[path].kind != PASSES]
            if failing:
                outcomes[name] = Outcome(FAILING, f"{failing[0]}: {unmutated[failing[0]].by}")
                continue
            paths = sorted(tests[name], key=lambda path: unmutated[path].seconds)  # the fast ones first
            limit = max(SHORTEST, FACTOR * sum(unmutated[path].seconds for path in paths))
            calls[name] = partial(Tree.tried, mutation=mutation, paths=paths, limit=limit)

        def on_outcome(name: str, outcome: Outcome) -> None:
            outcomes[name] = outcome
            log.write(name, marks[name], outcome, paper=left[name].paper, breaks=left[name].breaks)
            report(f"{outcome.kind}: {name}  {outcome.by}  ({outcome.seconds:.0f} s)")

        trees.spread(calls, on_outcome)
    return outcomes


def pass_without(
    root: Path, files: Sequence[str], log: Log, trees: Trees, report: Callable[[str], None]
) -> dict[str, Outcome]:
    """Every test file on the unmutated tree; one that passed there is not run again while no file differs."""
    own = log.path.resolve()
    state = fingerprint(root, [name for name in listed(root) if (root / name).resolve() != own])
    known = {path: log.known(path, state) for path in files}
    outcomes = {path: outcome for path, outcome in known.items() if outcome and outcome.kind == PASSES}

    def on_outcome(path: str, outcome: Outcome) -> None:
        outcomes[path] = outcome
        log.write(path, state, outcome)
        if outcome.kind != PASSES:
            report(f"Fails without any mutation: {path}: {outcome.by or outcome.kind}")

    left = [path for path in files if path not in outcomes]
    trees.spread({path: partial(Tree.run, paths=[path], limit=UNMUTATED) for path in left}, on_outcome)
    passing = sum(outcome.kind == PASSES for outcome in outcomes.values())
    report(f"{passing} of {len(files)} test files pass without a mutation.")
    return outcomes


def table(mutations: Sequence[Mutation], outcomes: Mapping[str, Outcome]) -> str:
    """How many of each paper were caught, and what became of every mutation; what was not caught comes first."""
    kinds = (CAUGHT, SURVIVED, EQUIVALENT, OUTDATED, NOT_IMPORTABLE, TOO_LONG, FAILING)
    kinds = tuple(kind for kind in kinds if any(outcomes[m.id].kind == kind for m in mutations))
    groups = {paper: [m for m in mutations if m.paper == paper] for paper in dict.fromkeys(m.paper for m in mutations)}
    groups |= {"the twenty recipes": [m for m in mutations if m.recipe], "all": list(mutations)}
    lines = [f"| | mutations | {' | '.join(kinds)} |", f"|---|---|{'---|' * len(kinds)}"]
    for name, group in groups.items():
        counts = [sum(outcomes[m.id].kind == kind for m in group) for kind in kinds]
        lines.append(f"| {name} | {len(group)} | {' | '.join(map(str, counts))} |")
    lines += ["", "| mutation | what it breaks | outcome | by |", "|---|---|---|---|"]
    order = sorted(mutations, key=lambda m: outcomes[m.id].kind == CAUGHT)
    lines += [f"| {m.id} | {m.breaks} | {outcomes[m.id].kind} | {outcomes[m.id].by} |" for m in order]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="ID", help="these mutations")
    parser.add_argument("--paper", nargs="+", metavar="NAME", help="those of these papers (the list's files)")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree in which tests run side by side")
    parser.add_argument("--again", action="store_true", help="repeat what is in the results already")
    parser.add_argument("--check", action="store_true", help="only say which mutations are outdated")
    parser.add_argument("--root", type=Path, default=HERE.parent, help=argparse.SUPPRESS)
    parser.add_argument("--list", type=Path, default=LIST, help="the folder of the list")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of the results")
    given = parser.parse_args()
    try:
        mutations = chosen(read_list(given.list), given.only, given.paper)
        if given.jobs < 1:
            raise ListError("--jobs is 1 or more.")
        if given.check:
            sentences = misfits(given.root, mutations)
            fitting = f"{len(mutations) - len(sentences)} of {len(mutations)} mutations fit the code."
            print("\n".join([*sentences, fitting]))
            sys.exit(bool(sentences))
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell in the background starts programs deaf to Ctrl-C
            signal.signal(number, signal.default_int_handler)
        log = Log(given.results, commit_of(given.root))
        outcomes = run(given.root, mutations, log, given.jobs, given.again, partial(print, flush=True))
    except ListError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
    print(f"\n{table(mutations, outcomes)}")
    sys.exit(any(outcome.kind not in (CAUGHT, EQUIVALENT) for outcome in outcomes.values()))


if __name__ == "__main__":
    main()
