"""The clips that settings name, at the size that a system needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np

from actrec.data.check import ready_to_train
from actrec.data.clips import STORED, choose_fold, clips_source
from actrec.data.datasets import by_camera
from actrec.data.drawn import actions_of, drawn, drawn_source
from actrec.data.mixed import mixed, renamed, union
from actrec.data.open import open_set
from actrec.data.reading import ClipSettings
from actrec.data.samples import some
from actrec.data.sources import Source, Split
from actrec.systems import Schedule, System, recorded
from actrec.tailor.option import the_detector
from actrec.training.run import RunError
from actrec.training.schedule import chosen
from actrec.training.settings import Settings
from actrec.training.start import try_start


def stored(system: System) -> ClipSettings:
    """How clips are cached: small and by the clock for light sizes; for the papers' the crops' size and every frame; or
    at the recipe's own size and rate."""
    if system.size == "light":
        return replace(STORED, size=system.stored_side or STORED.size, fps=system.fps or STORED.fps)
    side = max(view.size for view in system.inputs.values())
    side = system.stored_side or (256 if side > 128 else 128)
    return ClipSettings(size=side, fit="short_side", fps=system.fps or None)


class Needs(TypedDict):
    """What a clip comes with besides its frames."""

    flow: str
    cameras: int


def needs(system: System) -> Needs:
    """What a clip comes with besides its frames: the flow of whole frames, which the papers' sizes need (the light ones
    compute theirs at the network's size, after placing), and how many cameras' clips stand side by side (0: one)."""
    cameras = int(system.option("cameras")) if "cameras" in system.options else 1
    return {"flow": system.flow if system.size == "paper" else "", "cameras": cameras if cameras > 1 else 0}


def load_source(settings: Settings, system: System, on_progress: Callable[[str], None], device: str = "cpu") -> Source:
    """`synthetic:six` is drawn by the project, and so is `recorded:FOLDER`, whose movements the drawn figures repeat;
    anything else is a folder, a published data set or a pack.

    Several, joined by `+`, are one source with the classes of all.
    """
    sources = [_source(data, settings, system, on_progress, device) for data in parts(settings.data)]
    return learnable(sources[0] if len(sources) == 1 else mixed(sources), on_progress, settings.leave_out)


def learnable(source: Source, on_progress: Callable[[str], None], leave_out: Sequence[str] = ()) -> Source:
    """The source without the classes that are to be left out, and without those that no training clip shows: a
    published layout names all of its classes, and not every folder or fold has clips of each."""
    if not len(source.validation):
        raise RunError("No clip is left to validate on. Add clips, or recordings: four of an action at least.")
    shown = np.unique(source.train.targets)
    classes = np.array([number for number in shown if source.labels[number] not in leave_out])
    if len(classes) == len(source.labels):
        return source
    if len(classes) < 2 <= len(shown):
        raise RunError("Of all the classes fewer than two are left to learn. Leave fewer of them out.")
    if len(classes) < 2:
        raise RunError("There are clips of one class only to learn from. Choose another fold, or add clips of others.")
    left = [label for number, label in enumerate(source.labels) if number not in shown and label not in leave_out]
    if left:
        on_progress(f"Not learned, since no clip is left to learn it from: {some(left)}.")
    splits = (of.of(np.flatnonzero(np.isin(of.targets, classes))) for of in (source.train, source.validation))
    train, validation = (Split(np.searchsorted(classes, of.targets), of.clip) for of in splits)
    if not len(validation):
        raise RunError("No clip of the classes that can be learned is left to validate on. Add clips.")
    asked = [label for label in source.labels if label in leave_out]
    return replace(
        source, labels=[source.labels[number] for number in classes], train=train, validation=validation,
        description=f"{source.description}; left out: {', '.join(asked)}" if asked else source.description,
    )  # fmt: skip


def _source(data: str, settings: Settings, system: System, on_progress: Callable[[str], None], device: str) -> Source:
    which = drawn(data)
    if which:
        return drawn_source(which, settings.clips_per_class, settings.seed, on_progress)
    return clips_source(
        data, seed=settings.seed, on_progress=on_progress, protocol=settings.fold or None, settings=stored(system),
        device=device, **needs(system),
    )  # fmt: skip


def parts(data: str) -> list[str]:
    """What is joined by a plus sign between two names."""
    return data.split("+") if ":" in data and drawn(data) else [data]


def check_settings(settings: Settings) -> list[str]:
    """Refuse what cannot be trained before any time is spent on it; sentences on what the user should check."""
    system = recorded(settings.system, settings.options)
    schedule = chosen(system, settings)
    if "tailor" in system.options and system.option("tailor") == "people":
        the_detector()  # refused where there is none
    if settings.start_from:
        try_start(settings.start_from, system)
    if settings.fold and all(drawn(data) for data in parts(settings.data)):
        raise RunError("Drawn clips have no folds: leave --fold out.")
    labels = _labels(settings) if settings.leave_out else []
    for label in settings.leave_out:
        if label not in labels:
            raise RunError(f"There is no class '{label}' to leave out. The classes are: {', '.join(labels)}.")
    return [sentence for data in parts(settings.data) for sentence in _check_data(data, settings, schedule, system)]


def _labels(settings: Settings) -> list[str]:
    """The classes of all the data, by the names of the weights."""
    by_part = [actions_of(drawn(data)) if drawn(data) else open_set(data).labels for data in parts(settings.data)]
    return union(renamed(by_part))


def _check_data(data: str, settings: Settings, schedule: Schedule, system: System) -> list[str]:
    which = drawn(data)
    cameras = needs(system)["cameras"]
    if which and cameras:
        raise RunError("Drawn clips have one camera: leave --option cameras out.")
    if which:
        actions_of(which)  # one that is not there is refused
        if settings.clips_per_class < 2:
            raise RunError("--clips-per-class is 2 or more.")
        return []
    dataset = by_camera(open_set(data)) if cameras else open_set(data)
    alone = [sample.name for sample in dataset.samples if cameras and len(sample.beside) < cameras - 1]
    if alone:
        raise RunError(
            f"{len(alone)} clips lack the other cameras, the first is {alone[0]}. Name the files of one take "
            "TAKE.cam1.mp4, TAKE.cam2.mp4 and TAKE.cam3.mp4."
        )
    notes = [*dataset.notes, *ready_to_train(dataset)]
    if settings.fold:
        choose_fold(dataset, settings.fold, settings.seed)
    if settings.batch and schedule.batch > len(dataset) * len(dataset.labels):
        raise RunError(too_few(len(dataset), schedule.batch))
    return notes


def too_few(clips: int, batch: int) -> str:
    return f"{clips} clips are less than one batch of {batch}. Add clips or lower --batch."
