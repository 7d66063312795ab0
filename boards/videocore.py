"""The Raspberry Pi firmware's commands, over /dev/vcio: what `vcgencmd` asks, without a process.

raspberrypi/utils, vcgencmd/vcgencmd.c: property tag 0x00030080 with the command as text, passed to
ioctl _IOWR(100, 0, char *). The Raspberry Pi 5's power management chip answers through it, too.
"""

import errno
import fcntl
import logging
import os
import re
import struct
from pathlib import Path
from typing import Protocol

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.contract import Thermometer
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BusError, ClockError, MeterError
from edge_infer.boards.polled_chip import Power

DEVICE = Path("/dev/vcio")
TAG_GENCMD = 0x00030080
TEXT_BYTES = 1024
HEAD = struct.Struct("<6I")
"""Message bytes, 0 for a request; tag, buffer bytes, answer bytes, error."""
MESSAGE_BYTES = HEAD.size + TEXT_BYTES + 4
IOCTL_PROPERTY = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8
ADVICE = {
    errno.ENOENT: "this is no Raspberry Pi, or its firmware interface is off",
    errno.EACCES: "no permission: add your user to the group video and log in again",
}
PMIC_COMMAND = "pmic_read_adc"
RAIL_LINE = re.compile(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=(\d+(?:\.\d+)?)[AV]\b")
INPUT_RAIL = "EXT5V"
GAIN_UNCERTAINTY_PPM = 145_100
OFFSET_UNCERTAINTY_UW = 587_900
CURRENT_STEP_UA = 1000
"""Assumed: no resolution is published."""
FALLBACK_MV = 5000


class Firmware(Protocol):
    """Answers commands."""

    def ask(self, command: str) -> str:
        """Return the firmware's answer. Raises BusError."""
        ...


class VideoCore:
    """The firmware of this board; the device file stays open until `close`.

    Raises BusError where there is none or it may not be used.
    """

    def __init__(self, device: Path = DEVICE) -> None:
        self._where = str(device)
        try:
            self._descriptor = os.open(device, os.O_RDONLY)
        except OSError as error:
            raise self._error(error) from error

    def ask(self, command: str) -> str:
        """Return the firmware's answer to a command of vcgencmd. Raises BusError."""
        message = bytearray(MESSAGE_BYTES)
        HEAD.pack_into(message, 0, MESSAGE_BYTES, 0, TAG_GENCMD, TEXT_BYTES, 0, 0)
        text = command.encode()
        message[HEAD.size : HEAD.size + len(text)] = text
        try:
            fcntl.ioctl(self._descriptor, IOCTL_PROPERTY, message, True)
        except OSError as error:
            raise self._error(error) from error
        *_, failed = HEAD.unpack_from(message)
        answer = bytes(message[HEAD.size : -4]).split(b"\0", 1)[0].decode(errors="replace")
        if failed or answer.startswith("error="):
            raise BusError(f"{self._where}: the firmware refuses {command!r}: {answer or failed}")
        return answer

    def close(self) -> None:
        """Free the device file."""
        os.close(self._descriptor)

    def _error(self, error: OSError) -> BusError:
        advice = ADVICE.get(error.errno or 0, "see dmesg")
        translated = BusError(f"{self._where}: {error.strerror}; {advice}")
        translated.errno = error.errno
        return translated


def measured_clock_khz(firmware: Firmware) -> int:
    """Return the processor clock that the firmware measures. Raises BusError."""
    answer = firmware.ask("measure_clock arm")
    name, _, digits = answer.partition("=")
    if not name.startswith("frequency") or not digits.isdigit():
        raise BusError(f"measure_clock arm gives no clock: {answer!r}")
    return int(digits) // 1000


def drop_clocks_that_lie(clock: CpufreqClock, thermometer: Thermometer) -> None:
    """Offer only clocks that the hardware really runs, as its firmware measures them.

    Without a firmware to ask, without permission, or while the board is throttled, all stay.
    """
    if thermometer.throttled():
        return
    try:
        firmware = VideoCore()
    except BusError:
        return
    try:
        dropped = clock.drop_aliased(lambda: measured_clock_khz(firmware))
        clock.reset()
    except (ClockError, BusError) as error:
        logging.getLogger(__name__).warning("clocks not verified: %s", error)
        return
    finally:
        firmware.close()
    for khz, real_khz in dropped.items():
        logging.getLogger(__name__).warning(
            "clock of %g MHz dropped: the hardware runs %g MHz", khz / 1000, real_khz / 1000
        )


BUS_LIMIT_MV = 32_000
"""No 5 V input comes near it."""


class PmicGauge:
    """The Raspberry Pi 5's power management chip: the sum of the rails that it feeds.

    `vcgencmd pmic_read_adc` gives current and voltage of twelve rails. It does not see the 5 V
    input's current: USB, HATs and its own losses are missing, and no error bound is published.
    Users correct the sum by 1.1451 P + 0.5879 W against a meter at the plug (leukipp/touchkio
    issue 35); the bounds here cover that correction. Fulfils `Gauge`. Answers are of one moment:
    several conversions in turn.
    """

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.interval_ns = 0
        self.bus_limit_mv = BUS_LIMIT_MV
        self.resolution_uw = CURRENT_STEP_UA * FALLBACK_MV // 2000
        self.bounds = Calibration(
            gain_uncertainty_ppm=GAIN_UNCERTAINTY_PPM, offset_uncertainty_uw=OFFSET_UNCERTAINTY_UW
        )

    def open(self) -> None:
        """Check that the firmware knows the command. Raises MeterError or BusError."""
        self.read()

    def read(self) -> Power:
        """Return the sum of the rails now. Raises MeterError or BusError."""
        return power_of(self._firmware.ask(PMIC_COMMAND))


def power_of(answer: str) -> Power:
    """Return the power that the firmware's answer tells; rails with both current and voltage.

    Raises MeterError if there is no such rail.
    """
    ua: dict[str, int] = {}
    uv: dict[str, int] = {}
    for rail, kind, number in RAIL_LINE.findall(answer):
        (ua if kind == "A" else uv)[rail] = round(1e6 * float(number))
    rails = ua.keys() & uv.keys()
    if not rails:
        raise MeterError(f"{PMIC_COMMAND} names no rail with current and voltage: {answer[:60]!r}")
    power_uw = sum(ua[rail] * uv[rail] for rail in rails) // 1_000_000
    bus_mv = uv.get(INPUT_RAIL, FALLBACK_MV * 1000) // 1000
    return Power(bus_mv, power_uw * 1000 // max(1, bus_mv), power_uw)
