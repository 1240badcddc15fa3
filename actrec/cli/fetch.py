"""`fetch`: get a public file that the project knows, when asked and never otherwise; without a name, list them."""

from __future__ import annotations

import argparse
import sys


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", help="what to fetch; without it, what there is")


def run(args: argparse.Namespace) -> int:
    from actrec.systems import public_file, public_files
    from actrec.weights.download import download, fetched, sha256_of

    if args.key is None:
        for entry in public_files().values():
            here = "here" if fetched(entry) else entry.size
            print(f"{entry.key:20} {here:>10}  {entry.title}. {entry.licence}. sha256 {entry.sha256}")
        return 0
    wanted = public_file(args.key)
    print(f"{wanted.title}: {wanted.url}\nlicence: {wanted.licence}\nsha256: {wanted.sha256}")
    tell = _say if sys.stderr.isatty() else None
    path = download(wanted, progress=tell)
    print(f"{path}\nsha256 of the file: {sha256_of(path)}")
    if wanted.kind == "detector":
        from actrec.people.public import public_detector

        print(f"converted: {public_detector(wanted.key, progress=tell)}")
    return 0


def _say(progress) -> None:
    print(f"\r{progress.done / 1e6:8.1f} MB", end="", file=sys.stderr)
