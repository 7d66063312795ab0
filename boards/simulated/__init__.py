"""Simulated boards: virtual time, and hardware faked at the lowest level.

The clock driver runs over a sysfs tree with the kernel's semantics, the meter driver over the
registers of an INA219, so the code above is the code of a real board.
"""

from edge_infer.boards.simulated.board import SimulatedBoard
from edge_infer.boards.simulated.disturbance import Disturbance, Hot
from edge_infer.boards.simulated.ina219_chip import MeterFaults
from edge_infer.boards.simulated.truth import DISTURBED, IDEAL, RowError, Truth

__all__ = [
    "SimulatedBoard",
    "Disturbance",
    "Hot",
    "MeterFaults",
    "RowError",
    "Truth",
    "DISTURBED",
    "IDEAL",
]
