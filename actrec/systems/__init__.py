"""One recipe per paper, all in one dict; nobody else knows a paper by name."""

from actrec.refusal import BadValue
from actrec.systems import asym3d, crossenh, fstcn, mdtnet, ms3d, reference
from actrec.systems.system import Input, Protocol, Schedule, System, Views

__all__ = ["SYSTEMS", "Input", "Protocol", "Schedule", "System", "Views", "named"]

SYSTEMS: dict[str, System] = {
    system.name: system for paper in (ms3d, fstcn, asym3d, mdtnet, crossenh, reference) for system in paper.systems()
}


def named(name: str) -> System:
    """A system by its name, or a sentence with the names there are."""
    if name not in SYSTEMS:
        raise BadValue(f"There is no system '{name}'. Known: {', '.join(SYSTEMS)}.")
    return SYSTEMS[name]
