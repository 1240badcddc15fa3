"""The guided tour of cross-enhancement: two streams, nine bridges, the loss, a lesson over a bridge, the last layer.

Cao, Xu and Zhang, "Cross-enhancement transform two-stream 3D ConvNets for action recognition": eq. 1 and 2.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from actrec.claims.figure import verdict
from actrec.explain.subject import Subject, place
from actrec.figures import colour_maps
from actrec.figures.charts import lines
from actrec.figures.drawing import ACCENT, SECOND, Canvas, Figure, Panel, bars, coloured, strip
from actrec.metrics.accuracy import softmax
from actrec.models.crossenh import BRIDGES, POSITIONS, VARIANTS, Bridge, TwoStream
from actrec.models.i3d import I3D
from actrec.motion.flow import decode
from actrec.systems.crossenh import REACH, SCRATCH
from actrec.systems.losses import bridge_distillation
from actrec.tours.step import MOMENT, Choice, Slider, Step, Tour

STREAMS = ("rgb", "flow")
NAMES = dict(zip(POSITIONS, ("front", "middle", "rear"), strict=True))
DIRECTIONS = {"flow teaches RGB": "flow", "RGB teaches flow": "rgb"}


def _frame_image(subject: Subject, name: str, t: int) -> np.ndarray:
    """A frame of an input as an image: RGB as it is, flow in the colours of the wheel."""
    if name == "rgb":
        return subject.frame("rgb", t)
    return colour_maps.flow_picture(decode(subject.frame("flow", t), REACH["light"]), _flow_reach(subject))


def _flow_reach(subject: Subject) -> float:
    return colour_maps.flow_reach(decode(subject.views["flow"].transpose(1, 2, 3, 0), REACH["light"]))


def inputs(subject: Subject) -> Figure:
    """What each stream is fed."""
    count = subject.views["rgb"].shape[1]
    moved = decode(subject.views["flow"].transpose(1, 2, 3, 0), REACH["light"])
    length = np.hypot(moved[..., 0], moved[..., 1])
    wheel = Canvas(110, 130, "the colours of flow")
    wheel.image(colour_maps.wheel_legend(_flow_reach(subject)), 4, 4, 100)
    names, still = [str(t + 1) for t in range(count)], float(length.max()) < 0.1
    return Figure(
        f"{count} frames and {count} flow fields. A pixel moves {length.mean():.2f} px a frame on average, at most "
        f"{length.max():.1f}." + (" Nothing moves: the flow stream sees an empty page." if still else ""),
        (
            Panel(strip([_frame_image(subject, "rgb", t) for t in range(count)], names, "RGB", row=8),
                  "The RGB stream sees how things look.", wide=True),
            Panel(strip([_frame_image(subject, "flow", t) for t in range(count)], names, "flow", row=8),
                  "The flow stream sees where they go: the colour shows which way, its strength how far.", wide=True),
            Panel(wheel.svg(), "The colours of flow; white is still."),
        ),
        {"mean": float(length.mean())},
    )  # fmt: skip


def _network(subject: Subject) -> TwoStream:
    return cast(TwoStream, subject.network)


def _stream(subject: Subject, name: str) -> I3D:
    return cast(I3D, _network(subject).streams[name])


def _through(subject: Subject) -> dict[str, tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """Each stream's code and its maps at the three positions."""

    def make() -> dict:
        with torch.inference_mode():
            return {name: _stream(subject, name).features(subject.inputs[name].cpu(), POSITIONS) for name in STREAMS}

    return subject.keep("through", make)


