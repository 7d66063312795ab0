# Needs Python 3.11 or newer, make and git; everything else is installed into .venv and .venv-tflite.
#   make run    set up and run the digits bundle on a simulated Raspberry Pi 5
#   make test   set up and pass the tests

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# The second backend, tflite-runtime, breaks beside the NumPy 2 of .venv: it has an environment of
# its own with NumPy 1. Its last wheels are for Linux and Python 3.11; elsewhere it is left out.
TFLITE_VENV := .venv-tflite
HAS_TFLITE := $(shell $(PYTHON) -c 'import sys; print("yes" * (sys.platform == "linux" and sys.version_info < (3, 12)))')
REFERENCE := $(if $(HAS_TFLITE),$(TFLITE_VENV),$(VENV))
# A module stays with one process: what it shares is made once.
PYTEST := -m pytest -n auto --dist loadscope
COVERAGE_FLOOR := 88
SEED ?= $(shell $(PYTHON) -c 'import random; print(random.randrange(2**32))')

.DEFAULT_GOAL := help
.PHONY: help run test test-tflite test-slow test-hostile coverage types test-vm test-vm-systemd test-arm64 test-kernels test-mcu bench-serial setup setup-dev clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: $(VENV)/run.stamp ## install, then answer the digits on a simulated Raspberry Pi 5
	$(BIN)/edge-infer run digits-early-exit --board sim:raspberry-pi-5 --rate 1000 --deadline 5ms

test: $(VENV)/dev.stamp ## install with test tools, then run lint, types and tests on both backends
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs=2 types $(REFERENCE)/dev.stamp
	$(BIN)/python $(PYTEST)
	@$(if $(HAS_TFLITE),$(MAKE) --no-print-directory test-tflite,echo \
	    "SKIPPED: tests on tflite-runtime: it has no wheel for this system or Python above 3.11")

test-tflite: $(TFLITE_VENV)/dev.stamp ## the part of `test` beside NumPy 1: types, and what concerns backends
	$(TFLITE_VENV)/bin/mypy --cache-dir .mypy_cache/tflite
	$(TFLITE_VENV)/bin/python $(PYTEST) -m "backend and not slow"

test-slow: $(VENV)/dev.stamp ## seeded experiments in full, properties on many random examples; repeat with SEED=N
	EDGE_INFER_TEST_PROFILE=random $(BIN)/python $(PYTEST) -m "slow or hypothesis" --hypothesis-seed=$(SEED)

test-hostile: $(REFERENCE)/dev.stamp ## frames, files, models, states and lines as somebody hostile puts them: a seeded tenth
	$(REFERENCE)/bin/python -m tests.hostile --seed 1

coverage: $(VENV)/dev.stamp ## the tests of `test` on NumPy 2 again: what they leave untouched, with a floor
	$(BIN)/python $(PYTEST) --cov --cov-report=term --cov-fail-under=$(COVERAGE_FLOOR)

types: $(VENV)/dev.stamp
	$(BIN)/mypy

test-vm: $(VENV)/dev.stamp ## hardware checks on a Linux kernel in QEMU; skips where it is not installed
	$(BIN)/python -m tests.beds.vm.boot

test-vm-systemd: $(VENV)/dev.stamp ## the service under a systemd that boots in QEMU; skips where it is not installed
	$(BIN)/python -m tests.beds.vm.boot_systemd

test-mcu: $(REFERENCE)/dev.stamp ## firmware: sanitizers, QEMU, power cuts, fuzzing; skips what is not installed
	EDGE_INFER_TEST_MCU=1 EDGE_INFER_KERNEL_CASES=2000 EDGE_INFER_RATIO_CASES=80 \
	    EDGE_INFER_POWER_CUTS=500 \
	    $(REFERENCE)/bin/python -m pytest tests/firmware -s

test-arm64: $(REFERENCE)/dev.stamp ## install and run on aarch64 under qemu-user; skips where it is not installed
	$(REFERENCE)/bin/python -m tests.beds.arm64.run

test-kernels: $(REFERENCE)/dev.stamp ## count the aarch64 kernels' instructions under qemu-user; skips without its packages
	$(REFERENCE)/bin/python -m tests.beds.kernels.run

bench-serial: $(VENV)/dev.stamp ## flash rates on a paced port, and what streaming costs; about five minutes
	$(BIN)/python -m benchmarks.bench_serial

setup: $(VENV)/run.stamp ## install what `run` needs

setup-dev: $(VENV)/dev.stamp ## install what `test` needs

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edge-infer needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/run.stamp

$(TFLITE_VENV)/dev.stamp: pyproject.toml
	$(PYTHON) -m venv $(TFLITE_VENV)
	$(TFLITE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,tflite-runtime]'
	touch $@

clean: ## remove the environment and caches
	rm -rf $(VENV) $(TFLITE_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
