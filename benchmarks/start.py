"""How soon the page can be used after `python app.py`, and how soon after that the first answer is there.

    python -m benchmarks.start [--rounds N]

Each round starts the real page twice, as a visitor would use it at once: with an empty cache, where
nothing is known about this machine yet, and with the cache that the first start left. The clock starts with the
process. The page is usable when Chromium shows its first tab; then an example is clicked straight away, and the answer
is there when its scores are. Chromium runs already. Medians, on two cores also where the machine has more. Run nothing
beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from actrec.core.devices import cores, processor
from benchmarks.live import CORES, FLAGS, app, chromium, open_page

RESULTS = Path(__file__).parent / "results" / "start.json"
GOALS = {"page_s": 5.0, "first_answer_s": 3.0}
CACHES = ("empty cache", "warm cache")


def start(browser: object, cache: Path) -> dict[str, float]:
    """Seconds until the page can be used, and from then on until the first answer, which an example asks for."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    with app({"ACTREC_CACHE": str(cache)}) as (address, begin):
        open_page(page, address)
        usable = time.perf_counter()
        page.click("#clip-squat")
        page.wait_for_selector("#clip-answer .score", timeout=120_000)
        answered = time.perf_counter()
        label = page.locator("#clip-answer .verdict").get_attribute("data-label")
        page.wait_for_selector("#clip-facts:has-text('Cost')", timeout=120_000)
        cost = page.inner_text("#clip-facts .figures")
        page.context.close()
    return {"page_s": usable - begin, "first_answer_s": answered - usable, "label": label, "cost": cost}


def run(rounds: int) -> dict[str, dict]:
    from playwright.sync_api import sync_playwright

    times: dict[str, list[dict]] = {name: [] for name in CACHES}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="actrec-cache-") as cache:
                for name in CACHES:
                    times[name].append(start(browser, Path(cache)))
                    print(f"{name}: {times[name][-1]}", flush=True)
        browser.close()
    return {
        name: {goal: round(statistics.median(row[goal] for row in rows), 2) for goal in GOALS}
        | {"rounds": len(rows), "longest": {goal: round(max(row[goal] for row in rows), 2) for goal in GOALS}}
        for name, rows in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if hasattr(os, "sched_setaffinity"):  # inherited by all that is started from here
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    print(f"{processor()}, {cores()} cores, load before {load:.1f}")
    result = run(args.rounds)
    for name, row in result.items():
        for goal, most in GOALS.items():
            verdict = "met" if row[goal] <= most else "**missed**"
            print(
                f"{name:12} {goal:15} {row[goal]:5.2f} s, longest {row['longest'][goal]:.2f} "
                f"(target {most} s): {verdict}"
            )
    facts = {"processor": processor(), "cores": cores(), "load_before": round(load, 2), "goals": GOALS}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**facts, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
