# One word per chore. Each target does the set-up that it needs, once: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo up down test test-fast test-long check fix bench requirements clean

UV_VERSION := 0.13.8
UV := $(or $(shell command -v uv),.tools/uv/bin/uv)
PYTHON := $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && command -v $$p && break; done)
# The interpreter that is here; uv is never to fetch one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(PYTHON)
# Compiled once here, and not again and again at the first start of each process.
SYNC := $(UV) sync --frozen --inexact --quiet --compile-bytecode --extra cli
EXPORT := $(UV) export --frozen --quiet --no-default-groups --no-hashes --no-emit-project --no-header --no-annotate

help:  ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: .tools/local  ## on a fresh local cloud: models are judged, months arrive and are scored; .tidepool begins anew
	@.venv/bin/python -m examples.digits.demo

up: .tools/local  ## the local cloud with the digits example installed, ready for a month of images
	@.venv/bin/python -m examples.digits.up

down:  ## stop Tidepool
	@if [ -x .venv/bin/tidepool ]; then .venv/bin/tidepool down; fi

test: .tools/test  ## run all tests that CI runs
	@.venv/bin/pytest -n 2 --dist worksteal -m 'not long'

test-fast: .tools/test  ## run the tests of pure code and of the handlers, in a minute or so
	@.venv/bin/pytest -n 2 --dist worksteal -m 'not long' tests/unit $(HANDLER_TESTS)

# pytest exits with 5 if it collects no test.
test-long: .tools/test  ## run the tests that take longer or need large installs
	@.venv/bin/pytest -m long || { [ $$? = 5 ] && echo 'There are no long tests yet.'; }

check: .tools/test  ## format, lint, types, imports, requirements.txt
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(EXPORT) | diff requirements.txt - || { echo 'requirements.txt is not what uv.lock says: make requirements'; exit 1; }

fix: .tools/test  ## format, and mend what the linter can mend
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: .tools/test  ## measure speed, side by side with the naive way
	@.venv/bin/python -m tests.bench

requirements: .tools/uv.ready  ## write requirements.txt from uv.lock
	@$(UV) lock --quiet
	@$(EXPORT) > requirements.txt

clean: down  ## remove what was set up and what Tidepool kept
	@rm -rf .venv .tools .tidepool

# Set-up: each once, and again only when what it was made from changed, or when uv is gone.
ifeq ($(shell command -v $(UV)),)
.PHONY: .tools/uv.ready
endif
.tools/uv.ready:
	@mkdir -p .tools
	@[ -n "$(PYTHON)" ] || { echo 'Tidegate needs Python 3.11 or 3.12 on the PATH.'; exit 1; }
	@command -v $(UV) >/dev/null || { echo 'Setting up uv ...' && \
	  { $(PYTHON) -m venv .tools/uv || { echo 'This Python cannot make environments (Debian: apt install python3-venv).'; exit 1; }; } && \
	  .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@touch $@

.tools/local: .tools/uv.ready pyproject.toml uv.lock
	@echo 'Installing the local cloud (once, about a minute) ...'
	@$(SYNC) --group jobs --group tidepool
	@.venv/bin/python -m tidepool.storage.azurite
	@touch $@

.tools/test: .tools/local
	@echo 'Installing the test tools (once) ...'
	@$(SYNC) --group jobs --group tidepool --group test
	@touch $@
