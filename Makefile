PYTHON ?= .venv/bin/python

.PHONY: check lint format test run examples bench gpu-pack

run:
	$(PYTHON) app.py

check: lint test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

test:
	$(PYTHON) -m pytest

examples:
	$(PYTHON) -m actrec examples

bench:
	$(PYTHON) -m benchmarks.clues
	$(PYTHON) -m benchmarks.models

gpu-pack:
	$(PYTHON) -m actrec data pack ../shared/data/ut_interaction --out .cache/ut.pack
