"""What is left when a program dies at a bad moment: nothing half there, and everything goes on.

    python -m benchmarks.kill training --moments 50     # a training killed, resumed, compared with one left alone
    python -m benchmarks.kill writers --moments 30      # weights, taught sets and JSON killed while they are written
    python -m benchmarks.kill page --moments 5          # the page killed while a file comes in and an action is taught
    python -m benchmarks.kill disk                      # a training on a disk that fills up (needs the right to mount)

Moments are drawn from a seed. Prints JSON; status 1 where something was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from actrec.core.processes import environment

if TYPE_CHECKING:
    from actrec.training.run import Run

ROOT = Path(__file__).resolve().parents[1]
EPOCHS, CLIPS = 3, 5
TRAIN = [
    "train", "--system", "asym3d", "--threads", "1", "--numbers", "float32", "--device", "cpu", "--batch", "6",
    "--epochs", str(EPOCHS),
]  # fmt: skip
# One writer of each kind, forever; a complete old or new version must be there whenever it dies.
WRITERS = {
    "weights": """
import numpy as np, torch
from pathlib import Path
from actrec.weights.cards import Card
from actrec.weights.checkpoint import write_checkpoint
for n in range(10**6):
    card = Card(name="x", system="asym3d", labels=["a"], trained_on=str(n), command="", seed=n)
    write_checkpoint(Path("home/x"), card, {"w": torch.full((200_000,), n % 1000, dtype=torch.float32)})
""",
    "taught": """
import numpy as np
from pathlib import Path
from actrec.recognition.taught import Lesson, Taught
from actrec.recognition.taught_file import write
for n in range(10**6):
    codes = np.full((1, 64), n % 1000, np.float32)
    lessons = tuple(Lesson("a", codes, str(n), b"x" * 300_000) for _ in range(3))
    write(Taught(weights="w", sha256="", lessons=lessons), Path("home/a.taught"))
""",
    "json": """
from pathlib import Path
from actrec.core.files import write_json
for n in range(10**6):
    write_json(Path("home/a.json"), [n] * 50_000)
""",
}


def write_data(folder: Path) -> Path:
    """Small folders of frames: three movements of a square."""
    sys.path.insert(0, str(ROOT / "tests" / "training"))
    from small_runs import write_films

    return write_films(folder / "films", CLIPS)


def start(words: list[str], folder: Path, code: str = "") -> subprocess.Popen:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "actrec", *words]
    variables = environment(1) | {"PYTHONPATH": str(ROOT), "ACTREC_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill(process: subprocess.Popen) -> None:
    """The whole group at once, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def training(moments: int, seconds: float) -> dict:
    """One run killed again and again, started again each time; its weights are those of a run left alone."""
    from actrec.training.run import Run

    rng, counts = np.random.default_rng(0), Counter()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = write_data(folder)
        whole = [*TRAIN, "--data", str(data), "--out", "alone"]
        alone_start = time.monotonic()
        if start(whole, folder).wait() != 0:
            raise SystemExit("The training left alone did not end well.")
        takes = time.monotonic() - alone_start
        lost, number = [], 0
        while counts["killed"] < moments and time.monotonic() - begin < seconds:
            name = f"run{number}"
            run = Run(folder / name)
            process = start([*TRAIN, "--data", str(data), "--out", name], folder)
            while True:
                try:
                    process.wait(float(rng.uniform(0.2, takes)))
                except subprocess.TimeoutExpired:
                    kill(process)
                    counts["killed"] += 1
                    counts[f"at {_where(run)}"] += 1
                    lost += half_there(run)
                    enough = counts["killed"] >= moments or time.monotonic() - begin > seconds
                    set_up = (run.folder / "settings.json").exists()
                    again = ["train", "--resume", name] if set_up else [*TRAIN, "--data", str(data), "--out", name]
                    process = start(again, folder)
                    if not enough:
                        continue
                    process.wait()
                break
            state = run.status()["state"]
            if state != "finished":
                lost.append(f"{name} ended as '{state}': {run.status()['sentence']}")
            elif not same(folder / "alone", run.folder):
                lost.append(f"{name} has other weights than the training left alone")
            counts["runs"] += 1
            number += 1
    return {"what": "training", "one_training_s": round(takes, 1), **counts, "lost": lost}


