"""Open the demo: `python app.py`, then http://127.0.0.1:7860 in a browser."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from actrec.machine import relaunch_with_allocator

ROOT = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Action recognition by five papers, in a page on this computer.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; browsers give a camera to this one only"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="folder with checkpoint folders")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder for trainings and saved actions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="actrec-page-") as temporary:
        os.environ["GRADIO_TEMP_DIR"] = temporary
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from demo.stubs import without_stubs

        without_stubs()
        from demo.lab import Lab
        from demo.page import launch

        launch(Lab(args.weights, args.device, runs=args.runs), args.host, args.port)


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
