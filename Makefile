# arcrtc: every job has one name. `make help` lists them.
#
#   VENV=dir     virtual environment to use (default .venv)
#   PYTHON=exe   interpreter that makes the virtual environment (default python3)

VENV   ?= .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python
OUT    ?= out/call
CC     ?= cc

C_SOURCES := $(wildcard csrc/*/*.c)
C_HEADERS := $(wildcard csrc/*/*.h)
CORE      := build/core.stamp

.PHONY: help call test check lint build setup bench asan ubsan tsan fuzz-smoke ctest clean
.DELETE_ON_ERROR:

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

call: build ## set up all, then a whole call on the sample clip; report in out/call
	$(PY) -m arcrtc call --out $(OUT) $(CALL_ARGS)

test: build ## set up all, then run every test
	$(PY) -m pytest $(PYTEST_ARGS)

check: lint build ## what every commit must pass: lint, and the tests that are quick
	$(PY) -m pytest -m "not slow" -x $(PYTEST_ARGS)

setup: $(VENV)/.stamp ## system packages and virtual environment (once)

$(VENV)/.stamp: pyproject.toml ci/setup.sh ci/packages.txt
	VENV=$(VENV) PYTHON=$(PYTHON) sh ci/setup.sh
	touch $@

build: $(CORE) ## compile the core in place

$(CORE): $(VENV)/.stamp setup.py build_ffi.py $(C_SOURCES) $(C_HEADERS)
	@echo "compiling the core"
	@$(PY) -W ignore setup.py -q build_ext --inplace
	touch $@

lint: build ## ruff, mypy --strict, include layers, strict C99
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) ci/check_layers.py
	$(MAKE) -s -f ci/core.mk SAN=strict lib

bench: build ## microbenchmarks of the core and of the Python API
	$(PY) -m arcrtc bench

ctest: ## C programs in tests/c, without a sanitizer
	$(MAKE) -f ci/core.mk SAN=none test

asan: build ## tests with AddressSanitizer
	$(MAKE) -f ci/core.mk SAN=address test
	VENV=$(VENV) sh ci/sanitize.sh address

ubsan: build ## tests with UndefinedBehaviorSanitizer
	$(MAKE) -f ci/core.mk SAN=undefined test
	VENV=$(VENV) sh ci/sanitize.sh undefined

tsan: ## the C programs that use threads, with ThreadSanitizer
	$(MAKE) -f ci/core.mk SAN=thread test

fuzz-smoke: ## every fuzz target for FUZZ_SECONDS (default 60) under AddressSanitizer
	$(MAKE) -f ci/core.mk SAN=fuzz fuzz

clean: ## remove what was built
	rm -rf build dist out *.egg-info arcrtc/_core.c arcrtc/_core*.so $(CORE)
