"""What the frozen network gives for a clip: for each of its views a code and the scores of Kinetics' names.

The network never changes, so this is computed once for each clip and view, and kept in the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from actrec import synthetic
from actrec.core.files import cache_folder
from actrec.recognition.recognizer import Recognizer
from actrec.systems.everyday_names import OWN
from actrec.training.everyday.register import Entry
from actrec.video import Clip
from actrec.video.read import read_clip

SIDE = 256  # pixels of the shorter side that is read
DRAWN_SIZE, DRAWN_SEED = (256, 340), 7_000_003
DRAWN = "drawn"  # the source of drawn clips


@dataclass(frozen=True)
class Viewed:
    """One clip through the frozen network: `codes` [views, 1024] and `kinetics` [views, 400].

    `target` is the place of its own name, −1 where it shows none of them; `group` are clips that never stand on both
    sides of a fold.
    """

    file: str
    source: str
    group: str
    target: int
    codes: np.ndarray
    kinetics: np.ndarray

    @property
    def drawn(self) -> bool:
        return self.source == DRAWN


def real(
    recognizer: Recognizer, clips: Sequence[tuple[Entry, Path]], on_progress: Callable[[str], None]
) -> list[Viewed]:
    """Real clips through the published network, in the order given."""
    viewed = []
    for number, (entry, file) in enumerate(clips):
        if number % 50 == 0:
            on_progress(f"{number} of {len(clips)} real clips")
        codes, kinetics = kept(recognizer, entry.sha256, partial(read_clip, file, short_side=SIDE))
        viewed.append(Viewed(entry.file, entry.source, entry.group, entry.target, codes, kinetics))
    return viewed


def drawn(recognizer: Recognizer, per_name: int, on_progress: Callable[[str], None]) -> list[Viewed]:
    """Drawn clips of every own name that can be drawn, one view long each."""
    names = [name for name in OWN if name in synthetic.ACTIONS or name in synthetic.PAIRS]
    frames, viewed = recognizer.system.inputs["clip"].frames, []
    for number in range(per_name):
        on_progress(f"{number * len(names)} of {per_name * len(names)} drawn clips")
        for name in names:
            seed = DRAWN_SEED + number
            draw = partial(synthetic.render, name, seed, frames=frames, size=DRAWN_SIZE, fps=25.0)
            key = f"{name} {seed}"
            codes, kinetics = kept(recognizer, hashlib.sha256(key.encode()).hexdigest()[:16], draw)
            viewed.append(Viewed(key, DRAWN, key, OWN.index(name), codes, kinetics))
    return viewed


def kept(recognizer: Recognizer, key: str, clip: Callable[[], Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Codes and scores of all views of a clip, from the cache where they are."""
    view = recognizer.system.option("view")
    path = cache_folder() / "everyday" / f"{key}-{view}-{recognizer.card.sha256[:8]}.npz"
    try:
        with np.load(path) as stored:
            return stored["codes"], stored["kinetics"]
    except (OSError, ValueError, KeyError, BadZipFile):
        pass
    recognizer.settle()  # its fastest engine: hundreds of clips are to come
    kinetics, codes = recognizer.run(recognizer.system.protocols["clip"].views(clip()))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, codes=codes.astype(np.float32), kinetics=kinetics.astype(np.float32))
    partial.replace(path)
    return codes, kinetics
