# Two commands do all the set-up: `make demo` (the runtime alone) and `make test` (everything).
PYTHON ?= python3
BIN := .venv/bin
DEMO := demo-out
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo install test test-light check format docs lock clean

demo: .venv/package.stamp
	@mkdir -p $(DEMO)
	$(BIN)/edge-run webcam --model expression.onnx --source demo --no-window \
	    --record $(DEMO)/demo.mp4 --events $(DEMO)/events.jsonl --still $(DEMO)/still.jpg
	@echo "the annotated video, the events and a still picture are in $(DEMO)/"

install: .venv/dev.stamp

# A file at a time in each of two processes: most tests keep one core busy.
test: .venv/dev.stamp
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-light: .venv/dev.stamp
	$(BIN)/python -m pytest -m "not tensorflow and not slow"

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/help_page.py --check
	$(BIN)/python scripts/models_page.py --check
	$(BIN)/python scripts/exercise_pages.py --check

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/dev.stamp
	$(BIN)/python scripts/help_page.py
	$(BIN)/python scripts/models_page.py
	$(BIN)/python scripts/exercise_pages.py

lock: .venv/dev.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock.sh

clean:
	rm -rf .venv $(DEMO) dist

.venv/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	    { echo "error: $(PYTHON) is not Python 3.11 to 3.13; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "error: $(PYTHON) lacks venv; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime.stamp: .venv/made.stamp requirements/runtime.txt pyproject.toml
	@echo "installing the runtime into .venv"
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@touch $@

# The package itself, again whenever a file of it changed; a development install needs no copy.
.venv/package.stamp: .venv/runtime.stamp $(shell find edge_runtime -type f ! -name '*.pyc')
	@test -e .venv/dev.stamp || $(PIP) --no-deps .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements/dev.txt
	@echo "installing what training, export and the tests need into .venv (about 2.7 GB)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
