# Everything a fresh Debian, Ubuntu or macOS machine needs: make and Python 3.11 or newer with venv.
# `make demo` and `make test` set up .venv by themselves; no system package is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Most tests wait for servers and for processes they start: twice as many as the cores of a small CI machine. Those that hold
# times against limits run beside one other only (tests/conftest.py).
WORKERS ?= 4

.PHONY: demo setup test test-full lint format lock bench clean

demo: $(STAMP)
	$(BIN)/gapless demo

setup: $(STAMP)

test: $(STAMP) lint
	$(BIN)/python -m pytest -m "not full and not timed" -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest -m "not full and timed" -n 2 --dist worksteal

test-full: $(STAMP)
	$(BIN)/python -m pytest -m "full" -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m bench

$(STAMP): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gapless needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# Locks hold names, versions and hashes, no address. They are whole, so that pip has nothing to resolve (--no-deps): it takes
# no pin for one of an extra ("pydantic[email]").
lock:
	uv pip compile pyproject.toml --extra demo --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --output-file locks/dev.txt

clean:
	rm -rf $(VENV) .gapless .pytest_cache .ruff_cache
