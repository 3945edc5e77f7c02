# AttnScope: `make run` starts the dashboard, `make test` runs every test. Both build .venv first.
# Another Python: make run PYTHON=/path/to/python3.12      Another port: make run PORT=8600

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PORT ?=
JOBS ?= 3
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install

# The first of these that is Python 3.11 or newer, unless PYTHON names one.
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help run test lint wheel docs clean
.DELETE_ON_ERROR:

help:
	@echo "make run    start the dashboard and print its address (PORT=8600 for another port)"
	@echo "make test   run every test (JOBS=3 processes)"
	@echo "make lint   check style with ruff and types with mypy"
	@echo "make wheel  build the library of analysis/ as a wheel and an sdist in dist/"
	@echo "make docs   write pages about the library's modules to site/"
	@echo "make clean  remove $(VENV) and caches"

run: $(VENV)/run.stamp
	@$(BIN)/python -m app $(if $(PORT),--port $(PORT))

test: $(VENV)/test.stamp
	@echo "Running the tests ..."
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/test.stamp
	rm -rf build dist
	$(BIN)/python -m build --no-isolation

# Pages of every module that is not private; a docstring that cannot be rendered is an error.
docs: $(VENV)/test.stamp
	rm -rf site
	$(BIN)/python -m docs.make_api

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/created.stamp:
	@for python in $(CANDIDATES); do \
	    if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	        echo "Creating $(VENV) with $$("$$python" --version) ..."; \
	        "$$python" -m venv $(VENV) && touch $@ && exit 0; \
	        echo "Could not create $(VENV); on Debian or Ubuntu install python3-venv." >&2; exit 1; \
	    fi; \
	done; \
	echo "AttnScope needs Python 3.11 or newer; tried: $(CANDIDATES)." >&2; \
	echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1

$(VENV)/run.stamp: requirements.txt $(VENV)/created.stamp
	@echo "Installing requirements.txt (once; PyTorch is large, this can take minutes) ..."
	@$(PIP) -r requirements.txt
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -P -m app "$$@"\n' "$(CURDIR)" \
	    "$(CURDIR)/$(BIN)/python" > $(BIN)/attnscope
	@chmod +x $(BIN)/attnscope
	@touch $@

$(VENV)/test.stamp: $(wildcard requirements-*.txt) $(VENV)/run.stamp
	@echo "Installing requirements-dev.txt and the ESPnet reference (once) ..."
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-deps -r requirements-reference.txt
	@touch $@
