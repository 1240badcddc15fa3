"""One recipe per paper, all in one dict; nobody else knows a paper by name."""

from collections.abc import Mapping

from actrec.core.errors import BadValue
from actrec.systems import asym3d, crossenh, everyday, fstcn, mdtnet, ms3d, torchvision_models
from actrec.systems.claim import OURS, Claim, Experiment
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views
from actrec.weights.catalogue import CATALOGUE, Entry

__all__ = [
    "SYSTEMS", "Input", "Option", "Protocol", "Schedule", "System", "Views", "claims", "experiments", "named",
    "public_file", "public_files", "recorded", "starting_files",
]  # fmt: skip

SYSTEMS: dict[str, System] = {
    system.name: system
    for paper in (ms3d, fstcn, asym3d, mdtnet, crossenh, everyday, torchvision_models)
    for system in paper.systems()
}


def named(name: str, options: Mapping[str, object] | None = None) -> System:
    """A system by its name, with options as on a card, or a sentence with the names there are."""
    if name not in SYSTEMS:
        raise BadValue(f"There is no system '{name}'. Known: {', '.join(SYSTEMS)}.")
    return SYSTEMS[name].with_options(options or {})


def recorded(name: str, options: Mapping[str, object]) -> System:
    """A system with the options of a card, which may be older than some of the system's options."""
    return named(name, named(name).before | dict(options))


def claims() -> list[Claim]:
    """What the papers claim, then this project's own questions."""
    stated = [claim for system in SYSTEMS.values() for claim in system.claims]
    return sorted(stated, key=lambda claim: claim.paper == OURS)


def experiments() -> dict[str, Experiment]:
    """The experiments that claims compare, by name."""
    return {name: experiment for system in SYSTEMS.values() for name, experiment in system.experiments.items()}


def starting_files() -> dict[str, Entry]:
    """Public weights that a training can start from, by key."""
    published = (system.published for system in SYSTEMS.values() if system.published)
    return {entry.key: entry for start in published for entry in start.files}


def public_files() -> dict[str, Entry]:
    """Every public file that can be fetched, by key: those of the catalogue and those of the recipes."""
    return CATALOGUE | starting_files()


def public_file(key: str) -> Entry:
    """The entry of a key; a wrong key is answered with the known ones."""
    files = public_files()
    if key not in files:
        raise BadValue(f"There is no public file '{key}'. Known: {', '.join(files)}.")
    return files[key]
