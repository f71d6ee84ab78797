# Two commands: `make run` brings Sentinel up on this machine, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
# Python keeps what it has compiled, whatever this shell says: a later start takes half the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test lint setup manage backup clean

run: setup
	@exec $(BIN)/python -m sentinel.stack

test: setup
	@$(BIN)/python tests/machine.py
	@exec $(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/mypy

# What python3 -m venv and the lock files name; takes no time when it is there.
setup:
	@$(PYTHON) bootstrap.py

# Django's commands on the running stack: make manage c="changepassword admin"
manage: setup
	@exec $(BIN)/python -m sentinel.stack manage $(c)

# The database of the running stack in one file: make backup to=sentinel.dump
backup: setup
	@exec $(BIN)/python -m sentinel.stack pg_dump --format=custom --file=$(or $(to),sentinel.dump)

# What was built; the data in var/ stays.
clean:
	rm -rf .venv .ruff_cache .mypy_cache .import_linter_cache .pytest_cache
