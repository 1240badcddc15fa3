"""A result as two files: `report.json` for programs and `report.html` for people, which needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

from actrec.evaluation.result import most_confused, plain
from actrec.figures.data_uri import data_uri

STYLE = """
:root{color-scheme:light dark;--ink:#1f2430;--quiet:#5b6475;--line:#d9dde5;--bar:#1d4ed8;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf0;--quiet:#a3acbd;--line:#3a4150;--bar:#7aa2ff;--ground:#14171d}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:60rem;margin:0 auto;
padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
.numbers{display:flex;flex-wrap:wrap;gap:1rem 2rem;margin:1rem 0}.numbers b{display:block;font-size:1.5rem}
.numbers span,.quiet{color:var(--quiet)}meter{width:6rem}img{background:#fff}img.fits{max-width:100%}
"""


def write_report(
    folder: str | Path,
    result: Mapping,
    *,
    title: str,
    about: Mapping[str, object] | None = None,
    beside: Sequence[str] = (),
    unknown: Mapping | None = None,
) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into a folder and give their paths.

    `about` describes what was measured (system, weights, data, protocol); `beside` are sentences every reader has to
    see next to the result, such as what the shortcut baseline scores; `unknown` comes from `measure_unknown`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = plain({"title": title, "about": dict(about or {}), "beside": list(beside), **result})
    if unknown:
        report["unknown"] = plain(unknown)
    paths = folder / "report.json", folder / "report.html"
    for path, text in zip(paths, (json.dumps(report, indent=1, ensure_ascii=False), page(report)), strict=True):
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    return paths


def page(report: Mapping) -> str:
    """The report as one HTML document without a reference to anything outside."""
    parts = [
        f"<h1>{escape(report['title'])}</h1>",
        _rows([], report["about"].items()) if report["about"] else "",
        _headline(report),
        "".join(f"<p>{escape(sentence)}</p>" for sentence in report["beside"]),
        _splits(report),
        _parts(report),
        "<h2>Classes</h2>" + _classes(report),
        "<h2>Which classes are confused</h2>",
        _image(
            "Confusion matrix",
            lambda plots: plots.confusion_image(report["confusion"], report["labels"]),
            fits=report["classes"] <= 25,  # a larger one is scrolled, or its names could not be read
        ),
        _confused(report),
        _calibration(report),
        _unknown(report),
        _mistakes(report),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escape(report["title"])}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}\N{NARROW NO-BREAK SPACE}%"


def _with_spread(report: Mapping, name: str) -> str:
    deviation = report.get(f"{name}_deviation")
    return _percent(report.get(name)) + (f" ± {100 * deviation:.1f}" if deviation is not None else "")


def _headline(report: Mapping) -> str:
    numbers = [
        (_with_spread(report, "top1"), "top-1"),
        (_with_spread(report, "top5"), f"top-{min(5, report['classes'])}"),
        (_with_spread(report, "mean_class_accuracy"), "mean over classes"),
        (_percent(report.get("chance")), "largest class (chance)"),
        (_with_spread(report, "calibration_error"), "calibration error"),
        (f"{report['clips']}", "clips"),
    ]
    if report.get("clips_per_second"):
        numbers.append((f"{report['clips_per_second']:.1f}", "clips per second"))
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in numbers)
    return f'<div class="numbers">{cells}</div>'


def _splits(report: Mapping) -> str:
    if "splits" not in report:
        return ""
    rows = [
        (name, split["clips"], _percent(split["top1"]), _percent(split["top5"]), _percent(split["calibration_error"]))
        for name, split in report["splits"].items()
    ]
    spread = "<p class=quiet>Mean ± sample deviation over the splits.</p>"
    return "<h2>Splits</h2>" + _rows(["split", "clips", "top-1", "top-5", "calibration error"], rows) + spread


def _parts(report: Mapping) -> str:
    """The parts of a network that answer for themselves, and all of it."""
    if not report.get("parts"):
        return ""
    figures = {**{f"{name} alone": part for name, part in report["parts"].items()}, "together": report}
    rows = [(name, _percent(part["top1"]), _percent(part["top5"])) for name, part in figures.items()]
    return "<h2>Each stream alone</h2>" + _rows(["stream", "top-1", "top-5"], rows)


def _classes(report: Mapping) -> str:
    rows = []
    for label, row in report["per_class"].items():
        recall = row["recall"]
        bar = "" if recall is None else f'<meter min="0" max="1" value="{recall:.4f}"></meter>'
        cells = (row["clips"], _percent(recall), _percent(row["precision"]), _percent(row["f1"]))
        numbers = "".join(f'<td class="n">{escape(str(cell))}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(label)}</td>{numbers}<td>{bar}</td></tr>")
    head = '<tr><th>class</th><th class="n">clips</th><th class="n">recall</th><th class="n">precision</th>'
    return f'<div class="wide"><table>{head}<th class="n">F1</th><th></th></tr>{"".join(rows)}</table></div>'


def _confused(report: Mapping) -> str:
    rows = [(one, other, count, _percent(fraction)) for one, other, count, fraction in most_confused(report)]
    return _rows(["class", "taken for", "clips", "of the class"], rows) if rows else ""


def _calibration(report: Mapping) -> str:
    if "reliability" not in report:
        return ""
    after = report.get("temperature")
    text = f"<p>Calibration error {_percent(report['reliability']['error'])}"
    if after:
        text += (
            f"; {_percent(after['calibration_error'])} with temperature {after['value']:.2f}, "
            f"fitted on {escape(after['fitted_on'])}"
        )
    scaled = after["reliability"] if after else None
    image = _image("Confidence and accuracy", lambda p: p.reliability_image(report["reliability"], scaled))
    return f"<h2>Is the confidence right?</h2>{text}.</p>{image}"


def _unknown(report: Mapping) -> str:
    unknown = report.get("unknown")
    if not unknown:
        return ""
    text = (
        f"<p>{unknown['known']} known and {unknown['unknown']} unknown clips, told apart by "
        f"{escape(unknown['by'])}: AUROC {unknown['auroc']:.3f}. When 5 % of the unknown are accepted, "
        f"{_percent(unknown['false_reject_at_5_percent_false_accept'])} of the known are refused.</p>"
    )
    if unknown.get("shortcut_auroc"):
        alone = ", ".join(f"{name} {value:.2f}" for name, value in unknown["shortcut_auroc"].items())
        text += f"<p>AUROC of facts about the files alone, without the pixels: {escape(alone)}.</p>"
    image = _image("Known against unknown", lambda p: p.rejection_image(unknown))
    return f"<h2>Known and unknown</h2>{text}{image}"


def _mistakes(report: Mapping) -> str:
    rows = [(m["clip"], m["is"], m["taken_for"], _percent(m["confidence"])) for m in report.get("mistakes", ())]
    if not rows:
        return ""
    return "<h2>Most confident mistakes</h2>" + _rows(["clip", "is", "taken for", "confidence"], rows)


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table>{f"<tr>{top}</tr>" if top else ""}{body}</table></div>'


def _image(alt: str, draw: Callable[[ModuleType], bytes], *, fits: bool = True) -> str:
    """An image inside the page; a machine without matplotlib, such as a rented GPU, gets the numbers alone."""
    try:
        from actrec.evaluation import plots
    except ImportError:
        return f'<p class="quiet">{escape(alt)}: no image, because matplotlib is not installed here.</p>'
    size = ' class="fits"' if fits else ""
    return f'<div class="wide"><img{size} alt="{escape(alt)}" src="{data_uri(draw(plots), "png")}"></div>'
