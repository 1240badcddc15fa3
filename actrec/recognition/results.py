"""A clip's answer in forms that leave the program: JSON, a timeline, and frames with the label on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actrec.recognition.decision import CLASS, KINDS, UNKNOWN

if TYPE_CHECKING:  # imports torch: only needed to predict
    from actrec.recognition.prediction import Prediction
    from actrec.recognition.recognizer import Recognizer
    from actrec.recognition.repository import Judgement
    from actrec.video import Clip

MOMENTS = 60  # of a timeline at most
BAND = 0.14  # of the height, for the label under the frame
NO_ACTION = frozenset(KINDS) - {CLASS}


@dataclass(frozen=True)
class Moment:
    """The answer for the seconds from `start` to `stop`; `sure` is the score, or 1 − d/γ for a taught action."""

    start: float
    stop: float
    label: str
    sure: float

    @property
    def named(self) -> bool:
        """Whether the label is an action, and not the reason why there is none."""
        return self.label not in NO_ACTION


def verdict_of(prediction: Prediction) -> tuple[str, float]:
    """The label or why there is none, and the score of the likeliest class."""
    return prediction.decision.label, float(prediction.scores.max())


def verdict_taught(judgement: Judgement) -> tuple[str, float]:
    """The taught label or "unknown", and how far inside the threshold the clip lies."""
    inside = 0.0 if not judgement.threshold else max(0.0, 1 - judgement.distance / judgement.threshold)
    return judgement.label or UNKNOWN, inside


def verdict_by(judge: Callable[[np.ndarray], Judgement]) -> Callable[[Prediction], tuple[str, float]]:
    """Verdicts by what was taught: where nobody is, nothing that was taught is either."""

    def verdict(prediction: Prediction) -> tuple[str, float]:
        nobody = prediction.presence is not None and prediction.presence.nobody
        return (nobody, 0.0) if nobody else verdict_taught(judge(prediction.code))

    return verdict


def timeline(
    recognizer: Recognizer,
    clip: Clip,
    verdict: Callable[[Prediction], tuple[str, float]] = verdict_of,
    answer: Prediction | None = None,
) -> list[Moment]:
    """One view per half window or so over the whole clip, or per window of a network whose views are costly; moments
    of one label that follow each other are one.

    `answer` is the recognizer's answer for the clip by the protocol `clip`: its windows are not computed again, and
    those between them are asked in one batch. Who was seen in the clip stands in the answer, and holds for each moment.
    """
    begins, known = _windows(recognizer, clip, answer)
    window = recognizer.system.seconds
    asked = [place for place in range(len(begins)) if place not in known]
    parts = [_part(clip, begins[place], begins[place] + window) for place in asked]
    predictions = known | dict(zip(asked, recognizer.predict_many(parts, views="one") if parts else (), strict=True))
    if answer is not None and answer.presence is not None:
        for place, begin in enumerate(begins):
            predictions[place] = predictions[place].seen(answer.presence.during(begin, begin + window))
    first, centres = float(clip.times[0]), [float(begin) + window / 2 for begin in begins]
    turns = [0.0, *((one + other) / 2 - first for one, other in pairwise(centres)), clip.duration]
    moments: list[Moment] = []
    for place, (start, stop) in enumerate(pairwise(turns)):
        label, sure = verdict(predictions[place])
        if moments and moments[-1].label == label:
            before = moments[-1]
            moments[-1] = Moment(before.start, stop, label, max(before.sure, sure))
        else:
            moments.append(Moment(start, stop, label, sure))
    return moments


def _windows(
    recognizer: Recognizer, clip: Clip, answer: Prediction | None
) -> tuple[list[float], dict[int, Prediction]]:
    """The second at which each window of a timeline starts, and the predictions of those that the answer covers."""
    window, looked_at = recognizer.system.seconds, recognizer.system.protocols["clip"].windows
    given = looked_at(clip) if answer is not None and looked_at is not None else []
    first, latest = float(clip.times[0]), float(clip.times[-1]) - window
    if latest <= first:
        begins = given or [first]
    else:
        apart = window if recognizer.system.smaller else window / 2
        step = max(apart, clip.duration / MOMENTS)
        ends = [end for end in (first, latest) if all(abs(end - begin) > step / 2 for begin in given)]
        fixed = sorted([*given, *ends])
        begins = fixed[:1]
        for before, after in pairwise(fixed):
            begins += list(np.linspace(before, after, 1 + max(1, round((after - before) / step)))[1:])
    known: dict[int, Prediction] = {}
    if answer is None:
        return begins, known
    for number, begin in enumerate(given):
        view = number * len(answer.view_codes) // len(given)
        known[int(np.abs(np.array(begins) - begin).argmin())] = recognizer.by_view(answer, view)
    return begins, known


def _part(clip: Clip, start: float, stop: float) -> Clip:
    """The clip from `start` to `stop`: the frame that is shown at the start, and those that follow."""
    standing = max(0, int(np.searchsorted(clip.times, start + 1e-6, side="right")) - 1)
    return clip.between(float(clip.times[standing]), stop + 1e-6)


def stretches(verdicts: Sequence[tuple[float, str]], lasts: float = 1.0) -> list[tuple[str, float, float]]:
    """Labels at their seconds as (label, first second, last second): a label holds until the next one, for `lasts`
    seconds at most after it was last given; after a gap of that length it starts anew."""
    runs: list[list] = []
    for at, label in verdicts:
        if runs and runs[-1][0] == label and at - runs[-1][2] < lasts:
            runs[-1][2] = at
        else:
            runs.append([label, at, at])
    for run, after in pairwise(runs):
        run[2] = min(after[1], run[2] + lasts)
    return [tuple(run) for run in runs]


def as_dict(
    weights: str,
    prediction: Prediction,
    clip: Clip,
    milliseconds: Mapping[str, float],
    moments: Sequence[Moment] = (),
    taught: Judgement | None = None,
) -> dict:
    """The whole answer for a clip, as strict JSON knows it."""
    answer = {
        "weights": weights,
        "label": prediction.label,
        "unknown": prediction.unknown,
        "nearest": prediction.nearest,
        "distance": _rounded(prediction.distance),
        "threshold": _rounded(prediction.threshold),
        "decision": decision_dict(prediction),
        "scores": [{"label": label, "score": _rounded(score)} for label, score in prediction.top(5)],
        "views": [
            {"label": label, "score": _rounded(score), "weight": _rounded(weight)}
            for label, score, weight in views(prediction)
        ],
        "timeline": [{name: _rounded(value) for name, value in asdict(moment).items()} for moment in moments],
        "clip": {"frames": len(clip), "seconds": _rounded(clip.duration), "notes": list(clip.notes)},
        "milliseconds": {step: round(value, 1) for step, value in milliseconds.items()},
    }
    if taught is not None:
        answer["taught"] = {
            "label": taught.label,
            "unknown": taught.unknown,
            "distance": _rounded(taught.distance),
            "threshold": _rounded(taught.threshold),
            "nearest": [{"label": label, "distance": _rounded(distance)} for label, distance in taught.nearest],
        }
    return answer


def decision_dict(prediction: Prediction) -> dict:
    """What the prediction amounts to, as strict JSON knows it."""
    decision, seen = prediction.decision, prediction.presence
    return {
        "kind": decision.kind,
        "label": decision.label,
        "text": decision.text,
        "perhaps": list(decision.perhaps),
        "confidence": _rounded(float(prediction.scores.max())),
        "least_confidence": _rounded(prediction.least_confidence),
        "people": None if seen is None else seen.most_people,
    }


def views(prediction: Prediction) -> list[tuple[str, float, float]]:
    """The answer of each view alone: its label and score, and the weight that fusion gave it."""
    scores = np.asarray(prediction.view_scores).reshape(-1, len(prediction.labels))
    weights = np.asarray(prediction.view_weights).reshape(-1)
    return [
        (prediction.labels[int(row.argmax())], float(row.max()), float(weight))
        for row, weight in zip(scores, weights, strict=True)
    ]


def captioned(clip: Clip, moments: Sequence[Moment]) -> Iterator[np.ndarray]:
    """The clip's frames [H + band, W, 3], under each the label of its moment."""
    height, width = clip.size
    band = max(24, int(height * BAND))
    for frame, second in zip(clip.frames, clip.times - clip.times[0], strict=True):
        now = next((moment for moment in moments if moment.start <= second < moment.stop), moments[-1])
        text = f"{now.label}  {now.sure:.0%}" if now.named else now.label
        yield np.concatenate([frame, _label(text, width, band)])


@lru_cache(maxsize=64)
def _label(text: str, width: int, height: int) -> np.ndarray:
    """White letters on black, in a font that knows most alphabets."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", int(height * 0.6))
    image = Image.new("RGB", (width, height))
    ImageDraw.Draw(image).text((8, height / 2), text, font=font, fill="white", anchor="lm")
    return np.asarray(image)


def _rounded(value: object) -> object:
    return round(float(value), 4) if isinstance(value, float | np.floating) else value
