"""The kernel's side of GPIO character devices, at ioctl level: chips, lines, who drives them.

Structures and codes are written down a second time here, as ctypes lays them out from the kernel's
header (include/uapi/linux/gpio.h), so that a wrong layout in the driver shows.
"""

import ctypes
import errno
import os
from pathlib import Path

CODES = {0x8044B401: "chip", 0xC100B405: "line", 0xC250B407: "request", 0xC010B40F: "set"}
"""As a C program prints them that includes linux/gpio.h."""


class ChipInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 32),
        ("label", ctypes.c_char * 32),
        ("lines", ctypes.c_uint32),
    ]


class Attribute(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("value", ctypes.c_uint64),
    ]


class ConfigAttribute(ctypes.Structure):
    _fields_ = [("attr", Attribute), ("mask", ctypes.c_uint64)]


class Config(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("num_attrs", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("attrs", ConfigAttribute * 10),
    ]


class Request(ctypes.Structure):
    _fields_ = [
        ("offsets", ctypes.c_uint32 * 64),
        ("consumer", ctypes.c_char * 32),
        ("config", Config),
        ("num_lines", ctypes.c_uint32),
        ("event_buffer_size", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("fd", ctypes.c_int32),
    ]


class LineInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 32),
        ("consumer", ctypes.c_char * 32),
        ("offset", ctypes.c_uint32),
        ("num_attrs", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("attrs", Attribute * 10),
        ("padding", ctypes.c_uint32 * 4),
    ]


class Values(ctypes.Structure):
    _fields_ = [("bits", ctypes.c_uint64), ("mask", ctypes.c_uint64)]


class GpioKernel:
    """Chips below a folder that stands for /dev.

    Args:
        devices: the folder.
        chips: names of the lines by chip; an empty name for a line without one.
    """

    def __init__(self, devices: Path, chips: dict[str, list[str]]) -> None:
        self.devices = devices
        self.chips = chips
        self.taken: dict[tuple[str, int], str] = {}
        self.levels: list[int] = []
        """Every level that a line was set to, in order."""
        self.gone = False
        self._lines: dict[int, tuple[str, int]] = {}
        for name in chips:
            (devices / name).touch()

    def ioctl(self, descriptor: int, code: int, message: bytearray | bytes) -> int:
        """See ioctl(2)."""
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        kind = CODES.get(code)
        if kind is None:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        if kind == "set":
            self._set(descriptor, Values.from_buffer_copy(message))
            return 0
        assert isinstance(message, bytearray), "the kernel writes into it"
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        getattr(self, f"_{kind}")(path.name, message)
        return 0

    def _chip(self, chip: str, message: bytearray) -> None:
        info = ChipInfo.from_buffer(message)
        info.name, info.label, info.lines = chip.encode(), b"played", len(self.chips[chip])

    def _line(self, chip: str, message: bytearray) -> None:
        info = LineInfo.from_buffer(message)
        info.name = self.chips[chip][info.offset].encode()
        info.consumer = self.taken.get((chip, info.offset), "").encode()

    def _request(self, chip: str, message: bytearray) -> None:
        request = Request.from_buffer(message)
        line = (chip, request.offsets[0])
        assert request.num_lines == 1 and request.config.flags == 1 << 3
        assert request.config.num_attrs == 0 and request.fd == 0
        if line in self.taken:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self.taken[line] = request.consumer.decode()
        request.fd = os.open(os.devnull, os.O_RDWR)
        self._lines[request.fd] = line
        self.levels.append(0)

    def _set(self, descriptor: int, values: Values) -> None:
        assert descriptor in self._lines and values.mask == 1
        self.levels.append(values.bits)
