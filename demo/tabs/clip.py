"""The Clip tab: a file, a recording or an example in; its label, when, why, and the cost out."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import gradio as gr

from actrec.recognition.results import Moment, as_dict, captioned, timeline, verdict_by, verdict_of, views
from actrec.recognition.taught import Taught
from actrec.weights.catalogue import Entry, entry, of_kind
from actrec.weights.download import download
from demo.server.services import SHOWN_FPS, Services
from demo.shared import everyday, weights_picker
from demo.shared.answer import answer_of
from demo.shared.event_options import COMPUTE, QUIET
from demo.shared.examples import buttons
from demo.shared.files import discard, fresh_file
from demo.shared.html import pale, table
from demo.shared.outputs import as_outputs
from demo.shared.player import as_mp4, player
from demo.shared.toasts import errors_as_toasts, refusal, warn
from demo.shared.weights_picker import OWN, TAUGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from actrec.recognition.prediction import Prediction
    from actrec.video import Clip

Value = TypeVar("Value")
SHORT_SIDE = 240
EMPTY = "The answer appears here: what is done, how sure that is, when it happens, and what it cost."


@dataclass(frozen=True)
class Shown:
    """All that is shown of a clip, and what may be downloaded as files."""

    answer: str
    timeline: str
    views: str
    facts: str
    salience: str | None
    result: Result


@dataclass(frozen=True)
class Result:
    """The last answer, for the files that a visitor may download."""

    path: str
    answer: dict
    moments: tuple[Moment, ...]


def classify(
    services: Services, path: str | None, weights: str | None, judged_by: str, taught: Taught | None
) -> Shown | None:
    """A video file in; answer, timeline, views, facts and a video of its motion salience out."""
    if why := missing(services, path, judged_by, taught):
        warn(why)
        return None
    asks = taught if judged_by == TAUGHT else None
    name = asks.weights if asks else weights or services.default
    cost: dict[str, float] = {}
    with errors_as_toasts():
        recognizer = services.recognizer(name)
    try:
        with errors_as_toasts():
            clip = _timed(cost, "decode", lambda: services.read(path, short_side=SHORT_SIDE))
            prediction = recognizer.predict(clip)
            seen = _timed(cost, "people", lambda: services.presence(clip))
    except gr.Error:
        discard(path)
        raise
    prediction = prediction.seen(seen)
    cost |= prediction.milliseconds
    verdict = verdict_by(asks.judge) if asks else verdict_of
    with errors_as_toasts():
        moments = _timed(cost, "timeline", lambda: timeline(recognizer, clip, verdict, prediction))
        judged = asks.judge(prediction.code) if asks else None
    salience = _timed(cost, "salience video", lambda: _salience(clip))
    result = Result(path, as_dict(name, prediction, clip, cost, moments, judged), tuple(moments))
    answer = answer_of(prediction, asks).html()
    return Shown(answer, strip(moments), _views(prediction), _facts(clip, cost), salience, result)


def missing(services: Services, path: str | None, judged_by: str, taught: Taught | None) -> str:
    """What has to be there before a clip can be asked about, as a sentence; the clip itself is not at fault."""
    if not path:
        return "Choose a video first: upload one, record one, or take an example below."
    if judged_by == TAUGHT and (taught is None or not taught.labels):
        return "You have not taught anything yet: open Teach, or ask for the weights' own actions."
    return services.status_line() if services.failed else ""


def _salience(clip: Clip) -> str | None:
    """The answer stands without this video, where there is no disk space for one."""
    from actrec.explain.overlays import salience_video  # torch

    try:
        with errors_as_toasts():
            return salience_video(clip, fresh_file("salience.mp4"), SHOWN_FPS)
    except gr.Error as error:
        warn(unescape(error.message))
        return None


def _timed(cost: dict[str, float], step: str, work: Callable[[], Value]) -> Value:
    start = time.perf_counter()
    result = work()
    cost[step] = (time.perf_counter() - start) * 1000
    return result


def strip(moments: list[Moment]) -> str:
    """When each label was the answer, as buttons that the player follows; as wide as they last."""
    labels = list(dict.fromkeys(moment.label for moment in moments if moment.named))
    parts = "".join(
        f'<button type="button" class="moment" data-start="{moment.start:.2f}" data-label="{escape(moment.label)}" '
        f'style="flex-grow:{max(moment.stop - moment.start, 0.01):.2f};background:{pale(moment.label, labels)}">'
        f"{escape(moment.label)}<small>{moment.start:.1f}–{moment.stop:.1f} s{_sure(moment)}</small></button>"
        for moment in moments
    )
    return f'<p class="quiet">When: click a moment and the player goes there.</p><div class="moments">{parts}</div>'


def _sure(moment: Moment) -> str:
    """The score of a label; where no action is named there is none."""
    return f", {moment.sure:.0%}" if moment.named else ""


def _views(prediction: Prediction) -> str:
    """Every view's label and score, and its weight in the fusion."""
    rows = [
        (f"{place}", label, f"{score:.2f}", f"{weight:.3f}")
        for place, (label, score, weight) in enumerate(views(prediction), 1)
    ]
    return table(("view", "label", "score", "weight in the fusion"), rows)


