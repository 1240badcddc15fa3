"""The arms that claims compare: recipes that differ in one thing, by the builders that every recipe uses.

An arm answers with its figures for one ground and seed. What several arms of a family share (streams that were trained
alone, what a network said of its views) is made once per desk and remembered there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from actrec.claims.datasets import GROUNDS
from actrec.claims.short_training import Budget, Pupil, enrol, objective_of, started, taught
from actrec.claims.workspace import Arm, Desk, Figures, as_shipped, open_shipped, trained
from actrec.core.errors import BadValue
from actrec.data.sources import Source, Split
from actrec.metrics.accuracy import softmax, top
from actrec.metrics.unknown import auroc
from actrec.models import asym3d as asym3d_models
from actrec.models import ms3d as ms3d_models
from actrec.models.c3d import C3D, dense_group
from actrec.models.layers import ConvReLU3d, start_classifier
from actrec.sampling import pathways
from actrec.systems import Protocol, System, fstcn, ms3d, named
from actrec.systems.fusion import FeatureSVM, average, sci_fusion
from actrec.systems.views import Light
from actrec.training.objective import CrossEnhancement

# FstCN: paths, temporal kernels, and how the scores of many views become one.

FST_BUDGET = Budget(100, 24)
TUNING = Budget(60, 12)  # of the shipped weights, where the clips are not drawn


def fst(**options: str) -> Arm:
    """`path` is both, scl or tcl; `kernels` are those of the temporal layer."""
    return trained(named("fstcn", options), FST_BUDGET)


def views(fuse: Callable[[np.ndarray], np.ndarray]) -> Arm:
    """The shipped network's word on the pairs and crops of each clip, fused one way."""

    def measure(desk: Desk) -> Figures:
        said = desk.once("views", lambda: _all_views(desk))
        judged = desk.source.validation
        return {"top1": top(np.stack([fuse(each) for each in said]), judged.targets)}

    return Arm(measure, f"fstcn-synthetic; on real clips {TUNING} more")


def _all_views(desk: Desk) -> list[np.ndarray]:
    """Probabilities [views, classes] of every clip, a pair's crops standing together."""
    system, judged = named("fstcn"), desk.source.validation
    if GROUNDS[desk.ground].setting:
        run = open_shipped("fstcn-synthetic", desk.source).run
    else:
        pupil = started(system, "fstcn-synthetic", desk.source, desk.seed)
        pupil.learn(objective_of(system, pupil), TUNING)
        run = pupil.run
    made = (system.protocols["clip"].views(judged.clip(i)) for i in range(len(judged)))
    return [softmax(run(each)[0]) for each in made]


