"""A result as two files: `report.json` for programs and `report.html` for people, which needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from types import ModuleType

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

    `about` says what was judged (system, weights, data, protocol); `beside` are sentences every reader has to
    see next to the result, such as what the shortcut baseline scores; `unknown` comes from `judge_unknown`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    told = plain({"title": title, "about": dict(about or {}), "beside": list(beside), **result})
    if unknown:
        told["unknown"] = plain(unknown)
    paths = folder / "report.json", folder / "report.html"
    for path, text in zip(paths, (json.dumps(told, indent=1, ensure_ascii=False), page(told)), strict=True):
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    return paths


def page(told: Mapping) -> str:
    """The report as one HTML document without a reference to anything outside."""
    parts = [
        f"<h1>{escape(told['title'])}</h1>",
        _rows([], told["about"].items()) if told["about"] else "",
        _headline(told),
        "".join(f"<p>{escape(sentence)}</p>" for sentence in told["beside"]),
        _splits(told),
        "<h2>Classes</h2>" + _classes(told),
        "<h2>What is taken for what</h2>",
        _picture(
            "Confusion matrix",
            lambda plots: plots.confusion_picture(told["confusion"], told["labels"]),
            fits=told["classes"] <= 25,  # a larger one is scrolled, or its names could not be read
        ),
        _confused(told),
        _calibration(told),
        _unknown(told),
        _mistakes(told),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escape(told["title"])}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}\N{NARROW NO-BREAK SPACE}%"


def _with_spread(told: Mapping, name: str) -> str:
    deviation = told.get(f"{name}_deviation")
    return _percent(told.get(name)) + (f" ± {100 * deviation:.1f}" if deviation is not None else "")


def _headline(told: Mapping) -> str:
    numbers = [
        (_with_spread(told, "top1"), "top-1"),
        (_with_spread(told, "top5"), f"top-{min(5, told['classes'])}"),
        (_with_spread(told, "mean_class_accuracy"), "mean over classes"),
        (_percent(told.get("chance")), "largest class (chance)"),
        (_with_spread(told, "calibration_error"), "calibration error"),
        (f"{told['clips']}", "clips"),
    ]
    if told.get("clips_per_second"):
        numbers.append((f"{told['clips_per_second']:.1f}", "clips per second"))
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in numbers)
    return f'<div class="numbers">{cells}</div>'


def _splits(told: Mapping) -> str:
    if "splits" not in told:
        return ""
    rows = [
        (name, each["clips"], _percent(each["top1"]), _percent(each["top5"]), _percent(each["calibration_error"]))
        for name, each in told["splits"].items()
    ]
    spread = "<p class=quiet>Mean ± sample deviation over the splits.</p>"
    return "<h2>Splits</h2>" + _rows(["split", "clips", "top-1", "top-5", "calibration error"], rows) + spread


def _classes(told: Mapping) -> str:
    rows = []
    for label, each in told["per_class"].items():
        recall = each["recall"]
        bar = "" if recall is None else f'<meter min="0" max="1" value="{recall:.4f}"></meter>'
        cells = (each["clips"], _percent(recall), _percent(each["precision"]), _percent(each["f1"]))
        numbers = "".join(f'<td class="n">{escape(str(cell))}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(label)}</td>{numbers}<td>{bar}</td></tr>")
    head = '<tr><th>class</th><th class="n">clips</th><th class="n">found</th><th class="n">precision</th>'
    return f'<div class="wide"><table>{head}<th class="n">F1</th><th></th></tr>{"".join(rows)}</table></div>'


def _confused(told: Mapping) -> str:
    rows = [(one, other, count, _percent(share)) for one, other, count, share in most_confused(told)]
    return _rows(["class", "taken for", "clips", "of the class"], rows) if rows else ""


def _calibration(told: Mapping) -> str:
    if "reliability" not in told:
        return ""
    after = told.get("temperature")
    text = f"<p>Calibration error {_percent(told['reliability']['error'])}"
    if after:
        text += (
            f"; {_percent(after['calibration_error'])} with temperature {after['value']:.2f}, "
            f"fitted on {escape(after['fitted_on'])}"
        )
    scaled = after["reliability"] if after else None
    image = _picture("Confidence and accuracy", lambda p: p.reliability_picture(told["reliability"], scaled))
    return f"<h2>Does confidence mean what it says?</h2>{text}.</p>{image}"


def _unknown(told: Mapping) -> str:
    unknown = told.get("unknown")
    if not unknown:
        return ""
    text = (
        f"<p>{unknown['known']} known and {unknown['unknown']} unknown clips, told apart by "
        f"{escape(unknown['by'])}: AUROC {unknown['auroc']:.3f}. When 5 % of the unknown are accepted, "
        f"{_percent(unknown['false_reject_at_5_percent_false_accept'])} of the known are refused.</p>"
    )
    if unknown.get("shortcut_auroc"):
        alone = ", ".join(f"{name} {value:.2f}" for name, value in unknown["shortcut_auroc"].items())
        text += f"<p>AUROC of facts about the files alone, without a look at the pixels: {escape(alone)}.</p>"
    image = _picture("Known against unknown", lambda p: p.rejection_picture(unknown))
    return f"<h2>Known and unknown</h2>{text}{image}"


def _mistakes(told: Mapping) -> str:
    rows = [(m["clip"], m["is"], m["taken_for"], _percent(m["confidence"])) for m in told.get("mistakes", ())]
    if not rows:
        return ""
    return "<h2>Most confident mistakes</h2>" + _rows(["clip", "is", "taken for", "confidence"], rows)


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table>{f"<tr>{top}</tr>" if top else ""}{body}</table></div>'


def _picture(alt: str, draw: Callable[[ModuleType], bytes], *, fits: bool = True) -> str:
    """A picture inside the page; a machine without matplotlib, such as a rented GPU, gets the numbers alone."""
    try:
        from actrec.evaluation import plots
    except ImportError:
        return f'<p class="quiet">{escape(alt)}: no picture, because matplotlib is not installed here.</p>'
    size = ' class="fits"' if fits else ""
    return f'<div class="wide"><img{size} alt="{escape(alt)}" src="{data_uri(draw(plots), "png")}"></div>'
