# The words people try. Everything happens in .venv (make VENV=... PYTHON=...: another one); a
# fresh machine needs Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -q
# What the demo needs is set up first; the tools of tests and lint come on top, when they are asked for.
DEMO := $(VENV)/.demo
STAMP := $(VENV)/.installed

.PHONY: demo test test-chart test-image test-cluster test-faults test-mutations test-fuzz lint format docs lock clean help

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(DEMO): requirements-sandbox.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) (once; half a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements-sandbox.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): requirements-dev.lock $(DEMO)
	@echo "Adding the tools of tests and lint to $(VENV) (once; half a minute) ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(DEMO)  ## rotate three gateways in a sandbox: no cloud, no cluster
	$(BIN)/python -m sandbox demo

test: $(STAMP)  ## all tests but the slow ones
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not mutation and not chart and not image and not cluster and not faults and not fuzz"

test-chart: $(STAMP)  ## render the Helm chart with the real engine (builds helm with Go, once)
	$(BIN)/python -m tests.chart.helm
	$(BIN)/python -m pytest -n 2 -m "chart and not cluster"

test-image: $(STAMP)  ## the image's install steps, in a folder of their own
	$(BIN)/python -m pytest tests/image

test-cluster: $(STAMP)  ## against a real Kubernetes control plane (builds one with Go, once)
	$(BIN)/python -m tests.chart.helm
	$(BIN)/python -m pytest -m cluster

test-faults: $(STAMP)  ## kill real daemons at every step, and spoil the next one's calls (ALL_FAULTS=1: with every fault)
	$(BIN)/python -m pytest -n 4 --dist worksteal -m faults

test-mutations: $(STAMP)  ## break each rule once and see a test notice (some minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m mutation -p no:cacheprovider tests/mutations

test-fuzz: $(STAMP)  ## throw random input at every edge (FUZZ_EXAMPLES=3000, a minute or two)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m fuzz tests/fuzz

lint: $(STAMP)  ## style, types, walls between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs.freshness
	$(BIN)/python -m tests.chart.readme

format: $(STAMP)  ## let the formatter and the fixable rules have their way
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## rewrite the generated parts of the docs (CLI help, metrics, chart values)
	$(BIN)/python -m tests.docs.freshness --write
	$(BIN)/python -m tests.chart.readme --write

lock:  ## pin dependencies anew, with hashes and without index addresses (needs uv)
	$(LOCK) -o requirements.lock
	$(LOCK) --group build --group sandbox -o requirements-sandbox.lock
	$(LOCK) --group dev -o requirements-dev.lock

clean:  ## remove what make made
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
