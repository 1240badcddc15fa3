"""The options of a training, in one list: the fields of `Settings`.

From it come the command line (`add_options`, `given`), the Train tab's controls (`controls`), the settings of a run
folder (`Settings` itself), and the command that a card carries (`command`, `words`). A new option is one new field.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from actrec.data.drawn import drawn
from actrec.weights.folders import DEFAULT_SYSTEM

FORMAT = 3
KEPT = ("best", "last")  # the epoch whose network ships
AT_RANDOM = "at random"  # what the page offers for weights to start from: none
KINDS = {"str": str, "int": int, "float": float, "list": list, "dict": dict}


@dataclass(frozen=True)
class Control:
    """How the Train tab shows an option: its words, the value that is offered first, and the row in which it stands."""

    label: str
    info: str
    value: object
    row: int
    place: str = ""  # its element is `train-PLACE`; the option's name by default
    choices: tuple[str, ...] = ()
    custom: bool = False  # other values than the choices may be typed
    least: int | None = None


@dataclass(frozen=True)
class Option:
    """What a field of `Settings` is on the command line and on the page.

    `choices` are all that it may be. `offered` is the command line's value where the settings have none by default.
    `several` options take any number of values. `changeable` ones may change when a run goes on.
    """

    help: str = ""
    flag: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    offered: str | None = None
    several: bool = False
    changeable: bool = False
    on_card: str = "changed"  # also "always" and "never"
    of_drawn: bool = False  # means something for drawn figures only
    control: Control | None = None


def option(text: str = "", **more: Any) -> Mapping[str, Option]:
    """The metadata of a field that is an option; `text` is its help."""
    return {"option": Option(text, **more)}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a training computes; fixed for the life of the run."""

    system: str = field(
        metadata=option(
            "which system (see `list`)", offered=DEFAULT_SYSTEM, on_card="always",
            control=Control("System", "The light networks; Compare says what each costs.", DEFAULT_SYSTEM, 3,
                            choices=(DEFAULT_SYSTEM,)),
        )
    )  # fmt: skip
    data: str = field(
        metadata=option(
            "synthetic:six, a folder with one folder per class, a pack, or recorded:FOLDER for recorded movements "
            "that drawn figures repeat; several are joined by +, drawn ones first",
            offered="synthetic:six", on_card="always",
            control=Control(
                "Learn from",
                "Figures the project draws, or the path of a folder on this computer: one folder per class, clips "
                "inside. recorded:PATH has figures repeat recorded movements, one .npz for each kind.",
                "synthetic:six", 2, choices=("synthetic:six", "synthetic:webcam", "synthetic:interactions"),
                custom=True,
            ),
        )
    )  # fmt: skip
    name: str = field(
        metadata=option(
            "name of the weights; SYSTEM-DATA by default", on_card="always",
            control=Control("Name", "Of the run and of the weights it makes.", "my-first", 1),
        )
    )  # fmt: skip
    preset: str = field(
        default="scratch",
        metadata=option(
            "which of the system's schedules; scratch by default, fine-tune after weights", on_card="always",
            control=Control("Preset", "fine-tune is for small sets.", "scratch", 4, choices=("scratch", "fine-tune")),
        ),
    )  # fmt: skip
    seed: int = field(default=0, metadata=option("seed of all random numbers", on_card="always"))
    epochs: int | None = field(
        default=None,
        metadata=option(
            "passes over all clips", changeable=True,
            control=Control("Epochs", "Passes over all clips.", 12, 5, least=1),
        ),
    )  # fmt: skip
    clips_per_class: int = field(
        default=250,
        metadata=option(
            "how many synthetic clips of each class", on_card="always", of_drawn=True,
            control=Control("Clips per class", "Of drawn figures.", 60, 5, place="clips", least=2),
        ),
    )  # fmt: skip
    batch: int | None = field(
        default=None, metadata=option("clips per update, of all processes together", changeable=True)
    )
    micro_batch: int | None = field(
        default=None, metadata=option("clips computed at once; gradients are added up", changeable=True)
    )
    rate: float | None = field(default=None, metadata=option("learning rate at the start", changeable=True))
    longest_gradient: float | None = field(
        default=None,
        metadata=option(
            "a longer gradient is scaled down to this length, 0: never; the light presets take 5, the papers' none"
        ),
    )
    balanced: str | None = field(
        default=None,
        metadata=option(
            "yes: the clips of rare classes repeat within an epoch until all classes have as many, as in the light "
            "presets; no: every clip is seen once, as in the papers' (MS3D's loss is always balanced)",
            choices=("yes", "no"),
        ),
    )
    patience: int | None = field(
        default=None, metadata=option("epochs without a better validation that end it; 0: never", changeable=True)
    )
    fold: str = field(
        default="", metadata=option("which published split or which group to leave out; all: hold nothing out")
    )
    threads: int = field(
        default=2,
        metadata=option("computing threads; part of what makes a run exact", changeable=True, on_card="always"),
    )
    keep: str = field(
        default=KEPT[0],
        metadata=option(
            "the weights of the epoch that validates best (so by default), or of the last epoch, where too few clips "
            "validate to choose by",
            choices=KEPT,
        ),
    )
    numbers: str = field(
        default="auto",
        metadata=option(
            "auto: the fastest that is right on this machine", choices=("auto", "float32", "bfloat16"), changeable=True
        ),
    )
    device: str = field(default="auto", metadata=option("auto, cpu, cuda or cuda:1", changeable=True, on_card="never"))
    leave_out: list = field(
        default_factory=list,
        metadata=option("classes that are not learned, as weights name them", several=True, metavar="LABEL"),
    )
    options: dict = field(
        default_factory=dict,
        metadata=option("an option of the system (see `list`)", flag="option", several=True, metavar="NAME=VALUE"),
    )
    start_from: str = field(
        default="",
        metadata=option(
            "a checkpoint or its name in weights/; or files that others published: ImageNet weights for the 2-D "
            "backbone or FstCN's spatial layers, I3D weights (one file for each stream)",
            several=True, metavar="WEIGHTS",
            control=Control("Start from", "At random, or weights of the same system.", AT_RANDOM, 4, place="begin",
                            choices=(AT_RANDOM,)),
        ),
    )  # fmt: skip
    format: int = FORMAT


def upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of format 2 in this one: all presets shortened gradients and balanced classes then, and the options of a
    system that came later are what they were before there was a choice."""
    from actrec.systems import SYSTEMS

    name, chosen = values.get("system"), values.get("options")
    before = SYSTEMS[name].before if isinstance(name, str) and name in SYSTEMS else {}
    named = {"options": before | chosen} if isinstance(chosen, dict) else {}
    return {"longest_gradient": 5.0, "balanced": "yes", **values, **named, "format": FORMAT}


def options(kind: type[Settings] = Settings) -> dict[str, tuple[Field, Option]]:
    """Every field that is an option, by its name."""
    return {item.name: (item, item.metadata["option"]) for item in fields(kind) if "option" in item.metadata}


def controls(kind: type[Settings] = Settings) -> dict[str, Control]:
    """The options that the page shows, row by row."""
    shown = {name: chosen.control for name, (_, chosen) in options(kind).items() if chosen.control is not None}
    return dict(sorted(shown.items(), key=lambda item: item[1].row))


def changeable(kind: type[Settings] = Settings) -> list[str]:
    """The options that may change when a run goes on."""
    return [name for name, (_, chosen) in options(kind).items() if chosen.changeable]


def type_of(setting: Field) -> type:
    """The type that a field's annotation names, None left aside."""
    return KINDS[str(setting.type).split(" | ")[0]]


def add_options(parser: argparse.ArgumentParser, kind: type[Settings] = Settings) -> None:
    """Every option as one of the command line; what is not typed is None."""
    for name, (setting, chosen) in options(kind).items():
        known: dict[str, Any] = {"dest": name, "help": chosen.help, "default": chosen.offered}
        if chosen.choices:
            known["choices"] = chosen.choices
        if chosen.metavar:
            known["metavar"] = chosen.metavar
        if type_of(setting) is dict:
            known["action"] = "append"
        elif chosen.several:
            known["nargs"] = "+"
        elif type_of(setting) is not str:
            known["type"] = type_of(setting)
        parser.add_argument(_flag(name, chosen), **known)


def given(args: argparse.Namespace, kind: type[Settings] = Settings) -> dict[str, Any]:
    """What was typed, as settings hold it; the options of the system stay NAME=VALUE."""
    values = {}
    for name, (setting, chosen) in options(kind).items():
        value = getattr(args, name)
        if value is None or value in ("", []):
            continue
        values[name] = os.pathsep.join(value) if chosen.several and type_of(setting) is str else value
    return values


def words(values: Mapping[str, Any], kind: type[Settings] = Settings) -> list[str]:
    """The command line that asks for these values, after `actrec train`; empty ones are left out."""
    written, of_drawn = [], drawn(str(values.get("data") or ""))
    for name, (setting, chosen) in options(kind).items():
        value = values.get(name)
        if value is None or value in ("", [], {}) or (chosen.of_drawn and not of_drawn):
            continue
        flag, kind_of_value = _flag(name, chosen), type_of(setting)
        if kind_of_value is dict:
            written += [word for key, choice in value.items() for word in (flag, f"{key}={choice}")]
            continue
        value = str(int(value)) if kind_of_value is int else value
        parts = value.split(os.pathsep) if chosen.several and kind_of_value is str else value
        parts = parts if chosen.several else [str(value)]
        if any(part.startswith("-") for part in parts):  # would be read as another option
            written.append(f"{flag}={os.pathsep.join(parts)}")
        else:
            written += [flag, *parts]
    return written


def command(settings: Settings) -> str:
    """The command line that makes these weights again: bit for bit on a machine like this one (`Conditions`)."""
    shown = {
        name: value
        for name, (setting, chosen) in options(type(settings)).items()
        if chosen.on_card == "always" or (chosen.on_card == "changed" and getattr(settings, name) != _default(setting))
        if (value := getattr(settings, name)) is not None
    }
    return shlex.join(["python", "-m", "actrec", "train", *words(shown, type(settings))])


def _flag(name: str, chosen: Option) -> str:
    return f"--{(chosen.flag or name).replace('_', '-')}"


def _default(setting: Field) -> object:
    return setting.default if setting.default_factory is MISSING else setting.default_factory()
