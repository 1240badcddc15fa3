"""What this machine has and lacks for the project: each problem with its remedy. Every check tries the real thing.

Imports nothing heavy by itself, so that it also speaks where half of the packages are missing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from actrec.core.devices import choose_device, cores_in_words, describe
from actrec.core.files import cache_folder
from actrec.core.memory import memory
from actrec.core.number_formats import candidates, refusals
from actrec.core.places import INSTALLED, PROJECT, SHIPPED

REQUIREMENTS = PROJECT / "requirements.txt"
EXAMPLE = PROJECT / "assets" / "examples" / "wave.mp4"
PYTHON = ((3, 11), (3, 13))  # the versions it is tested on
ROOM = 2 << 30  # bytes that a training, its clips and its checkpoints want
LEAST_MEMORY = 4 << 30
PORT = 7860
DECODED = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")  # what cameras, phones and browsers record
OPTIONAL = ("openvino",)  # its absence is the business of `engines`: all works without it
GOOD, NOTE, PROBLEM = "good", "note", "problem"
INSTALL = f"Install what is asked for: pip install {'--upgrade actrec' if INSTALLED else '-r requirements.txt'}"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it is, in words, and what to do where it is not good."""

    about: str
    state: str
    says: str
    remedy: str = ""


def examine(weights: Path, runs: Path) -> list[Finding]:
    """Everything, one after the other; a check that fails itself is a finding too."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        python, packages, device, engines, number_formats, codecs, camera, lambda: checkpoints(weights), fetched,
        lambda: default(weights), lambda: folders(weights, runs), machine, port,
    )  # fmt: skip
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            name = getattr(check, "__name__", "checkpoints").strip("<>")
            findings.append(Finding(name, PROBLEM, f"{type(error).__name__}: {error}", INSTALL))
    return findings


def python() -> Iterator[Finding]:
    version, (least, newest) = sys.version_info[:2], PYTHON
    says = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if version < least:
        yield Finding("Python", PROBLEM, says, f"Use Python {least[0]}.{least[1]} or newer.")
    elif version > newest:
        yield Finding("Python", NOTE, says, f"Tested up to {newest[0]}.{newest[1]}; if something fails, use that.")
    else:
        yield Finding("Python", GOOD, says)


def packages(requirements: Path | None = None) -> Iterator[Finding]:
    """Each required package, its version, and whether the two OpenCVs overwrite each other."""
    for line in _required(requirements):
        requirement, _, marker = line.partition(";")
        match = re.fullmatch(r"([\w-]+)((?:[<>=]=?[\d.]+,?)*)", requirement.strip())
        if match is None or (marker and not _applies(marker)):  # a comment, another file, another kind of machine
            continue
        name, bounds = match[1], [part for part in match[2].split(",") if part]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name not in OPTIONAL:
                yield Finding(name, PROBLEM, "not installed", INSTALL)
            continue
        fits = all(_within(version, bound) for bound in bounds)
        yield Finding(name, GOOD if fits else PROBLEM, version, "" if fits else f"Wanted {','.join(bounds)}. {INSTALL}")
    double = [name for name in ("opencv-contrib-python", "opencv-python-headless") if _installed(name)]
    if double:
        says = f"{double[0]} is installed beside opencv-python and overwrites it"
        yield Finding(
            "OpenCV", PROBLEM, says, f"pip uninstall {double[0]}; pip install --force-reinstall opencv-python"
        )


def _required(requirements: Path | None) -> list[str]:
    """Requirements one by one: those of a file; by default what an installed package asks for, else the project's."""
    if requirements is None and INSTALLED:
        return importlib.metadata.requires("actrec") or []
    return (requirements or REQUIREMENTS).read_text().splitlines()


def _applies(marker: str) -> bool:
    """Whether a requirement's marker ("sys_platform == 'linux'") names this machine."""
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": ""})


def _installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def _within(version: str, bound: str) -> bool:
    sign, bound_version = re.fullmatch(r"([<>=]+)(.+)", bound).groups()  # type: ignore[union-attr]  # its caller's pattern
    have, want = ([int(part) for part in re.findall(r"\d+", text)[:3]] for text in (version, bound_version))
    return have >= want if sign == ">=" else have < want if sign == "<" else have[: len(want)] == want


