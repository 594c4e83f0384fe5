# Plimsoll. Every target sets up what it needs in .venv by itself; a second run is fast.
# Needs Python >= 3.11, git and make. Another Python: make PYTHON=python3.13 run

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# A test starts dozens of processes: without bytecode each would compile the whole service anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help install run test live test-cluster check lint format bench loadtest soak study docker-test docs lock clean

NEW_ENOUGH := -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	if $$name $(NEW_ENOUGH) >/dev/null 2>&1; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# Four on two cores: much of the time a test waits for a process, a socket or a clock.
PYTEST := $(BIN)/pytest --numprocesses 4 --dist worksteal -m 'not live'
LIVE := $(BIN)/pytest --numprocesses 2 --dist loadfile -m live

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install: $(RUNTIME) ## Install the service into .venv

run: $(RUNTIME) ## Run the demo: a service, accounts, a crash, the alerts as they come
	$(BIN)/plimsoll demo

test: $(DEV) ## Run the tests on two cores
	$(PYTEST)

live: $(DEV) ## Run the tests that need Debian's Chromium or Prometheus; without these they skip
	$(LIVE)

test-cluster: $(DEV) ## Run the tests that need a store on a cluster of three masters
	PLIMSOLL_TEST_STORE=cluster $(PYTEST) $(addprefix tests/,store monitor api push feeds e2e simulation)

check: $(DEV) ## Run everything that must hold before a change lands; pytest comes last
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/plimsoll openapi --check
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m tests.benchmarks --size small
	$(BIN)/python -m loadtests --short --tries 2
	$(LIVE)
	$(PYTEST)

lint: $(DEV) ## Run the part of `check` that takes seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_tidy.py

format: $(DEV) ## Format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## Run every benchmark in full size; one JSON line each
	$(BIN)/python -m tests.benchmarks --size full

loadtest: $(DEV) ## Run Locust for five minutes against a service of its own; report in out/
	$(BIN)/python -m loadtests

soak: $(DEV) ## Run the long form of the tests that have one, with their figures
	PLIMSOLL_SOAK=1 $(BIN)/pytest -m soak --capture=no --verbose --timeout=0

study: $(DEV) ## Play the recorded crash and write its table and picture: make study DATA=DIR
	$(BIN)/python -m studies.crash --data $(or $(DATA),$(error make study DATA=DIR, see docs/crash.md))
	$(BIN)/python -m studies.marks --data $(DATA)

docs: $(DEV) ## Build the documentation as a site: out/site/index.html
	$(BIN)/zensical build --clean --strict

docker-test: $(DEV) ## Build the image, run the Compose file, restart and stop it; needs a Docker engine
	$(BIN)/python tests/docker/run_compose.py

lock: ## Write constraints.txt anew from a fresh environment of the oldest supported Python
	rm -rf out/lock && mkdir -p out
	python3.11 -m venv out/lock
	out/lock/bin/python -m pip install --quiet --upgrade pip
	out/lock/bin/python -m pip install --editable '.[dev]' --editable client
	{ echo '# Written by `make lock`: every package the service and its tests use, for Python 3.11 and later.'; \
		out/lock/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	rm -rf out/lock

clean: ## Remove everything that was built or installed here, and no data
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@[ -n "$(PYTHON)" ] || { echo "No Python >= 3.11 with the venv module is on PATH (Debian: apt-get install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "Installing into $(VENV) (about a minute the first time)"
	$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml client/pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "Installing into $(VENV) (about a minute the first time)"
	$(PIP_INSTALL) --editable '.[dev]' --editable client
	@touch $(RUNTIME) $@
