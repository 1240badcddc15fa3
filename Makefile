PYTHON ?= .venv/bin/python

.PHONY: check lint format test run examples bench screens gpu-pack weights detector

run:
	$(PYTHON) app.py

check: lint test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pylint --disable=all --enable=duplicate-code --min-similarity-lines=6 actrec demo benchmarks app.py
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# The browser's tests mostly wait, so the others run beside them.
test:
	$(PYTHON) -m pytest -n 2

examples:
	$(PYTHON) -m actrec examples

bench:
	$(PYTHON) -m benchmarks.clues
	$(PYTHON) -m benchmarks.models
	$(PYTHON) -m benchmarks.training --processes
	$(PYTHON) -m benchmarks.live

screens:
	$(PYTHON) -m benchmarks.screens

# The checkpoints that ship, each by the command on its card: system:weights:data:clips of each class:epochs; what goes on
# with drawn interactions of two people, as system:epochs, and with more of them, as system:from; then system:folder to start
# from:epochs for real interactions. What the page asks first has two trainings of its own at the end. About three hours
# on two quiet cores.
DRAWN = asym3d:asym3d-synthetic:six:250:12 asym3d:asym3d-all:all:100:14 fstcn:fstcn-synthetic:six:160:15 \
  ms3d:ms3d-synthetic:six:160:11 mdtnet:mdtnet-synthetic:six:160:5 crossenh:crossenh-synthetic:six:160:14
PAIRS = ms3d:8 crossenh:8
MORE_PAIRS = ms3d:runs/ms3d-pairs/weights crossenh:runs/crossenh-pairs/weights fstcn:fstcn-synthetic
TUNED = asym3d:weights/asym3d-all:70 fstcn:runs/fstcn-pairs2/weights:100 mdtnet:weights/mdtnet-synthetic:60 \
  ms3d:runs/ms3d-pairs2/weights:60 crossenh:runs/crossenh-pairs2/weights:60
INTERACTIONS ?= $(DATA)/ut_interaction
TRAIN = $(PYTHON) -m actrec train --system $$1 --name $$name --out runs/$$name
SHIP = mkdir -p weights/$$name && cp runs/$$name/weights/* weights/$$name/

weights:
	set -e; for each in $(DRAWN); do set -- $$(echo $$each | tr : " "); name=$$2; \
	  $(TRAIN) --data synthetic:$$3 --clips-per-class $$4 --epochs $$5; $(SHIP); done
	set -e; for each in $(PAIRS); do set -- $$(echo $$each | tr : " "); name=$$1-pairs; \
	  $(TRAIN) --data synthetic:interactions --clips-per-class 160 --preset scratch --rate 1e-3 --epochs $$2 \
	  --start-from $$1-synthetic; done
	set -e; for each in $(MORE_PAIRS); do set -- $$(echo $$each | tr : " "); name=$$1-pairs2; \
	  $(TRAIN) --data synthetic:interactions --clips-per-class 400 --preset scratch --rate 1e-3 --epochs 10 --seed 1 \
	  --start-from $$2; done
	set -e; for each in $(TUNED); do set -- $$(echo $$each | tr : " "); name=$$1-ut; \
	  $(TRAIN) --data $(INTERACTIONS) --fold all --start-from $$2 --epochs $$3 --patience 0; $(SHIP); done
	set -e; set -- asym3d; name=asym3d-more; $(TRAIN) --data synthetic:all --clips-per-class 250 --preset scratch --rate 1e-3 \
	  --epochs 8 --seed 1 --start-from asym3d-all; \
	  name=asym3d-people; $(TRAIN) --data synthetic:all+$(DATA)/generated_people+$(INTERACTIONS) --clips-per-class 20 \
	  --leave-out read 'meet and split' --fold all --preset fine-tune --start-from runs/asym3d-more/weights --epochs 24 \
	  --patience 0 --keep last; $(SHIP)

# The person detector, from drawn people and from clips whose people a YOLOX of COCO's classes (an ONNX file) points out. Cut
# off, it goes on after its last whole epoch. About half an hour on two cores.
TEACHER ?= $(DATA)/detector/yolox_nano.onnx
PEOPLE ?= $(DATA)/ut_interaction $(DATA)/generated_people $(DATA)/pushup_form $(DATA)/samples

detector:
	$(PYTHON) -m actrec detector --data $(PEOPLE) --teacher $(TEACHER) --out weights/person-detector

# The working clips as one file of at most 30 MB: with a copy of the repository it trains anywhere, no video decoder needed.
# The light networks see a long side of 112 pixels: a short side of 88 holds as much.
# There: python -m actrec train --data working.pack --fold 'set1 → set2'
DATA ?= ../shared/data
PACK ?= build/working.pack
WORKING ?= $(DATA)/ut_interaction/set1 $(DATA)/ut_interaction/set2 $(DATA)/pushup_form $(DATA)/generated_people

gpu-pack:
	mkdir -p $(dir $(PACK))
	$(PYTHON) -m actrec data pack $(WORKING) --out $(PACK) --megabytes 30 --size 88 --frames 32
