"""A HID device played by this process: the kernel's uhid, include/uapi/linux/uhid.h."""

import os
import struct
from typing import NamedTuple

DEVICE = "/dev/uhid"
DESTROY, OUTPUT, GET_REPORT, GET_ANSWER, CREATE, INPUT, SET_REPORT, SET_ANSWER = (
    1, 6, 9, 10, 11, 12, 13, 14,
)  # fmt: skip
BUS_USB = 3
DATA_BYTES = 4096
EVENT_BYTES = 4 + 128 + 64 + 64 + 2 + 2 + 4 * 4 + DATA_BYTES


class Request(NamedTuple):
    """What the kernel's driver wants of the device."""

    kind: int
    number: int
    """To be given back with the answer; 0 for an output report, which has none."""
    data: bytes
    """The report, its number first."""


class HidDevice:
    """A device of a vendor and product; it is unplugged when closed.

    Args:
        name: as the kernel shows it.
        vendor: USB vendor.
        product: USB product.
        descriptor: its HID report descriptor.
    """

    def __init__(self, name: str, vendor: int, product: int, descriptor: bytes) -> None:
        self._descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        head = struct.pack(
            "<I128s64s64sHHIIII", CREATE, name.encode(), b"", b"", len(descriptor), BUS_USB,
            vendor, product, 0, 0,
        )  # fmt: skip
        os.write(self._descriptor, head + descriptor)

    def next_request(self) -> Request | None:
        """Wait for an event; return it if the driver wants something."""
        event = os.read(self._descriptor, EVENT_BYTES)
        (kind,) = struct.unpack_from("<I", event)
        if kind == OUTPUT:
            (size,) = struct.unpack_from("<H", event, 4 + DATA_BYTES)
            return Request(kind, 0, event[4 : 4 + size])
        if kind == GET_REPORT:
            number, report = struct.unpack_from("<IB", event, 4)
            return Request(kind, number, bytes([report]))
        if kind == SET_REPORT:
            number, _, _, size = struct.unpack_from("<IBBH", event, 4)
            return Request(kind, number, event[12 : 12 + size])
        return None

    def answer(self, request: Request, data: bytes = b"") -> None:
        """Answer a get with a report, a set with nothing."""
        if request.kind == GET_REPORT:
            head = struct.pack("<IIHH", GET_ANSWER, request.number, 0, len(data))
        else:
            head = struct.pack("<IIH", SET_ANSWER, request.number, 0)
        os.write(self._descriptor, head + data)

    def send(self, report: bytes) -> None:
        """Send an input report."""
        os.write(self._descriptor, struct.pack("<IH", INPUT, len(report)) + report)
