"""The Raspberry Pi firmware's commands, over /dev/vcio: what `vcgencmd` asks, without a process.

raspberrypi/utils, vcgencmd/vcgencmd.c: property tag 0x00030080 with the command as text, passed to
ioctl _IOWR(100, 0, char *).
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Protocol

from edge_infer.boards.errors import BusError

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
