"""A list of mutations: what each breaks, where, and the tests that should notice."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path


class ListError(ValueError):
    """A list that cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class Mutation:
    """One mistake: `new` in place of `old`, which occurs once in `file`. `tests` are files or patterns of files.

    `recipe` marks those twenty that a reading of the papers beside the code had named first. With `equivalent`, the
    reason why no test could notice, it is listed and not run.
    """

    id: str
    paper: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    recipe: bool = False
    equivalent: str = ""

    def applied(self, source: str) -> str | None:
        """The source with the mutation; None where its snippet is not there exactly once."""
        return source.replace(self.old, self.new) if source.count(self.old) == 1 else None

    @property
    def module(self) -> str:
        """The module that the mutation is in."""
        return ".".join(Path(self.file).with_suffix("").parts).removesuffix(".__init__")


def read_list(folder: Path) -> list[Mutation]:
    """All mutations of a folder's files. The file's name is the paper's; its `tests` belong to all its mutations."""
    known = {entry.name for entry in fields(Mutation)} - {"paper"}
    mutations: list[Mutation] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            written = tomllib.loads(path.read_text(encoding="utf-8"))
            for row in written["mutation"]:
                if set(row) - known:
                    raise ListError(f"'{row.get('id')}' has unknown entries: {', '.join(sorted(set(row) - known))}")
                tests = (*row.get("tests", ()), *written.get("tests", ()))
                mutations.append(Mutation(paper=path.stem, **(row | {"tests": tests})))
        except (KeyError, TypeError, ValueError) as error:
            raise ListError(f"The list {path} cannot be read: {error}.") from None
    if not mutations:
        raise ListError(f"There is no mutation in {folder}.")
    ids = [mutation.id for mutation in mutations]
    for twice in sorted({name for name in ids if ids.count(name) > 1}):
        raise ListError(f"Two mutations are called '{twice}'.")
    return mutations


def chosen(mutations: list[Mutation], only: list[str] | None, papers: list[str] | None) -> list[Mutation]:
    """The mutations that were asked for; what there is not is refused."""
    for asked, there in ((only, {m.id for m in mutations}), (papers, {m.paper for m in mutations})):
        missing = set(asked or ()) - there
        if missing:
            raise ListError(f"There is no {', '.join(sorted(missing))}. There is: {', '.join(sorted(there))}.")
    return [m for m in mutations if (not only or m.id in only) and (not papers or m.paper in papers)]


def tests_of(root: Path, mutation: Mutation) -> list[str]:
    """The files that its tests name, in order; a pattern may match none, a file that is not there is refused."""
    found: list[str] = []
    for pattern in mutation.tests:
        matching = sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))
        if not matching and "*" not in pattern:
            raise ListError(f"'{mutation.id}' names tests that are not there: {pattern}.")
        found += [path for path in matching if path not in found]
    if not found:
        raise ListError(f"'{mutation.id}' names no tests.")
    return found


def misfits(root: Path, mutations: list[Mutation]) -> list[str]:
    """Sentences on mutations that do not fit the code of a tree, or that name tests it does not have."""
    sentences = []
    for mutation in mutations:
        path = root / mutation.file
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        changed = mutation.applied(source)
        try:
            if changed is None:
                raise ListError(f"its snippet occurs {source.count(mutation.old)} times in {mutation.file}")
            compile(changed, mutation.file, "exec")
            tests_of(root, mutation)
        except (ListError, SyntaxError) as error:
            sentences.append(f"{mutation.id}: {error}")
    return sentences
