"""Who stands before a camera: looked for beside the answers, at most twice a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np

from actrec.people.presence import Presence
from actrec.video import Clip

EVERY = 0.5  # seconds from one look to the next
KEPT = 2.0  # seconds for which people who were seen count: they hide each other, and the detector misses some


class Lookout:
    """One camera's. The first look is waited for; later ones are made by `executor`, and the answers go on."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Presence]] = deque()
        self._under_way: tuple[float, Future[Presence]] | None = None
        self._looked = float("-inf")

    def seen(self, look: Callable[[Clip], Presence], clip: Clip, now: float, executor: Executor) -> Presence:
        """Who was seen lately, at second `now` of the camera whose last seconds are `clip`."""
        if self._under_way is not None and self._under_way[1].done():
            self._keep(self._under_way[0], self._under_way[1].result())
            self._under_way = None
        if not self._looks:
            self._keep(now, look(clip))
            self._looked = now
        elif self._under_way is None and now - self._looked >= EVERY:
            self._under_way, self._looked = (now, executor.submit(look, clip)), now
        return self._lately()

    def _keep(self, at: float, presence: Presence) -> None:
        self._looks.append((at, presence))
        while self._looks[0][0] < at - KEPT:
            self._looks.popleft()

    def _lately(self) -> Presence:
        newest = self._looks[-1][1]
        if newest.people is None:
            return newest
        looks = [presence for _, presence in self._looks]
        return replace(
            newest,
            seconds=np.array([at for at, _ in self._looks]),
            people=np.concatenate([presence.people for presence in looks if presence.people is not None]),
            clearness=np.concatenate([presence.clearness for presence in looks]),
        )
