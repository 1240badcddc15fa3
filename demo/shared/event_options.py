"""How the page's events run: what the wiring of every tab has in common. The public endpoints are those of `api`."""

from __future__ import annotations

QUIET = {"api_visibility": "private", "show_progress": "hidden"}
COMPUTE = {"api_visibility": "private", "concurrency_id": "compute", "concurrency_limit": 2}  # of all tabs together
QUICK = {**COMPUTE, "show_progress": "hidden", "trigger_mode": "always_last"}  # what follows a slider
