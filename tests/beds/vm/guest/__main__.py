"""Runs the checks of the modules that its argument names, with commas in between, in that order."""

import sys
from importlib import import_module
from pathlib import Path

import ai_edge_litert.interpreter  # noqa: F401  (once, before the first fork)
from tests.beds.vm.guest.checks import run as run_checks
from tests.beds.vm.guest.cli import BUNDLE

from edge_infer.commands import boards, device, doctor, flash, power, power_meter, run, serve
from edge_infer.models_tflite import open_bundle

FORKED = (boards, device, doctor, flash, power_meter, power, run, serve)
"""Commands that children run: imported once."""

open_bundle(BUNDLE)  # its schema is compiled once
print(f"bed: imported {len(FORKED)} commands at {Path('/proc/uptime').read_text().split()[0]} s")
names = sys.argv[1].split(",")
sys.exit(run_checks([import_module(f"tests.beds.vm.guest.{name}") for name in names]))
