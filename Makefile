# Everything here sets itself up: it needs Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint fuzz bench docs tools clean

demo: $(VENV)/ready
	$(BIN)/ruleproxy demo

test: $(VENV)/ready lint tools
	$(BIN)/python -m pytest -n 2

# Programs of others that tests run beside ours, each with what it needs in an environment of its own.
tools: .tools/mitmproxy/ready

.tools/mitmproxy/ready:
	$(PYTHON) -m venv .tools/mitmproxy
	.tools/mitmproxy/bin/python -m pip install --quiet 'mitmproxy>=11'
	touch $@

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# make fuzz INPUTS=10000 tries so many inputs of each kind; four times 2 500 take a few minutes.
fuzz: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.fuzzing $(INPUTS)

# make bench OPTIONS="--only engine" measures a part; docs/benchmarks.md has the rest.
bench: $(VENV)/ready
	$(BIN)/python -m benchmarks $(OPTIONS)

# The pages on verbs, functions and codes are made from their registries.
docs: $(VENV)/ready
	$(BIN)/python -m ruleproxy.commands._documentation docs

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
