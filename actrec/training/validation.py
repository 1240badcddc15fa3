"""How good a network is while it learns: the newest view of each held-out clip, judged whole and in its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import confusion
from actrec.systems import System
from actrec.training.distributed import World
from actrec.training.loader import tested
from actrec.training.objective import Judged
from actrec.training.publish import class_centres, compared, gallery_of
from actrec.training.updates import DivergedError, Learner

QUICK_GALLERY = 6  # clips of each class behind its centre while it still learns
SHOWN_CLASSES = 40  # up to which an epoch's confusion goes into the log
AT_ONCE = 32  # clips at most


@dataclass(frozen=True)
class Validated:
    """What an epoch's validation says: of the network, of the parts that answer for themselves, and which classes it
    takes for which (nothing where there are too many to show)."""

    whole: Judged
    parts: Mapping[str, Judged] = field(default_factory=dict)
    confusion: list[list[int]] = field(default_factory=list)


class Validation:
    """The clips that judge a training, computed by all of its processes; where class centres decide, these come from a
    few training clips."""

    def __init__(self, system: System, source: Source, world: World, threads: int) -> None:
        self.system, self.world, self.threads = system, world, threads
        self.clips = source.validation.moments(system.seconds)
        self.gallery = gallery_of(source.train, QUICK_GALLERY, system)

    @torch.inference_mode()
    def of(self, learner: Learner) -> Validated:
        """Top-1 accuracy, loss and confusion on the newest view of each clip."""
        learner.network.eval()
        outputs, targets = self._outputs(learner, self.clips), self.clips.targets
        scores = outputs.pop("")
        if self.system.decides == "centres":
            centres = class_centres(self.system, self._outputs(learner, self.gallery)[""], self.gallery.targets)
            scores = -torch.cdist(compared(self.system, scores), centres).square()
        whole = judge(scores, targets)
        if not math.isfinite(whole.loss):
            raise DivergedError(whole.loss)
        parts = {name: judge(part, targets) for name, part in outputs.items()}
        shown = scores.shape[1] <= SHOWN_CLASSES
        return Validated(whole, parts, confusion(scores.numpy(), targets).tolist() if shown else [])

    def batch_sizes(self, most: int) -> list[int]:
        """The sizes of the batches in which clips are computed, the last and smaller ones included."""
        at_once = _at_once(most)
        shares = (np.array_split(np.arange(len(split)), self.world.size) for split in (self.clips, self.gallery))
        sizes = {len(share) for of_split in shares for share in of_split}
        return sorted({size for clips in sizes for size in (min(at_once, clips), clips % at_once) if size})

    def _outputs(self, learner: Learner, split: Split) -> dict[str, torch.Tensor]:
        """The network's scores or codes of one view of each clip under an empty name, and the scores of its parts; each
        process computes some clips."""
        mine = np.array_split(np.arange(len(split)), self.world.size)[self.world.rank]
        views_of_batches = tested(self.system, split, mine, self.threads, _at_once(learner.pieces.most))
        batches = [learner.with_parts(views) for views in views_of_batches]
        own = {name: torch.cat([batch[name].cpu() for batch in batches]).numpy() for name in (batches or [{}])[0]}
        shares = [share for share in self.world.gather(own) if share]
        return {name: torch.from_numpy(np.concatenate([share[name] for share in shares])) for name in shares[0]}


def judge(scores: torch.Tensor, classes: np.ndarray) -> Judged:
    """Accuracy and cross-entropy of scores."""
    targets = torch.from_numpy(classes)
    loss = float(nn.functional.cross_entropy(scores, targets))
    return Judged(round(float((scores.argmax(1) == targets).float().mean()), 4), round(loss, 4))


def _at_once(most: int) -> int:
    return max(1, min(AT_ONCE, most))
