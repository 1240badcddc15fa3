"""Where claims are measured: drawn clips that are hard on purpose, drawn clips on a bare wall, real interactions.

A seed decides which clips are drawn or which fold is left out; both experiments of a claim see the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actrec.core.errors import BadValue
from actrec.data.sources import Source

SET = "six"
TRAIN, HELD_OUT = 40, 20  # drawn clips of each class and seed
FOLDS = 3
WINDOW = 2.0  # seconds; a real clip is measured at a few moments, since its action lies in the middle
REAL = "ut"
OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class ClaimData:
    """`setting` is that of the drawn scenes; without one the clips are UT-Interaction's."""

    name: str
    where: str
    setting: str = ""

    def open(self, seed: int, on_progress: OnProgress, data: Path | None = None) -> Source:
        """The clips to learn from, and as validation those to be measured on."""
        if self.setting:
            from actrec.data.drawn import claims_source

            return claims_source(SET, TRAIN, HELD_OUT, seed, self.setting, on_progress)
        if data is None:
            raise BadValue("Claims on real clips need --data, the folder of UT-Interaction with its set1.")
        return _interactions(data, seed, on_progress)


_DRAWN = (
    f"drawn figures, six actions; {6 * TRAIN} clips to train on and {6 * HELD_OUT} to judge by, others for each seed"
)
_HARD = f"hard: cluttered places, two others who walk about, a camera that shakes and pans; {_DRAWN}"
_PLAIN = f"plain: a bare wall, nobody else, a still camera; {_DRAWN}"
_REAL = "UT-Interaction set 1, three folds that share no sequence; a pair is a fold and a seed"
DATASETS = {
    dataset.name: dataset
    for dataset in (ClaimData("hard", _HARD, "hard"), ClaimData("plain", _PLAIN, "plain"), ClaimData(REAL, _REAL))
}


def _interactions(data: Path, seed: int, on_progress: OnProgress) -> Source:
    """Fold `seed % 3`: its sequences are held out, the others train. The folds are the same for every seed."""
    from actrec.data import protocols
    from actrec.data.clips import part, prepare
    from actrec.data.open import open_set

    dataset = prepare(open_set(data / "set1" if (data / "set1").is_dir() else data), on_progress=on_progress)
    fold = protocols.folds(dataset, FOLDS, np.random.default_rng(0))[seed % FOLDS]
    if straddling := protocols.straddling(dataset, fold):
        raise BadValue(f"{', '.join(straddling)} would be on both sides: the folds of {dataset.name} are not disjoint.")
    return Source(
        labels=list(dataset.labels),
        train=part(dataset, fold.train),
        validation=part(dataset, fold.test).moments(WINDOW),
        description=f"{dataset.name}, {fold.name} of {FOLDS}",
    )
