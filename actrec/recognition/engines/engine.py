"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import numpy as np
import torch
from torch import nn

from actrec.core.devices import cores
from actrec.systems import System, Views
from actrec.systems.system import Network

Answer = tuple[np.ndarray, np.ndarray]  # scores before the softmax [views, classes], embeddings [views, length]
Calibrate = Callable[
    [np.ndarray, np.ndarray], np.ndarray
]  # these two → calibrated scores that add up to one in each view


class Engine(Protocol):
    """A network that answers, in one number format. Safe to share between threads: one computes at a time."""

    name: str  # as in findings, the doctor and the status line: "OpenVINO bfloat16"
    dtype: str
    device: torch.device

    def answer(self, views: Sequence[Views]) -> Answer:
        """Scores and embeddings of views, which hold bytes; float32. A system that decides by centres has no scores."""
        ...


def outputs(system: System, network: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """A network's scores and its embedding of a batch; no columns of scores where class centres decide."""
    embedding = cast(Network, network).code(**inputs)
    return cast(Network, network).scores(embedding) if system.decides == "scores" else embedding[:, :0], embedding


def thread_budget() -> int:
    """Threads an engine may use: PyTorch's, which OMP_NUM_THREADS bounds, on the cores this process has."""
    return max(1, min(cores(), torch.get_num_threads()))
