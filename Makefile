# Everything here runs in .venv, which `make setup` makes from pyproject.toml and constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
OUT ?= out
JOBS ?= auto

.PHONY: help setup demo test test-fast test-all lint format bench bench-large docs clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.done ## make .venv with mien and what its tests need

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## the main job on the shipped photos, or on yours: make demo PHOTOS=folder
	$(BIN)/mien demo --out '$(OUT)' $(if $(PHOTOS),--photos '$(PHOTOS)')

test: setup ## all tests but the slow ones; fetches the weights they need, once
	$(BIN)/pytest -n $(JOBS) -m 'not slow'

test-fast: setup ## the tests that need neither weights nor the network nor a database (under a minute)
	MIEN_EXAMPLES=few $(BIN)/pytest -n $(JOBS) -m 'not slow and not full and not weights and not network and not server'

test-all: setup ## everything, with more examples of each property
	MIEN_EXAMPLES=thorough $(BIN)/pytest -n $(JOBS)

lint: setup ## style, types and the order of the rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code in the project's form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## speed and accuracy, side by side with the peers; prints ratios
	$(BIN)/python -m benchmarks

bench-large: setup ## a gallery of a million vectors, beside its peers: an hour or two
	$(BIN)/python -m benchmarks.gallery_index --large

docs: setup ## the manual in docs/_build/html; a warning is an error
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

clean: ## remove what was made here (not the weights)
	rm -rf .venv $(OUT) docs/_build dist build
