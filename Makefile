# Fresh machine: python >= 3.11 and make are all that is needed. Every target sets up .venv first.
PYTHON ?= python3
BIN := .venv/bin
ENV := .venv/.installed
DEMO_RUN ?= runs/demo
PORT ?= 4200
# A module's tests stay in one process: they share what is dear to set up.
PYTEST := $(BIN)/pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help demo up check test fix env clean

help:
	@echo "make demo   set up, then stylize, score and correct ten bundled photos; prints where the report is"
	@echo "make up     set up, then a Prefect server, a worker and the deployments until Ctrl-C; PORT=4200"
	@echo "make test   set up, then the whole test suite"
	@echo "make check  format, lint, types, layers, fast tests"
	@echo "make fix    format and mend what ruff can mend"

env: $(ENV)

$(ENV): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"GANST needs Python 3.11 or newer, this is {v.major}.{v.minor}: set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(ENV)
	@$(BIN)/ganst run pipelines/demo --style vangogh --out $(DEMO_RUN)

up: $(ENV)
	@exec $(BIN)/python -m flows.up --port $(PORT)

check: $(ENV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports
	$(PYTEST) -m 'not slow'

test: $(ENV)
	$(PYTEST)

fix: $(ENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv runs
