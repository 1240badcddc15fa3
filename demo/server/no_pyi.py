"""Gradio without the stubs for editors that it writes at every import: half of the time until the page is there."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder

WRITER = "gradio.component_meta"


class _Quiet(MetaPathFinder):
    """Finds the module that writes stubs as Python does, and takes the writing out once it has run."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != WRITER:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def then_silence(module: object) -> None:
            execute(module)
            module.create_or_modify_pyi = lambda *_: None

        spec.loader.exec_module = then_silence
        return spec


def without_stubs() -> None:
    """Ask before `import gradio`; each of its 60 components is otherwise parsed and written out as a `.pyi` file."""
    if WRITER not in sys.modules and not any(isinstance(finder, _Quiet) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Quiet())
