# Each target sets up its own .venv from nothing; the second time it is ready.
# PYTHON=python3.12 make test   chooses the interpreter (3.11, 3.12 or 3.13).

VENV ?= .venv
BIN := $(VENV)/bin
CANDIDATES := python3 python3.13 python3.12 python3.11 python
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for candidate in $(CANDIDATES); do \
	$$candidate -c "$(SUPPORTED)" >/dev/null 2>&1 && echo $$candidate && break; done)
DEMO ?= demo
BROWSERS := chromium chromium-browser google-chrome

export MPLBACKEND ?= Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.PHONY: help demo test lint types tests browser bench index-bench format clean

help:
	@echo "make demo    simulate a milling series, refine it, truth beside result"
	@echo "make test    ruff, mypy, pytest and the notebooks"
	@echo "make bench   timings and accuracies against other programs"
	@echo "make index-bench   the amorphization index beside the truth, docs/ page anew (1 h)"
	@echo "make format  let ruff put the code in shape"

demo: $(VENV)/.ready-run
	$(BIN)/structkit demo -o $(DEMO) --open

test: lint types tests

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: $(VENV)/.ready-dev
	$(BIN)/mypy

tests: $(VENV)/.ready-dev browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --nbmake --nbmake-timeout=600 \
		tests structkit refinement $(wildcard notebooks/*.ipynb)

# The page of results is tested in a browser. Where there is none, and only as root with
# apt at hand (a container of CI), it is fetched; else those tests are skipped, and say so.
browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null || exit 0; \
	fetch="timeout 300 apt-get install -qq -y --no-install-recommends chromium"; \
	{ $$fetch || { timeout 120 apt-get update -qq && $$fetch; }; } \
		</dev/null >/dev/null 2>&1 || true

bench: $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks

index-bench: $(VENV)/.ready-bench
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.index -n 500 --raw 40 --adversaries 1 \
		--keep .index-bench -o docs/amorphization_index_measured.md

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.python:
	@test -n "$(PYTHON)" || \
		{ echo "structkit needs Python 3.11, 3.12 or 3.13; none found" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready-run: pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.ready-run

$(VENV)/.ready-bench: pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --editable ".[dev,bench]"
	@touch $@ $(VENV)/.ready-dev $(VENV)/.ready-run

clean:
	rm -rf $(VENV) build dist out demo
