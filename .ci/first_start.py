"""The README's command that opens the demo, as a newcomer types it: does the page come, and does it end when asked to?

It is typed in a copy that has no environment yet, so that it installs what the requirements allow today. Needs nothing
installed; status 1 with a sentence where it does not.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = "http://127.0.0.1:7860"
PATIENCE = 900  # seconds: the packages come first
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "build", "runs", ".cache", "node_modules", "__pycache__")


def main() -> None:
    command = re.search(r"^ {4}(python3 -m venv .*app\.py)$", (ROOT / "README.md").read_text(), re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        tried(command, shutil.copytree(ROOT, Path(folder) / "checkout", ignore=NOT_COPIED))


def tried(command: str, checkout: Path) -> None:
    """Type the command, wait for its page, and end it."""
    print(f"+{command}", flush=True)
    start = time.monotonic()
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", command], cwd=checkout, start_new_session=True)
    try:
        while "<gradio-app" not in (text := page()):
            if process.poll() is not None:
                sys.exit(f"The README's command ended with status {process.returncode} before the page came.")
            if time.monotonic() - start > PATIENCE:
                sys.exit(f"No page came within {PATIENCE} s. What answered: {text[:200]!r}")
            time.sleep(0.5)
        print(f"The page came after {time.monotonic() - start:.0f} s.", flush=True)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def page() -> str:
    """The HTML of the page; empty before it answers."""
    try:
        with urllib.request.urlopen(PAGE, timeout=20) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


if __name__ == "__main__":
    main()
