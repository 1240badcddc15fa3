"""One recipe per paper, all in one dict; nobody else knows a paper by name."""

from collections.abc import Mapping

from actrec.core.errors import BadValue
from actrec.systems import asym3d, crossenh, fstcn, mdtnet, ms3d, torchvision_models
from actrec.systems.system import Input, Option, Protocol, Schedule, System, Views

__all__ = ["SYSTEMS", "Input", "Option", "Protocol", "Schedule", "System", "Views", "named"]

SYSTEMS: dict[str, System] = {
    system.name: system
    for paper in (ms3d, fstcn, asym3d, mdtnet, crossenh, torchvision_models)
    for system in paper.systems()
}


def named(name: str, options: Mapping[str, object] | None = None) -> System:
    """A system by its name, with options as on a card, or a sentence with the names there are."""
    if name not in SYSTEMS:
        raise BadValue(f"There is no system '{name}'. Known: {', '.join(SYSTEMS)}.")
    return SYSTEMS[name].with_options(options or {})
