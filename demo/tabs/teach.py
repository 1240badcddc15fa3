"""The Teach tab: name an action, show it a few times, and it is recognised at once; anything else is "unknown".

What a visitor teaches is one `Taught` in the visitor's own state: replaced, never changed, and gone with the visit
unless it is saved under a name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from actrec.figures.charts import colour
from actrec.recognition.decision import empty
from actrec.recognition.taught import ENOUGH, Taught, codes_of, lesson
from actrec.recognition.taught_file import ENDING, delete, open_saved, read, save_as, saved, write
from actrec.video import Clip, VideoError
from demo.server.services import Services
from demo.shared import weights_picker
from demo.shared.answer import no_action, taught_answer
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.files import discard, fresh_file
from demo.shared.outputs import as_outputs
from demo.shared.player import player
from demo.shared.toasts import errors_as_toasts, refusal, warn

if TYPE_CHECKING:
    from actrec.weights.cards import Card

SHORT_SIDE = 240
OTHER = "anything else"


def folder(services: Services) -> Path:
    """The folder of the saved sets."""
    return services.runs / "taught"


def learn(
    services: Services,
    taught: Taught | None,
    weights: str | None,
    name: str,
    other: bool,
    recorded: str | None,
    files: list[str] | None,
) -> Taught:
    """Every clip that can be read becomes a lesson; a toast names any other, and nothing of it stays."""
    paths = [*([recorded] if recorded else []), *(files or [])]
    if not paths:
        raise refusal("Show the action first: record it, or choose a few clips.")
    label = None if other else name
    if not other and not (name or "").strip():
        raise refusal("Give the action a name first.")
    try:
        with errors_as_toasts():
            taught = taught or start(services, weights)
            recognizer = services.recognizer(taught.weights)
            before = len(taught.lessons)
            for number, path in enumerate(paths, before + 1):
                try:
                    taught = taught.add(lesson(recognizer, label, clip_of(services, path), f"clip {number}"))
                except VideoError as error:
                    if len(paths) == 1:
                        raise
                    warn(f"{Path(path).name}: {error}")
    finally:
        for path in paths:
            discard(path)
    if len(taught.lessons) == before:
        raise refusal("None of these clips could be used.")
    return taught


def start(services: Services, weights: str | None) -> Taught:
    name = weights or services.default
    return Taught.on(name, services.recognizer(name))


def clip_of(services: Services, path: str | Path) -> Clip:
    return services.read(path, short_side=SHORT_SIDE)


def change_weights(services: Services, taught: Taught | None, weights: str) -> Taught | None:
    """The same clips, embedded by other weights."""
    if taught is None or taught.weights == weights:
        return taught
    with errors_as_toasts():
        return taught.recoded(weights, services.recognizer(weights), partial(clip_of, services))


def remove(taught: Taught | None, label: str | None) -> Taught:
    with errors_as_toasts():
        return chosen(taught, label).remove(None if label == OTHER and OTHER not in taught.labels else label)


def rename(taught: Taught | None, label: str | None, new: str) -> Taught:
    with errors_as_toasts():
        return chosen(taught, label).rename(label, new or "")


def forget_last(taught: Taught | None) -> Taught | None:
    """Without the clip that was taught last."""
    return taught.forget(len(taught.lessons) - 1) if taught and taught.lessons else taught


def chosen(taught: Taught | None, label: str | None) -> Taught:
    if taught is None or not label:
        raise refusal("Choose an action first.")
    return taught


def tune(taught: Taught | None, threshold: float | None) -> Taught | None:
    """γ by hand; None puts it back where mistakes are fewest."""
    return taught.with_threshold(threshold) if taught and taught.lessons else taught


def save(services: Services, taught: Taught | None, name: str) -> Taught:
    with errors_as_toasts():
        if taught is None:
            raise refusal("Nothing has been taught yet, so there is nothing to save.")
        return save_as(taught, name, folder(services))


def open_set(services: Services, name: str | None) -> Taught:
    if not name:
        raise refusal("Choose a saved set first.")
    with errors_as_toasts():
        return fitting(services, open_saved(name, folder(services)))


def delete_set(services: Services, name: str | None) -> None:
    if not name:
        raise refusal("Choose a saved set first.")
    with errors_as_toasts():
        delete(name, folder(services))


def fitting(services: Services, taught: Taught) -> Taught:
    """A set for weights that are here: its own, or its clips embedded again by the default ones."""
    card = services.cards.get(taught.weights)
    if card is not None and card.sha256 == taught.sha256 and as_wide(taught, card):
        return taught
    weights = taught.weights if card is not None else services.default
    fresh = taught.recoded(weights, services.recognizer(weights), partial(clip_of, services))
    warn(f"The set was made with other weights: its clips were embedded again with {weights}.")
    return fresh


def as_wide(taught: Taught, card: Card) -> bool:
    """Whether the codes of a set can be those of the weights it names."""
    widths = {len(row) for row in (card.centres or {}).values()}
    return not widths or {lesson.codes.shape[1] for lesson in taught.lessons} <= widths


def export(taught: Taught | None) -> str:
    if taught is None or not taught.lessons:
        raise refusal("Nothing has been taught yet, so there is nothing to export.")
    with errors_as_toasts():
        return str(write(taught, fresh_file((taught.name or "my actions") + ENDING)))


def bring(services: Services, path: str | None) -> Taught:
    """A set from a file, which is removed whether it could be used or not."""
    try:
        with errors_as_toasts():
            return fitting(services, read(Path(path)))
    finally:
        discard(path)


@dataclass(frozen=True)
class Learned:
    """What is taught now. The clips disappear with it: a moment later somebody may have chosen others."""

    taught: Taught
    recorded: None = None
    files: None = None


def learned(services: Services, *inputs: object) -> Learned:
    """`learn` for the page."""
    return Learned(learn(services, *inputs))


@dataclass(frozen=True)
class Answered:
    """Which of the taught actions a clip shows, and the map with the clip on it; the clip goes."""

    answer: str
    map: str
    recorded: None = None
    files: None = None


def which_action(services: Services, taught: Taught | None, recorded: str | None, files: list[str] | None) -> Answered:
    """Which of the taught actions a clip shows."""
    path = recorded or (files or [None])[0]
    if not path:
        raise refusal("Record or choose a clip first.")
    if taught is None or not taught.labels:
        raise refusal("Nothing has been taught yet: give an action a name and a few clips first.")
    try:
        with errors_as_toasts():
            clip = clip_of(services, path)
            codes, seen = codes_of(services.recognizer(taught.weights), clip), services.presence(clip)
    finally:
        discard(path)
    if seen.nobody:
        return Answered(no_action(empty(seen), taught.weights).html(), taught.map())
    code = codes.mean(0)
    return Answered(taught_answer(taught, code).html(), taught.map(code))


def classes(taught: Taught | None) -> str:
    """One row per action: its clips, their spread, and how many more would help."""
    if taught is None or not taught.lessons:
        return '<p class="quiet" data-classes="0">Nothing taught yet. Three clips of an action are enough to start.</p>'
    rows = ""
    for place, label in enumerate(taught.labels):
        clips = len(taught.of(label))
        missing = f" ({ENOUGH - clips} more would help)" if clips < ENOUGH else ""
        rows += (
            f'<tr data-label="{escape(label)}"><td><span class="dot" style="color:{colour(place)}">●</span> '
            f'{escape(label)}</td><td class="number">{clips}{missing}</td>'
            f'<td class="number">{taught.spread(label):.2f}</td></tr>'
        )
    if others := len(taught.of(None)):
        rows += f'<tr><td>{OTHER}</td><td class="number">{others}</td><td></td></tr>'
    header = "<tr><th>action</th><th class='number'>clips</th><th class='number'>spread</th></tr>"
    return (
        f'<div class="table" data-classes="{len(taught.labels)}"><table><thead>{header}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def state_of(taught: Taught | None) -> str:
    """The threshold and what it does, in words."""
    if taught is None or taught.threshold is None:
        return '<p class="quiet">The threshold appears with the second clip of an action.</p>'
    if taught.by_hand is not None:
        how = "set by hand"
    else:
        how = (
            "where mistakes are fewest"
            if len(taught.evidence[0])
            else "that of the weights until an action has two clips"
        )
    mistakes = taught.mistakes_now()
    cost = (
        ""
        if mistakes is None
        else f" It accepts {mistakes[0]:.0%} of the unknown clips and refuses {mistakes[1]:.0%} of the taught ones."
    )
    name = f" Saved as {escape(taught.name)}." if taught.name else ""
    return f'<p class="quiet">Threshold {taught.threshold:.2f}, {how}.{cost}{name}</p>'


@dataclass(frozen=True)
class Shown:
    """Everything the tab shows of a set."""

    classes: str
    map: str
    curve: str
    state: str
    tuning: gr.Column
    slider: gr.Slider
    label: gr.Dropdown
    saved: gr.Dropdown
    weights: object


def show(services: Services, taught: Taught | None) -> Shown:
    """Everything the tab shows of a set."""
    empty = taught is None or not taught.lessons
    labels = [] if empty else [*taught.labels, *([OTHER] if taught.of(None) else [])]
    return Shown(
        classes=classes(taught),
        map="" if empty else taught.map(),
        curve="" if empty else taught.curve(),
        state=state_of(taught),
        tuning=gr.Column(visible=not empty and taught.threshold is not None),
        slider=gr.Slider(value=1.0 if empty or taught.threshold is None else round(taught.threshold, 2)),
        label=gr.Dropdown(choices=labels, value=labels[-1] if labels else None),
        saved=gr.Dropdown(choices=saved(folder(services))),
        weights=gr.skip() if taught is None else gr.Dropdown(value=taught.weights),
    )


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(
        "Teach your own actions on top of any weights: three clips of each are enough to start. What you teach is "
        "yours alone and goes when you leave, unless you save it. It can be used at once in **Live** and **Clip**."
    )
    with gr.Row():
        with gr.Column():
            at = _clips(services, tab)
        with gr.Column():
            at["answer"] = gr.HTML(elem_id="teach-answer")
            at["classes"] = gr.HTML(classes(None), elem_id="teach-classes")
            at["map"] = gr.HTML(elem_id="teach-map")
            at |= _threshold()
            with gr.Accordion("Change, save, share", open=False):
                at |= _sets(services)
    _wire(services, tab, taught, at)


def _clips(services: Services, tab: gr.Tab) -> dict[str, gr.components.Component]:
    """Lay out the left column: the action, its clips, and the weights."""
    return {
        "weights": weights_picker.build(
            services, tab, "teach", "The network that embeds the clips. A change embeds all of them again."
        ),
        "name": gr.Textbox(label="Action", info="What the clips show.", max_length=80, elem_id="teach-name"),
        "other": gr.Checkbox(
            label="This is something else: it must come out as unknown", elem_id="teach-other",
            info="Such clips make no class; they sharpen the threshold.",
        ),
        "recorded": player(
            services, "teach", "Record or upload one clip", sources=["webcam", "upload"], height=240,
            webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 320, "height": 240}}),
        ),
        "files": gr.File(label="Or several clips at once", file_count="multiple", elem_id="teach-files", height=150),
        "learn": gr.Button("Learn these clips", variant="primary", elem_id="teach-learn"),
        "what": gr.Button("Which action is this?", elem_id="teach-what"),
    }  # fmt: skip


def _threshold() -> dict[str, gr.blocks.Block]:
    """The curve of mistakes and, once there is a threshold, what tunes it."""
    at = {"curve": gr.HTML(elem_id="teach-curve"), "state": gr.HTML(state_of(None), elem_id="teach-state")}
    with gr.Column(visible=False) as at["tuning"]:
        at["slider"] = gr.Slider(
            0.02, 2.0, value=1.0, step=0.01, label="Threshold γ", elem_id="teach-threshold",
            info="A clip farther than this from every centre is unknown. Smaller is stricter.",
        )  # fmt: skip
        at["best"] = gr.Button("Put it back where mistakes are fewest", size="sm", elem_id="teach-best")
    return at


def _sets(services: Services) -> dict[str, gr.components.Component]:
    """Lay out changing, saving, exporting and importing."""
    at = {
        "label": gr.Dropdown([], label="Action", info="The one to rename or remove.", elem_id="teach-label"),
        "new": gr.Textbox(label="New name", info="For renaming.", max_length=80, elem_id="teach-new"),
    }
    with gr.Row():
        at["rename"] = gr.Button("Rename", size="sm", min_width=90, elem_id="teach-rename")
        at["remove"] = gr.Button("Remove", size="sm", min_width=90, elem_id="teach-remove")
        at["forget"] = gr.Button("Forget the last clip", size="sm", min_width=90, elem_id="teach-forget")
    at["set"] = gr.Textbox(
        label="Save as", info="Kept on this computer, seen by all who open this page.", elem_id="teach-set"
    )
    at["save"] = gr.Button("Save", size="sm", elem_id="teach-save")
    at["saved"] = gr.Dropdown(
        saved(folder(services)), value=None, label="Saved sets", info="With their clips.", elem_id="teach-saved"
    )
    with gr.Row():
        at["open"] = gr.Button("Open", size="sm", min_width=90, elem_id="teach-open")
        at["delete"] = gr.Button("Delete", size="sm", min_width=90, elem_id="teach-delete")
    with gr.Row():
        at["export"] = gr.Button("Export", size="sm", min_width=90, elem_id="teach-export")
        at["import"] = gr.UploadButton("Import", size="sm", min_width=90, elem_id="teach-import")
    at["file"] = gr.File(
        label="Exported: embeddings and clips in one file", interactive=False, visible=False, elem_id="teach-file"
    )
    return at


def _wire(services: Services, tab: gr.Tab, taught: gr.State, at: dict[str, gr.components.Component]) -> None:
    refresh, shown = as_outputs(partial(show, services), {field.name: at[field.name] for field in fields(Shown)})

    def then_shown(event: gr.events.Dependency) -> None:
        event.success(refresh, taught, shown, **QUIET)

    clips = {"recorded": at["recorded"], "files": at["files"]}
    handler, outputs = as_outputs(partial(learned, services), {"taught": taught, **clips})
    inputs = [taught, at["weights"], at["name"], at["other"], *clips.values()]
    learning = at["learn"].click(handler, inputs, outputs, **COMPUTE)
    handler, outputs = as_outputs(partial(which_action, services), {"answer": at["answer"], "map": at["map"], **clips})
    asking = at["what"].click(handler, [taught, *clips.values()], outputs, **COMPUTE)
    for event in (learning, asking):
        event.failure(lambda: (None, None), None, list(clips.values()), **QUIET)
    then_shown(learning)
    then_shown(at["weights"].input(partial(change_weights, services), [taught, at["weights"]], taught, **COMPUTE))
    then_shown(at["slider"].release(tune, [taught, at["slider"]], taught, **QUIET))
    then_shown(at["best"].click(lambda now: tune(now, None), taught, taught, **QUIET))
    then_shown(at["rename"].click(rename, [taught, at["label"], at["new"]], taught, **QUIET))
    then_shown(at["remove"].click(remove, [taught, at["label"]], taught, **QUIET))
    then_shown(at["forget"].click(forget_last, taught, taught, **QUIET))
    then_shown(at["save"].click(partial(save, services), [taught, at["set"]], taught, **QUIET))
    then_shown(at["open"].click(partial(open_set, services), at["saved"], taught, **COMPUTE))
    then_shown(at["delete"].click(partial(delete_set, services), at["saved"], None, **QUIET))
    then_shown(at["import"].upload(partial(bring, services), at["import"], taught, **COMPUTE))
    at["export"].click(lambda now: gr.File(export(now), visible=True), taught, at["file"], **QUIET)
    tab.select(refresh, taught, shown, **QUIET)
