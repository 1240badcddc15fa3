"""Print how many tests skipped; fail when a browser test did, or one that is not on the list below."""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Why a test may skip, and nothing else: real clips cannot be redistributed, there may be no GPU, a pack of clips is
# made on request, published weights cannot be fetched where pip's index is out of reach. A browser test may skip only
# where axe-core cannot be fetched.
ALLOWED = ("needs the real clips", "needs a GPU", "made by `make gpu-pack`", "needs the published weights")
IN_THE_BROWSER = ("needs axe-core",)


def main(log: Path) -> int:
    lines = [line for line in log.read_text().splitlines() if line.startswith("SKIPPED")]
    count = sum(int(re.match(r"SKIPPED \[(\d+)\]", line)[1]) for line in lines)
    print(f"{count} tests skipped")
    wrong = [line for line in lines if not any(reason in line for reason in _allowed(line))]
    for line in wrong:
        print(f"may not skip: {line}")
    return 1 if wrong else 0


def _allowed(line: str) -> tuple[str, ...]:
    return IN_THE_BROWSER if "tests/browser" in line else ALLOWED


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
