"""The cores and devices of this machine."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.core.errors import BadValue

if TYPE_CHECKING:
    import torch


DEVICE_FAILED = (RuntimeError, AssertionError)  # what torch raises: memory, a lost device, no driver


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_in_words() -> str:
    return "1 core" if cores() == 1 else f"{cores()} cores"


def processor() -> str:
    """The processor and its number of cores, for which a finding about speed or number formats holds."""
    facts = processor_facts()
    kind = "-".join(facts[name] for name in ("cpu family", "model", "stepping") if name in facts)
    return f"{facts.get('model name', platform.processor())} {kind} x{cores()}"


@functools.cache
def processor_facts() -> dict[str, str]:
    """Linux's facts about the processor; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; `auto` is a GPU where there is one. An unknown name is refused with a sentence."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadValue(f"'{name}' is not a device. Use auto, cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadValue("No CUDA device is visible to PyTorch on this machine. Use --device cpu.")
    if device.type not in ("cpu", "cuda"):
        raise BadValue(f"Networks run on cpu or cuda here, not on '{name}'.")
    return device


def describe(device: torch.device) -> str:
    """A device in words, for the status line."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {cores_in_words()}"
