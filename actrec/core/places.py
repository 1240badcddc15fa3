"""The places of the project's own files: beside the package in a checkout, some inside it once it is installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = _PACKAGE / "shipped"  # weights that a wheel carries; a checkout has no such folder
INSTALLED = SHIPPED.is_dir()
PROJECT = Path() if INSTALLED else _PACKAGE.parent  # an installed package reads and writes where it is called
