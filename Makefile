# Two commands: `make demo` and `make test`. Both make .venv from the hash-locked requirements first.

PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do $$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python install.py

SUITE := $(BIN)/pytest --numprocesses 3 --dist worksteal

.PHONY: demo test checks lint types suite coverage campaign kill-log test-server lock clean

demo: .venv/runtime
	$(BIN)/mlops demo

test: lint  # types take a minute the first time: beside the suite
	$(MAKE) --no-print-directory --jobs 2 types suite

checks: lint types

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev
	$(BIN)/mypy

suite: .venv/dev
	$(SUITE)

# The same suite, a third slower; it fails where too little of the code is run.
coverage: .venv/dev
	$(SUITE) --cov --cov-report term:skip-covered

# Twenty times as many examples for every property, with other ones in each run; hours.
campaign: .venv/dev
	$(SUITE) --hypothesis-profile campaign -m hypothesis

# 200 kills of server processes and Postgres under load, then a count of what is in the request log; minutes.
kill-log: .venv/dev
	$(BIN)/python -m tests.postgres.kill_log --kills 200

# The same suite on another server: MLOPS_TEST_DATABASE_URL, or Debian's PostgreSQL started for it.
test-server: .venv/dev
	MLOPS_TEST_DATABASE_URL="$${MLOPS_TEST_DATABASE_URL:-$$(sh tests/debian_server.sh)}" $(SUITE)

.venv/runtime: requirements.lock pyproject.toml | .venv
	@$(INSTALL) "installing the locked packages into .venv (once)" --require-hashes --requirement requirements.lock
	@$(INSTALL) "installing mlops itself" --no-build-isolation --editable .
	touch $@

.venv/dev: requirements-dev.lock pyproject.toml | .venv
	@$(INSTALL) "installing the locked packages and the tools for development into .venv (once)" --require-hashes --requirement requirements-dev.lock
	@$(INSTALL) "installing mlops itself" --no-build-isolation --editable .
	touch $@

.venv:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python3.12"; exit 1; }
	@echo "making .venv with $(PYTHON) (once)"
	$(PYTHON) -m venv .venv

# Needs uv. Addresses of registries stay out of the locks.
lock:
	uv pip compile pyproject.toml --extra demo --group build --group dev --constraint constraints.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --upgrade --output-file requirements-dev.lock
	uv pip compile pyproject.toml --extra demo --group build --constraint requirements-dev.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock

clean:
	$(BIN)/mlops db stop || true
	rm -rf .venv .mlops
