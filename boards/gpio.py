"""GPIO lines of the kernel: marks for an external meter when something runs.

Linux uAPI version 2 of the character device (include/uapi/linux/gpio.h, since Linux 5.10), spoken
through ioctl: the library of libgpiod passes a line change through several Python calls, which
would show in the power of a 20 us inference that the line is to mark.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge_infer.boards.closing import Closing
from edge_infer.boards.errors import GpioError

DEVICES = Path("/dev")
CONSUMER = b"edge-infer"
"""Who drives the line, as `gpioinfo` shows it."""

CHIP_INFO = struct.Struct("<32s32sI")
"""struct gpiochip_info: name, label, lines."""
LINE_INFO = struct.Struct("<32s32sIIQ160x16x")
"""struct gpio_v2_line_info: name, consumer, offset, attributes, flags."""
LINE_REQUEST = struct.Struct("<64I32sQI20x240xII20xi")
"""struct gpio_v2_line_request: offsets, consumer, flags, attributes, lines, buffer, descriptor."""
LINE_VALUES = struct.Struct("<QQ")
"""struct gpio_v2_line_values: bits, mask."""
OUTPUT = 1 << 3
"""GPIO_V2_LINE_FLAG_OUTPUT; without an attribute the line starts low."""

READ, WRITE = 2, 1


def request_code(direction: int, number: int, size: int) -> int:
    """Return an ioctl's code: direction, size, type 0xB4, number (asm-generic/ioctl.h)."""
    return direction << 30 | size << 16 | 0xB4 << 8 | number


GET_CHIP_INFO = request_code(READ, 0x01, CHIP_INFO.size)
GET_LINE_INFO = request_code(READ | WRITE, 0x05, LINE_INFO.size)
GET_LINE = request_code(READ | WRITE, 0x07, LINE_REQUEST.size)
SET_VALUES = request_code(READ | WRITE, 0x0F, LINE_VALUES.size)

Ioctl = Callable[[int, int, bytearray | bytes], object]
"""fcntl.ioctl, or what stands for it."""
FORMS = "gpiochip0:17 (chip and line), or a line's name as GPIO17"
HIGH, LOW = LINE_VALUES.pack(1, 1), LINE_VALUES.pack(0, 1)


class GpioLine(Closing):
    """A line that this process drives: low until raised, and low again when closed.

    Args:
        chip: name of its chip.
        offset: its number there.
        devices: the folder of device files.
        ioctl: the system call: one for each change of the line.

    Raises:
        GpioError: there is no such line, or it may not be driven.
    """

    def __init__(
        self, chip: str, offset: int, devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl
    ) -> None:
        self.name = f"{chip}:{offset}"
        self._ioctl = ioctl
        with GpioChip(chip, devices, ioctl) as opened:
            self._descriptor = opened.request_output(offset)

    def set_high(self) -> None:
        """Raise the line. Raises GpioError."""
        self._set(HIGH)

    def set_low(self) -> None:
        """Lower the line. Raises GpioError."""
        self._set(LOW)

    def close(self) -> None:
        """Lower the line and let go of it. May be called twice."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            self._ioctl(descriptor, SET_VALUES, LOW)
        except OSError:
            pass  # the chip is gone: so is the line
        finally:
            os.close(descriptor)

    def _set(self, values: bytes) -> None:
        try:
            self._ioctl(self._descriptor, SET_VALUES, values)
        except OSError as error:
            raise GpioError(
                f"{self.name} cannot be set: {error.strerror}; is its chip still plugged in?"
            ) from error


def open_line(text: str, devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> GpioLine:
    """Take a line by chip and number, "gpiochip0:17", or by its name, "GPIO17".

    Raises:
        GpioError: there is no such line, or it may not be driven.
    """
    chip, colon, number = text.rpartition(":")
    if colon and number.isdigit():
        return GpioLine(chip, int(number), devices, ioctl)
    if not colon and text:
        for name in chip_names(devices):
            with GpioChip(name, devices, ioctl) as opened:
                names = list(opened.line_names())
            if text in names:
                return GpioLine(name, names.index(text), devices, ioctl)
    there = ", ".join(chip_names(devices)) or "none"
    raise GpioError(f"no GPIO line {text!r}: write {FORMS}; chips: {there}")


class ChipInfo(NamedTuple):
    """What a chip says of itself."""

    name: str
    label: str
    lines: int


class GpioChip(Closing):
    """One /dev/gpiochipN, open until `close`.

    Args:
        name: as "gpiochip0".
        devices: the folder of device files.
        ioctl: the system call.

    Raises:
        GpioError: there is no such chip, or it may not be used.
    """

    def __init__(self, name: str, devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> None:
        self.name = name
        self._ioctl = ioctl
        try:
            self._descriptor = os.open(devices / name, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise GpioError(f"{devices / name}: {_advice(error, chip_names(devices))}") from error

    def info(self) -> ChipInfo:
        """Return name, label and number of lines. Raises GpioError."""
        answer = bytearray(CHIP_INFO.size)
        self._ask(GET_CHIP_INFO, answer, "no GPIO chip")
        name, label, lines = CHIP_INFO.unpack(answer)
        return ChipInfo(_text(name), _text(label), lines)

    def line_names(self) -> Iterator[str]:
        """Yield the name of each line in order, empty where it has none. Raises GpioError."""
        for offset in range(self.info().lines):
            answer = bytearray(LINE_INFO.pack(b"", b"", offset, 0, 0))
            self._ask(GET_LINE_INFO, answer, f"line {offset}")
            yield _text(LINE_INFO.unpack(answer)[0])

    def request_output(self, offset: int) -> int:
        """Take a line as an output that is low; return the descriptor that drives it.

        Raises GpioError: there is no such line, or somebody else drives it.
        """
        lines = self.info().lines
        if not 0 <= offset < lines:
            raise GpioError(f"{self.name} has no line {offset}; there are 0 to {lines - 1}")
        offsets = (offset, *(0,) * 63)
        wanted = bytearray(LINE_REQUEST.pack(*offsets, CONSUMER, OUTPUT, 0, 1, 0, 0))
        self._ask(GET_LINE, wanted, f"line {offset}")
        descriptor: int = LINE_REQUEST.unpack(wanted)[-1]
        return descriptor

    def close(self) -> None:
        """Free the chip; lines that were taken stay so. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _ask(self, code: int, message: bytearray, what: str) -> None:
        try:
            self._ioctl(self._descriptor, code, message)
        except OSError as error:
            raise GpioError(f"{self.name} {what}: {_advice(error, ())}") from error


def chip_names(devices: Path = DEVICES) -> tuple[str, ...]:
    """Return the chips there are, by number."""
    names = (path.name.removeprefix("gpiochip") for path in devices.glob("gpiochip*"))
    return tuple(f"gpiochip{number}" for number in sorted(int(n) for n in names if n.isdigit()))


def _advice(error: OSError, there: tuple[str, ...]) -> str:
    match error.errno:
        case errno.ENOENT:
            return f"there is no such GPIO chip; there are: {', '.join(there) or 'none'}"
        case errno.EACCES:
            return "no permission: add your user to the group gpio and log in again"
        case errno.EBUSY:
            return "another program or driver has it: see gpioinfo, or choose another line"
        case errno.ENOTTY | errno.EINVAL:
            return f"{error.strerror}: needs the GPIO interface of Linux 5.10 or newer"
    return f"{error.strerror}; see dmesg"


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
