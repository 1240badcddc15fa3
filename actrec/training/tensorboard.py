"""The same figures as TensorBoard event files, where TensorBoard is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Board:
    """Scalars by step; silent without TensorBoard. Steps after `first` of an earlier, cut-off run are hidden."""

    def __init__(self, folder: Path, first: int = 0) -> None:
        self.folder, self.first = folder, first
        self._writer: SummaryWriter | None = None
        self.installed = importlib.util.find_spec("tensorboard") is not None

    def show(self, step: int, **scalars: float) -> None:
        if not self.installed:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # a second of imports: when there is something to show

            self._writer = SummaryWriter(str(self.folder), purge_step=self.first or None)
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
