"""Which engine answers for a network on this machine: checked against PyTorch in float32, timed, remembered.

Checks and timings run in a child at low priority: neither an answer nor the page suffers from them, not even from an
installation of OpenVINO that ends its process. The child also stores what OpenVINO compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from actrec.core.devices import processor
from actrec.core.dirty_memory import ChildError, ChildTooSlow, in_child
from actrec.core.files import alone, cache_folder
from actrec.core.number_formats import CANDIDATES, FLOAT32, Finding, code_version, known_finding, remember_finding
from actrec.recognition.engines import openvino_engine, stored
from actrec.recognition.engines.engine import Calibrate, Engine, thread_budget
from actrec.recognition.engines.opening import engine_names, open_engine
from actrec.recognition.engines.openvino_engine import OpenVINOEngine
from actrec.recognition.engines.torch_engine import TorchEngine
from actrec.systems import SYSTEMS, System
from actrec.weights.cards import Card

SECONDS = 600.0  # for the child, which gets little of a busy machine
REFERENCE = f"PyTorch {FLOAT32}"


class Choice:
    """The findings on the engines for one network on this machine's processor, and the check that makes them."""

    def __init__(self, system: System, network: nn.Module, card: Card, *, only_torch: bool = False) -> None:
        self.system, self.network, self.card = system, network, card
        self.names = [
            name
            for name in engine_names()
            if not (only_torch and name.startswith("OpenVINO"))
            # Distances to class centres lie so close that bfloat16 names another class for one clip in fifty.
            and not (system.decides == "centres" and "bfloat16" in name)
        ]
        options = "".join(f" {name}={value}" for name, value in system.chosen.items())
        version = "" if only_torch else f", OpenVINO {openvino_engine.version() or 'missing'}"
        self.topic = f"answers of {system.name}{options}, weights {fingerprint(network)}{version}"

    def known(self) -> Finding | None:
        """The finding from earlier, here and for these very weights."""
        return known_finding(self.topic, thread_budget())

    def find(self) -> Finding:
        """Check and time the engines in a child, and remember the finding: seconds, at low priority.

        One check at a time on a machine: two would spoil each other's timings, and take the cores from the answers.
        """
        if self.system.name not in SYSTEMS:  # the child could not build it
            return Finding(REFERENCE)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a cache that cannot be written is no error
                stack.enter_context(alone(cache_folder() / "engines.lock"))
            return self.known() or self._find()

    def _find(self) -> Finding:
        names = self.names
        refused: dict[str, str] = {}
        finding: Finding | None = None
        while finding is None and names:
            try:
                finding = self._ask(names)
            except ChildTooSlow:  # nothing is known: it is tried again after the next start
                return Finding(REFERENCE)
            except ChildError as error:  # once more without what may have ended it
                doubtful = [name for name in names if name.startswith("OpenVINO")] or names
                refused |= {name: str(error) for name in doubtful if name != REFERENCE}
                names = [name for name in names if name not in doubtful]
        finding = finding or Finding(REFERENCE)
        finding = Finding(finding.chosen, finding.milliseconds, {**refused, **finding.refused})
        remember_finding(self.topic, thread_budget(), finding)
        return finding

    def open(self, name: str) -> Engine:
        """An engine by its name; OpenVINO's as it was stored, where it was."""
        if name.startswith("OpenVINO"):
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                compiled = stored.read(self._place())
                return OpenVINOEngine.load(self.system, name.split(" ", 1)[1], compiled)
        return open_engine(name, self.system, self.network, torch.device("cpu"))

    def opens_at_once(self, name: str) -> bool:
        return not name.startswith("OpenVINO") or stored.is_stored(self._place())

    def _ask(self, names: Sequence[str]) -> Finding:
        with tempfile.TemporaryDirectory(prefix="engines-") as folder:
            weights = Path(folder) / "weights.safetensors"
            save_file({name: value.contiguous().clone() for name, value in self.network.state_dict().items()}, weights)
            facts = {
                "system": self.system.name, "options": dict(self.system.chosen), "card": asdict(self.card),
                "weights": str(weights), "names": [*names], "place": str(self._place()),
            }  # fmt: skip
            check = "actrec.recognition.engines.check:checked_choice"
            answer = in_child(check, facts, threads=thread_budget(), seconds=SECONDS)
        return Finding(answer["chosen"], answer["milliseconds"], answer["refused"])

    def _place(self) -> Path:
        facts = self.topic, thread_budget(), processor(), torch.__version__, code_version()
        return stored.place_of(" ".join(map(str, facts)))


def fingerprint(network: nn.Module) -> str:
    """A short word for a network's weights."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def gpu_engine(system: System, network: nn.Module, device: torch.device, calibrate: Calibrate) -> Engine:
    """PyTorch on a GPU: in bfloat16 where the GPU has it and its answers are those of float32."""
    from actrec.recognition.engines.check import checking_views, difference

    exact, small = CANDIDATES[0], CANDIDATES[1]
    engine = TorchEngine(system, network, device, exact)
    if not torch.cuda.is_bf16_supported():
        return engine
    smaller, views = TorchEngine(system, network, device, small), checking_views(system)
    return engine if difference(engine.answer(views), smaller.answer(views), calibrate) else smaller
