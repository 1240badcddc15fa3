"""The full repository: a centre for every class, and a decision by the nearest one, or "unknown".

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks" (MS3D),
sec. III-C and III-D: centres from w clips × p passes (eq. 6), distance to them, threshold γ.
Ours, not the paper's: the distance is Euclidean; γ is the stated quantile of the distances between held-out
clips and the centre of their own class; top-5 are the five nearest centres. Classes can be added, extended,
removed and renamed while others ask: a change makes a new state and swaps it in.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from actrec.core.errors import BadValue
from actrec.core.files import write_bytes

FORMAT = 1
CARD = "repository.json"


class RepositoryError(BadValue):
    """Codes, labels or files that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Centres:
    """One state of a repository, never changed: labels, centres [classes, D], codes behind each, γ."""

    labels: tuple[str, ...] = ()
    vectors: np.ndarray | None = None  # None while there is no class
    counts: tuple[int, ...] = ()
    threshold: float | None = None
    quantile: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The label (None is "unknown"), the distance to the nearest centre, γ, and the nearest classes in order.

    `neighbour` is a class outside the repository that is nearer still, where such classes are known.
    """

    label: str | None
    distance: float
    threshold: float | None
    nearest: tuple[tuple[str, float], ...]
    neighbour: str | None = None

    @property
    def unknown(self) -> bool:
        return self.label is None


class Repository:
    """Class centres that any number of threads may ask while one changes them."""

    def __init__(self, centres: Centres | None = None) -> None:
        self._centres = centres or Centres()
        self._changing = threading.Lock()

    @classmethod
    def from_card(cls, centres: Mapping[str, Sequence[float]], threshold: float | None) -> Repository:
        """From the centres and the threshold that a checkpoint's card carries."""
        vectors = np.array(list(centres.values()), dtype=np.float32)
        return cls(Centres(tuple(centres), vectors, (1,) * len(centres), threshold))

    @classmethod
    def of(cls, codes: Mapping[str, np.ndarray]) -> Repository:
        """From the codes of each class, eq. 6."""
        repository = cls()
        for label, rows in codes.items():
            repository.add(label, rows)
        return repository

    @property
    def centres(self) -> Centres:
        """The state at this moment; it stays as it is whatever happens to the repository."""
        return self._centres

    @property
    def labels(self) -> tuple[str, ...]:
        return self._centres.labels

    def __len__(self) -> int:
        return len(self._centres.labels)

    def add(self, label: str, codes: np.ndarray) -> None:
        """Eq. 6: codes [w, p, D] or [n, D] of one class; a class that is there takes them in as well."""
        label = named(label)
        codes = np.asarray(codes, dtype=np.float64)
        if codes.ndim not in (2, 3) or codes.size == 0:
            raise RepositoryError(f"Codes of '{label}' are [clips, passes, D] or [codes, D], not {list(codes.shape)}.")
        codes = _finite(codes.reshape(-1, codes.shape[-1]))
        mean, count = codes.mean(0), len(codes)

        def change(now: Centres) -> Centres:
            _same_size(now, codes)
            if label not in now.labels:
                vectors = np.concatenate([_rows(now, len(mean)), mean[None].astype(np.float32)])
                return replace(now, labels=(*now.labels, label), vectors=vectors, counts=(*now.counts, count))
            place, vectors, counts = now.labels.index(label), _rows(now).copy(), list(now.counts)
            total = counts[place] + count
            vectors[place] = (vectors[place] * np.float64(counts[place]) + mean * count) / total
            counts[place] = total
            return replace(now, vectors=vectors, counts=tuple(counts))

        self._change(change)

    def remove(self, label: str) -> None:
        def change(now: Centres) -> Centres:
            place = _place(now, label)
            return replace(
                now,
                labels=now.labels[:place] + now.labels[place + 1 :],
                vectors=np.delete(_rows(now), place, axis=0) if len(now.labels) > 1 else None,
                counts=now.counts[:place] + now.counts[place + 1 :],
            )

        self._change(change)

    def rename(self, label: str, new: str) -> None:
        new = named(new)

        def change(now: Centres) -> Centres:
            place = _place(now, label)
            if new != label and new in now.labels:
                raise RepositoryError(f"There is a class '{new}' already. Choose another name or remove it first.")
            return replace(now, labels=(*now.labels[:place], new, *now.labels[place + 1 :]))

        self._change(change)

    def calibrate(self, codes: np.ndarray, labels: Sequence[str], quantile: float = 0.95) -> float:
        """Set γ so that at least this fraction of held-out clips lies nearer than γ to their own class's centre."""
        if not 0 < quantile <= 1:
            raise RepositoryError(f"The quantile is above 0 and at most 1, not {quantile}.")
        now = self._centres
        codes = _codes(now, codes)
        if len(codes) != len(labels) or not len(labels):
            raise RepositoryError(f"Calibration takes one label per code, not {len(labels)} for {len(codes)}.")
        own = _rows(now)[[_place(now, label) for label in labels]]
        apart = np.linalg.norm(codes - own, axis=1)
        # The paper asks for d < γ: the smallest number above the quantile's own distance.
        threshold = float(np.nextafter(np.quantile(apart, quantile, method="inverted_cdf"), np.inf))
        self.set_threshold(threshold, quantile)
        return threshold

    def set_threshold(self, threshold: float | None, quantile: float | None = None) -> None:
        """γ by hand, or None to call nothing unknown."""
        if threshold is not None and not threshold > 0:
            raise RepositoryError(f"The threshold is a distance above zero, not {threshold}.")
        self._change(lambda now: replace(now, threshold=threshold, quantile=quantile))

    def judge(self, code: np.ndarray, *, top: int = 5) -> Judgement:
        """The nearest centre of one code [D], or unknown unless it is nearer than γ."""
        return self.judge_many(np.asarray(code)[None], top=top)[0]

    def judge_many(self, codes: np.ndarray, *, top: int = 5) -> list[Judgement]:
        """The same for codes [n, D], all against one state."""
        now = self._centres
        apart = distances(_codes(now, codes), _rows(now))
        judgements = []
        for row in apart:
            order = np.argsort(row, kind="stable")[:top]
            nearest = tuple((now.labels[place], float(row[place])) for place in order)
            label, distance = nearest[0]
            known = now.threshold is None or distance < now.threshold
            judgements.append(Judgement(label if known else None, distance, now.threshold, nearest))
        return judgements

    def _change(self, change: Callable[[Centres], Centres]) -> None:
        with self._changing:
            self._centres = change(self._centres)

    def save(self, folder: Path) -> None:
        """Write `repository.json` and its centres; a reader meets the old pair or the new one, never a mix."""
        now, folder = self._centres, Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = save({"centres": _rows(now)})
        checksum = hashlib.sha256(data).hexdigest()
        name = f"centres-{checksum[:16]}.safetensors"
        card = {
            "format": FORMAT,
            "labels": list(now.labels),
            "counts": list(now.counts),
            "threshold": now.threshold,
            "quantile": now.quantile,
            "centres": name,
            "sha256": checksum,
        }
        write_bytes(folder / name, data)
        write_bytes(folder / CARD, json.dumps(card, indent=1, ensure_ascii=False).encode())
        for old in folder.glob("centres-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Repository:
        """Read what `save` wrote; anything else is refused with a sentence."""
        card, data = _pair(Path(folder))
        try:
            rows = load(data)["centres"]
            labels, counts = tuple(card["labels"]), tuple(int(count) for count in card["counts"])
            threshold, quantile = card["threshold"], card["quantile"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RepositoryError(f"The repository in '{folder}' is broken: {error!r}. Make it again.") from None
        if not all(isinstance(label, str) for label in labels) or not all(
            number is None or (isinstance(number, int | float) and 0 < number < np.inf)
            for number in (threshold, quantile)
        ):
            raise RepositoryError(f"The repository in '{folder}' is broken: its card has wrong values. Make it again.")
        if (
            rows.ndim != 2
            or rows.dtype != np.float32
            or not len(labels) == len(rows) == len(counts) == len(set(labels))
        ):
            raise RepositoryError(f"The repository in '{folder}' is broken: labels and centres do not match.")
        return cls(Centres(labels, rows if labels else None, counts, threshold, quantile))


def distances(codes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Euclidean distances [n, classes], by differences: exact where ‖a‖² − 2ab + ‖b‖² would cancel."""
    apart = np.empty((len(codes), len(centres)))
    for row, code in zip(apart, codes, strict=True):
        row[:] = np.linalg.norm(centres - code, axis=1)
    return apart


def _rows(now: Centres, size: int = 0) -> np.ndarray:
    return np.empty((0, size), dtype=np.float32) if now.vectors is None else now.vectors


def named(label: str) -> str:
    """A class's name without the blanks around it, or a sentence with the rule."""
    label = label.strip()
    if not label or len(label) > 80 or not label.isprintable():
        raise RepositoryError("A class needs a name of 1 to 80 printable characters.")
    return label


def _place(now: Centres, label: str) -> int:
    if label not in now.labels:
        known = ", ".join(now.labels) or "none yet"
        raise RepositoryError(f"There is no class '{label}' in the repository. It has: {known}.")
    return now.labels.index(label)


def _finite(codes: np.ndarray) -> np.ndarray:
    if not np.isfinite(codes).all():
        raise RepositoryError("The network gave codes that are not numbers. Check its weights and its input.")
    return codes


def _same_size(now: Centres, codes: np.ndarray) -> None:
    if now.vectors is not None and codes.shape[1] != now.vectors.shape[1]:
        raise RepositoryError(
            f"These codes have {codes.shape[1]} numbers, the repository's have {now.vectors.shape[1]}: "
            "they come from different networks."
        )


def _codes(now: Centres, codes: np.ndarray) -> np.ndarray:
    if not now.labels:
        raise RepositoryError("The repository is empty. Add a class first.")
    codes = np.asarray(codes, dtype=np.float64)
    if codes.ndim != 2:
        raise RepositoryError(f"Codes are [codes, D], not {list(codes.shape)}.")
    _same_size(now, codes)
    return _finite(codes)


def _pair(folder: Path) -> tuple[dict, bytes]:
    """The card and the file it names; read again if a writer swapped them in between."""
    for _ in range(10):
        try:
            card = json.loads((folder / CARD).read_bytes())
            data = (folder / Path(card["centres"]).name).read_bytes()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RepositoryError(f"The repository in '{folder}' cannot be read: {error!r}.") from None
        if card.get("format") != FORMAT:
            raise RepositoryError(f"The repository in '{folder}' has format {card.get('format')}, not {FORMAT}.")
        if hashlib.sha256(data).hexdigest() != card.get("sha256"):
            raise RepositoryError(f"The centres in '{folder}' are not those of its card. Make it again.")
        return card, data
    raise RepositoryError(f"'{folder}' holds no repository: {CARD} or its centres are missing.")
