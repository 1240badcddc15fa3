"""Damaged files by the thousand: every outcome is the thing asked for, or one sentence for people.

    python -m benchmarks.fuzz videos --count 2000        # decoded in the strangers' process
    python -m benchmarks.fuzz weights taught repository zips runs --count 400
    python -m benchmarks.fuzz page --count 40            # uploaded to the real page

`--first` goes on where an earlier slice ended: number n is the same file on every machine. A failure is a crash, a
file that takes longer than `--seconds`, any other error, or a result that is not sound; it is made as small as it
goes and kept under `build/fuzz/`. Memory of both processes is read before and after. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from actrec.core import memory
from actrec.core.errors import Refusal
from benchmarks.mutations import damaged, damaged_json, smallest

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "fuzz"
SIDE = 48  # frames are read at this short side; what is broken stays broken
TAKEN = ("clip", "opened", "unpacked", "answered")  # what comes of a file that is not refused
FATAL = ("crashed", "too-slow")  # refusals that hide a defect


class Defect(Exception):
    """A result that is not sound."""


@dataclass
class Target:
    """What is damaged: whole files by name, and what is done with a damaged one (a path)."""

    files: dict[str, bytes]
    use: Callable[[Path], str]
    fatal: tuple[str, ...] = FATAL
    memory: Callable[[], dict[str, float]] = field(default=lambda: {"this_mb": held("self")})


def held(pid: str | int) -> float:
    """Megabytes a process holds."""
    return memory.held(pid) / 1e6


@contextmanager
def videos(folder: Path, seconds: float) -> Iterator[Target]:
    """Every container that is taken, decoded as the page decodes strangers' files."""
    from actrec.video.sandbox.decoder import Decoder

    with Decoder(memory=1 << 30, seconds=seconds) as decoder:

        def use(path: Path) -> str:
            return sound(decoder.read(path, short_side=SIDE))

        yield Target(
            _containers(folder), use, memory=lambda: {"this_mb": held("self"), "child_mb": held(decoder.pid or 0)}
        )


def _containers(folder: Path) -> dict[str, bytes]:
    sys.path.insert(0, str(ROOT / "tests" / "video"))
    import corpus

    return {path.name: path.read_bytes() for path in corpus.containers(folder).values()}


def sound(clip) -> str:
    """A Clip that keeps what Clips promise."""
    shape, times = clip.frames.shape, clip.times
    whole = clip.frames.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and min(shape) > 0
    if not whole or len(times) != shape[0] or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise Defect(f"a clip of {shape} with times {times[:5]}")
    int(clip.frames[:, ::8, ::8].max())  # every frame can be read
    return "clip"


@contextmanager
def weights(folder: Path, seconds: float) -> Iterator[Target]:
    """A folder of weights, its card or its tensors damaged, opened as the page opens it."""
    from actrec.recognition.recognizer import Recognizer
    from actrec.weights.cards import cards

    source = ROOT / "weights" / "asym3d-synthetic"
    good = {name: (source / name).read_bytes() for name in ("card.json", "model.safetensors")}

    def use(path: Path) -> str:
        home = folder / "weights" / "x"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name, data in good.items():
            (home / name).write_bytes(path.read_bytes() if path.name.endswith(name) else data)
        card = cards(home.parent).get("x")
        if card is not None:
            from demo.shared.weights_picker import sentences

            sentences(card)
        Recognizer.load(home, "cpu")
        return "opened"

    yield Target(good, use)


@contextmanager
def taught(folder: Path, seconds: float) -> Iterator[Target]:
    """A set of taught actions, as a stranger imports it."""
    from actrec.recognition.taught import Lesson, Taught
    from actrec.recognition.taught_file import read, write

    rng = np.random.default_rng(0)
    codes = rng.normal(size=(6, 8)).astype(np.float32)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    lessons = tuple(Lesson("ab"[n % 2], codes[n : n + 1], f"clip {n}", b"film") for n in range(6))
    made = write(
        Taught(weights="w", sha256="0", lessons=lessons, own={"c": codes[0]}, own_threshold=0.5), folder / "a.taught"
    )

    def use(path: Path) -> str:
        found = read(path)
        if found.labels:
            found.judge(np.ones(8, np.float32) / 8**0.5) if found.lessons[0].codes.shape[1] == 8 else None
            found.map()
            found.curve()
        return "opened"

    yield Target({"a.taught": made.read_bytes()}, use)


