PYTHON ?= .venv/bin/python

.PHONY: check lint format test run examples bench gpu-pack weights

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

# The checkpoints that ship, each by the command on its card: drawn figures first, then two people's interactions. The
# light systems take about two hours on two cores.
DRAWN = asym3d:14 fstcn:7 ms3d:7 mdtnet:4 crossenh:6
TUNED = asym3d:25 fstcn:20 ms3d:20 mdtnet:15 crossenh:18
INTERACTIONS ?= $(DATA)/ut_interaction
TRAIN = $(PYTHON) -m actrec train --name $$name --out runs/$$name
SHIP = rm -rf weights/$$name && cp -r runs/$$name/weights weights/$$name

weights:
	set -e; for each in $(DRAWN); do system=$${each%:*}; name=$$system-synthetic; \
	  $(TRAIN) --system $$system --data synthetic:all --clips-per-class 100 --epochs $${each#*:}; $(SHIP); done
	set -e; for each in $(TUNED); do system=$${each%:*}; name=$$system-ut; \
	  $(TRAIN) --system $$system --data $(INTERACTIONS) --fold all --start-from $$system-synthetic \
	  --epochs $${each#*:} --patience 0; $(SHIP); done

# The working clips as one file of at most 30 MB: with a copy of the repository it trains anywhere, no video decoder needed.
# The light networks see a long side of 112 pixels: a short side of 88 holds as much.
# There: python -m actrec train --data working.pack --fold 'set1 → set2'
DATA ?= ../shared/data
PACK ?= build/working.pack
WORKING ?= $(DATA)/ut_interaction/set1 $(DATA)/ut_interaction/set2 $(DATA)/pushup_form $(DATA)/generated_people

gpu-pack:
	mkdir -p $(dir $(PACK))
	$(PYTHON) -m actrec data pack $(WORKING) --out $(PACK) --megabytes 30 --size 88 --frames 32