def alone(subject: Subject) -> Figure:
    """The answers of each stream alone, and of both together."""
    codes_and_maps, network = _through(subject), _network(subject)
    heat = subject.recognizer.card.temperature or 1.0
    with torch.inference_mode():
        code = torch.cat([codes_and_maps[name][0] for name in STREAMS], dim=1)
        raw = {f"{name} alone": _stream(subject, name).scores(codes_and_maps[name][0]) for name in STREAMS}
        raw["both, fused"] = network.scores(code)
    probabilities = {name: softmax(logits.numpy(), heat)[0] for name, logits in raw.items()}
    order = np.argsort(-probabilities["both, fused"])
    panels = [
        Panel(bars([(subject.labels[i], float(values[i]), f"{values[i]:.0%}") for i in order], name, most=1.0,
                   marked=[int(np.argmax(values[order]))]), f"{name[0].upper()}{name[1:]}.".replace("Rgb", "RGB"))
        for name, values in probabilities.items()
    ]  # fmt: skip
    best = {name: subject.labels[int(values.argmax())] for name, values in probabilities.items()}
    agree = "They agree." if best["rgb alone"] == best["flow alone"] else "They do not agree."
    measured = subject.recognizer.card.measured
    before, after = measured.get("student_before"), measured.get("student_after")
    if before is not None and after is not None:
        agree += (
            f" On held-out clips the student ({measured.get('student', 'one stream')}) was right in {before:.0%} by "
            f"plain training, and in {after:.0%} taught."
        )
    return Figure(
        f"RGB answers '{best['rgb alone']}', flow answers '{best['flow alone']}'. {agree} "
        f"Together: '{best['both, fused']}'.",
        tuple(panels),
        {name: values.tolist() for name, values in probabilities.items()},
    )


def positions(subject: Subject, *, moment: float = 0.5) -> Figure:
    """The maps of both streams at the front, the middle and the rear."""
    codes_and_maps, panels, shapes = _through(subject), [], {}
    for stream in STREAMS:
        shown = [_frame_image(subject, stream, place(moment, subject.views[stream].shape[1]))]
        names = ["what goes in"]
        for at in POSITIONS:
            maps = codes_and_maps[stream][1][at][0]
            shown.append(coloured(maps[:, place(moment, maps.shape[1])].mean(0).numpy(), "strength"))
            names.append(f"{NAMES[at]}: {maps.shape[0]} × {maps.shape[1]}×{maps.shape[2]}×{maps.shape[3]}")
            shapes[f"{stream} {NAMES[at]}"] = list(maps.shape)
        shown = [_as_large(image, 96) for image in shown]
        panels.append(Panel(strip(shown, names, stream, cells=True, width=180), _words(stream), wide=True))
    return Figure(
        "Front, middle and rear of a stream: the farther back, the fewer places and moments, and the more channels. "
        "These are the six ends that a bridge can join.",
        tuple(panels),
        shapes,
    )


def _words(stream: str) -> str:
    name = {"rgb": "RGB", "flow": "Flow"}[stream]
    return f"{name}: channels × moments × rows × columns; the mean of all channels at this moment, bright is strong."


