"""A pickle of named NumPy arrays, read without running anything that it names.

A pickle is a program: it may name any function and have it called. Here three names are known, those that an array
needs, and each stands for a few lines below that build an array of plain numbers; any other name ends the reading.
"""

from __future__ import annotations

import io
import math
import pickle

import numpy as np

from actrec.weights.cards import WeightsError

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1")  # kinds of numbers that weights are made of
DEEPEST = 32  # tables inside tables


class _Kind:
    """Stands for `numpy.dtype`: one of NUMBERS in the order of bytes that is usual here."""

    def __init__(self, name: object, align: object = False, copy: object = True) -> None:
        if name not in NUMBERS:
            raise pickle.UnpicklingError(f"numbers of the kind {name!r} are not read")
        self.dtype = np.dtype(name).newbyteorder("<")

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ("<", "|"):
            raise pickle.UnpicklingError(f"numbers in the order {state[1]!r} are not read")


class _Array:
    """Stands for `numpy.ndarray`: shape and bytes, checked against each other."""

    def __init__(self, *values: object) -> None:
        if values:
            raise pickle.UnpicklingError("an array is to be built in an unusual way")
        self.values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_column, data = state
        if not isinstance(kind, _Kind) or not isinstance(data, bytes) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("an array is not made of a shape, a kind of number and bytes")
        if len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"an array has the shape {shape!r}")
        if math.prod(shape) * kind.dtype.itemsize != len(data):
            raise pickle.UnpicklingError(f"an array of the shape {shape} comes with {len(data)} bytes")
        self.values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if by_column else "C").copy()


class _Reconstruct:
    """Stands for `numpy.core.multiarray._reconstruct`: an empty array, filled by what follows it."""

    __slots__ = ()  # nothing in a file can change it

    def __call__(self, what: object, shape: object, kind: object) -> _Array:
        if what is not _Array:
            raise pickle.UnpicklingError("something else than an array is to be built")
        return _Array()


# NumPy 2 moved numpy.core to numpy._core; files of both are met.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
        return ALLOWED[module, name]

    def persistent_load(self, key: object) -> object:
        raise pickle.UnpicklingError("it points to something outside the file")


def read_arrays(data: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays of a pickle of tables inside tables, named by their path (a/b/c); `name` is the file's, for errors."""
    try:
        read = _Reader(io.BytesIO(data)).load()
        return dict(_paths(read, (), 0))
    except Exception as error:  # a damaged pickle raises anything
        raise WeightsError(f"'{name}' holds more or something else than arrays of numbers: {error}.") from None


def _paths(value: object, path: tuple[str, ...], depth: int) -> list[tuple[str, np.ndarray]]:
    if isinstance(value, _Array) and value.values is not None:
        return [("/".join(path), value.values)]
    if not isinstance(value, dict) or depth > DEEPEST or not all(isinstance(key, str) for key in value):
        raise pickle.UnpicklingError(f"'{'/'.join(path)}' is no array and no table")
    return [deeper for key, inner in value.items() for deeper in _paths(inner, (*path, key), depth + 1)]
