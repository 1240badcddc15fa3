PYTHON ?= .venv/bin/python

.PHONY: check check-all package lock lint format test mutants run examples bench screens gpu-pack weights detector

run:
	$(PYTHON) app.py

check: lint test package

# The tests on every Python that the project is for and this machine has. PYTHONS names interpreters, TESTS narrows
# what runs: make check-all TESTS="-m 'not browser'"
check-all: lint
	$(PYTHON) .ci/pythons.py $(TESTS)
	$(PYTHON) .ci/wheel.py

package:
	$(PYTHON) .ci/wheel.py

# Exact versions and hashes for all Pythons and systems. What is locked and still fits stays; UPGRADE=1 takes the newest.
lock:
	$(PYTHON) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -q -o requirements.lock requirements-dev.txt

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pylint --disable=all --enable=duplicate-code --min-similarity-lines=6 actrec demo benchmarks app.py
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PYTHON) -m mypy

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# The browser's tests mostly wait, so the others run beside them.
test:
	$(PYTHON) -m pytest -n 2

# Whether the tests notice the mistakes in benchmarks/mutants/, one at a time: hours, and not part of any check. Cut off,
# it goes on where it stopped. MUTANTS narrows what runs: make mutants MUTANTS="--paper fstcn --jobs 2"
mutants:
	$(PYTHON) -m benchmarks.mutants $(MUTANTS)

examples:
	$(PYTHON) -m actrec examples

bench:
	$(PYTHON) -m benchmarks.clues
	$(PYTHON) -m benchmarks.models --busy
	$(PYTHON) -m benchmarks.training --processes
	$(PYTHON) -m benchmarks.live
	$(PYTHON) -m benchmarks.start

screens:
	$(PYTHON) -m benchmarks.screens

# Every checkpoint that ships, each by the command on its card; DATA holds the real clips. About three hours on two cores.
weights:
	$(PYTHON) weights/make.py --data $(DATA)

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