def _as_large(image: np.ndarray, side: int) -> np.ndarray:
    """Cells repeated until the image has at least the given side."""
    times = -(-side // len(image))
    return np.ascontiguousarray(image.repeat(times, 0).repeat(times, 1)[:side, :side])


def bridge(subject: Subject, *, letter: str = "e", direction: str = "flow teaches RGB", moment: float = 0.5) -> Figure:
    """One of the nine first bridges: which maps it joins, what the adapter does, and how far apart they are."""
    teacher = DIRECTIONS[direction]
    student = "rgb" if teacher == "flow" else "flow"
    of_teacher, of_student = BRIDGES[letter]
    codes_and_maps = _through(subject)
    theirs, mine = codes_and_maps[teacher][1][of_teacher], codes_and_maps[student][1][of_student]
    bridge_layer = Bridge(mine.shape[1], theirs.shape[1])
    with torch.inference_mode():
        adapted, target = bridge_layer(mine, theirs)
        gap = float((adapted - target).square().mean())
    apart = {
        choice: _gap(codes_and_maps[student][1][s], codes_and_maps[teacher][1][t]) for choice, (t, s) in BRIDGES.items()
    }
    picker = _picker(letter, teacher, student)
    shown = [theirs, target, adapted, mine]
    names = ["teacher's map", "teacher, on the bridge", "student, on the bridge", "student's map"]
    names = [f"{name}: {'×'.join(map(str, maps.shape[1:]))}" for name, maps in zip(names, shown, strict=True)]
    signed = [False, False, bridge_layer.weight is not None, False]
    drawn = [
        _as_large(coloured(maps[0, :, place(moment, maps.shape[2])].mean(0).numpy(), ("strength", "signed")[own]), 96)
        for maps, own in zip(shown, signed, strict=True)
    ]
    adapter = (
        "a 1×1×1 convolution gives the student's map the teacher's channels"
        if bridge_layer.weight is not None
        else "the channels already fit"
    )
    return Figure(
        f"Bridge {letter} joins the teacher's {NAMES[of_teacher]} ({teacher}) with the student's {NAMES[of_student]} "
        f"({student}). Both are averaged to the smaller size; {adapter}. Mean squared gap: {gap:.3f}.",
        (
            Panel(picker, "The nine connections. Rows: where the teacher is asked, columns: where the student learns."),
            Panel(bars([(f"{choice}: {NAMES[t]} → {NAMES[s]}", apart[choice], f"{apart[choice]:.3f}")
                        for choice, (t, s) in BRIDGES.items()], "gaps", marked=[list(BRIDGES).index(letter)], left=150),
                  "The gap over each bridge on this clip. Adapters here are as they start, not yet trained, so gaps "
                  "show how different the maps are and not which bridge is best: that is chosen by validation."),
            Panel(strip(drawn, names, "maps on both sides", cells=True, width=210), "From the teacher's map over the "
                "bridge to the student's: mean of the channels; the adapted one may be negative (blue).", wide=True),
        ),
        {"gap": gap, "gaps": apart, "shape": list(adapted.shape)},
    )  # fmt: skip


def _gap(student: torch.Tensor, teacher: torch.Tensor) -> float:
    with torch.inference_mode():
        adapted, target = Bridge(student.shape[1], teacher.shape[1])(student, teacher)
        return float((adapted - target).square().mean())


def _picker(letter: str, teacher: str, student: str) -> str:
    canvas = Canvas(360, 200, "the nine bridges")
    canvas.text(60, 18, f"teacher: {teacher}", "middle", bold=True)
    canvas.text(300, 18, f"student: {student}", "middle", bold=True)
    rows = {position: 50 + 60 * n for n, position in enumerate(POSITIONS)}
    for choice, (t, s) in BRIDGES.items():
        on = choice == letter
        canvas.line(100, rows[t], 260, rows[s], stroke=SECOND if on else "currentColor", thick=4 if on else 1,
                    opacity=1 if on else 0.3)  # fmt: skip
    for position, y in rows.items():
        for x in (60, 300):
            canvas.rect(x - 40, y - 16, 80, 32, fill=ACCENT)
            canvas.text(x, y + 4, NAMES[position], "middle", colour="#ffffff", bold=True)
    t, s = BRIDGES[letter]
    canvas.text(180, (rows[t] + rows[s]) / 2 - 8, letter, "middle", size=16, bold=True)
    return canvas.svg()


def ends(subject: Subject, *, direction: str = "flow teaches RGB") -> Figure:
    """The second bridge: both streams' pooled codes."""
    codes_and_maps, teacher = _through(subject), DIRECTIONS[direction]
    student = "rgb" if teacher == "flow" else "flow"
    codes = {name: codes_and_maps[name][0][0].numpy() for name in (teacher, student)}
    gap = float(np.square(codes[student] - codes[teacher]).mean())
    alike = float(np.corrcoef(codes[student], codes[teacher])[0, 1])
    most = max(float(code.max()) for code in codes.values()) or 1.0
    panels = []
    for role, name in (("Teacher", teacher), ("Student", student)):
        canvas, code = Canvas(900, 92, f"the code of the {name} stream"), codes[name]
        unit = 880 / len(code)
        for number, value in enumerate(code):
            canvas.rect(10 + number * unit, 70 - 62 * float(value) / most, max(unit - 1, 0.8), 62 * float(value) / most,
                        fill=ACCENT if role == "Teacher" else SECOND)  # fmt: skip
        canvas.line(10, 70, 890, 70, opacity=0.4)
        canvas.text(10, 86, f"{len(code)} numbers, each the mean of a channel", size=11)
        panels.append(Panel(canvas.svg(), f"{role}, {name}: its code for this clip.", wide=True))
    return Figure(
        f"The codes of teacher and student have a mean squared gap of {gap:.3f} and correlate with {alike:+.2f}. The "
        "second bridge pulls them together.",
        tuple(panels),
        {"gap": gap, "correlation": alike},
    )


# --- learning over a bridge -----------------------------------------------------------------------


def _lesson(subject: Subject, letter: str, direction: str, steps: int) -> dict:
    """A fresh student under the trained teacher, `steps` steps on this one clip; gone on with where it stopped."""
    key = ("lesson", letter, direction)

    def fresh() -> dict:
        build = VARIANTS["multiple-enhanced-rgb-light" if direction.endswith("RGB") else "multiple-enhanced-flow-light"]
        generator = torch.Generator().manual_seed(0)
        network = build(len(subject.labels), bridge=letter, generator=generator, dropout=0.0)
        name = str(network.teacher)
        network.streams[name].load_state_dict(_network(subject).streams[name].state_dict())
        network.begin("student")
        network.train()
        learning = [p for p in network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(learning, lr=SCRATCH.rate)
        return {"network": network, "optimiser": optimiser, "terms": [], "maps": []}

    state = subject.keep(key, fresh)
    target = torch.tensor([subject.labels.index(subject.prediction.label)])
    clips = {name: value.cpu() for name, value in subject.inputs.items()}
    with subject._turn:
        while len(state["terms"]) <= steps:
            outputs = state["network"].distil(**clips)
            loss = bridge_distillation(outputs.student, outputs.teacher, outputs.scores, target)
            terms = [term for term in (loss.first, loss.end, loss.entropy) if term is not None]
            state["terms"].append(tuple(float(term.detach()) for term in terms))
            state["maps"].append((outputs.student[0].detach()[0], outputs.teacher[0].detach()[0]))
            state["optimiser"].zero_grad()
            loss.loss.backward()
            state["optimiser"].step()
    return state


def lesson(subject: Subject, *, steps: float = 4, letter: str = "e", direction: str = "flow teaches RGB",
           moment: float = 0.5) -> Figure:  # fmt: skip
    """Teacher and student on the bridge before and after some steps, and the three terms of the loss on the way."""
    count = int(steps)
    state = _lesson(subject, letter, direction, count)
    before, after, target = state["maps"][0][0], state["maps"][count][0], state["maps"][0][1]
    t = place(moment, target.shape[1])
    most = max(float(maps[:, t].mean(0).abs().max()) for maps in (target, before, after)) or 1.0
    shown = [_as_large(coloured(maps[:, t].mean(0).numpy(), "signed", most), 96) for maps in (target, before, after)]
    names = ("teacher", "student before", f"student after {count}")
    terms = {
        name: [(n, terms[k]) for n, terms in enumerate(state["terms"])]
        for k, name in enumerate(("first bridge", "second bridge", "cross-entropy"))
    }
    first, now = state["terms"][0], state["terms"][count]
    return Figure(
        f"After {count} steps the gap over bridge {letter} is {now[0]:.3f} (at first {first[0]:.3f}), the second "
        f"bridge's {now[1]:.3f} ({first[1]:.3f}), the cross-entropy for '{subject.prediction.label}' {now[2]:.3f} "
        f"({first[2]:.3f}).",
        (
            Panel(strip(shown, names, "teacher and student", cells=True, width=210), "What meets on the bridge: mean "
                "of the channels, red above zero, blue below. The teacher never changes.", wide=True),
            Panel(lines(terms, "The three terms of the loss", "step", mark=(count, "now")), "Recorded as you watch: a "
                  "student that starts from nothing learns from this one clip (AdamW, α = β = γ = 1, ours)."),
        ),
        {"first": list(first), "now": list(now), "steps": len(state["terms"])},
    )  # fmt: skip


def loss(subject: Subject, *, letter: str = "e", alpha: float = 1, beta: float = 1, gamma: float = 1,
         direction: str = "flow teaches RGB") -> Figure:  # fmt: skip
    """Eq. 1 or 2 at the first step of a lesson: the three terms and what each counts for."""
    terms = _lesson(subject, letter, direction, 0)["terms"][0]
    weights = (alpha, beta, gamma)
    parts = [weight * term for weight, term in zip(weights, terms, strict=True)]
    total = sum(parts)
    names = ("first bridge", "second bridge", "cross-entropy")
    rows = [(f"{w:g} × {name}", part, f"{part:.3f}") for name, w, part in zip(names, weights, parts, strict=True)]
    kind = "plain two-stream training" if not alpha and not beta else "like MARS" if not alpha else "cross-enhancement"
    return Figure(
        f"{alpha:g} · {terms[0]:.3f} + {beta:g} · {terms[1]:.3f} + {gamma:g} · {terms[2]:.3f} = {total:.3f}: {kind}.",
        (Panel(bars(rows, "the terms of the loss", left=150), "What each term adds for a student that has learned "
            "nothing yet. The paper does not give α, β and γ; this project takes 1 for each."),),
        {"terms": list(terms), "total": total},
    )  # fmt: skip


def last_layer(subject: Subject) -> Figure:
    """The fusion layer: how much of each stream's scores goes into each class."""
    layer = _network(subject).fusion_layer
    if layer is None:
        return Figure("These weights fuse by plain averaging: there is no layer to look at.")
    classes = len(subject.labels)
    weight = layer.weight.detach().float()
    if weight.shape[1] != 2 * classes:
        return Figure("These weights fuse the streams' codes and not their scores: this figure shows scores only.")
    most, cell = float(weight.abs().max()), 34
    canvas = Canvas(120 + 2 * classes * cell + 70, 150 + classes * cell, "weights of the fusion layer")
    for row, column in np.ndindex(*weight.shape):
        value = float(weight[row, column])
        red, green, blue = (int(v) for v in coloured(np.array([[value]]), "signed", most)[0, 0])
        x = 120 + column * cell + (12 if column >= classes else 0)
        canvas.rect(x, 24 + row * cell, cell - 2, cell - 2, fill=f"rgb({red},{green},{blue})",
                    hint=f"{subject.labels[row]} from {subject.labels[column % classes]}: {value:+.3f}")  # fmt: skip
    for row, label in enumerate(subject.labels):
        canvas.text(112, 24 + row * cell + 21, label[:16], "end")
    for half, name in enumerate(("RGB's scores", "flow's scores")):
        canvas.text(120 + (half + 0.5) * classes * cell + 12 * half, 16, name, "middle", bold=True)
        for column, label in enumerate(subject.labels):
            x, y = 120 + (half * classes + column + 0.5) * cell + 12 * half, 34 + classes * cell
            canvas.upright(x, y, label[:14])
    canvas.scale("signed", 4, 120 + classes * cell, f"−{most:.2f}", f"+{most:.2f}")
    own = [float(weight[:, half * classes : (half + 1) * classes].diagonal().mean()) for half in (0, 1)]
    stronger = "both alike" if abs(own[1] - own[0]) < 0.005 else "flow more" if own[1] > own[0] else "RGB more"
    return Figure(
        f"A class takes its own score from RGB with {own[0]:.2f} on average and from flow with {own[1]:.2f} (a plain "
        f"average has 0.50 and 0.50): the layer trusts {stronger}.",
        (Panel(canvas.svg(), "Rows: the classes. Columns: each stream's scores of each class. Red counts for the "
            "class, blue against it.", wide=True),),
        {"own": own},
    )  # fmt: skip


# --- the tour -------------------------------------------------------------------------------------

BRIDGE = Choice("letter", "Bridge", tuple("abcdefghi"), "e", "Row by row: teacher's front, middle, rear.")
DIRECTION = Choice("direction", "Who teaches", ("flow teaches RGB", "RGB teaches flow"), "flow teaches RGB")

TOUR = Tour(
    about="One network sees frames, another sees motion, and usually they meet only at the very end. Here the better "
    "one teaches the other while it learns, over two bridges; afterwards the bridges are taken down.",
    steps=(
        Step(
            "Two streams", "sec. 3",
            "The same two seconds twice: as frames, and as optical flow, which shows for every pixel where it goes. "
            "Clothes, walls and light are in the first and not in the second; what stands still is in neither the "
            "second nor, much, in an action.",
            inputs,
        ),
        Step(
            "Each for itself", "sec. 3",
            "Both streams are 3-D networks of the same shape (I3D) with their own weights, and each gives an answer of "
            "its own. They make different mistakes; that is why two are better than one, and why one can teach the "
            "other.",
            alone,
        ),
        Step(
            "Front, middle, rear", "sec. 3.1",
            "What could the better stream show the other? Its maps: early ones still look like the frame, late ones "
            "are coarse and close to the answer. The paper chooses three positions in each stream.",
            positions, (MOMENT,),
        ),
        Step(
            "Nine bridges", "sec. 3.1, fig. 1",
            "Three positions in the teacher times three in the student make nine possible first bridges, a to i. A "
            "bridge asks the student's map to resemble the teacher's; where their shapes differ an adapter helps. "
            "The paper trains all nine and keeps the best; so does --option bridge=best. Pick one and see what "
            "meets on it.",
            bridge, (BRIDGE, DIRECTION, MOMENT),
        ),
        Step(
            "The second bridge", "sec. 3.1",
            "A second bridge always joins the ends: the short codes that the answers are made from. It tells the "
            "student not how to look but what to conclude.",
            ends, (DIRECTION,),
        ),
        Step(
            "Three wishes in one loss", "eq. 1 and 2",
            "The student is asked for three things at once: resemble the teacher's map (α), resemble its code (β), and "
            "give the right answer (γ). Set α and β to zero and nothing is left of the method; set only α to zero and "
            "it resembles an older one, MARS.",
            loss,
            (
                BRIDGE, DIRECTION, Slider("alpha", "α", 0, 4, 0.25, 1), Slider("beta", "β", 0, 4, 0.25, 1),
                Slider("gamma", "γ", 0, 4, 0.25, 1),
            ),
        ),
        Step(
            "A lesson", "sec. 3.1",
            "Watch it happen. A student that has learned nothing stands under the trained teacher of these weights and "
            "learns from your clip alone. Take more steps: its map begins to look like the teacher's, and the three "
            "terms fall. Each new step takes a moment to compute.",
            lesson,
            (Slider("steps", "Steps", 0, 12, 1, 2), MOMENT, BRIDGE, DIRECTION),
        ),
        Step(
            "Without bridges", "sec. 3.1, last step",
            "When the student has learned, the bridges are removed and both streams are frozen. One last layer learns "
            "how much to trust whom, for each class. It starts as the plain average; look how far it has moved.",
            last_layer,
        ),
        Step(
            "Does the claim hold here?", "table 3",
            "Is a taught student better than one that learned alone, and do the bridges do it? What has been found "
            "with this project's networks stands here.",
            lambda _: verdict("crossenh"),
            needs_clip=False,
        ),
    ),
)  # fmt: skip
