"""The package from Python: cheap to import, and the README's example does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def python(text: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | settings
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_example_names_the_action_of_its_clip(cache_without_starts):
    section = (ROOT / "README.md").read_text().partition("## Use it from Python\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)[:1]
    code = textwrap.dedent(example).strip()
    assert "from actrec import Recognizer" in code and len([line for line in code.splitlines() if line]) == 5
    assert python(code, ACTREC_CACHE=str(cache_without_starts)).split()[0] == "wave"


def test_importing_the_package_loads_nothing_heavy():
    text = "import sys, actrec; print(sorted({'torch', 'numpy', 'cv2', 'av'} & set(sys.modules)))"
    assert python(text).strip() == "[]"


def test_what_the_package_offers_is_there_and_nothing_else_is():
    offered = python("import actrec; print(*(getattr(actrec, name).__name__ for name in actrec.__all__))")
    assert offered.split() == ["Recognizer", "read_clip"]
    assert python("import actrec; print(hasattr(actrec, 'nothing'))").strip() == "False"


def test_weights_are_found_by_name_from_any_folder(tmp_path, monkeypatch, without_starts):
    from actrec import Recognizer
    from actrec.weights.default import FALLBACK

    monkeypatch.chdir(tmp_path)
    assert Recognizer.load(device="cpu").card.name == FALLBACK
    assert Recognizer.load("asym3d-synthetic", "cpu").card.name == "asym3d-synthetic"
