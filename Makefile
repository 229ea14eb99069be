# make demo · make test · make check: each makes the environment in .venv first, if it is missing.
PYTHON ?= python3
BIN := .venv/bin
# Steps of training in the demo; `make demo-short` (what CI runs) takes few.
DEMO_OUTPUT ?= output
DEMO_FLAGS ?=

.PHONY: env demo demo-short test check lint types clean

env: .venv/ready

.venv/ready: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tripletkit needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	# torch first and exactly: a looser request takes gigabytes of CUDA.
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt --editable '.[embedded,dev]'
	@touch $@

demo: env
	$(BIN)/tripletkit run --config examples/tripletkit.toml --output $(DEMO_OUTPUT) $(DEMO_FLAGS)

demo-short:
	$(MAKE) demo DEMO_OUTPUT=output/short DEMO_FLAGS="--set train.max_steps=12 --allow-worse"

test: env
	$(BIN)/pytest

lint: env
	$(BIN)/ruff check .

types: env
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf .venv build dist