def device() -> Iterator[Finding]:
    """Torch and torchvision together, what computes, and whether it really does."""
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError) as error:
        remedy = "Install torch and torchvision together, from the same place: see the README."
        yield Finding("PyTorch", PROBLEM, f"torch and torchvision do not import together: {error}", remedy)
        return
    chosen = choose_device()
    try:
        torch.ones(64, 64, device=chosen).matmul(torch.ones(64, 64, device=chosen)).sum().item()
    except RuntimeError as error:
        remedy = "Update the driver, or compute on the processor: --device cpu."
        yield Finding("device", PROBLEM, f"{describe(chosen)} is there but does not compute: {error}", remedy)
        return
    if chosen.type == "cuda":
        free, whole = torch.cuda.mem_get_info(chosen)
        yield Finding("device", GOOD, f"{describe(chosen)}, {free / 1e9:.1f} of {whole / 1e9:.1f} GB free")
        return
    quick = any(candidate.dtype == "bfloat16" for candidate in candidates())
    numbers = (
        "bfloat16 is checked against float32 and timed for each network"
        if quick
        else "float32; no bfloat16 instructions"
    )
    yield Finding("device", GOOD, f"{describe(chosen)}; {numbers}")


def engines() -> Iterator[Finding]:
    """Whether OpenVINO answers, tried in a child that it may end."""
    from actrec.core.dirty_memory import ChildError, in_child

    try:
        says = in_child("actrec.recognition.engines.openvino_engine:tried", {}, threads=1, seconds=60)["says"]
        yield Finding("engine", GOOD, f"{says}; for each network it is compared with PyTorch, then timed")
    except ChildError as error:
        says = f"PyTorch; OpenVINO, which is quicker on a busy machine, does not work: {error}"
        yield Finding("engine", NOTE, says, "Install it anew: pip install --force-reinstall openvino")


def number_formats() -> Iterator[Finding]:
    """Formats and engines that failed their check here: others are used in their place."""
    for sentence in refusals():
        remedy = "Nothing to do: what passed the check is used, float32 at least. A later version is checked anew."
        yield Finding("number format", NOTE, sentence, remedy)


def codecs() -> Iterator[Finding]:
    """Which videos can be read, and a video really written and read back, in the strangers' process too."""
    import av
    import numpy as np

    from actrec.video.sandbox.decoder import Decoder
    from actrec.video.write import write_mp4

    missing = [name for name in DECODED if name not in av.codec.codecs_available]
    says = f"FFmpeg in PyAV {av.__version__} reads {', '.join(name for name in DECODED if name not in missing)}"
    remedy = "Install PyAV's own build: pip install --force-reinstall av" if missing else ""
    yield Finding("codecs", NOTE if missing else GOOD, says + (f"; not {', '.join(missing)}" * bool(missing)), remedy)
    with tempfile.TemporaryDirectory() as folder, Decoder(seconds=30) as decoder:
        frames = np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), np.uint8)
        back = decoder.read(write_mp4(Path(folder) / "video.mp4", frames, 12.0))
        shown = f"; the example has {len(decoder.read(EXAMPLE))} frames" if EXAMPLE.is_file() else ""
    yield Finding(
        "video", GOOD if len(back) == 12 else PROBLEM,
        f"a video was written and {len(back)} of its 12 frames read back{shown}",
        "" if len(back) == 12 else "Install PyAV's own build: pip install --force-reinstall av",
    )  # fmt: skip


def camera(devices: Path = Path("/dev")) -> Iterator[Finding]:
    """The browser owns the camera; what can be checked from here."""
    hint = "Browsers give it to pages from this computer (127.0.0.1, localhost) or over https, and ask first."
    if platform.system() != "Linux":
        yield Finding("camera", NOTE, "is the browser's: allow it in the system's privacy settings", hint)
        return
    devices_found = sorted(devices.glob("video*"))
    locked = [path.name for path in devices_found if not os.access(path, os.R_OK | os.W_OK)]
    if not devices_found:
        yield Finding("camera", NOTE, "none on this computer", "Plug one in, or play the Live tab's demo loop.")
    elif locked:
        remedy = "Join the group that owns it, log in again: sudo usermod -aG video $USER"
        yield Finding("camera", PROBLEM, f"{', '.join(locked)} may not be opened by you", remedy)
    else:
        yield Finding("camera", GOOD, ", ".join(path.name for path in devices_found), hint)


def checkpoints(weights: Path) -> Iterator[Finding]:
    """Every folder of weights: its card, and whether the file is the one the card was written for."""
    from actrec.weights.cards import WeightsError, read_card
    from actrec.weights.download import sha256_of
    from actrec.weights.folders import names, settled

    folders = names(Path(weights), "card.json")
    if not folders:
        yield Finding("weights", PROBLEM, f"'{weights}' holds none", "Train some: python -m actrec train")
    for name in folders:
        folder, again = (
            settled(Path(weights) / name),
            "Fetch the repository again, or train them anew with the command on the card.",
        )
        try:
            checksum = _sum_on(folder / "card.json") if name == "person-detector" else read_card(folder).sha256
            fits = sha256_of(folder / "model.safetensors") == checksum
        except (WeightsError, OSError, ValueError) as error:
            yield Finding(f"weights {name}", PROBLEM, str(error), again)
            continue
        says = f"checksum {checksum[:12]} fits" if fits else "the file is not the one its card was written for"
        yield Finding(f"weights {name}", GOOD if fits else PROBLEM, says, "" if fits else again)


