"""Open the demo: `python app.py`, then http://127.0.0.1:7860 in a browser."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

from actrec.core.errors import Refusal
from actrec.core.processes import relaunch_with_allocator

ROOT = Path(__file__).resolve().parent


def listening_error(host: str, port: int) -> str:
    """Why the page cannot listen there, as a sentence; empty where it can. Checked before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        return f"The page cannot listen on {host}:{port} ({error}). Is it open already? Choose another --port."
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Action recognition by five papers, in a page on this computer.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; browsers give a camera to this one only"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="folder with checkpoint folders")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder for trainings and saved actions")
    parser.add_argument(
        "--password", help="asked of everyone; ACTREC_PASSWORD in the environment is not seen by others"
    )
    parser.add_argument(
        "--name", action="append", default=[],
        help="another name this page goes by, such as a proxy's; it lets others in, so a password is asked",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, action="append", default=[],
        help="folder of clips that visitors may train on where --host or --name lets others in; may be given again",
    )  # fmt: skip
    args = parser.parse_args()
    if error_message := listening_error(args.host, args.port):
        parser.error(error_message)
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # sharing, open folders and the like are decided here
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that nothing is left behind
    from demo.server.no_pyi import without_stubs

    without_stubs()
    from demo.server.temp_root import temporary_folder

    with temporary_folder() as temporary:
        os.environ["GRADIO_TEMP_DIR"] = str(temporary)
        from actrec.weights.starts import starts_folder
        from demo.page import launch
        from demo.server.access import others_get_in, password_for
        from demo.server.services import Services

        try:
            password = password_for(args.host, args.password, args.name)
        except Refusal as error:
            sys.exit(str(error))
        confined = args.data if others_get_in(args.host, args.name) else None
        services = Services(args.weights, args.device, runs=args.runs, data=confined, starts=starts_folder())
        launch(services, args.host, args.port, password, args.name)


if __name__ == "__main__":
    relaunch_with_allocator()
    main()
