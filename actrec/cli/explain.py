"""`explain`: what a system's answer on a clip depends on, as the page shows it, as files for slides.

Of a folder of classes it draws two figures: `--only map` the features of all its clips (FstCN, fig. 4), `--only
saliency` where each of its classes counts (fig. 5).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actrec.cli import aloud, choices, default_in_words, default_notice
from actrec.core.errors import BadValue
from actrec.figures.svg import standing_alone
from actrec.weights.folders import WEIGHTS

if TYPE_CHECKING:
    from actrec.explain.activations import Activations
    from actrec.explain.gallery import Gallery
    from actrec.explain.over_time import ClipMaps, Windows
    from actrec.explain.saliency import ClassSaliency
    from actrec.figures.scales import Scale

SIDE, SECONDS = 240, 20.0
COLUMNS, THUMB = 6, 200  # moments in an image, pixels across each
PARTS = ("saliency", "truth", "layers", "neurons", "map")
OF_FOLDER = ("saliency", "map")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="a clip; or a folder of classes (or a pack), for its map and saliency")
    parser.add_argument("--system", help="takes weights/SYSTEM-synthetic unless --weights names others")
    parser.add_argument(
        "--weights", help=f"a checkpoint folder, or its name in weights/; without it and --system {default_in_words()}"
    )
    parser.add_argument(
        "--option", dest="options", action="append", metavar="NAME=VALUE",
        help="an option that only says how a clip is tested (see `list --options`): the same weights, another answer",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into; created if it is missing")
    parser.add_argument("--label", help="the class to explain; the answer unless it is named")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--classes", nargs="+", default=[], metavar="LABEL", help="of a folder: these classes only")
    parser.add_argument("--per-class", type=int, default=30, help="of a folder: clips of each class at most")
    parser.add_argument("--layer", help="the layer whose neurons are shown; the last one unless it is named")
    parser.add_argument("--map", default="t-SNE", metavar="METHOD", help="t-SNE or PCA")
    parser.add_argument("--seed", type=int, default=0, help="seed of the map")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(args: argparse.Namespace) -> int:
    from actrec.data.pack import is_pack
    from actrec.data.samples import must_be_writable
    from actrec.explain.over_time import Windows
    from actrec.explain.saliency import ClassSaliency
    from actrec.people import usable_detector
    from actrec.people.presence import presence
    from actrec.recognition.recognizer import open_recognizer
    from actrec.recognition.results import decision_dict
    from actrec.video.read import read_clip

    recognizer = open_recognizer(args.system, args.weights, WEIGHTS, args.device, choices(args.options))
    if args.clip.is_dir() or is_pack(args.clip):
        default_notice(args)
        return _folder(ClassSaliency(recognizer), args)
    if args.classes:
        raise BadValue(f"--classes chooses among the classes of a folder, and {args.clip} is a clip.")
    clip = read_clip(args.clip, short_side=SIDE, stop=SECONDS)
    must_be_writable(args.out)
    prediction = recognizer.predict(clip).seen(presence(clip, usable_detector()))
    default_notice(args)
    label = args.label or prediction.label
    recognizer.index(label)  # one that it does not know is refused before anything is drawn
    windows = Windows.of(recognizer.system, clip)
    notes = windows.notes()
    parts: dict[str, dict] = {}
    report = {
        "clip": str(args.clip), "weights": recognizer.card.name, "answer": prediction.label, "label": label,
        "decision": decision_dict(prediction), "notes": notes, "parts": parts,
    }  # fmt: skip
    show: Callable[[str], None] = (lambda line: None) if args.json else print
    show(f"{args.clip}: {recognizer.card.name} answers '{prediction.decision.text}'; explained: '{label}'")
    for note in notes:
        show(f"note: {note}")
    saliency = ClassSaliency(recognizer)
    for part in args.only or PARTS:
        start = time.perf_counter()
        part_report = WRITERS[part](saliency, windows, label, args)
        part_report["milliseconds"] = round((time.perf_counter() - start) * 1000)
        parts[part] = part_report
        show(f"{part:9} {part_report['milliseconds']:6} ms  {part_report['says']}")
    show(f"images and videos: {args.out}")
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    return 0


def _folder(saliency: ClassSaliency, args: argparse.Namespace) -> int:
    """The figures of a folder: fig. 4 and fig. 5 of FstCN."""
    from actrec.data.samples import must_be_writable
    from actrec.explain.of_folder import gallery_from

    wanted = args.only or OF_FOLDER
    if other := [part for part in wanted if part not in OF_FOLDER]:
        raise BadValue(
            f"Of a folder there is {' and '.join(OF_FOLDER)}. '{other[0]}' explains a single clip: name one."
        )
    if args.label:
        raise BadValue("Of a folder each class is explained by its own clips: leave --label out, or name a clip.")
    must_be_writable(args.out)
    card = saliency.recognizer.card
    gallery = gallery_from(str(args.clip), saliency.recognizer.system, args.classes, args.per_class, aloud)
    parts = {part: FOLDER_WRITERS[part](saliency, gallery, args) for part in wanted}
    if args.json:
        about = {"folder": str(args.clip), "weights": card.name, "clips": len(gallery), "parts": parts}
        print(json.dumps(about, ensure_ascii=False))
        return 0
    for part, about in parts.items():
        print(f"{part:9} {about['says']}")
    print(f"images: {args.out}")
    return 0


def _folder_saliency(saliency: ClassSaliency, gallery: Gallery, args: argparse.Namespace) -> dict:
    """Fig. 5: a class a column."""
    from actrec.explain.of_folder import class_figures, class_sheet

    figures = class_figures(saliency, gallery)
    rows = [
        {"class": figure.label, "explained": figure.explained, "clip": gallery.clip(figure.clip).source,
         "second": round(figure.second, 2)}
        for figure in figures
    ]  # fmt: skip
    files = [_image(args.out / "saliency-of-classes.png", class_sheet(figures))]
    return {"says": ", ".join(figure.label for figure in figures), "classes": rows, "files": files}


def _folder_map(saliency: ClassSaliency, gallery: Gallery, args: argparse.Namespace) -> dict:
    """Fig. 4: a map for each kind of feature."""
    from actrec.explain.activations import of_gallery

    return _maps(saliency, gallery, of_gallery(saliency, gallery), args)


def _saliency(saliency: ClassSaliency, windows: Windows, label: str, args: argparse.Namespace) -> dict:
    """Every method as a row of moments and as a video."""
    from actrec.explain.over_time import all_clip_maps
    from actrec.figures import scales
    from actrec.video.write import write_mp4

    files, by_method = [], all_clip_maps(saliency, windows, label)
    for name, maps in by_method.items():
        shown = maps.laid_over(scales.INFLUENCE)
        files.append(str(write_mp4(args.out / f"{_file(name)}.mp4", shown, maps.rate)))
        files.append(_row(args.out / f"{_file(name)}.png", maps, shown, scales.INFLUENCE, "no influence", "most"))
    first = by_method["class saliency"]
    at = float(first.clip.times[int(first.influence.argmax())] - first.clip.times[0])
    inputs = {name: round(fraction, 3) for name, fraction in first.inputs.items()}
    return {"says": f"counts most at {at:.1f} s; inputs {inputs}", "most_at": at, "inputs": inputs, "files": files}


def _truth(saliency: ClassSaliency, windows: Windows, label: str, args: argparse.Namespace) -> dict:
    """Deletion and insertion against random order."""
    from actrec.explain.faithfulness import prove

    proof = prove(saliency, saliency.shuffled(), windows, label)
    files = [
        _svg(args.out / f"{_file(method)}-{kind}.svg", proof.chart(method, kind))
        for method in proof.curves
        for kind in ("deletion", "insertion")
    ]
    gains = {method: round(curve.gain, 4) for method, curve in proof.curves.items()}
    says = ", ".join(f"{method} {gain:+.3f}" for method, gain in gains.items())
    says = f"area between the map's order and random: {says}; shuffled weights correlate {proof.shuffled:.2f}"
    return {"says": says, "gains": gains, "shuffled": round(proof.shuffled, 4), "files": files}


def _layers(saliency: ClassSaliency, windows: Windows, label: str, args: argparse.Namespace) -> dict:
    """The strongest neuron of each layer."""
    from actrec.explain.activations import strongest
    from actrec.figures import scales

    neurons, files = strongest(saliency, windows), []
    for place, (layer, (neuron, maps)) in enumerate(neurons.items(), 1):
        path = args.out / f"layer-{place}-{_file(layer)}-neuron-{neuron}.png"
        files.append(_row(path, maps, maps.laid_over(scales.ACTIVATION), scales.ACTIVATION, "silent", "fires most"))
    return {"says": ", ".join(neurons) or "this network's layers have no names here", "files": files}


def _neurons(saliency: ClassSaliency, windows: Windows, label: str, args: argparse.Namespace) -> dict:
    """The five most telling neurons of a layer, a row of ten gallery clips each (fig. 8b)."""
    from actrec.explain.activations import of_gallery
    from actrec.explain.gallery import gallery_of

    gallery = gallery_of(saliency.recognizer.labels)
    activations = of_gallery(saliency, gallery)
    if not activations.peaks:
        return {"says": "this network's layers have no names here", "files": []}
    layer = args.layer or list(activations.peaks)[-1]
    thumbs, files, rows = gallery.thumbs(), [], []
    for neuron, shown, often in activations.telling(layer, gallery.labels)[:5]:
        top = activations.top(layer, neuron)
        row_of_thumbs = np.hstack([thumbs[place] for place, _ in top])
        files.append(_image(args.out / f"neuron-{_file(layer)}-{neuron}.png", row_of_thumbs))
        rows.append({"neuron": neuron, "of": shown, "often": often, "clips": [gallery.labels[n] for n, _ in top]})
    says = f"{layer}: " + ", ".join(f"{row['neuron']} ({row['often']} of 10 {row['of']})" for row in rows)
    return {"says": says, "layer": layer, "neurons": rows, "files": files}


def _map(saliency: ClassSaliency, windows: Windows, label: str, args: argparse.Namespace) -> dict:
    """The gallery's map with the clip on it, one for each kind of feature."""
    from actrec.explain.activations import of_gallery, of_views
    from actrec.explain.gallery import gallery_of

    gallery = gallery_of(saliency.recognizer.labels)
    activations = of_gallery(saliency, gallery)
    own = of_views(saliency, windows.views).mean()
    return _maps(saliency, gallery, activations, args, own)