def _facts(clip: Clip, cost: dict[str, float]) -> str:
    height, width = clip.size
    steps = " · ".join(f"{step} {value:.0f} ms" for step, value in cost.items())
    notes = "".join(f"<p class='quiet'>{escape(note)}</p>" for note in clip.notes)
    return (
        f'<p class="quiet figures">{len(clip)} frames of {width}×{height} over {clip.duration:.1f} s. '
        f"<b>Cost:</b> {steps}.</p>{notes}"
    )


def files(services: Services, result: Result | None) -> list[str]:
    """The last result as JSON, and the clip with its labels under the frames as mp4."""
    if result is None:
        raise refusal("Ask about a clip first.")
    from actrec.video.write import write_mp4

    with errors_as_toasts():
        clip = services.read(result.path, short_side=SHORT_SIDE)
        clip = clip.at_rate(min(clip.fps or SHOWN_FPS, 25.0))
        labelled = write_mp4(fresh_file("labelled.mp4"), captioned(clip, result.moments), clip.fps or SHOWN_FPS)
        result_file = labelled.with_name("result.json")
        result_file.write_text(json.dumps(result.answer, ensure_ascii=False, indent=1))
    return [str(result_file), str(labelled)]


def licence(key: str | None) -> str:
    """What a public clip is, before it is fetched."""
    if not key:
        return ""
    with errors_as_toasts():
        public = entry(key)
    return f"{public.size} from {public.url.split('/')[2]} · {public.licence} · SHA-256 `{public.sha256}`"


def fetch(
    services: Services, key: str | None, into: Path | None = None, catalogue: dict[str, Entry] | None = None
) -> str:
    """A public clip, fetched now and checked, as a file that browsers play."""
    if not key:
        raise refusal("Choose a public clip first.")
    with errors_as_toasts():
        path = download((catalogue or {}).get(key) or entry(key), into)
        return str(as_mp4(services, path, services.probe(path), f"{key}.mp4", SHORT_SIDE))


def build(services: Services, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    with gr.Row():
        with gr.Column():
            video = player(
                services,
                "clip",
                sources=["upload", "webcam"],
                height=320,
                webcam_options=gr.WebcamOptions(mirror=False),
            )
            button = gr.Button("What is happening here?", variant="primary", elem_id="clip-classify")
            gr.Markdown("Or one of these, drawn by the project and not seen in training:", elem_classes="quiet")
            examples = buttons("clip")
            weights = weights_picker.build(services, tab, "clip")
            everyday.build(services, weights, "clip")
            judged_by = gr.Radio(
                [OWN, TAUGHT], value=OWN, label="Answer with", info="Taught actions bring their own weights.",
                elem_id="clip-judged-by",
            )  # fmt: skip
            with gr.Accordion("Public clips, fetched from the network when you ask", open=False):
                public, terms, ask = _public()
        with gr.Column():
            answer = gr.HTML(f'<p class="quiet">{EMPTY}</p>', elem_id="clip-answer")
            when = gr.HTML(elem_id="clip-timeline")
            facts = gr.HTML(elem_id="clip-facts")
            with gr.Accordion("The answer of each view", open=False):
                of_views = gr.HTML(elem_id="clip-views")
            salience = gr.Video(
                label="Motion salience: bright where the frames change over time", elem_id="clip-salience",
                interactive=False, autoplay=True, loop=True, height=320,
            )  # fmt: skip
            take = gr.Button("Result as files", size="sm", elem_id="clip-files-button")
            downloads = gr.File(label="JSON, and the clip with its labels", file_count="multiple", interactive=False,
                            visible=False, elem_id="clip-files")  # fmt: skip
    result = gr.State(None)
    inputs = [video, weights, judged_by, taught]
    shown = {
        "answer": answer, "timeline": when, "views": of_views, "facts": facts, "salience": salience, "result": result,
    }  # fmt: skip
    classifying, outputs = as_outputs(partial(classify, services), shown)
    asked = button.click(classifying, inputs, outputs, **COMPUTE)
    asked.failure(lambda: None, None, video, **QUIET)  # what was refused is gone; it cannot be asked about again
    for path, example in examples:
        example.click(partial(_take, path), None, video, api_visibility="private").then(
            classifying, inputs, outputs, **COMPUTE
        )
    take.click(lambda last: gr.File(files(services, last), visible=True), result, downloads, **COMPUTE)
    public.change(licence, public, terms, **QUIET)
    ask.click(partial(fetch, services), public, video, api_visibility="private")


def _public() -> tuple[gr.Dropdown, gr.Markdown, gr.Button]:
    public = gr.Dropdown(
        [(clip.title, clip.key) for clip in of_kind("clip")], value=None, label="Public clip", elem_id="clip-public",
        info="Real people. Nothing is fetched before you click the button.",
    )  # fmt: skip
    return public, gr.Markdown(elem_id="clip-terms"), gr.Button("Fetch this clip", size="sm", elem_id="clip-fetch")


def _take(path: Path) -> str:
    return str(path)
