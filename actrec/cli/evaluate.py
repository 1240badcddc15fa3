"""`evaluate`: how good weights are on clips they have not seen, as JSON, as sentences, as a report.

Several weights with as many folds are measured each on its own and averaged, as the papers average their splits;
several weights without folds are seeds of one training. Under `torchrun` the processes divide the clips among them.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.cli import aloud, choices
from actrec.core.errors import BadValue
from actrec.weights.folders import WEIGHTS

if TYPE_CHECKING:
    from actrec.data.reading import ClipSettings
    from actrec.evaluation.evaluate import Trial
    from actrec.training.distributed import World
    from actrec.weights.cards import Card

MANY = 200  # clips for which it is worth finding the fastest engine first


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", nargs="+", required=True, help="checkpoint folders, or their names in weights/")
    parser.add_argument("--data", required=True, help="as for train: a folder of classes, a pack, synthetic:six")
    parser.add_argument("--protocol", default="clip", help="one (the newest view), clip (the whole clip) or paper")
    parser.add_argument(
        "--option", dest="options", action="append", metavar="NAME=VALUE",
        help="an option that only says how a clip is tested (see `list --options`): the same weights, another test",
    )  # fmt: skip
    parser.add_argument(
        "--among-data", action="store_true",
        help="name only classes that occur in the data; the unknown is then told by the probability of these together",
    )  # fmt: skip
    parser.add_argument("--fold", nargs="+", default=[], help="measure on these splits or groups only, one per weights")
    parser.add_argument(
        "--fuse", action="store_true", help="the weights answer together: the mean of their probabilities"
    )
    parser.add_argument(
        "--svm", metavar="DATA",
        help="a linear SVM on the weights' codes, learned from these clips; with --fold from that fold's training part",
    )  # fmt: skip
    parser.add_argument("--trajectories", action="store_true", help="the SVM also sees improved dense trajectories")
    parser.add_argument("--clips-per-class", type=int, default=100, help="of synthetic data; a quarter is held out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write report.json, report.html and confusion.png there"
    )


def run(args: argparse.Namespace) -> int:
    from actrec.data.samples import must_be_writable
    from actrec.training.distributed import World

    if args.out:
        must_be_writable(args.out)
    world, device = World.join(args.device)
    with world:
        result, about, others = _result(args, world, str(device))
        if not world.first:
            return 0
        beside = _beside(result, others)
        if args.out:
            _write(args.out, result, about, beside)
        if args.json:
            print(json.dumps({**result, "about": about, "unknown_classes": others}, ensure_ascii=False))
        else:
            print(
                "\n".join([_headline(result), *beside, *([f"Report: {args.out / 'report.html'}"] if args.out else [])])
            )
    return 0


def _result(args: argparse.Namespace, world: World, device: str) -> tuple[dict, dict, list[str]]:
    """The result of every pair of weights and fold, as one; what was measured; the classes unknown to the weights."""
    from actrec.evaluation.result import over_splits

    if args.trajectories and not args.svm:
        raise BadValue("--trajectories goes with --svm DATA: the clips that the SVM learns from.")
    if args.fuse or args.svm:
        return _together(args, world, device)
    several = len(args.weights) > 1
    if several and args.fold and len(args.weights) != len(args.fold):
        raise BadValue(f"{len(args.weights)} weights and {len(args.fold)} folds do not go together: one per fold.")
    results: dict[str, dict] = {}
    about: dict = {}
    others: list[str] = []
    for number, name in enumerate(args.weights):
        folds = args.fold[number : number + 1] if several else args.fold
        of_fold, about, others = _of_weights(args, name, folds, world, device)
        results |= {f"{key} {number + 1}" if several and not folds else key: result for key, result in of_fold.items()}
    broken = [clip for result in results.values() for clip in result.pop("broken")]
    unknown = [result.pop("unknown") for result in results.values()]
    alone = len(results) == 1
    result = next(iter(results.values())) if alone else over_splits(results)
    result |= {"broken": broken, "unknown": unknown[0] if alone else None}
    return result, about | {"weights": ", ".join(args.weights)}, others


def _together(args: argparse.Namespace, world: World, device: str) -> tuple[dict, dict, list[str]]:
    """The result of all weights as one recogniser."""
    from actrec.evaluation import evaluate
    from actrec.evaluation.ensemble import TRAJECTORIES, Member, Trails, evaluate_together
    from actrec.evaluation.trajectory_features import SETTINGS
    from actrec.training.load_data import needs, stored
    from actrec.weights.find import find_weights

    if len(args.fold) > 1 or args.among_data:
        raise BadValue("--fuse and --svm take all clips of --data or one --fold of them, and name any class.")
    if args.fuse and (args.svm or len(args.weights) < 2):
        raise BadValue("--fuse takes two or more --weights, and no --svm.")

    def opened(
        data: str, card: Card, kind: ClipSettings, lessons: bool, flow: str = "", cameras: int = 0
    ) -> tuple[Trial, list[str]]:
        open_it = partial(
            evaluate.open_trial, data, card, kind, clips_per_class=args.clips_per_class, seed=args.seed,
            lessons=lessons, flow=flow, cameras=cameras,
        )  # fmt: skip
        trial, others = world.one_after_another(open_it)  # what has to be drawn is drawn once
        for name in args.fold:
            fold = evaluate.fold_of(trial, name, args.seed)
            trial = trial.part([*fold.train, *fold.validation] if lessons else fold.test, name)
        return trial, others

    members: list[Member] = []
    others: list[str] = []
    card: Card | None = None
    for name in args.weights:
        recognizer = evaluate.load(find_weights(name, WEIGHTS), device, choices(args.options))
        card, kind = recognizer.card, stored(recognizer.system)
        more = needs(recognizer.system)
        trial, others = opened(args.data, card, kind, lessons=False, **more)
        lessons = opened(args.svm, card, kind, lessons=True, **more)[0] if args.svm else None
        if len(trial) > MANY:
            world.one_after_another(recognizer.settle)
        members.append(Member(recognizer, trial, lessons))
    trails = None
    if args.trajectories and card:
        large, _ = opened(args.data, card, SETTINGS, lessons=False)
        lessons, _ = opened(args.svm, card, SETTINGS, lessons=True)
        trails = Trails(large, lessons, args.seed)
    report = _silent if args.json or not world.first else aloud
    inputs = f"codes and {TRAJECTORIES}" if trails else "codes"
    about = {
        "system": " + ".join(member.recognizer.system.name for member in members), "data": args.data,
        "fusion": f"linear SVM on {inputs}, learned from {args.svm}" if args.svm else "mean of the probabilities",
        "protocol": args.protocol, "device": device, "processes": world.size, "weights": ", ".join(args.weights),
    }  # fmt: skip
    about |= _chosen(args)
    return evaluate_together(members, args.protocol, world, report, trails), about, others


def _of_weights(
    args: argparse.Namespace, name: str, folds: list[str], world: World, device: str
) -> tuple[dict[str, dict], dict, list[str]]:
    """The results of one checkpoint on the wanted folds, or on everything."""
    from actrec.evaluation import evaluate
    from actrec.training.load_data import needs, stored
    from actrec.weights.cards import read_card
    from actrec.weights.find import find_weights

    folder = find_weights(name, WEIGHTS)
    card, recognizer = read_card(folder), evaluate.load(folder, device, choices(args.options))
    report = _silent if args.json or not world.first else aloud
    open_it = partial(
        evaluate.open_trial, args.data, card, stored(recognizer.system), clips_per_class=args.clips_per_class,
        seed=args.seed, **needs(recognizer.system),
    )  # fmt: skip
    trial, others = world.one_after_another(open_it)
    if len(trial) > MANY:
        world.one_after_another(recognizer.settle)
    results = {}
    for part, held in evaluate.folds(trial, folds, args.seed):
        results[part.name] = evaluate.evaluate_trial(
            recognizer, card, part, held, args.protocol, world, report, args.among_data
        )
    about = {
        "system": card.system, "trained on": card.trained_on, "data": args.data, "protocol": args.protocol,
        "among": "the data's classes" if args.among_data else "all classes of the weights",
        "numbers": recognizer.engine.dtype, "device": device, "processes": world.size,
    }  # fmt: skip
    return results, about | _chosen(args), others


def _chosen(args: argparse.Namespace) -> dict[str, str]:
    """The options that stood in for the card's, for the report."""
    return {"options": ", ".join(args.options)} if args.options else {}


