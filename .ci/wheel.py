"""Build a wheel, install it into a fresh environment, ask it once from an empty folder: does the package alone answer?

The dependencies are those of the Python that runs this: they are found through a .pth file, so that it takes seconds.
Status 1 with a sentence where something is not as it should be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 10 << 20  # bytes of a wheel
CLIP, LABEL = ROOT / "assets" / "examples" / "wave.mp4", "wave"  # by the weights that need nothing else
ASK_PYTHON = """
import actrec, sys
assert "torch" not in sys.modules, "importing actrec imports torch"
from actrec import Recognizer, read_clip
from actrec.people.find import find_people, open_detector
clip = read_clip(sys.argv[1], short_side=240)
people = find_people(clip, open_detector())
print(actrec.__file__, Recognizer.load().predict(clip).label, people.detected, sep="\\n")
"""


def main() -> None:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wheel = built(place / "wheels")
        check_contents(wheel)
        package = installed(wheel, place / "environment")
        before = contents(package)
        asked_once(place / "environment" / "bin", place, package)
        if changed := sorted(str(path) for path in contents(package).items() ^ before.items()):
            sys.exit(f"Asking the installed package changed its own files: {', '.join(changed)}")
        size = wheel.stat().st_size / 1e6
    print(f"A wheel of {size:.1f} MB was built, installed and asked in {time.monotonic() - start:.0f} s: '{LABEL}'.")


def built(folder: Path) -> Path:
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (wheel,) = folder.glob("actrec-*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Only the package, no test or page, and of the weights only what answers by default, with and without a fetched
    network."""
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist()]
    tops = {name.parts[0] for name in names if not name.parts[0].endswith(".dist-info")}
    weights = {name.parent.name for name in names if name.suffix == ".safetensors"}
    if tops != {"actrec"} or weights != {*preferred(), "person-detector"}:
        sys.exit(f"The wheel holds {sorted(tops)} with the weights {sorted(weights)}.")
    if wheel.stat().st_size > LARGEST:
        sys.exit(f"The wheel has {wheel.stat().st_size / 1e6:.1f} MB, more than {LARGEST / 1e6:.1f}.")


def preferred() -> tuple[str, ...]:
    """The default weights, the best first."""
    sys.path.insert(0, str(ROOT))
    from actrec.weights.default import PREFERRED

    return PREFERRED


def installed(wheel: Path, environment: Path) -> Path:
    """The folder of the package in a fresh environment that sees this Python's packages behind its own."""
    venv.create(environment, symlinks=True)
    python = str(environment / "bin" / "python")
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    call(sys.executable, "-m", "pip", f"--python={python}", "install", "-q", "--no-deps", "--no-index", str(wheel))
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (Path(site) / "dependencies.pth").write_text("\n".join(paths) + "\n")
    return Path(site) / "actrec"


def asked_once(programs: Path, place: Path, package: Path) -> None:
    """The same clip by the `actrec` command, from Python, and what `actrec doctor` finds."""
    empty = place / "empty"
    empty.mkdir()
    settings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    settings |= {"HOME": str(place), "ACTREC_CACHE": str(place / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = json.loads(call(str(programs / "actrec"), "predict", str(CLIP), "--json", cwd=empty, env=settings))
    if (answer["label"], answer["weights"]) != (LABEL, preferred()[-1]):  # nothing was fetched into this empty cache
        sys.exit(f"`actrec predict` takes {CLIP.name} for '{answer['label']}', by the weights {answer['weights']}.")
    answer_lines = call(str(programs / "python"), "-c", ASK_PYTHON, str(CLIP), cwd=empty, env=settings).split("\n")[:3]
    if answer_lines != [str(package / "__init__.py"), LABEL, "True"]:
        sys.exit(f"From Python the installed package answers {answer_lines}.")
    call(str(programs / "actrec"), "doctor", cwd=empty, env=settings)
    if left := [path.name for path in empty.iterdir()]:
        sys.exit(f"Asking left files where it was called: {', '.join(left)}")


def contents(folder: Path) -> dict[Path, int]:
    """Every file below a folder with the time it was last written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def call(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What a command prints; its words, and this program's end, where it fails."""
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=240)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
