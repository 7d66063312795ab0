"""A process that sets the lowest clock and holds it until it is killed: for the step `restore`."""

import sys

from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.sysfs import RealSysfs


def main() -> None:
    """Set the clock, say so, and wait."""
    clock = CpufreqClock(RealSysfs(), ClockLease())
    clock.set_khz(clock.supported_khz()[0])
    sys.stdout.write("holds\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