@contextmanager
def repository(folder: Path, seconds: float) -> Iterator[Target]:
    """A full repository's two files."""
    from actrec.recognition.repository import CARD, Repository

    rng = np.random.default_rng(0)
    home = folder / "repository"
    Repository.of({"a": rng.normal(size=(3, 8)), "b": rng.normal(size=(3, 8))}).save(home)
    good = {path.name: path.read_bytes() for path in home.iterdir()}

    def use(path: Path) -> str:
        for name, data in good.items():
            (home / name).write_bytes(path.read_bytes() if path.name.endswith(name) else data)
        found = Repository.load(home)
        if len(found):
            found.judge(np.ones(found.centres.vectors.shape[1], np.float32))
        return "opened"

    assert CARD in good
    yield Target(good, use)


@contextmanager
def zips(folder: Path, seconds: float) -> Iterator[Target]:
    """A zip of class folders; nothing may be written beside its folder, and nothing stays after a refusal."""
    from actrec.data.archive import Limits, unpack

    path, clip = folder / "a.zip", (ROOT / "assets/examples/wave.mp4").read_bytes()[:4000]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("set/wave/1.mp4", "set/wave/2.mp4", "set/clap/1.mp4", "set/clap/readme.txt"):
            archive.writestr(name, clip)
    home = folder / "home"

    def use(path: Path) -> str:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        try:
            unpack(path, home / "out", Limits(files=50, bytes=1 << 20))
        except Refusal:
            if list(home.iterdir()):
                raise Defect("something stayed after a refusal") from None
            raise
        if [path.name for path in home.iterdir()] != ["out"]:
            raise Defect("something was written beside the folder")
        return "unpacked"

    yield Target({"a.zip": path.read_bytes()}, use)


@contextmanager
def runs(folder: Path, seconds: float) -> Iterator[Target]:
    """A run folder, one of its files damaged, as the Train tab and a resumed training read it."""
    import torch

    from actrec.training import run_log
    from actrec.training.run import Run
    from actrec.training.run import runs as found_runs
    from actrec.training.settings import Settings
    from actrec.training.state import load_state, write_whole
    from demo.shared.trainings import Trainings
    from demo.tabs.train import charts_of, summary

    home = folder / "runs" / "r"
    run = Run.create(home, Settings(system="asym3d", data="synthetic:six", name="r"))
    run.log("started", steps=4, labels=["a", "b"], sentence="Started.")
    run.log("step", total=1, loss=1.0, accuracy=0.5, rate=0.1, clips_per_second=9.0, waiting=0.1)
    run.log("epoch", epoch=1, loss=1.0, accuracy=0.5, confusion=[[1, 0], [0, 1]], best=True)
    run.set_status("stopped", "Stopped.", done=0.5, left=3.0)
    write_whole(run.checkpoint, {"network/w": torch.zeros(4)}, {"epoch": 1})
    good = {path.name: path.read_bytes() for path in home.iterdir()}

    def use(path: Path) -> str:
        for name, data in good.items():
            (home / name).write_bytes(path.read_bytes() if path.name.endswith(f"-{name}") else data)
        [found_run.status() for found_run in found_runs(home.parent)]
        events = run.events()
        run_log.curves(events), run_log.facts(run.status(), events), run_log.confusion(events), run_log.log(events)
        summary(Trainings(home.parent), "r")
        charts_of(events)
        run.settings()
        load_state(run.checkpoint)
        return "opened"

    yield Target(good, use)


@contextmanager
def page(folder: Path, seconds: float) -> Iterator[Target]:
    """Uploads to the page as a client makes them: an answer or a sentence, never a bare error."""
    import httpx

    from benchmarks.live import app

    with app() as (address, _), httpx.Client(base_url=f"{address}/gradio_api", timeout=seconds + 60) as client:
        while True:
            try:
                client.get("/info")
                break
            except httpx.TransportError:
                time.sleep(0.2)

        def use(path: Path) -> str:
            up = client.post("/upload", files={"files": (path.name, path.read_bytes())}).json()[0]
            sent = {"data": [{"path": up, "meta": {"_type": "gradio.FileData"}}, "", False]}
            event = client.post("/call/classify", json=sent).json()["event_id"]
            text = client.get(f"/call/classify/{event}").text
            if "event: complete" in text:
                return "answered"
            said = json.loads(text.rsplit("data: ", 1)[1])
            if not said or not str(said if isinstance(said, str) else said.get("error")).endswith((".", "?")):
                raise Defect(f"the page says {text[-300:]!r}")
            return "refused"

        yield Target(_containers(folder), use)


