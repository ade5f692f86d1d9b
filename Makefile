# The two commands of a newcomer: make demo, make test.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo venv check test soak bench protos clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.run-ready  ## start the services, read a real ECG, predict, show it
	@$(BIN)/python -m cli.demo

venv: $(VENV)/.dev-ready  ## set up .venv with everything, and nothing else

check: $(VENV)/.dev-ready  ## format, lint, types, import contracts, stubs, breaking proto changes
	@scripts/check

test: $(VENV)/.dev-ready  ## every check and every test
	@scripts/test

soak: $(VENV)/.dev-ready  ## the long tests
	@scripts/test -m soak --timeout=3600

bench: $(VENV)/.dev-ready  ## every benchmark, with its ratio
	@scripts/bench

protos: $(VENV)/.dev-ready  ## regenerate the stubs
	@scripts/gen-protos

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

# What runs the services, the command line and the terminal UI; torch is not part of it.
$(VENV)/.run-ready: pyproject.toml $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable '.[cpu]'
	@touch $@

# torch first and by its exact version: a range would take another build.
$(VENV)/.dev-ready: pyproject.toml $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable '.[cpu,train,dev]'
	@touch $@ $(VENV)/.run-ready

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
