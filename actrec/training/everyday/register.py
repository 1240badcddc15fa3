"""What each given clip is for: it trains and chooses, it judges, or neither."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from actrec.core.errors import BadValue
from actrec.core.places import PROJECT
from actrec.systems.everyday_names import OWN

REGISTER = PROJECT / "benchmarks" / "register.tsv"
LEARN, JUDGE, UNUSED = "learn", "judge", "unused"
SUM = 16  # characters of a file's SHA-256 in the register
SEQUENCE = re.compile(r"ut_interaction/(set\d)(?:_negatives)?/\w+/(?:s(?P<negative>\d+)_|\d+_(?P<sequence>\d+)_)")


@dataclass(frozen=True)
class Entry:
    """One clip: its role, where it comes from, and the own action that it shows, or "" where it shows none."""

    file: str
    sha256: str
    role: str
    source: str
    name: str

    @property
    def target(self) -> int:
        """The place of the own action; −1 for none."""
        return OWN.index(self.name) if self.name else -1

    @property
    def group(self) -> str:
        """Clips of one recording: they never stand on both sides of a fold."""
        match = SEQUENCE.match(self.file)
        if match is None:
            return self.file
        return f"{match[1]} {int(match['negative'] or match['sequence'])}"


def read_register(path: Path = REGISTER) -> list[Entry]:
    """The entries of a register; a role or a name that does not exist is refused."""
    with open(path, newline="", encoding="utf-8") as file:
        entries = [Entry(*row) for row in list(csv.reader(file, delimiter="\t"))[1:]]
    for entry in entries:
        if entry.role not in (LEARN, JUDGE, UNUSED):
            raise BadValue(
                f"{path.name} gives '{entry.file}' the role '{entry.role}'. It is {LEARN}, {JUDGE} or {UNUSED}."
            )
        if entry.name and entry.name not in OWN:
            raise BadValue(f"{path.name} gives '{entry.file}' the action '{entry.name}', which is no own name.")
    return entries


def clips_of(data: Path, role: str, path: Path = REGISTER) -> list[tuple[Entry, Path]]:
    """The clips of a role with their files, whose contents are those of the register."""
    found = []
    for entry in read_register(path):
        if entry.role != role:
            continue
        file = Path(data) / entry.file
        if not file.is_file():
            raise BadValue(f"'{file}' is missing: {path.name} lists it.")
        if hashlib.sha256(file.read_bytes()).hexdigest()[:SUM] != entry.sha256:
            raise BadValue(f"'{file}' is not the clip that {path.name} lists under this name.")
        found.append((entry, file))
    return found
