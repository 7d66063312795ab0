"""Temperature and throttling of a Linux board, Raspberry Pi firmware flags included."""

from edge_infer.boards.sysfs import Sysfs

TEMPERATURE = "class/thermal/thermal_zone0/temp"
"""m degC."""
PLATFORM = "devices/platform"
THROTTLED = f"{PLATFORM}/soc/soc:firmware/get_throttled"
"""Hexadecimal, as `vcgencmd get_throttled` prints it. Where the device tree gives the bus an
address, its folder has that in its name: soc@107c000000."""
UNDERVOLTAGE, CLOCK_FLAGS = 0b0001, 0b1110
"""Bit 0; bits 1 to 3: clock capped, throttled, soft temperature limit. All are of now; the same
stand 16 bits above since boot. Raspberry Pi documentation, os/graphics-utilities/vcgencmd,
get_throttled."""


class LinuxThermometer:
    """The first thermal zone and, on a Raspberry Pi, the firmware's flags."""

    def __init__(self, sysfs: Sysfs) -> None:
        self._sysfs = sysfs
        self._flags = flags_file(sysfs)

    def millicelsius(self) -> int | None:
        """Return the processor temperature in m degC, or None where it cannot be read."""
        try:
            return int(self._sysfs.read(TEMPERATURE))
        except (OSError, ValueError):
            return None

    def throttled(self) -> bool:
        """Return True while the board caps its clock; False where nothing tells."""
        return bool((self.flags() or 0) & (UNDERVOLTAGE | CLOCK_FLAGS))

    def flags(self) -> int | None:
        """Return the firmware's flags, those since boot too; None where nothing tells."""
        try:
            return int(self._sysfs.read(self._flags), 16)
        except (OSError, ValueError):
            return None


def flags_file(sysfs: Sysfs) -> str:
    """Return where the firmware's flags stand."""
    for bus in sysfs.names(PLATFORM):
        if bus.startswith("soc@") and f"{bus}:firmware" in sysfs.names(f"{PLATFORM}/{bus}"):
            return f"{PLATFORM}/{bus}/{bus}:firmware/get_throttled"
    return THROTTLED
