"""Runs the checks in the guest that systemd booted: those of the modules that are named."""

import sys
from importlib import import_module

from tests.beds.vm.guest.checks import run

names = sys.argv[1].split(",")
sys.exit(run([import_module(f"tests.beds.vm.booted.{name}") for name in names]))