def _where(run: Run) -> str:
    events = [event["event"] for event in run.events()]
    return events[-1] if events else "start"


def half_there(run: Run) -> list[str]:
    """Files of a run that a reader would choke on."""
    from actrec.training.state import load_state
    from actrec.weights.cards import read_card
    from actrec.weights.checkpoint import read_checkpoint

    bad = []
    for path in (run.checkpoint, run.best):
        try:
            if path.exists():
                load_state(path)
        except Exception as error:
            bad.append(f"{path.name}: {error}")
    for name in ("settings.json", "status.json"):
        path = run.folder / name
        if path.exists() and not json.loads(path.read_text()):
            bad.append(name)
    if run.weights.exists():
        read_card(run.weights)
        read_checkpoint(run.weights)
    return bad


def same(one: Path, other: Path) -> bool:
    from safetensors.numpy import load_file

    weights = [load_file(folder / "weights" / "model.safetensors") for folder in (one, other)]
    return all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def writers(moments: int, seconds: float) -> dict:
    """Each writer killed at random moments; what is there afterwards can be read and is of one piece."""
    from actrec.recognition.taught_file import read
    from actrec.weights.checkpoint import read_checkpoint

    def weights_whole(folder: Path) -> None:
        card, tensors = read_checkpoint(folder / "x")
        if set(tensors["w"].unique().tolist()) != {float(card.seed % 1000)}:
            raise ValueError("card and tensors are of two versions")

    def taught_whole(folder: Path) -> None:
        actions = read(folder / "a.taught")
        if len({lesson.source for lesson in actions.lessons}) != 1:
            raise ValueError("lessons are of two versions")

    def json_whole(folder: Path) -> None:
        if len(set(json.loads((folder / "a.json").read_text()))) != 1:
            raise ValueError("numbers are of two versions")

    whole = {"weights": weights_whole, "taught": taught_whole, "json": json_whole}
    rng, lost, killed, begin = np.random.default_rng(1), [], Counter(), time.monotonic()
    for name, code in WRITERS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "home"
            folder.mkdir()
            for _ in range(moments):
                if time.monotonic() - begin > seconds:
                    break
                before = _stamp(folder)
                process = start([], Path(temporary), code)
                while _stamp(folder) in ((), before):  # until it has written once
                    time.sleep(0.02)
                time.sleep(float(rng.uniform(0.0, 1.0)))
                kill(process)
                killed[name] += 1
                try:
                    whole[name](folder)
                except Exception as error:
                    lost.append(f"{name}: {type(error).__name__}: {error}")
    return {"what": "writers", "killed": dict(killed), "lost": lost}


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes with every version that is put into place."""
    stamps = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if not path.name.startswith("."):
                stamps += [path.stat().st_ino, path.stat().st_mtime_ns]
    return tuple(stamps)


def page(moments: int, seconds: float) -> dict:
    """The page killed while a visitor uploads and teaches; the next start finds nothing of it and works."""
    import httpx

    rng, lost, killed = np.random.default_rng(2), [], 0
    clip = (ROOT / "assets/examples/wave.mp4").read_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(moments + 1):
            with _app(Path(temporary)) as (address, process):
                old = [path.name for path in Path(temporary).glob("actrec-page-*")]
                if len(old) != 1:
                    lost.append(f"start {number} found the folders {old}")
                if number == moments:  # the last one is let work
                    if "complete" not in _classify(httpx, address, clip):
                        lost.append("the page did not answer after all")
                    break
                busy = threading.Thread(target=_busy, args=(httpx, address, clip), daemon=True)
                busy.start()
                time.sleep(float(rng.uniform(0.3, 4.0)))
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                busy.join(10)
        rest = sorted(str(path.relative_to(temporary)) for path in (Path(temporary) / "runs").rglob("*"))
        if any("unfinished" in path for path in rest):
            lost.append(f"left in the runs: {rest}")
    return {"what": "page", "killed": killed, "lost": lost}


class _app:
    """The page with its own temporary folder."""

    def __init__(self, folder: Path) -> None:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        words = [sys.executable, "app.py", "--port", str(self._port), "--runs", str(folder / "runs")]
        self._process = subprocess.Popen(
            words, cwd=ROOT, env=os.environ | {"TMPDIR": str(folder)}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> tuple[str, subprocess.Popen]:
        line = self._process.stdout.readline()
        if "The page is at" not in line:
            raise SystemExit(f"The page did not start: {line}")
        return f"http://127.0.0.1:{self._port}/gradio_api", self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def _classify(httpx: ModuleType, address: str, clip: bytes, endpoint: str = "classify") -> str:
    path = httpx.post(f"{address}/upload", files={"files": ("a.mp4", clip)}, timeout=60).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = [file, "", False] if endpoint == "classify" else [[file], "wave", ""]
    event = httpx.post(f"{address}/call/{endpoint}", json={"data": data}, timeout=60).json()["event_id"]
    return httpx.get(f"{address}/call/{endpoint}/{event}", timeout=120).text


def _busy(httpx: ModuleType, address: str, clip: bytes) -> None:
    """Upload and teach until the page is gone."""
    try:
        while True:
            httpx.post(f"{address}/upload", files={"files": ("big.mp4", clip * 200)}, timeout=60)
            _classify(httpx, address, clip, "enrol")
    except (httpx.HTTPError, KeyError, ValueError):
        return


def disk(moments: int, seconds: float) -> dict:
    """A training whose disk has no space for a second checkpoint: a clear status, the good one stays, it goes on."""
    from actrec.training.run import Run
    from actrec.training.state import load_state

    lost: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data, small = write_data(folder), folder / "small"
        small.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)], capture_output=True
        ).returncode:
            raise SystemExit("This needs the right to mount a small disk.")
        try:
            run = Run(small / "run")
            start([*TRAIN, "--data", str(data), "--out", str(run.folder), "--epochs", "1"], folder).wait()
            (small / "filler").write_bytes(bytes(_free(small) - (64 << 10)))
            start(["train", "--resume", str(run.folder), "--epochs", "3"], folder).wait()
            status = run.status()
            if status["state"] != "failed" or "No space left" not in status["sentence"]:
                lost.append(f"on a full disk the run reports {status}")
            load_state(run.checkpoint)
            (small / "filler").unlink()
            start(["train", "--resume", str(run.folder)], folder).wait()
            if run.status()["state"] != "finished":
                lost.append(f"with disk space again the run reports {run.status()}")
        finally:
            subprocess.run(["umount", str(small)], check=True)
    return {"what": "disk", "lost": lost}


def _free(place: Path) -> int:
    facts = os.statvfs(place)
    return facts.f_bavail * facts.f_frsize


KINDS = {"training": training, "writers": writers, "page": page, "disk": disk}


def main() -> None:
    parser = argparse.ArgumentParser(description="What is left when a program dies at a bad moment.")
    parser.add_argument("kinds", nargs="+", choices=list(KINDS), help="what to kill")
    parser.add_argument("--moments", type=int, default=50, help="how often")
    parser.add_argument("--seconds", type=float, default=3600, help="no new moment after so long")
    args = parser.parse_args()
    results = [KINDS[kind](args.moments, args.seconds) for kind in args.kinds]
    print(json.dumps(results, indent=1))
    sys.exit(1 if any(result["lost"] for result in results) else 0)


if __name__ == "__main__":
    main()
