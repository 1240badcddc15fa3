"""Copies of the project's tree in a temporary folder, in which tests run on code that has a mistake in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.mutation_list import Mutation

CAUGHT, SURVIVED, OUTDATED = "caught", "survived", "outdated"
NOT_IMPORTABLE, TOO_LONG, FAILING = "cannot be imported", "ran too long", "tests fail without it"
PASSES = "passes"  # of test files on the unmutated tree
IMPORTING = 180.0  # seconds after which the import of a module is given up


@dataclass(frozen=True)
class Outcome:
    """What became of a mutation, or of a test file without one; `by` is the first test that failed, or a reason."""

    kind: str
    by: str = ""
    seconds: float = 0.0


class Processes:
    """Child processes in groups of their own, all of which end with this program."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._lock, self._closed = threading.Lock(), False

    def run(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], limit: float) -> int | None:
        """The exit status; None where the time limit ended it."""
        with self._lock:
            if self._closed:
                raise KeyboardInterrupt
            child = subprocess.Popen(
                words, cwd=folder, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._running.add(child)
        try:
            return child.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._end(child)
            with self._lock:
                self._running.discard(child)

    def end(self) -> None:
        """End all of them, and let no other begin."""
        with self._lock:
            self._closed = True
            for child in self._running:
                self._end(child)

    @staticmethod
    def _end(child: subprocess.Popen) -> None:
        """The whole group: what a test started and left behind goes, too."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@dataclass(frozen=True)
class Tree:
    """A copy of the tree that tests run in; `place` holds it and what the tests leave behind."""

    place: Path
    processes: Processes

    @property
    def root(self) -> Path:
        return self.place / "tree"

    @classmethod
    def copied(cls, root: Path, place: Path, processes: Processes) -> Tree:
        """A copy of the files that git knows or does not ignore."""
        tree = cls(place, processes)
        for name in listed(root):
            source, target = root / name, tree.root / name
            if source.is_file():  # one that was deleted is still listed
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        return tree

    def run(self, paths: Sequence[str], limit: float) -> Outcome:
        """Test files up to the first test that fails; `PASSES` where none does."""
        report, start = self.place / "report.xml", time.monotonic()
        report.unlink(missing_ok=True)
        for folder in ("scratch", "cache"):
            shutil.rmtree(self.place / folder, ignore_errors=True)
        words = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        status = self._python([*words, f"--basetemp={self.place / 'scratch'}", *paths], limit)
        seconds = round(time.monotonic() - start, 1)
        if status is None:
            return Outcome(TOO_LONG, f"more than {limit:.0f} s", seconds)
        if status == 0:
            return Outcome(PASSES, "", seconds)
        failed, broken = read_report(report)
        if broken:
            return Outcome(NOT_IMPORTABLE, f"{broken} cannot be collected", seconds)
        if status == 1 and failed:
            return Outcome(CAUGHT, failed, seconds)
        return Outcome(FAILING, f"pytest ended with status {status} and without a failed test", seconds)

    def tried(self, mutation: Mutation, paths: Sequence[str], limit: float) -> Outcome:
        """What the tests say to a mutation; afterwards the tree is as before."""
        path = self.root / mutation.file
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        changed = mutation.applied(source)
        if changed is None:
            return Outcome(OUTDATED, f"its snippet occurs {source.count(mutation.old)} times in {mutation.file}")
        try:
            path.write_text(changed, encoding="utf-8")
            if self._python(["-c", f"import {mutation.module}"], IMPORTING) != 0:
                return Outcome(NOT_IMPORTABLE, mutation.module)
            outcome = self.run(paths, limit)
            return Outcome(SURVIVED, "", outcome.seconds) if outcome.kind == PASSES else outcome
        finally:
            path.write_text(source, encoding="utf-8")

    def _python(self, words: Sequence[str], limit: float) -> int | None:
        """Python with the tree's own packages; without compiled files, since a mutation may keep a file's size and
        second; with a cache of its own, since a mutation must leave nothing in the user's."""
        environment = os.environ | {
            "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1", "ACTREC_CACHE": str(self.place / "cache"),
        }  # fmt: skip
        return self.processes.run([sys.executable, *words], self.root, environment, limit)


Call = Callable[[Tree], Outcome]


class Trees:
    """Several copies, each for one call at a time."""

    def __init__(self, root: Path, folder: Path, count: int) -> None:
        self.processes, self.count = Processes(), count
        self._free: SimpleQueue[Tree] = SimpleQueue()
        for number in range(count):
            self._free.put(Tree.copied(root, folder / str(number), self.processes))

    def spread(self, calls: Mapping[str, Call], on_outcome: Callable[[str, Outcome], None]) -> None:
        """Every call with a tree of its own while it runs; the outcomes as they come in. Whatever cuts it off, no
        process and no call is left running."""
        with ThreadPoolExecutor(self.count) as pool:
            waiting = {pool.submit(self._with_tree, call): name for name, call in calls.items()}
            try:
                for done in as_completed(waiting):
                    on_outcome(waiting[done], done.result())
            except BaseException:
                self.processes.end()
                pool.shutdown(cancel_futures=True)
                raise

    def _with_tree(self, call: Call) -> Outcome:
        tree = self._free.get()
        try:
            return call(tree)
        finally:
            self._free.put(tree)


@contextlib.contextmanager
def copies(root: Path, count: int) -> Iterator[Trees]:
    """Copies of a tree that are removed afterwards, however the run ends."""
    with tempfile.TemporaryDirectory(prefix="actrec-mutants-", ignore_cleanup_errors=True) as folder:
        yield Trees(root, Path(folder), count)


def listed(root: Path) -> list[str]:
    """The files of a tree that git knows or does not ignore."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted({name for name in names if name})


def read_report(path: Path) -> tuple[str, str]:
    """The first test that failed, and the first file whose tests could not be collected; empty where there is none."""
    failed = broken = ""
    for case in xml.parse(path).iter("testcase") if path.is_file() else ():
        for result in case:
            if result.tag not in ("failure", "error"):
                continue
            name = f"{case.get('classname', '')}::{case.get('name')}".removeprefix("::")
            if "collection failure" in result.get("message", ""):
                broken = broken or name
            else:
                failed = failed or name
    return failed, broken