def one_pair(scores: np.ndarray) -> np.ndarray:
    """The first crop, which is the plain one, of the middle pair: one clip instead of many."""
    pairs = scores.reshape(-1, len(fstcn.CROPS), scores.shape[-1])
    return pairs[len(pairs) // 2, 0]


# Asymmetric 3D-CNN: layers, MicroNets, inputs.

ASYM_BUDGET = Budget(100, 16)
WIDTHS = (16, 32, 64, 96, 96)  # of c3d-b5's five groups, made light as the whole network is: strided, normed, averaged


def layers(other: Callable[[int, int], nn.Module] | None = None, at: tuple[int, ...] = ()) -> Arm:
    """c3d-b5 in a light size, the groups in `at` built otherwise (Tables 2 and 3)."""

    def network(classes: int) -> C3D:
        groups: list[nn.Module] = [ConvReLU3d(3, WIDTHS[0], (3, 3, 3), stride=(1, 2, 2), norm=True)]
        for number, (c_in, c_out) in enumerate(pairwise(WIDTHS), start=2):
            groups.append(other(c_in, c_out) if number in at else dense_group(c_in, c_out, 1, norm=True))
        return C3D(groups, WIDTHS[-1], classes, fc=(128,), dropout=0.3, mean=True)

    return trained(replace(named("asym3d"), network=network), ASYM_BUDGET)


def asymmetric(*at: int) -> Arm:
    return layers(partial(asym3d_models.AsymmetricConv3d, norm=True), at)


def micro(kind: str) -> Arm:
    """In place of conv5, as in Table 3."""
    return layers(partial(asym3d_models.MicroNet, kind, norm=True), (5,))


def _seen(desk: Desk, modality: str) -> Pupil:
    system = named("asym3d", {"modality": modality})
    return desk.once(f"input {modality}", lambda: taught(system, desk.source, desk.seed, ASYM_BUDGET))


def modality(name: str) -> Arm:
    return Arm(lambda desk: _seen(desk, name).figures(), str(ASYM_BUDGET))


def _rgb_and_rgbf(desk: Desk) -> Figures:
    """The mean of what the two networks say (sec. 4.7)."""
    judged = desk.source.validation
    both = [_seen(desk, name).probabilities(judged) for name in ("rgb", "rgbf")]
    return {"top1": top(sum(both) / 2, judged.targets)}


def _codes(desk: Desk, split: Split, part: str) -> dict[str, np.ndarray]:
    return {
        name: desk.once(
            f"codes {name} {part}", lambda name=name: _seen(desk, name).says(split, lambda net, x: net.code(**x))
        )
        for name in ("rgb", "rgbf")
    }


def support_vectors(trajectories: bool) -> Arm:
    """A linear SVM on the codes of both networks, with or without improved dense trajectories (sec. 4.7)."""

    def measure(desk: Desk) -> Figures:
        learned, judged = desk.source.train, desk.source.validation
        lessons, trial = _codes(desk, learned, "learned"), _codes(desk, judged, "judged")
        if trajectories:
            code = desk.once("trajectories", lambda: _fisher(desk))
            lessons, trial = lessons | {"trajectories": code[0]}, trial | {"trajectories": code[1]}
        machine = FeatureSVM().fit(lessons, learned.targets)
        return {"top1": float((machine.predict(trial) == judged.targets).mean())}

    return Arm(measure, str(ASYM_BUDGET) + (f"; {WORDS} words" if trajectories else ""))


WORDS = 16  # Gaussians of the trajectories' codebooks; the paper's 256 want more clips


def _fisher(desk: Desk) -> tuple[np.ndarray, np.ndarray]:
    from actrec.motion.descriptors import describe
    from actrec.motion.fisher import TrajectoryCode
    from actrec.motion.trajectories import track

    def described(split: Split) -> list[dict[str, np.ndarray]]:
        return [describe(track(clip), clip) for clip in map(split.clip, range(len(split)))]

    learned, judged = described(desk.source.train), described(desk.source.validation)
    code = TrajectoryCode.fit(learned, np.random.default_rng(desk.seed), WORDS)
    return np.stack([code.encode(each) for each in learned]), np.stack([code.encode(each) for each in judged])


# MDT-Net: what the motion path sees.

MDT_BUDGET = Budget(60, 16)


def salience(enhanced: str) -> Arm:
    return trained(named("mdtnet", {"enhanced": enhanced}), MDT_BUDGET)


# Cross-enhancement: both streams learn alone, then one goes on under the other; the plain one goes on alone.

CROSS_BUDGET, TEACHING = Budget(60, 16), Budget(40, 16)


class Teaching(CrossEnhancement):
    """The student's stage alone."""

    def stage(self, epoch: int) -> str:
        return "student"


def _streams(desk: Desk) -> tuple[dict[str, Tensor], str]:
    """Both streams trained alone, and the name of the one that is better on training clips."""

    def make() -> tuple[dict[str, Tensor], str]:
        pupil = taught(named("crossenh", {"bridge": "none"}), desk.source, desk.seed, CROSS_BUDGET)
        right = {name: _right(pupil, desk.source.train, name) for name in ("rgb", "flow")}
        return copy.deepcopy(pupil.network.state_dict()), max(right, key=right.get)

    return desk.once("streams", make)


def _right(pupil: Pupil, split: Split, stream: str) -> float:
    return top(pupil.says(split, lambda net, x: net.streams[stream](x[stream])), split.targets)


def taught_by(stronger: bool = True, alpha: float = 1.0, beta: float = 1.0) -> Arm:
    """`top1` is the student's, `fused` that of both streams' mean, where the fusion layer starts."""

    def measure(desk: Desk) -> Figures:
        state, better = _streams(desk)
        other = {"rgb": "flow", "flow": "rgb"}
        teacher = better if stronger else other[better]
        system = named("crossenh", {"teacher": teacher, "alpha": alpha, "beta": beta})
        pupil = enrol(system, desk.source, desk.seed, partial(system.network, bridge=system.option("bridge")))
        pupil.network.load_state_dict(state, strict=False)  # the bridge is new
        pupil.learn(Teaching(system, system.schedules["scratch"], pupil.numbers), TEACHING, epoch=1)
        student = other[teacher]
        judged = desk.source.validation
        return {"top1": _right(pupil, judged, student), "fused": top(pupil.says(judged), judged.targets)}

    return Arm(measure, f"{CROSS_BUDGET}, then {TEACHING}")


# MS3D: which frames; what judges; and the tailor, in front of the network that learns fastest.

MS3D_BUDGET, UNKNOWN_BUDGET = Budget(60, 24), Budget(60, 20)


def evenly_drawn() -> System:
    """MS3D's light recipe, its pathways drawn from all frames alike in place of the variance rate (eq. 1)."""
    recipe = Light(37, 12.5, 96, ms3d.view, _evenly)  # as in `ms3d.light`
    one = Protocol(recipe.one, average, recipe.moments)
    return replace(named("ms3d"), training_view=recipe.training_view, protocols={"one": one})


def _evenly(frames: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return np.concatenate(pathways(np.ones(len(frames) - 1), rng or np.random.default_rng(0)))


class Classified(nn.Module):
    """MS3D's network with a classifier on its codes, for the softmax that centres are compared with."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = ms3d_models.light()
        self.classifier = nn.Linear(self.network.sizes.code, classes)
        start_classifier(self.classifier)

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.classifier(self.network.code(**inputs))


def unknown(centres: bool) -> Arm:
    """One class is left out of training (the seed's); its clips are the unknown ones."""
    system = named("ms3d")
    if not centres:
        system = replace(system, network=Classified, loss="cross-entropy", decides="scores")

    def measure(desk: Desk) -> Figures:
        source, strange = without_class(desk.source, desk.seed % len(desk.source.labels))
        pupil = taught(system, source, desk.seed, UNKNOWN_BUDGET)

        def nearness(split: Split) -> np.ndarray:
            return -pupil.distances(split).min(1) if centres else pupil.probabilities(split).max(1)

        judged = source.validation
        return {
            "auroc": auroc(nearness(judged), nearness(strange)),
            "top1": top(pupil.probabilities(judged), judged.targets),
        }

    return Arm(measure, f"{UNKNOWN_BUDGET}; one class left out")


def without_class(source: Source, out: int) -> tuple[Source, Split]:
    """The source without one class, and the judged clips of that class."""

    def some(split: Split, wanted: np.ndarray) -> Split:
        kept = np.flatnonzero(wanted)
        numbers = split.targets[kept] - (split.targets[kept] > out)
        return Split(numbers, lambda place: split.clip(int(kept[place])))

    labels = [label for number, label in enumerate(source.labels) if number != out]
    train, judged = (some(split, split.targets != out) for split in (source.train, source.validation))
    return replace(source, labels=labels, train=train, validation=judged), some(
        source.validation, source.validation.targets == out
    )


def tailored(to: str) -> Arm:
    """`to` is none, moving (the moving region) or people (found by the shipped detector)."""
    system = named("asym3d")

    def measure(desk: Desk) -> Figures:
        source = desk.source if to == "none" else _tailored(desk.source, to)
        return taught(system, source, desk.seed, ASYM_BUDGET).figures()

    return Arm(measure, str(ASYM_BUDGET))


def _tailored(source: Source, to: str) -> Source:
    """The same clips cut close to their people, inside and outside weighted by eq. 7 and 8; windows found once."""
    from actrec.people.find import find_people, open_detector
    from actrec.tailor.crop import tailor

    detector = open_detector() if to == "people" else None
    if to == "people" and detector is None:
        raise BadValue("There is no person detector in weights/person-detector; this arm waits for it.")

    def cut(split: Split) -> Split:
        found: dict[int, object] = {}

        def clip(index: int) -> object:
            whole = split.clip(index)
            if index not in found:
                found[index] = find_people(whole, detector, every=12)
            return tailor(whole, people=found[index]).clip

        return Split(split.targets, clip)

    return replace(source, train=cut(source.train), validation=cut(source.validation))


ARMS: dict[str, Arm] = {
    "views/sci": views(lambda scores: sci_fusion(scores, crops=len(fstcn.CROPS)).scores),
    "views/average": views(lambda scores: average(scores).scores),
    "views/one": views(one_pair),
    "fstcn/both": fst(),
    "fstcn/scl": fst(path="scl"),
    "fstcn/tcl": fst(path="tcl"),
    "fstcn/tcl-3": fst(path="tcl", kernels="3"),
    "fstcn/tcl-5": fst(path="tcl", kernels="5"),
    "layers/dense": layers(),
    "layers/asymmetric-3": asymmetric(3),
    "layers/asymmetric-5": asymmetric(5),
    "layers/asymmetric-345": asymmetric(3, 4, 5),
    **{f"micro/{kind}": micro(kind) for kind in ("M1", "M2", "M3")},
    **{f"input/{name}": modality(name) for name in ("rgb", "rgbf", "flow")},
    "input/rgb+rgbf": Arm(_rgb_and_rgbf, str(ASYM_BUDGET)),
    "input/svm": support_vectors(False),
    "input/svm+trajectories": support_vectors(True),
    "salience/raw": salience("none"),
    "salience/enhanced": salience("motion"),
    "cross/taught": taught_by(),
    "cross/plain": taught_by(alpha=0.0, beta=0.0),
    "cross/second-only": taught_by(alpha=0.0),
    "cross/reversed": taught_by(stronger=False),
    "pathways/variance-rate": trained(named("ms3d"), MS3D_BUDGET),
    "pathways/uniform": trained(evenly_drawn(), MS3D_BUDGET),
    "unknown/centres": unknown(True),
    "unknown/softmax": unknown(False),
    "tailor/none": tailored("none"),
    "tailor/moving": tailored("moving"),
    "tailor/people": tailored("people"),
    "drawing/variance-rate": as_shipped(named("ms3d"), "ms3d-synthetic"),
    "drawing/uniform": as_shipped(evenly_drawn(), "ms3d-synthetic"),
    "window/none": as_shipped(named("asym3d"), "asym3d-synthetic"),
    "window/moving": as_shipped(named("asym3d"), "asym3d-synthetic", partial(_tailored, to="moving")),
    "window/people": as_shipped(named("asym3d"), "asym3d-synthetic", partial(_tailored, to="people")),
}
