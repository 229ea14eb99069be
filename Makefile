# make demo · make test · make check · make docs: each makes the environment in .venv first, if it is missing.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --constraint .ci/constraints.txt
# Where the demo writes, and further options for it; `make demo-short` (what CI runs) trains for 12 steps.
DEMO_OUTPUT ?= output
DEMO_FLAGS ?=

.PHONY: env demo demo-short test test-fast check lint types format docs reference dist wheel-check release clean

env: .venv/ready

.venv/ready: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tripletkit needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	# torch first and in this exact version: a looser request downloads gigabytes of CUDA.
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[embedded,dev]'
	@touch $@

.venv/docs-ready: .venv/ready
	$(PIP) --editable '.[docs]'
	@touch $@

.venv/release-ready: .venv/ready
	$(PIP) --editable '.[release]'
	@touch $@

demo: env
	$(BIN)/tripletkit run --config examples/tripletkit.toml --output $(DEMO_OUTPUT) $(DEMO_FLAGS)

demo-short:
	$(MAKE) demo DEMO_OUTPUT=output/short DEMO_FLAGS="--set train.max_steps=12 --allow-worse"

# All tests, in two processes.
test: env
	$(BIN)/pytest -n 2

# The loop while one works: everything but the tests marked slow, under a minute on two idle cores.
test-fast: env
	$(BIN)/pytest -n 2 -m "not slow"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: env
	$(BIN)/mypy

check: lint types test

# The pages of docs/reference, written from the code. A test fails where the committed ones are old.
reference: env
	$(BIN)/python docs/generate.py

# The documentation as a site in build/site; a broken link or a page that no menu names is an error.
docs: .venv/docs-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# dist/: the source distribution, and the wheel built from it; what they hold is checked.
dist: env
	bash .ci/build $(BIN)/python

# The wheel in an environment of its own, run outside the checkout.
wheel-check: dist
	bash .ci/wheel-check $(PYTHON)

# Everything but the upload, which only a person with the project's PyPI token can do.
release: dist .venv/release-ready
	$(BIN)/twine check --strict dist/*
	@echo "Checked. To publish, run: $(BIN)/twine upload dist/*"

clean:
	rm -rf .venv build dist