def _maps(
    saliency: ClassSaliency,
    gallery: Gallery,
    activations: Activations,
    args: argparse.Namespace,
    own: Activations | None = None,
) -> dict:
    """A map of every space, with a clip of one's own on it where there is one."""
    from actrec.explain.embedding_map import atlases

    maps = atlases(activations, gallery.labels, saliency.recognizer.card, args.map, args.seed)
    files, numbers, placed = [], {}, ""
    for space, (atlas, apart) in maps.items():
        here = None if own is None else own.spaces[space][0]
        svg = atlas.svg(f"{space} features of {saliency.recognizer.card.name}", here, named=own is None)
        files.append(_svg(args.out / f"map-{_file(space)}.svg", svg))
        numbers[space] = {"silhouette": round(apart.silhouette, 4), "neighbours": round(apart.neighbours, 4)}
        placed = atlas.flat.how if own else ""
    says = "; ".join(f"{space}: {apart}" for space, (_, apart) in maps.items())
    return {"says": says, "separability": numbers, "placed": placed, "files": files}


WRITERS = {"saliency": _saliency, "truth": _truth, "layers": _layers, "neurons": _neurons, "map": _map}
FOLDER_WRITERS = {"saliency": _folder_saliency, "map": _folder_map}


def _row(path: Path, maps: ClipMaps, shown: list[np.ndarray], scale: Scale, least: str, most: str) -> str:
    """Even moments of a clip side by side, over the scale's legend."""
    from actrec.figures import colour_maps

    places = np.unique(np.linspace(0, len(shown) - 1, min(COLUMNS, len(shown))).round().astype(int))
    height, width = shown[0].shape[:2]
    size = (THUMB, max(1, round(THUMB * height / width)))
    row = np.hstack([cv2.resize(shown[place], size, interpolation=cv2.INTER_AREA) for place in places])
    below = colour_maps.scale_legend(scale, least, most, row.shape[1])
    return _image(path, np.vstack([row, below]))


def _image(path: Path, image: np.ndarray) -> str:
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise BadValue(f"The image {path} could not be written; choose a folder that can be written to.")
    return str(path)


def _svg(path: Path, html: str) -> str:
    """A chart of the page as a file that stands alone."""
    path.write_text(standing_alone(html))
    return str(path)


def _file(name: str) -> str:
    return name.lower().replace(" ", "-")