def _beside(result: dict, others: list[str]) -> list[str]:
    sentences = []
    if result.get("parts"):
        alone = (f"{name} {100 * part['top1']:.1f} %" for name, part in result["parts"].items())
        sentences.append(f"Each stream alone, top-1: {', '.join(alone)}.")
    if others:
        sentences.append(f"{len(others)} classes are unknown to the weights: {', '.join(others[:10])}.")
    if result["unknown"]:
        unknown = result["unknown"]
        sentences.append(f"Known from unknown by {unknown['by']}: AUROC {unknown['auroc']:.3f}.")
    if result["broken"]:
        sentences.append(f"{len(result['broken'])} clips could not be read and were left out.")
    silent = [label for label, row in result["per_class"].items() if not row["clips"]]
    if silent:
        sentences.append(f"No clip of: {', '.join(silent[:10])}.")
    return sentences


def _headline(result: dict) -> str:
    spread = f" ± {100 * result['top1_deviation']:.1f}" if result.get("top1_deviation") is not None else ""
    after = result.get("temperature")
    scaled = f" ({after['calibration_error']:.3f} with temperature {after['value']:.2f})" if after else ""
    return (
        f"{result['clips']} clips: top-1 {100 * result['top1']:.1f} %{spread}, top-5 {100 * result['top5']:.1f} %, "
        f"chance {100 * result['chance']:.1f} %, calibration error {result['calibration_error']:.3f}{scaled}, "
        f"{result['clips_per_second']:.1f} clips per second."
    )


def _write(folder: Path, result: dict, about: dict, beside: list[str]) -> None:
    from actrec.evaluation.report import write_report

    rest = {key: value for key, value in result.items() if key != "unknown"}
    write_report(
        folder, rest, title=f"{about['weights']} on {about['data']}", about=about, beside=beside,
        unknown=result["unknown"],
    )  # fmt: skip
    try:
        from actrec.evaluation.plots import confusion_image
    except ImportError:  # a machine without matplotlib gets the numbers alone
        return
    (folder / "confusion.png").write_bytes(confusion_image(result["confusion"], result["labels"]))


def _silent(sentence: str) -> None:
    return
