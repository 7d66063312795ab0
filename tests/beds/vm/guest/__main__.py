"""Runs every check, in an order in which each leaves what the next one needs.

With bed.only= on the kernel's command line, only the modules that it names.
"""

import sys
from pathlib import Path

import ai_edge_litert.interpreter  # noqa: F401  (once, before the first fork)

from models_tflite import open_bundle
from tests.beds.vm.guest import (
    check_bare,
    check_bridge,
    check_cpufreq,
    check_firmware,
    check_i2c,
    check_iio,
    check_restore,
    check_run,
    check_service,
    check_usb,
)
from tests.beds.vm.guest.checks import run
from tests.beds.vm.guest.cli import BUNDLE
from tools import boards, device, doctor, flash, power, power_monitor, serve
from tools import run as run_command

FORKED = (boards, device, doctor, flash, power, power_monitor, run_command, serve)
"""Commands that children run: imported once."""

open_bundle(BUNDLE)  # its schema is compiled once
print(f"bed: imported {len(FORKED)} commands at {Path('/proc/uptime').read_text().split()[0]} s")
MODULES = (
    check_bare,
    check_i2c,
    check_iio,
    check_cpufreq,
    check_restore,
    check_run,
    check_bridge,
    check_firmware,
    check_service,
    check_usb,
)
only = {name for name in sys.argv[1].split(",") if name}
sys.exit(run(module for module in MODULES if not only or module.__name__.split(".")[-1] in only))
