"""How fast and how big decoding is: `python -m benchmarks.decoding [--json FILE]`.

Speed: a Clip from a warm decoder against a bare PyAV loop that converts every frame to rgb24 and lets go of it,
measured in turns in the same run, medians; beside it the processor time, which other work on the machine moves less.
Memory: 16 frames out of a minute of 1080p.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import av
import numpy as np

from actrec.core.processes import facts
from actrec.video.request import Limits
from actrec.video.sandbox.decoder import Decoder

SIZES = {"320×240": (240, 320), "640×480": (480, 640), "1280×720": (720, 1280)}
FRAMES = 150
ROUNDS = 7
TIMES_PEER = 1.15
CHILD_MB, PARENT_MB = 400, 200
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "samples"
WHOLE = Limits(seconds=1e4, frames=10**5, bytes=1 << 32)


def texture(count: int, height: int, width: int) -> np.ndarray:
    """A textured plane that drifts behind a square that crosses it, with camera noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 12, 3), dtype=np.uint8)
    plane = coarse.repeat(16, axis=0).repeat(16, axis=1)
    frames = np.empty((count, height, width, 3), np.uint8)
    for t in range(count):
        frames[t] = plane[t % 16 : t % 16 + height, t % 128 : t % 128 + width]
        left = t * 4 % (width - 64)
        frames[t, height // 3 : height // 3 + 64, left : left + 64] = 255 - coarse[0, 0]
        frames[t] ^= rng.integers(0, 8, (height, width, 1), dtype=np.uint8)
    return frames


def write_h264(path: Path, frames: np.ndarray, fps: int = 30, times: int = 1) -> None:
    """Encode once and lay the same packets end to end `times` times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "g": str(len(frames))})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        packets = []
        for frame in frames:
            packets += stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))
        packets += stream.encode()
        encoded = [(p.pts, p.dts, p.is_keyframe, bytes(p), p.time_base) for p in packets]
        step = round(len(frames) / fps / encoded[0][4])
        for turn in range(times):
            for pts, dts, key, data, base in encoded:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.time_base = pts + turn * step, dts + turn * step, base
                packet.is_keyframe, packet.stream = key, stream
                container.mux(packet)


def bare_loop(path: Path) -> int:
    """The peer: decode and convert, keep nothing."""
    count = 0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")
            count += 1
    return count


def in_turns(tasks: dict[str, Callable[[], object]], rounds: int, child: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of each task by the clock (median) and of processor time, here and in the child (mean). Every
    round runs all tasks, so that they meet the same conditions."""
    clock: dict[str, list[float]] = {name: [] for name in tasks}
    worked = dict.fromkeys(tasks, 0.0)
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            busy, start = processor_seconds(child), time.perf_counter()
            task()
            if turn:  # the first round warms up
                clock[name].append((time.perf_counter() - start) * 1e3)
                worked[name] += (processor_seconds(child) - busy) * 1e3 / rounds
    return {name: (median(values), worked[name]) for name, values in clock.items()}


def processor_seconds(child: int) -> float:
    """What this process and a child of it have computed so far."""
    fields = facts(child)
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def speed(decoder: Decoder, name: str, path: Path, rounds: int) -> dict:
    times = in_turns(
        {"ours": lambda: len(decoder.read(path, limits=WHOLE)), "peer": lambda: bare_loop(path)},
        rounds,
        decoder.pid,
    )
    (ours, our_work), (peer, peer_work) = times["ours"], times["peer"]
    return {
        "name": f"Clip from a warm decoder, {name}",
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "goal": round(TIMES_PEER * peer, 1),
        "unit": "ms",
        "ratio": round(ours / peer, 3),
        "processor_ratio": round(our_work / peer_work, 3),
    }


def memory(path: Path) -> list[dict]:
    """Peak of the child and growth of this process while 16 frames of a minute of 1080p are read and held."""
    with Decoder() as decoder:
        decoder.probe(path)
        Path("/proc/self/clear_refs").write_text("5")  # start the peak of this process anew
        before = resident("self", "VmRSS")
        start = time.perf_counter()
        clip = decoder.read(path, frames=16)
        seconds = time.perf_counter() - start
        child = resident(str(decoder.pid), "VmHWM")
        touched = int(clip.frames[:, ::7, ::7].sum())  # look at every page
        growth = resident("self", "VmHWM") - before
        assert clip.frames.shape == (16, 1080, 1920, 3) and touched > 0
    name = "16 frames of 60 s of 1080p"
    return [
        {"name": f"{name}: child's peak", "ours": round(child), "peer": None, "goal": CHILD_MB, "unit": "MB"},
        {"name": f"{name}: growth here", "ours": round(growth), "peer": None, "goal": PARENT_MB, "unit": "MB"},
        {"name": f"{name}: time", "ours": round(seconds, 1), "peer": None, "goal": None, "unit": "s"},
    ]


def resident(process: str, field: str) -> float:
    """Megabytes that a process holds (VmRSS) or held at most (VmHWM)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise KeyError(field)


def rows(rounds: int = ROUNDS, *, samples: bool = True) -> list[dict]:
    """One row per figure: name, ours, peer, goal (at most), unit."""
    return list(measured(rounds, samples=samples))


def measured(rounds: int, *, samples: bool) -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
        folder = Path(name)
        for size, (height, width) in SIZES.items():
            path = folder / f"{height}.mp4"
            write_h264(path, texture(FRAMES, height, width))
            yield speed(decoder, f"{size} H.264, {FRAMES} frames", path, rounds)
        for path in sorted(SAMPLES.rglob("*.*")) if samples else ():
            header = decoder.probe(path)
            count = header.frames or round((header.duration or 0) * (header.fps or 0))
            if 100 <= count <= 600:
                label = f"{path.name}, {header.width}×{header.height} {header.codec}, {count} frames"
                yield speed(decoder, label, path, rounds)
        minute = folder / "minute.mp4"
        write_h264(minute, texture(60, 1080, 1920), times=30)
        yield from memory(minute)


HEAD = "| what | ours | peer | goal | | processor time, ours ÷ peer |\n|---|---|---|---|---|---|"


def line(row: dict) -> str:
    """One row of the table."""
    met = "" if row["goal"] is None else "met" if row["ours"] <= row["goal"] else "**missed**"
    figures = ["–" if row[key] is None else f"{row[key]:g} {row['unit']}" for key in ("ours", "peer", "goal")]
    return f"| {' | '.join([row['name'], *figures, met, str(row.get('processor_ratio', '–'))])} |"


def settings() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, PyAV {av.__version__}, "
        f"NumPy {np.__version__}; medians of {ROUNDS} rounds in turns after one to warm up; "
        f"load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--own", action="store_true", help="only the clips made here, not the real ones")
    args = parser.parse_args()
    print(settings(), HEAD, sep="\n\n", flush=True)
    rows = []
    for row in measured(ROUNDS, samples=not args.own):
        rows.append(row)
        print(line(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"settings": settings(), "rows": rows}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
