# npuforge: from bare racks to a signed acceptance report. "make help" lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR):$(CURDIR)/plugins/module_utils
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# What a command needs of root (podman, low ports) goes through sudo when we are not root.
ASROOT := $(shell [ "$$(id -u)" = 0 ] || echo "sudo -E env PATH=$(CURDIR)/.venv/bin:$$PATH PYTHONPATH=$(PYTHONPATH)")
LAB := bin/lab

.PHONY: help demo test lint unit integration bench setup system-packages test-packages requirements lab-up lab-down lab-status clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: system-packages setup ## Raise the twin, run site.yml on it, show the summary and where the report is
	@bin/demo

test: test-packages setup ## Everything: linters, unit tests, witnesses, the twin, molecule
	@tests/run

lint: setup ## ansible-lint (production), yamllint, ruff, mypy, Python 3.7 check of what runs on targets
	@tests/lint

unit: setup ## Unit tests only (no root, no podman)
	@python -m pytest tests/unit -n 2 -q

integration: test-packages setup ## Tests on the twin and with outside witnesses
	@$(ASROOT) python -m pytest tests/integration -q

bench: test-packages setup ## The cost figures of docs/benchmarks.md, measured here
	@$(ASROOT) python tests/bench/run.py

system-packages: ## Install what the twin and the tests need from the distribution
	@bin/system-packages

test-packages: ## The same, and what only the tests need
	@bin/system-packages --tests

setup: ## Make the virtual environment from hashed requirements
	@bin/setup

requirements: ## Compile requirements*.in into hashed requirements*.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --custom-compile-command "make requirements" requirements.in -o requirements.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --custom-compile-command "make requirements" -c requirements.txt requirements-dev.in -o requirements-dev.txt

lab-up: system-packages setup ## Raise the twin
	@$(LAB) up

lab-down: setup ## Stop the twin and remove what it started
	@$(LAB) down

lab-status: setup ## What of the twin runs, and what is broken in it
	@$(LAB) status

clean: ## Stop the twin, remove its state, caches of tests and evidence of the twin
	@if [ -x .venv/bin/python ]; then $(LAB) down --purge; fi
	rm -rf artifacts/twin .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible .venv
