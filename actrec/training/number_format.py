"""Which number format a training computes in: checked and timed at its start, recorded in its folder.

A resumed training keeps its format, unless that fails: then it goes on in float32 and its folder records since when.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import nn

from actrec.core.dirty_memory import ChildError, in_child
from actrec.core.files import parsed, read_small, write_json
from actrec.core.number_formats import (
    CANDIDATES,
    FLOAT32,
    IN_FLOAT32,
    Finding,
    NumberFormat,
    candidates,
    format_named,
    known_finding,
    remember_finding,
)
from actrec.training.run import NUMBER_FORMAT, Run, RunError

CHECK_SECONDS = 900.0  # a paper's size on two cores takes minutes, a light one seconds
CHECK = "actrec.training.format_check:checked"
Report = Callable[[str], None]


def planned(run: Run, topic: str, facts: Mapping[str, object], report: Report) -> NumberFormat:
    """The run's number format: the one in its folder, the one in its settings, or the fastest that is right.

    `facts` are those of `format_check.TrainingFacts` besides the formats. In bfloat16 the weights stay float32 and the
    network runs under autocast. `--numbers float32` needs no check: it is what others are compared with.
    """
    recorded, asked = recorded_format(run), run.settings().numbers
    if recorded is not None:
        if recorded.dtype == "float32":
            return recorded
        best = allowed(recorded, topic, facts, report)
        if best != recorded:
            change_format(run, recorded, best, "failed its check when the training was resumed", 0, 0)
        return best
    if asked == "auto":
        best = fastest(_formats(facts), topic, facts, report)
    else:
        best = (
            FLOAT32 if asked == "float32" else next(candidate for candidate in CANDIDATES if candidate.dtype == asked)
        )
        if best.dtype != "float32":
            best = allowed(best, topic, facts, report)  # perhaps with some layers in float32
        if best.dtype != asked:
            raise RunError(
                f"{asked} computes {topic} wrongly on this machine. Leave --numbers out: then {best.dtype} is used. "
                "`python -m actrec doctor` shows what the check measured."
            )
    write_json(run.folder / NUMBER_FORMAT, vars(best))
    return best


def recorded_format(run: Run) -> NumberFormat | None:
    """The format in the run's folder; earlier versions wrote it to numbers.json."""
    for file_name in (NUMBER_FORMAT, "numbers.json"):
        with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
            values = cast(dict, parsed(read_small(run.folder / file_name)))
            plain = NumberFormat(values["dtype"], values["channels_last"])
            if plain in CANDIDATES:
                return replace(plain, float32_layers=tuple(values.get("float32_layers", ())))
    return None


def change_format(run: Run, before: NumberFormat, now: NumberFormat, reason: str, epoch: int, step: int) -> None:
    """Write down that a run goes on in another format after so many steps of an epoch (both counted from 0)."""
    since = {"epoch": epoch, "step": step}
    write_json(run.folder / NUMBER_FORMAT, {**vars(now), "before": vars(before), "since": since, "reason": reason})
    sentence = f"{before.dtype} {reason}. The training goes on in {now.dtype} from the last good step."
    run.log("number_format", **since, dtype=now.dtype, channels_last=now.channels_last, sentence=sentence)
    run.set_status("running", sentence)


def refuse(topic: str, threads: int, failed: NumberFormat, reason: str) -> None:
    """Remember that a format which had passed its check failed in use: later trainings take another."""
    if (known := known_finding(topic, threads)) is not None:
        remember_finding(topic, threads, known.without(str(failed), reason, str(FLOAT32)))


def allowed(number_format: NumberFormat, topic: str, facts: Mapping[str, object], report: Report) -> NumberFormat:
    """A format, or one of its kind with some layers in float32, if it is right on this machine; else float32."""
    right = finding_for(topic, (number_format,), facts, report).milliseconds
    names = [name for name in right if name == str(number_format) or name.startswith(str(number_format) + IN_FLOAT32)]
    return format_named(names[0]) if names else FLOAT32


def fastest(formats: Sequence[NumberFormat], topic: str, facts: Mapping[str, object], report: Report) -> NumberFormat:
    """The fastest of the formats that are right."""
    finding = finding_for(topic, formats, facts, report)
    return format_named(finding.chosen) if finding.milliseconds else FLOAT32


def finding_for(topic: str, formats: Sequence[NumberFormat], facts: Mapping[str, object], report: Report) -> Finding:
    """What is known of the formats for a topic; what is not known is checked in a child and remembered."""
    threads = cast(int, facts["threads"])
    known = known_finding(topic, threads) or Finding("")
    missing = [name for name in map(str, formats) if name not in {**known.milliseconds, **known.refused}]
    if not missing:
        return known
    report("Checking number formats against float32. This is done once for these clips and this network.")
    try:
        answer = in_child(CHECK, {**facts, "formats": missing}, threads=threads, seconds=CHECK_SECONDS)
    except ChildError as error:  # perhaps the machine was busy: it is tried again the next time
        report(f"No other format than float32 is used: {error}.")
        return known
    milliseconds = {**known.milliseconds, **answer["milliseconds"]}
    finding = Finding(
        min(milliseconds, key=milliseconds.__getitem__, default=str(FLOAT32)), milliseconds,
        {**known.refused, **answer["refused"]},
    )  # fmt: skip
    for name, reason in answer["refused"].items():
        report(f"{name} is not used: {reason}.")
    remember_finding(topic, threads, finding)
    return finding


def _formats(facts: Mapping[str, object]) -> tuple[NumberFormat, ...]:
    """What may be chosen from on the training's device."""
    if str(facts["device"]) == "cpu":
        return candidates()
    return tuple(
        candidate for candidate in CANDIDATES if candidate.dtype == "float32" or torch.cuda.is_bf16_supported()
    )


def arrange_weights(network: nn.Module, numbers: NumberFormat) -> None:
    """The weights in the format's memory order, their numbers float32 as before; layers that are to compute in float32
    do."""
    for name in numbers.float32_layers:
        layer = network.get_submodule(name)
        if not isinstance(layer, InFloat32):
            kind: type = type(layer)
            layer.__class__ = _in_float32(kind)
    for parameter in network.parameters():
        if parameter.dim() in (4, 5):
            layout = torch.contiguous_format
            if numbers.channels_last:
                layout = torch.channels_last_3d if parameter.dim() == 5 else torch.channels_last
            parameter.data = parameter.data.contiguous(memory_format=layout)


class InFloat32:
    """A convolution of any kind that computes in float32 under autocast, too."""

    def _conv_forward(self, value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        with torch.autocast(value.device.type, enabled=False):
            return super()._conv_forward(value.float(), weight, bias)  # type: ignore[misc]  # the convolution's own


@functools.cache
def _in_float32(kind: type) -> type:
    return type(f"Float32{kind.__name__}", (InFloat32, kind), {})
