"""MS3D's tailor as figures: boxes, 5-pixel rings, what η and ξ do to a frame, and what becomes of the label.

Man et al., "The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks", sec. IV-B, eq. 7, 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actrec.explain.subject import place
from actrec.figures.charts import lines
from actrec.figures.drawing import ACCENT, SECOND, Canvas, Figure, Panel, bars, coloured
from actrec.people import find_people
from actrec.people.boxes import union, whole_pixels
from actrec.people.detector import PersonDetector
from actrec.people.find import People
from actrec.people.presence import Presence, presence
from actrec.recognition.prediction import Prediction
from actrec.recognition.recognizer import Recognizer
from actrec.tailor import tailor
from actrec.tailor.crop import Tailored
from actrec.tailor.geometry import RING, factors, rings
from actrec.video import Clip

RATE, SHOWN_RINGS = 12.5, 40


@dataclass(frozen=True)
class Fitting:
    """A clip with its people, which are found once, and who is seen in it."""

    clip: Clip
    people: People
    presence: Presence | None = None

    def box(self, t: int, per_frame: bool) -> np.ndarray:
        """The box of eq. 7 in frame t: its own, or the union over the clip."""
        return self.people.region[t] if per_frame else union(self.people.region)

    def tailored(self, eta: float, xi: float, per_frame: bool) -> Tailored:
        return tailor(self.clip, people=self.people, eta=eta, xi=xi, per_frame=per_frame)


def fit(clip: Clip, detector: PersonDetector | None) -> Fitting:
    """Find the people of a clip, at the rate of the light networks."""
    clip = clip.at_rate(RATE) if len(clip) > 1 else clip
    return Fitting(clip, find_people(clip, detector), presence(clip, detector))


def boxes(fitting: Fitting, *, eta: float, xi: float, moment: float = 0.5, per_frame: bool = False) -> Figure:
    """The boxes and rings on one frame, the factor of every ring, and the factors as a map."""
    clip, t = fitting.clip, place(moment, len(fitting.clip))
    height, width = clip.size
    box = fitting.box(t, per_frame)
    factor, ring = factors(height, width, box, eta, xi), rings(height, width, box)
    shown = fitting.people.boxes[t] if fitting.people.detected else np.zeros((0, 4))
    course = [(float(d), float(factor[ring == d][0])) for d in np.unique(ring)]
    scale = Canvas(330, 290, "factor of every pixel")
    tall = scale.image(coloured(factor, "strength", max(eta, 1.0)), 4, 4, 320)
    scale.scale("strength", 4, tall + 14, "0", f"{max(eta, 1.0):.2f}")
    scale.height = tall + 44
    lost = float((clip.frames[t].astype(np.float32) * factor[..., None] > 255).mean())
    panels = [
        Panel(_rings(clip.frames[t], box, shown, ring), f"Green: what the detector found in frame {t + 1}. Orange: "
              f"the box of eq. 7. Thin lines: the rings of eq. 8, {RING} pixels wide each."),
        Panel(scale.svg(), "The factor of every pixel; dark goes dark."),
    ]  # fmt: skip
    outside = " The box is the whole frame: nothing lies outside."
    if len(course) > 1:
        drawn = lines({"factor": course}, "Factor by ring", "ring d (0 is inside)", high=max(eta, 1.0) * 1.05)
        panels.insert(1, Panel(drawn, "Eq. 7 inside (η), eq. 8 outside: ξ to the power of d."))
        outside = f", in the first ring by {xi:.2f}, in ring {course[-1][0]:.0f}, the last, by {course[-1][1]:.3f}."
    return Figure(
        f"{_people_sentence(fitting.people)} Inside the box pixels are multiplied by {eta:.2f}"
        f"{outside if len(course) > 1 else '.' + outside} {lost:.1%} of the values end at 255.",
        tuple(panels),
        {"course": course, "detected": fitting.people.detected, "box": box.tolist(), "boxes": len(shown)},
    )


def _people_sentence(people: People) -> str:
    """How many people were found, as a sentence."""
    if people.detected:
        return f"{people.source[0].upper()}{people.source[1:]}."
    return f"No person was found: the box is {people.source}."


def _rings(frame: np.ndarray, box: np.ndarray, people: np.ndarray, ring: np.ndarray) -> str:
    """A frame with the detector's boxes, the box of eq. 7 and the rings around it."""
    height, width = frame.shape[:2]
    unit = 320 / width
    canvas = Canvas(328, 8 + height * unit, "boxes and rings")
    canvas.image(frame, 4, 4, 320)
    left, top, right, bottom = (float(v) for v in whole_pixels(box))
    for d in range(1, min(int(ring.max()), SHOWN_RINGS) + 1):
        x0, y0 = max(left - RING * d, 0), max(top - RING * d, 0)
        x1, y1 = min(right + RING * d, width), min(bottom + RING * d, height)
        canvas.rect(4 + x0 * unit, 4 + y0 * unit, (x1 - x0) * unit, (y1 - y0) * unit, stroke="#ffffff", thick=0.7,
                    opacity=max(0.25, 0.9 - 0.03 * d))  # fmt: skip
    canvas.rect(4 + left * unit, 4 + top * unit, (right - left) * unit, (bottom - top) * unit, stroke=SECOND, thick=3)
    for x0, y0, x1, y1 in np.asarray(people, np.float64):
        canvas.rect(4 + x0 * unit, 4 + y0 * unit, (x1 - x0) * unit, (y1 - y0) * unit, stroke=ACCENT, thick=2)
    return canvas.svg()


def before_and_after(fitting: Fitting, *, eta: float, xi: float, moment: float = 0.5, per_frame: bool = False) -> tuple:
    """The window of one frame, as it was and as the tailor leaves it."""
    tailored = fitting.tailored(eta, xi, per_frame)
    plain = fitting.tailored(1.0, 1.0, per_frame)
    t = place(moment, len(fitting.clip))
    return plain.clip.frames[t], tailored.clip.frames[t]


def labels(recognizer: Recognizer, fitting: Fitting, before: Prediction | None, *, eta: float, xi: float,
           per_frame: bool = False) -> tuple[Figure, Prediction]:  # fmt: skip
    """The network's answers for the clip and for the tailored clip; `before` is the first from an earlier call."""
    before = before or recognizer.predict(fitting.clip).seen(fitting.presence)
    after = recognizer.predict(fitting.tailored(eta, xi, per_frame).clip).seen(fitting.presence)
    order = np.argsort(-before.scores)[:6]
    panels = []
    for name, prediction in (("Without the tailor", before), ("With the tailor", after)):
        rows = [(before.labels[i], float(prediction.scores[i]), f"{prediction.scores[i]:.0%}") for i in order]
        panels.append(Panel(bars(rows, name, most=1.0, marked=[int(prediction.scores[order].argmax())]), f"{name}."))
    was, now = _quoted(before), _quoted(after)
    change = "The answer stays" if was == now else f"The answer changes from {was} to"
    options = recognizer.system.options
    twice = "tailor" in options and recognizer.system.option("tailor") != "none"
    learned = (
        "These weights tailor every clip themselves: here it is done twice."
        if twice
        else "These weights have learned from untailored clips, so a gain is not to be expected of course."
    )
    return Figure(
        f"{change} {now}: {before.scores.max():.0%} without, {after.scores.max():.0%} with. {learned}",
        tuple(panels),
        {"before": before.scores.tolist(), "after": after.scores.tolist()},
    ), before


def _quoted(prediction: Prediction) -> str:
    return f"'{prediction.decision.text}'"
