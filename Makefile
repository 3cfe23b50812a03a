# arcrtc: every job has one name. `make help` lists them.
#
#   VENV=dir         virtual environment to use (default .venv)
#   PYTHON=exe       interpreter that makes the virtual environment (default python3)
#   PYTEST_ARGS=...  more arguments for pytest;  CALL_ARGS=... for arcrtc call;  BENCH_ARGS=... for arcrtc bench

VENV   ?= .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python
OUT    ?= out/call

C_SOURCES := $(wildcard csrc/*/*.c)
C_HEADERS := $(wildcard csrc/*/*.h)
CORE      := build/core.stamp

.PHONY: help call test check lint build setup bench asan ubsan tsan fuzz-smoke ctest dist clean
.DELETE_ON_ERROR:

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

call: build ## set up all, then a whole call on the sample clip; report in out/call
	@$(PY) -m arcrtc call --out $(OUT) $(CALL_ARGS)

# Tests of real time have the machine to themselves; the others share its cores.
LIVE   := tests/engine tests/interop
SHARED := tests/contract tests/golden tests/sim tests/unit tests/vectors

test: build ## set up all, then run every test
	$(PY) -m pytest $(PYTEST_ARGS) $(LIVE)
	$(PY) -m pytest -n auto $(PYTEST_ARGS) $(SHARED)

check: lint build ## what every commit must pass: lint, and the tests that are quick
	$(PY) -m pytest -m "not slow" -x $(PYTEST_ARGS)

setup: $(VENV)/.stamp ## system packages and virtual environment (once)

$(VENV)/.stamp: pyproject.toml ci/setup.sh ci/packages.txt
	@VENV=$(VENV) PYTHON=$(PYTHON) sh ci/setup.sh
	@touch $@

build: $(CORE) ## compile the core in place

# -W ignore: setuptools warns of things that concern its own future.
$(CORE): $(VENV)/.stamp setup.py build_ffi.py $(C_SOURCES) $(C_HEADERS)
	@echo "compiling the core"
	@$(PY) -W ignore setup.py -q build_ext --inplace
	@mkdir -p $(@D)
	@touch $@

lint: build ## ruff, mypy --strict, include layers, strict C99
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) ci/check_layers.py
	@$(MAKE) -s -f ci/core.mk SAN=strict lib

bench: build ## microbenchmarks of the core and of the Python API
	@$(PY) -m arcrtc bench $(BENCH_ARGS)

ctest: ## C programs in tests/c, and the kept fuzz inputs, without a sanitizer
	@$(MAKE) -s -f ci/core.mk SAN=none test replay

asan: build ## tests with AddressSanitizer
	@$(MAKE) -s -f ci/core.mk SAN=address test replay
	@VENV=$(VENV) sh ci/sanitize.sh address

ubsan: build ## tests with UndefinedBehaviorSanitizer
	@$(MAKE) -s -f ci/core.mk SAN=undefined test replay
	@VENV=$(VENV) sh ci/sanitize.sh undefined

tsan: ## the C programs, with ThreadSanitizer
	@$(MAKE) -s -f ci/core.mk SAN=thread test

fuzz-smoke: ## every fuzz target for FUZZ_SECONDS (default 60) under AddressSanitizer; needs clang
	@$(MAKE) -s -f ci/core.mk SAN=fuzz fuzz

dist: build ## source archive and wheel in dist/
	@$(PY) -m build --no-isolation --skip-dependency-check

clean: ## remove what was built
	rm -rf build dist out *.egg-info arcrtc/_core.c arcrtc/_core*.so
