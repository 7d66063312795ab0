"""Runs the checks in the guest that systemd booted."""

import sys

from tests.beds.vm.booted import check_systemd
from tests.beds.vm.guest.checks import run

sys.exit(run([check_systemd]))
