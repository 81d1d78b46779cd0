# Streamlab. Needs Python >= 3.11 (with venv) and make; everything else comes from requirements*.txt.

PORT := $(or $(PORT),8000)
export PORT
RUN := .venv/bin/python
FAST := not e2e and not faults and not slow and not data

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev port demo test check format bench clean

help:
	@echo "make demo    start everything and print the address (PORT=8000)"
	@echo "make setup   virtual environment and packages only"
	@echo "make test    all tests, those in a browser and those that kill processes too"
	@echo "make check   lint, types and the fast tests"
	@echo "make bench   benchmarks; the result goes to benchmarks/RESULTS.md"
	@echo "make clean   remove .venv and caches; var/, where the data is, stays"

setup:
	@sh scripts/setup runtime

setup-dev:
	@sh scripts/setup dev

# Asked before anything is installed.
port:
	@{ [ "$$PORT" -ge 1 ] && [ "$$PORT" -le 65535 ]; } 2>/dev/null || \
	    { echo "$$PORT is no port; it must be between 1 and 65535." >&2; exit 1; }

# exec: signals go straight to the supervisor
demo: port setup
	@exec $(RUN) manage.py up --demo

test: setup-dev
	@sh scripts/browser
	@sh scripts/tests $(ARGS)

check: setup-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest -q -n 3 --dist loadfile -m "$(FAST)" $(ARGS)

format: setup-dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: setup-dev
	@sh scripts/browser
	$(RUN) -m benchmarks $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
