"""The number format in which a network runs on this machine: the candidates, and what was checked and timed.

A format is used for a network only after its results were compared with float32 (`dirty_memory` runs such a check),
then timed. The findings are stored in the cache and read here without PyTorch.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.core.devices import processor, processor_facts
from actrec.core.files import cache_folder, parsed, read_small, remember

if TYPE_CHECKING:
    import torch
    from torch import nn

PACKAGE = Path(__file__).resolve().parents[1]
MOST_BYTES = 16 << 20  # of what is remembered
IN_FLOAT32 = " with float32 in "  # between a format's name and those of layers


@dataclass(frozen=True)
class NumberFormat:
    """How a network's numbers are stored while it runs, and which of its layers compute in float32 all the same."""

    dtype: str
    channels_last: bool
    float32_layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        layers = IN_FLOAT32 + ", ".join(self.float32_layers) if self.float32_layers else ""
        return f"{self.dtype} {'channels-last' if self.channels_last else 'contiguous'}{layers}"

    def convert(self, network: nn.Module) -> nn.Module:
        """The network in this format; five-dimensional weights channels-last in 3-D, four-dimensional in 2-D."""
        import torch

        network = network.to(getattr(torch, self.dtype))
        if self.channels_last:
            for parameter in network.parameters():
                if parameter.dim() in (4, 5):
                    parameter.data = parameter.data.contiguous(memory_format=_layout(parameter.dim()))
        return network

    def arrange(self, value: torch.Tensor) -> torch.Tensor:
        """An input in this format."""
        import torch

        return self.lay_out(value.to(getattr(torch, self.dtype)))

    def lay_out(self, value: torch.Tensor) -> torch.Tensor:
        """An input in this format's memory order, its numbers left as they are."""
        return value.contiguous(memory_format=_layout(value.dim())) if self.channels_last else value


def _layout(dimensions: int) -> torch.memory_format:
    import torch

    return torch.channels_last_3d if dimensions == 5 else torch.channels_last


FLOAT32 = NumberFormat("float32", channels_last=False)  # what every other format is compared with
CANDIDATES = (NumberFormat("float32", channels_last=True), NumberFormat("bfloat16", channels_last=True), FLOAT32)


def candidates() -> tuple[NumberFormat, ...]:
    """The formats worth timing on this processor: bfloat16 without its own instructions only costs time."""
    flags = processor_facts().get("flags", "")
    if flags and not {"avx512_bf16", "amx_bf16"} & set(flags.split()):
        return tuple(candidate for candidate in CANDIDATES if candidate.dtype != "bfloat16")
    return CANDIDATES


def format_named(name: str) -> NumberFormat:
    """The format with this name, which is its `str`."""
    plain, _, layers = name.partition(IN_FLOAT32)
    candidate = next(candidate for candidate in CANDIDATES if str(candidate) == plain)
    return replace(candidate, float32_layers=tuple(layers.split(", "))) if layers else candidate


# --- findings on this machine -----------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """The finding for one topic: the choice, the time that each candidate takes, which were refused and why.

    The names are those of number formats (`str(format)`), or whatever else the topic chooses from. A reason is half a
    sentence: what differs most from float32, and where.
    """

    chosen: str
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def without(self, name: str, reason: str, instead: str) -> Finding:
        """The same after a choice has failed when it was used: the fastest of the others is chosen, or `instead`."""
        refused = {**self.refused, name: reason}
        left = {choice: time for choice, time in self.milliseconds.items() if choice not in refused}
        return Finding(min(left, key=left.__getitem__, default=instead), left, refused)


def known_finding(topic: str, threads: int) -> Finding | None:
    """The stored finding for a topic, unless the processor, PyTorch or the code has changed since."""
    return next((finding for finding, place in _remembered() if place == _place(topic, threads)), None)


def remember_finding(topic: str, threads: int, finding: Finding) -> None:
    """Store a finding. A cache that cannot be written is not an error: the next start measures again."""
    with contextlib.suppress(OSError):
        entry = f"{processor()}, {threads} threads: {topic}"  # of an older PyTorch or code it is replaced
        remember(_memory(), entry, {**_place(topic, threads), **asdict(finding)})


def refusals() -> list[str]:
    """One sentence for each format that failed its check on this machine."""
    here = _place("", 0)
    sentences = []
    for finding, place in _remembered():
        if all(place[name] == here[name] for name in ("processor", "torch", "code")):
            sentences += [f"{name} is not used for {place['topic']}: {why}." for name, why in finding.refused.items()]
    return list(dict.fromkeys(sentences))


@functools.cache
def code_version() -> str:
    """A fingerprint of the code of the networks, their losses, engines and checks."""
    digest = hashlib.sha256()
    for folder in ("core", "models", "systems", "training", "recognition/engines"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _place(topic: str, threads: int) -> dict[str, str | int]:
    """The circumstances under which a finding holds."""
    return {
        "topic": topic, "threads": threads, "processor": processor(), "torch": _torch_version(), "code": code_version()
    }  # fmt: skip


@functools.cache
def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _memory() -> Path:
    return cache_folder() / "number_formats.json"


def _remembered() -> list[tuple[Finding, dict]]:
    """Every finding in the cache with its circumstances; damaged ones are left out."""
    try:
        entries = parsed(read_small(_memory(), MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    findings = [_read(entry) for entry in entries.values()] if isinstance(entries, dict) else []
    return [finding for finding in findings if finding is not None]


def _read(entry: object) -> tuple[Finding, dict] | None:
    if not isinstance(entry, dict):
        return None
    try:
        place = {name: entry[name] for name in ("topic", "threads", "processor", "torch", "code")}
        milliseconds = {str(name): float(value) for name, value in entry["milliseconds"].items()}
        refused = {str(name): str(why) for name, why in entry["refused"].items()}
        return Finding(str(entry["chosen"]), milliseconds, refused), place
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
