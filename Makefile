# Needs Python 3.11 or newer, make and git; everything else is installed into .venv.
#   make run    set up and run the digits bundle on a simulated Raspberry Pi 5
#   make test   set up and pass the tests

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-vm test-vm-systemd test-arm64 test-mcu bench-serial setup setup-dev clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: $(VENV)/run.stamp ## install, then answer the digits on a simulated Raspberry Pi 5
	$(BIN)/edge-infer run digits-early-exit --board sim:raspberry-pi-5 --rate 1000 --deadline 5ms

test: $(VENV)/dev.stamp ## install with test tools, then run lint, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

test-vm: $(VENV)/dev.stamp ## hardware checks on a Linux kernel in QEMU; skips where it is not installed
	$(BIN)/python -m tests.beds.vm.boot

test-vm-systemd: $(VENV)/dev.stamp ## the service under a systemd that boots in QEMU; skips where it is not installed
	$(BIN)/python -m tests.beds.vm.boot_systemd

test-mcu: $(VENV)/dev.stamp ## firmware: sanitizers, QEMU, power cuts, fuzzing; skips what is not installed
	EDGE_INFER_TEST_MCU=1 EDGE_INFER_KERNEL_CASES=2000 EDGE_INFER_RATIO_CASES=80 \
	    EDGE_INFER_POWER_CUTS=500 \
	    $(BIN)/python -m pytest tests/firmware -s -rs

test-arm64: $(VENV)/dev.stamp ## install and run on aarch64 under qemu-user; skips where it is not installed
	$(BIN)/python -m tests.beds.arm64.run

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,tflite-runtime]'
	touch $@ $(VENV)/run.stamp

clean: ## remove the environment and caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