TARGETS = {each.__name__: each for each in (videos, weights, taught, repository, zips, runs, page)}


def one(target: Target, number: int) -> tuple[str, str, bytes, bytes]:
    """The name of the file, the damage, the whole file and the damaged one, by their number."""
    rng = np.random.default_rng([2026, number])
    name = list(target.files)[number % len(target.files)]
    other = list(target.files.values())[int(rng.integers(0, len(target.files)))]
    if name.endswith(".json") and rng.random() < 0.7:
        what, data = damaged_json(target.files[name], rng)
    elif name.endswith(".jsonl") and rng.random() < 0.7:
        lines = target.files[name].splitlines()
        place = int(rng.integers(0, len(lines)))
        what, lines[place] = damaged_json(lines[place], rng)
        data = b"\n".join(lines)
    else:
        what, data = damaged(target.files[name], rng, other)
    return name, what, target.files[name], data


def outcome(target: Target, path: Path) -> tuple[str, str]:
    """What came of a file: a word, and the trace where it is a failure."""
    try:
        return target.use(path), ""
    except Refusal as error:
        code = getattr(error, "code", "refused")
        if code in target.fatal:
            return f"failure: {code}", "\n".join([str(error), *getattr(error, "__notes__", [])])
        if not str(error)[:1].isupper() and not str(error).startswith("'"):
            return "failure: no sentence", str(error)
        return code, ""
    except Exception as error:
        return f"failure: {type(error).__name__}", traceback.format_exc()[-1500:]


def run(name: str, first: int, count: int, seconds: float) -> dict:
    """So many files of one kind."""
    found, failures, slowest = Counter(), [], (0.0, -1)
    with tempfile.TemporaryDirectory() as temporary, TARGETS[name](Path(temporary), seconds) as target:
        before, folder, began = None, Path(temporary), time.perf_counter()
        for number in range(first, first + count):
            kind, damage, whole, data = one(target, number)
            path = folder / f"damaged-{kind}"
            path.write_bytes(data)
            start = time.perf_counter()
            word, trace = outcome(target, path)
            took = time.perf_counter() - start
            slowest = max(slowest, (took, number))
            found[word] += 1
            if word.startswith("failure"):
                failures.append(keep(target, name, number, word, trace, path, whole, data, damage))
            path.unlink(missing_ok=True)
            if number == first + count // 4:  # warm by then
                before = target.memory()
        after = target.memory()
    grown = {key: round(after[key] - before[key], 1) for key in after} if before else {}
    return {
        "target": name, "first": first, "count": count, "outcomes": dict(found.most_common()), "failures": failures,
        "slowest_s": round(slowest[0], 2), "slowest": slowest[1], "grown": grown,
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def keep(
    target: Target, name: str, number: int, word: str, trace: str, path: Path, whole: bytes, data: bytes, damage: str
) -> dict:
    """A failure, made small and written where a test can take it from."""

    def fails(attempt: bytes) -> bool:
        path.write_bytes(attempt)
        return outcome(target, path)[0] == word

    small = data if "slow" in word else smallest(whole, data, fails)
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{name}-{number}-{path.name.removeprefix('damaged-')}"
    kept.write_bytes(small)
    return {
        "number": number,
        "what": word,
        "damage": damage,
        "kept": str(kept.relative_to(ROOT)),
        "trace": trace[-600:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Damaged files by the thousand.")
    parser.add_argument("targets", nargs="+", choices=list(TARGETS), help="what to damage")
    parser.add_argument("--count", type=int, default=200, help="how many files of each")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--seconds", type=float, default=10.0, help="a video that takes longer is a failure")
    args = parser.parse_args()
    found = [run(name, args.first, args.count, args.seconds) for name in args.targets]
    print(json.dumps(found, indent=1))
    sys.exit(1 if any(each["failures"] for each in found) else 0)


if __name__ == "__main__":
    main()
