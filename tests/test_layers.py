"""The walls of the house: the core knows no page, and importing does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_VIDEO = (
    "actrec.data.clips",
    "actrec.data.mixed",
    "actrec.models.asym3d",
    "actrec.systems",
    "actrec.training.loop",
)


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_the_core_never_imports_the_page():
    for path in (ROOT / "actrec").rglob("*.py"):
        roots = {name.split(".")[0] for name in _imports(path)}
        assert not roots & {"gradio", "demo"}, path


def test_only_one_module_imports_ultralytics():
    users = [
        path for path in (ROOT / "actrec").rglob("*.py") if any(n.startswith("ultralytics") for n in _imports(path))
    ]
    assert len(users) <= 1, users


@pytest.mark.parametrize("module", WITHOUT_VIDEO)
def test_training_needs_neither_av_nor_ultralytics_nor_gradio(module):
    code = f"import sys\nfor name in ('av', 'ultralytics', 'gradio'): sys.modules[name] = None\nimport {module}\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_page_loads_no_torch_and_prints_nothing():
    code = "import demo.page, sys; assert 'torch' not in sys.modules, 'torch'"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
