"""What the last bits of the weights depend on besides the settings: kept with the weights, compared on resume."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
import torch

from actrec.core.number_formats import NumberFormat
from actrec.data.sources import Source
from actrec.systems import Schedule
from actrec.training.distributed import World

Device = torch.device  # `Conditions` has a field named torch
LOOKED_AT = 6  # clips whose frames go into the fingerprint


@dataclass(frozen=True)
class Conditions:
    """Where all of these are equal, a resumed training gives the weights of an uninterrupted one, bit for bit."""

    threads: int
    dtype: str
    channels_last: bool
    batch: int
    micro_batch: int
    rate: float
    epochs: int
    processes: int
    device: str
    torch: str  # its version
    clips: str

    @classmethod
    def here(
        cls, numbers: NumberFormat, schedule: Schedule, micro_batch: int, world: World, device: Device, clips: str
    ) -> Conditions:
        return cls(
            threads=torch.get_num_threads(),
            dtype=numbers.dtype,
            channels_last=numbers.channels_last,
            batch=schedule.batch,
            micro_batch=micro_batch,
            rate=schedule.rate,
            epochs=schedule.epochs,
            processes=world.size,
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            torch=torch.__version__,
            clips=clips,
        )

    def changed(self, before: dict) -> dict[str, list]:
        """What differs from earlier conditions: name → [before, now]."""
        now = asdict(self)
        return {name: [before.get(name), value] for name, value in now.items() if before.get(name) != value}


def fingerprint(source: Source) -> str:
    """Labels, targets and a few clips' frames in one short word: other clips are noticed on resume."""
    digest = hashlib.sha256(repr(source.labels).encode())
    for split in (source.train, source.validation):
        digest.update(np.ascontiguousarray(split.targets).tobytes())
    for index in np.unique(np.linspace(0, len(source.train) - 1, LOOKED_AT).astype(int)):
        digest.update(np.ascontiguousarray(source.train.clip(int(index)).frames).tobytes())
    return digest.hexdigest()[:16]
