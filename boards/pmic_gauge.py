"""The Raspberry Pi 5's power management chip: the sum of the rails that it feeds.

`vcgencmd pmic_read_adc` gives current and voltage of twelve rails. It does not see the 5 V input's
current: USB, HATs and its own losses are missing, and no error bound is published. Users correct
the sum by 1.1451 P + 0.5879 W against a meter at the plug (leukipp/touchkio issue 35); the bounds
here cover that correction.
"""

import re

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import MeterError
from edge_infer.boards.polled_chip import Power
from edge_infer.boards.videocore import Firmware

COMMAND = "pmic_read_adc"
LINE = re.compile(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=(\d+(?:\.\d+)?)[AV]\b")
INPUT_RAIL = "EXT5V"
GAIN_UNCERTAINTY_PPM = 145_100
OFFSET_UNCERTAINTY_UW = 587_900
CURRENT_STEP_UA = 1000
"""Assumed: no resolution is published."""
FALLBACK_MV = 5000


class PmicGauge:
    """Fulfils `Gauge` over the firmware. Answers are of one moment: several conversions in turn."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.interval_ns = 0
        self.resolution_uw = CURRENT_STEP_UA * FALLBACK_MV // 2000
        self.bounds = Calibration(
            gain_uncertainty_ppm=GAIN_UNCERTAINTY_PPM, offset_uncertainty_uw=OFFSET_UNCERTAINTY_UW
        )

    def open(self) -> None:
        """Check that the firmware knows the command. Raises MeterError or BusError."""
        self.read()

    def read(self) -> Power:
        """Return the sum of the rails now. Raises MeterError or BusError."""
        return power_of(self._firmware.ask(COMMAND))


def power_of(answer: str) -> Power:
    """Return the power that the firmware's answer tells; rails with both current and voltage.

    Raises MeterError if there is no such rail.
    """
    ua: dict[str, int] = {}
    uv: dict[str, int] = {}
    for rail, kind, number in LINE.findall(answer):
        (ua if kind == "A" else uv)[rail] = round(1e6 * float(number))
    rails = ua.keys() & uv.keys()
    if not rails:
        raise MeterError(f"{COMMAND} names no rail with current and voltage: {answer[:60]!r}")
    power_uw = sum(ua[rail] * uv[rail] for rail in rails) // 1_000_000
    bus_mv = uv.get(INPUT_RAIL, FALLBACK_MV * 1000) // 1000
    return Power(bus_mv, power_uw * 1000 // max(1, bus_mv), power_uw)
