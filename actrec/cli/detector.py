"""`detector`: train the person detector from scratch on drawn people and a teacher's labels, or measure one."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actrec.cli import aloud
from actrec.core.errors import BadValue
from actrec.core.places import PROJECT

if TYPE_CHECKING:
    from actrec.training.person_detector.frames import File
    from actrec.training.person_detector.teacher import Teacher

SHIPPED = PROJECT / "weights" / "person-detector"
INTENDED_FOR = "finding where people are for the tailor; research and teaching only"
LICENCE = "weights of this project; architecture and code of ultralytics AGPL-3.0"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders with clips of people")
    parser.add_argument("--teacher", type=Path, required=True, help="YOLOX of COCO's classes at 416 pixels, as ONNX")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the detector: written, or measured")
    parser.add_argument("--evaluate", action="store_true", help="measure the detector on the held-out clips")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write frames with boxes there")
    parser.add_argument("--run", type=Path, default=Path("runs/person-detector"), help="where a training survives")
    parser.add_argument("--architecture", default="yolo26n.yaml", help="a yaml of ultralytics")
    parser.add_argument(
        "--start-from", type=Path, metavar="FOLDER", help="a detector to go on from; else random weights"
    )
    parser.add_argument("--drawn", type=int, default=1200, help="how many images of drawn people; evened out")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--per-epoch", type=int, default=0, help="images of an epoch; every frame once when left out")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at its highest")
    parser.add_argument("--size", type=int, default=320, help="pixels of the longer side")
    parser.add_argument("--small", type=int, default=192, help="the same in the first half of the epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="computing threads; as many as there are cores")


def run(args: argparse.Namespace) -> int:
    import torch

    from actrec.core.devices import cores
    from actrec.people.detector import PersonDetector
    from actrec.training.person_detector.frames import clips_in
    from actrec.training.person_detector.publish import measured, write_examples
    from actrec.training.person_detector.teacher import Teacher

    torch.set_num_threads(args.threads or cores())
    teacher, files = Teacher(args.teacher), clips_in(args.data)
    if not args.evaluate:
        train(args, teacher, files)
    test_files = [file for file in files if file.part == "test"]
    detector = PersonDetector.load(args.out)
    report = measured(detector, teacher, test_files, aloud) if test_files else {}
    if not args.evaluate:
        note(args.out, report)
    if args.pictures:
        for path in write_examples(detector, teacher, test_files, args.pictures):
            aloud(str(path))
    print(json.dumps(report, indent=1, ensure_ascii=False))
    return 0


def train(args: argparse.Namespace, teacher: Teacher, files: list[File]) -> None:
    """Learn, choose head and confidence on the clips to check on, and write the detector."""
    from actrec.people.detector import Card, load_network, read_card, save_detector
    from actrec.training.person_detector.frames import FramesError, default_cache, drawn, evened, labelled, with_people
    from actrec.training.person_detector.loop import Plan, learn
    from actrec.training.person_detector.publish import chosen

    plan = Plan(
        args.architecture, args.epochs, args.per_epoch, args.batch, args.rate, seed=args.seed, size=args.size,
        small=args.small,
    )  # fmt: skip
    begun = read_card(args.start_from) if args.start_from else None
    if begun and (begun.architecture, begun.classes) != (args.architecture, ("person",)):
        raise BadValue(f"'{args.start_from}' is a {begun.architecture} of {begun.classes}: name its --architecture.")
    cache = default_cache()
    parts: dict[str, list[File]] = {"train": [], "check": []}
    for file in files:
        parts.get(file.part, []).append(file)
    for part, there in parts.items():
        if not there:
            raise FramesError(f"None of the {len(files)} clips stands on the side '{part}': name more clips.")
    by_home = with_people(parts["train"], teacher, cache, aloud)
    frames = evened([*by_home.values(), drawn(args.drawn, args.seed, cache, aloud)])
    check = labelled(parts["check"], teacher, cache, aloud)
    if not any(by_home.values()) or not check:
        raise FramesError("In none of the clips to learn from, or of those to check on, does the teacher see anybody.")
    people = sum(len(frame.boxes) for frame in frames)
    aloud(f"learning from {len(frames)} images with {people} people, checking on {len(check)}")
    start = load_network(args.start_from, begun) if begun else None
    network = learn(frames, plan, args.run, aloud, start)
    card = Card(
        args.architecture, args.size, licence=LICENCE, intended_for=INTENDED_FOR, command=typed(),
        trained_on=f"{args.drawn} pictures of drawn people and {sum(map(len, by_home.values()))} frames with people "
        f"of {len(parts['train'])} clips ({', '.join(by_home)}), evened out, labelled by {args.teacher.name}; nothing "
        f"else, from {begun.command if begun else 'random weights'}",
    )  # fmt: skip
    save_detector(network, args.out, chosen(network, card, check, aloud))


def note(folder: Path, report: dict) -> None:
    """Write what was measured onto the card."""
    from actrec.core.files import write_json

    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    write_json(folder / "card.json", card | {"measured": report})


def typed() -> str:
    """The command line that was typed, without its --pictures."""
    words = [os.path.relpath(word) if os.path.isabs(word) else word for word in sys.argv[1:]]
    if "--pictures" in words:
        at = words.index("--pictures")
        del words[at : at + 2]
    return " ".join(["python -m actrec", *words])
