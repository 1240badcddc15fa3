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

# The working clips as one file of at most 30 MB: with a copy of the repository it trains anywhere, no video decoder needed.
# The light networks see a long side of 112 pixels: a short side of 88 holds as much.
# There: python -m actrec train --data working.pack --fold 'set1 → set2'
DATA ?= ../shared/data
PACK ?= build/working.pack
WORKING ?= $(DATA)/ut_interaction/set1 $(DATA)/ut_interaction/set2 $(DATA)/pushup_form $(DATA)/generated_people

gpu-pack:
	mkdir -p $(dir $(PACK))
	$(PYTHON) -m actrec data pack $(WORKING) --out $(PACK) --megabytes 30 --size 88 --frames 32
