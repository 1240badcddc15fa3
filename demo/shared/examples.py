"""The bundled clips as a row of buttons, the same in every tab."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from demo.server.services import EXAMPLES, name_of


def paths() -> list[Path]:
    return sorted(EXAMPLES.glob("*.mp4"))


def buttons(place: str) -> list[tuple[Path, gr.Button]]:
    """A button for each clip, `place`-NAME, beside the clip's path."""
    with gr.Row(elem_id=f"{place}-examples", elem_classes="examples"):
        return [
            (path, gr.Button(name_of(path), size="sm", min_width=60, elem_id=f"{place}-{path.stem}"))
            for path in paths()
        ]
