"""Temperature and throttling of a Linux board, Raspberry Pi firmware flags included."""

from edge_infer.boards.sysfs import Sysfs

TEMPERATURE = "class/thermal/thermal_zone0/temp"
"""m degC."""
THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
"""Hexadecimal, as `vcgencmd get_throttled` prints it."""
THROTTLED_NOW = 0b1111
"""Bits 0 to 3: under-voltage, clock capped, throttled, soft temperature limit; all of now.
Raspberry Pi documentation, os/graphics-utilities/vcgencmd, get_throttled."""


class LinuxThermometer:
    """The first thermal zone and, on a Raspberry Pi, the firmware's flags."""

    def __init__(self, sysfs: Sysfs) -> None:
        self._sysfs = sysfs

    def millicelsius(self) -> int | None:
        """Return the processor temperature in m degC, or None where it cannot be read."""
        try:
            return int(self._sysfs.read(TEMPERATURE))
        except (OSError, ValueError):
            return None

    def throttled(self) -> bool:
        """Return True while the board caps its clock; False where nothing tells."""
        try:
            return bool(int(self._sysfs.read(THROTTLED), 16) & THROTTLED_NOW)
        except (OSError, ValueError):
            return False
