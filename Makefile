# One word per chore: `make help` lists them. Each target does the set-up that it needs, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-many up down test test-fast test-long chaos check docs fix bench bench-many bench-torch infra package wheel cli requirements clean

UV_VERSION := 0.13.8
UV := $(or $(shell command -v uv),.tools/uv/bin/uv)
INTERPRETER := $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && command -v $$p && break; done)
# Use the installed interpreter: uv must not download one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(INTERPRETER)
# Compile to bytecode once, here. Otherwise the first start of each process does it again. A busy machine needs more than
# the 60 s that uv allows by default.
export UV_COMPILE_BYTECODE_TIMEOUT := 600
# Keep the bytecode of our own code and of the tests, too. Container images often turn this off, and then each process
# compiles them again.
export PYTHONDONTWRITEBYTECODE :=
SYNC := $(UV) sync --frozen --inexact --quiet --compile-bytecode --extra cli
EXPORT := $(UV) export --frozen --quiet --no-default-groups --no-hashes --no-emit-project --no-header --no-annotate

help:  ## show this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: .tools/local  ## show the service at work on a new local cloud; ARGS=--verbose also shows each message
	@.venv/bin/python -m examples.digits.demo $(ARGS)

demo-many: .tools/many  ## show 200 models in one set: trained, judged, promoted, and three of them trained again
	@.venv/bin/python -m examples.sales.demo

EXAMPLE := digits
up: $(if $(filter sales,$(EXAMPLE)),.tools/many,.tools/local)  ## start the local cloud with an example and its first model; EXAMPLE=digits, tables or sales
	@.venv/bin/python -m examples.$(EXAMPLE).up

down:  ## stop the local cloud and keep its data
	@if [ -x .venv/bin/tidepool ]; then .venv/bin/tidepool down; fi

# Three processes, even on two cores: for a quarter of their time they wait for something that they started.
test: .tools/test  ## run all tests that CI runs
	@.venv/bin/pytest -n logical --dist worksteal -m 'not long'

# The handlers of months, which run against Tidepool.
HANDLER_TESTS := $(patsubst %,tests/integration/test_%.py,worker partition_handlers reconcile)

test-fast: .tools/test  ## run the tests of pure code and of the handlers, in a minute or so
	@.venv/bin/pytest -n logical --dist worksteal -m 'not long' tests/unit $(HANDLER_TESTS)

test-long: .tools/test  ## run the tests that take longer or need large installs
	@$(SYNC) --group jobs --group tidepool --group test --group mltable
	@$(MAKE) --no-print-directory .tools/torch || echo 'torch cannot be installed: the tests that need it are skipped.'
	@.venv/bin/pytest -m long -rs

SEED := 1
MINUTES := 5
chaos: .tools/test  ## run months and models under faults, and check every invariant; SEED=1 MINUTES=5
	@.venv/bin/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) $(ARGS)

check: .tools/test  ## check format, lint, types, imports and requirements.txt
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(EXPORT) | diff requirements.txt - || { echo 'requirements.txt does not match uv.lock. Run: make requirements'; exit 1; }

docs: .tools/test  ## write the generated parts of the documentation
	@.venv/bin/python -m tests.support.emulation_page
	@.venv/bin/python -m tests.support.log_page

fix: .tools/test  ## format, and fix what the linter can fix
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: .tools/test  ## measure speed beside a simple implementation; ARGS=listing runs one benchmark only
	@.venv/bin/python -m tests.bench $(ARGS)

ROWS := 4000000
KEYS := 1000
bench-many: .tools/test  ## measure model sets: split, train, score; ROWS=4000000 KEYS=1000
	@.venv/bin/python -m tests.bench.many_models --rows $(ROWS) --keys $(KEYS) $(ARGS)

bench-torch: .tools/torch  ## compare ResNet-50 with a loop in torch, which is installed into .tools/torch
	@.tools/torch/bin/python tests/bench/gpu.py --models resnet50 --photos 192 --loop 32 $(ARGS)

infra:  ## compile, lint and format infra/*.bicep and take their snapshots; BICEP=path of the compiler
	@$(INTERPRETER) infra/compile_templates.py

package: .tools/local  ## build the zip that is deployed to Azure, in dist/; PYTHON=3.12 chooses its Python
	@.venv/bin/python -m tidegate.installation.package $(if $(PYTHON),--python $(PYTHON))

wheel: .tools/uv.ready  ## build the wheel of the service and of the local cloud, in dist/
	@rm -f dist/tidegate-*.whl
	@$(UV) build --quiet --wheel --out-dir dist .
	@ls dist/tidegate-*.whl

cli: .tools/uv.ready  ## install the command line tidegate, and nothing for the local cloud, into .venv
	@$(SYNC)

requirements: .tools/uv.ready  ## write requirements.txt from uv.lock
	@$(UV) lock --quiet
	@$(EXPORT) > requirements.txt

clean: down  ## remove the set-up and the data of the local cloud
	@rm -rf .venv .tools .tidepool

# Set-up: each step once, and again only if its inputs changed or uv is missing.
ifeq ($(shell command -v $(UV)),)
.PHONY: .tools/uv.ready
endif
# pip prints warnings about unused indexes of the user's own configuration: its output is shown only if it fails.
.tools/uv.ready:
	@mkdir -p .tools
	@[ -n "$(INTERPRETER)" ] || { echo 'Tidegate needs Python 3.11 or 3.12, and found neither on the PATH.'; exit 1; }
	@command -v $(UV) >/dev/null || { echo 'Installing uv, which installs the packages, into .tools (once) ...' && \
	  { $(INTERPRETER) -m venv .tools/uv || { echo 'This Python cannot make virtual environments. On Debian: apt install python3-venv'; exit 1; }; } && \
	  { .tools/uv/bin/python -m pip install --disable-pip-version-check uv==$(UV_VERSION) >.tools/pip.log 2>&1 || { cat .tools/pip.log; exit 1; }; }; }
	@touch $@

.tools/local: .tools/uv.ready pyproject.toml uv.lock
	@echo 'Installing the packages of the service and of the local cloud into .venv (once, about a minute) ...'
	@$(SYNC) --group jobs --group tidepool
	@.venv/bin/python -m tidepool.storage.azurite
	@echo 'Building the deployment package that the local cloud runs (once, half a minute) ...'
	@.venv/bin/python -m tidegate.installation.package --local
	@touch $@

# With pip, because torch is no dependency of the project. torchvision only for its transforms, whatever torch it was built for.
.tools/torch: .tools/uv.ready
	@echo 'Installing torch, ONNX Runtime and OpenVINO into .tools/torch (once, some minutes) ...'
	@rm -rf .tools/torch.new && $(INTERPRETER) -m venv .tools/torch.new
	@.tools/torch.new/bin/python -m pip install --quiet torch numpy pillow pyyaml onnx onnxruntime onnxscript openvino
	@.tools/torch.new/bin/python -m pip install --quiet --no-deps torchvision
	@rm -rf .tools/torch && mv .tools/torch.new .tools/torch && touch $@

.tools/many: .tools/local
	@echo 'Installing the libraries for model sets into .venv (once) ...'
	@$(SYNC) --group jobs --group tidepool --group many
	@touch $@

.tools/test: .tools/local
	@echo 'Installing the test tools into .venv (once) ...'
	@$(SYNC) --group jobs --group tidepool --group test
	@touch $@
