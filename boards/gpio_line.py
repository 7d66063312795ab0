"""One output line of a GPIO chip: marks for an external meter when something runs."""

import fcntl
import os
from pathlib import Path

from edge_infer.boards.closing import Closing
from edge_infer.boards.errors import GpioError
from edge_infer.boards.gpio_chip import (
    DEVICES,
    LINE_VALUES,
    SET_VALUES,
    GpioChip,
    Ioctl,
    chip_names,
)

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
