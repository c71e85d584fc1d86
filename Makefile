# Two commands do everything: `make run` (try it) and `make test`.
# Needs Python 3.11+ and make; everything else goes into .venv.

PYTHON ?= python3
PORT   ?= 8000
SITE   ?= var/example
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/feed-publisher --site $(SITE)
PIP    := $(BIN)/pip --disable-pip-version-check -q
SOURCE := pyproject.toml requirements/core.txt

.PHONY: run demo again test check bench crash year pins clean picture pictures words
.DEFAULT_GOAL := run

run: $(VENV)/.core
	@$(RUN) demo --port $(PORT)

demo: $(VENV)/.core
	@$(RUN) demo --once

again: $(VENV)/.core
	@$(RUN) demo --port $(PORT) --fresh

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2 -q $(ARGS)

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/docs tests/compose -k "docs or golden"

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/tick.py
	@$(BIN)/python benchmarks/pickup.py
	@$(BIN)/python benchmarks/opening.py
	@$(BIN)/python benchmarks/editions.py
	@$(BIN)/python benchmarks/feeds.py
	@$(BIN)/python benchmarks/feeds_http.py

crash: $(VENV)/.dev
	@$(BIN)/python -m tests.faults.crash

# The catalogs of src/feed_publisher/locale, brought up to what templates/ and src/ say.
words: $(VENV)/.dev
	@$(BIN)/python docs/words.py

# A simulated year: make year READERS=200 ARTICLES=3000 SEEDS="1 2 3"
READERS  ?= 200
ARTICLES ?= 3000
SEEDS    ?= 1
year: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m flow.year_world $(READERS) $(ARTICLES) $(SEEDS)

picture: $(VENV)/.dev
	@$(BIN)/python docs/picture.py

pictures: $(VENV)/.dev
	@$(BIN)/python docs/pictures.py

# --- how .venv is made

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: Python 3.11 or newer is needed, and $(PYTHON) is `$(PYTHON) --version 2>&1 || echo missing`; install one and run: make PYTHON=python3.12" >&2; exit 1; }
	@echo "First run: making .venv and installing the program, about a minute. Then the example site starts on port $(PORT)."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.python $(SOURCE)
	@test -e $(VENV)/.dev || $(PIP) install --require-hashes -r requirements/core.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.python $(SOURCE) requirements/dev.txt
	@echo "Installing what the tests need, a minute or two."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.core

# Pins with hashes and without addresses; needs the package uv.
pins:
	@for part in dev "core build" "postgres postgres build"; do set -- $$part; name=$$1; shift; \
	  extras=; for extra in $${@:-dev}; do extras="$$extras --extra $$extra"; done; \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
	    pyproject.toml $$extras -o requirements/$$name.txt; done

clean:
	@rm -rf $(VENV) $(SITE) build dist
