"""Runs every check, in an order in which each leaves what the next one needs."""

import sys

from tests.beds.vm.guest import check_cpufreq, check_i2c
from tests.beds.vm.guest.checks import run

sys.exit(run([check_i2c, check_cpufreq]))