def _sum_on(card: Path) -> str:
    return str(json.loads(card.read_text())["sha256"])


def fetched() -> Iterator[Finding]:
    """Public files that were fetched before, compared with the catalogue."""
    from actrec.systems import public_files
    from actrec.weights.download import DownloadError, verified

    here = []
    for entry in public_files().values():
        try:
            if verified(entry) is not None:
                here.append(entry.key)
        except DownloadError as error:
            yield Finding(f"public {entry.key}", PROBLEM, str(error), "Remove the file and fetch it again.")
    says = ", ".join(here) or "none fetched, none needed"
    yield Finding("public files", GOOD, says)
    yield from published()


def published() -> Iterator[Finding]:
    """Published networks that were fetched, by the sums on their cards, and whether everyday actions can be named."""
    from actrec.weights.cards import read_card
    from actrec.weights.download import sha256_of
    from actrec.weights.starts import EVERYDAY, SETS, STARTS, fetched_start

    here = {key: folder for key in STARTS if (folder := fetched_start(key)) is not None}
    for key, folder in here.items():
        file = folder / "model.safetensors"
        if not file.is_file() or sha256_of(file) != read_card(folder).sha256:
            remedy = f"Remove the folder and fetch it again: python -m actrec fetch {key}"
            yield Finding(f"published {key}", PROBLEM, f"'{file}' is not the file that was fetched", remedy)
    if all(key in here for key in SETS[EVERYDAY]):
        yield Finding("published networks", GOOD, ", ".join(here))
    else:
        remedy = f"Fetch them when there is a network: python -m actrec fetch {EVERYDAY}"
        yield Finding("published networks", NOTE, f"those for {EVERYDAY} actions are not here", remedy)


def default(weights: Path) -> Iterator[Finding]:
    """Which weights answer where none are named, and what better ones lack."""
    from actrec.weights.default import default_weights
    from actrec.weights.folders import names

    answering = default_weights(Path(weights))
    if answering.name in names(Path(weights), "card.json"):
        says = f"{answering.name} answers where no weights are named"
        yield Finding("default weights", NOTE if answering.notice else GOOD, says, answering.notice)


def folders(weights: Path, runs: Path) -> Iterator[Finding]:
    """Where things are written: allowed, and with room."""
    places = {
        "runs": Path(runs),
        "weights": Path(weights),
        "cache": cache_folder(),
        "temporary": Path(tempfile.gettempdir()),
    }
    if Path(weights) == SHIPPED:  # an installed package's own: read, never written
        del places["weights"]
    for name, place in places.items():
        there = next(parent for parent in (place.absolute(), *place.absolute().parents) if parent.is_dir())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            remedy = {"cache": "Name another folder: export ACTREC_CACHE=…", "temporary": "export TMPDIR=…"}.get(
                name, f"Name another folder: python app.py --{name} …, or let yourself write there."
            )
            yield Finding(f"folder {name}", PROBLEM, f"{place}: {error.strerror}", remedy)
            continue
        free = shutil.disk_usage(there).free
        says = f"{place}: {free / 1e9:.1f} GB free"
        remedy = "" if free > ROOM else f"Make room: trainings and uploads want {ROOM / 1e9:.0f} GB."
        yield Finding(f"folder {name}", GOOD if free > ROOM else PROBLEM, says, remedy)


def machine() -> Iterator[Finding]:
    _, whole = memory()
    says = f"{cores_in_words()}, {whole / 1e9:.1f} GB of memory"
    if whole and whole < LEAST_MEMORY:
        yield Finding("machine", PROBLEM, says, "The page wants 4 GB: close other programs, train on smaller batches.")
    else:
        yield Finding("machine", GOOD, says)


def port(number: int = PORT) -> Iterator[Finding]:
    """Whether the page's address is free."""
    with socket.socket() as line:
        in_use = line.connect_ex(("127.0.0.1", number)) == 0
    says = f"127.0.0.1:{number} is {'in use, perhaps by the page itself' if in_use else 'free'}"
    yield Finding("port", NOTE if in_use else GOOD, says, "Choose another: python app.py --port 7861" if in_use else "")
