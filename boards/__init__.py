"""What the hardware can do: clocks, power meters, temperature, profiles, the simulated board.

    with open_board("sim:raspberry-pi-5") as board:
        board.clock.set_khz(1_500_000)

Knows no model and no serial protocol; imports nothing else of this project.
"""

from typing import TYPE_CHECKING

from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.boards.contract import Board, Clock, Thermometer
    from edge_infer.boards.cost_table import CostTable, OperatingPoint
    from edge_infer.boards.errors import (
        BoardError,
        BusError,
        ClockError,
        MeterError,
        ProfileError,
        UnknownBoardError,
    )
    from edge_infer.boards.power import PowerMeter, PowerSample
    from edge_infer.boards.registry import board_names, open_board

__all__ = [
    "open_board",
    "board_names",
    "Board",
    "Clock",
    "Thermometer",
    "PowerMeter",
    "PowerSample",
    "OperatingPoint",
    "CostTable",
    "BoardError",
    "UnknownBoardError",
    "ProfileError",
    "BusError",
    "ClockError",
    "MeterError",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.boards.contract": "Board Clock Thermometer",
            "edge_infer.boards.cost_table": "CostTable OperatingPoint",
            "edge_infer.boards.errors": (
                "BoardError BusError ClockError MeterError ProfileError UnknownBoardError"
            ),
            "edge_infer.boards.power": "PowerMeter PowerSample",
            "edge_infer.boards.registry": "board_names open_board",
        },
    )
