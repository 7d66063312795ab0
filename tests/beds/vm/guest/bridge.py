"""A USB bridge to I2C and GPIO, played: Silicon Labs CP2112, application note AN495.

The kernel's own driver (hid-cp2112) makes of it what a board has and no other part of the guest
gives: an I2C bus whose transfers can fail, and GPIO lines. On the bus sits the register model of an
INA219, in real time.
"""

import mmap
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.beds.vm.guest.child import Child
from tests.beds.vm.guest.machine import appears, modprobe
from tests.beds.vm.guest.uhid import GET_REPORT, SET_REPORT, HidDevice, Request

from edge_infer.boards.i2c import RegisterBus, open_i2c_bus
from edge_infer.boards.simulated.ina219_chip import Ina219Chip, MeterFaults
from edge_infer.boards.simulated.power_trace import PowerTrace

ADDRESS = 0x40
SUPPLY_MV, SHUNT_UOHM = 5_000, 100_000
LINES = 8
VENDOR, PRODUCT = 0x10C4, 0xEA90
READ, WRITE_READ, SEND_READ, READ_ANSWER = 0x10, 0x11, 0x12, 0x13
WRITE, ASK_STATUS, STATUS = 0x14, 0x15, 0x16
DIRECTIONS, GET_LINES, SET_LINES, VERSION, BUS_SETTINGS, LOCK = 0x02, 0x03, 0x04, 0x05, 0x06, 0x20
COMPLETE, ERROR, NO_ANSWER = 2, 3, 0
VALUES_0_TO_255 = b"\x15\x00\x26\xff\x00\x75\x08"
DESCRIPTOR = (
    b"\x06\x00\xff\x09\x01\xa1\x01" + VALUES_0_TO_255
    + b"\x85\x13\x95\x3f\x09\x01\x81\x02"  # read answer, 63 bytes
    + b"\x85\x16\x95\x06\x09\x01\x81\x02"  # status, 6 bytes
    + b"\xc0"
)  # fmt: skip


class Knobs:
    """What the checks steer and see: shared with the process that plays.

    Each number has one writer, so that no process takes back what the other wrote meanwhile.
    """

    _LAYOUT = struct.Struct("<5Q")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._LAYOUT.size)

    def _get(self, index: int) -> int:
        return int(self._LAYOUT.unpack(self._memory[:])[index])

    def _set(self, index: int, value: int) -> None:
        struct.pack_into("<Q", self._memory, 8 * index, value)

    @property
    def failing(self) -> int:
        """Transfers still to fail: nobody acknowledges."""
        return max(0, self._get(0) - self._get(4))

    @failing.setter
    def failing(self, count: int) -> None:
        self._set(0, self._get(4) + count)

    def failed(self) -> None:
        """Note that a transfer failed."""
        self._set(4, self._get(4) + 1)

    @property
    def levels(self) -> int:
        """The GPIO lines, a bit each."""
        return self._get(1)

    @property
    def raised(self) -> int:
        """How often a line went high."""
        return self._get(2)

    @property
    def outputs(self) -> int:
        """The GPIO lines that were made outputs, a bit each."""
        return self._get(3)

    def lines(self, levels: int) -> None:
        """Note new levels."""
        self._set(2, self.raised + (levels & ~self.levels).bit_count())
        self._set(1, levels)

    def directions(self, outputs: int) -> None:
        """Note which lines are outputs."""
        self._set(3, outputs)


class Bridge:
    """Answers the driver's reports."""

    def __init__(self, knobs: Knobs, power_uw: int, faults: MeterFaults) -> None:
        self._knobs = knobs
        load = PowerTrace(time.monotonic_ns(), power_uw)
        self._chip = Ina219Chip(load, SUPPLY_MV, SHUNT_UOHM, faults)
        self._features = {
            DIRECTIONS: bytes([DIRECTIONS, 0, 0, 0, 0]),
            VERSION: bytes([VERSION, 0x0C, 2]),
            BUS_SETTINGS: struct.pack(">BIBBHHBH", BUS_SETTINGS, 400_000, 2, 0, 0, 0, 0, 0),
            LOCK: bytes([LOCK, 0xFF]),
        }
        self._status, self._pending = COMPLETE, b""

    def serve(self, device: HidDevice) -> None:
        """Answer one event."""
        request = device.next_request()
        if request is None:
            return
        if request.kind == GET_REPORT:
            device.answer(request, self._feature(request.data[0]))
        elif request.kind == SET_REPORT:
            self._set_feature(request)
            device.answer(request)
        elif request.data[0] == ASK_STATUS:
            length = len(self._pending)
            device.send(struct.pack(">BBBHH", STATUS, self._status, NO_ANSWER, 0, length))
        elif request.data[0] == SEND_READ:
            data = self._pending
            device.send(bytes([READ_ANSWER, COMPLETE, len(data)]) + data.ljust(61, b"\0"))
        else:
            self._transfer(request.data)

    def _feature(self, report: int) -> bytes:
        if report == GET_LINES:
            return bytes([GET_LINES, self._knobs.levels])
        return self._features.get(report, bytes([report]))

    def _set_feature(self, request: Request) -> None:
        report = request.data[0]
        if report == SET_LINES:
            _, values, mask = request.data[:3]
            self._knobs.lines(self._knobs.levels & ~mask | values & mask)
            return
        self._features[report] = request.data
        if report == DIRECTIONS:
            self._knobs.directions(request.data[1])

    def _transfer(self, data: bytes) -> None:
        failing, address = self._knobs.failing, data[1] >> 1
        self._pending = b""
        if failing or address != ADDRESS:
            self._knobs.failed()
            self._status = ERROR
            return
        self._status = COMPLETE
        now_ns = time.monotonic_ns()
        if data[0] == WRITE_READ:
            word = self._chip.read(data[5], now_ns)
            self._pending = word.to_bytes(2, "big")
        elif data[0] == WRITE and len(data) >= 6:
            self._chip.write(data[3], int.from_bytes(data[4:6], "big"), now_ns)


class PluggedBridge:
    """The bridge as the guest sees it."""

    def __init__(self, child: Child, knobs: Knobs, bus: int, chip: str) -> None:
        self.child = child
        self.knobs = knobs
        self.bus = bus
        """Number of its I2C bus."""
        self.chip = chip
        """Name of its GPIO chip."""
        self._opened: list[RegisterBus] = []

    def open_bus(self) -> RegisterBus:
        """Open the bus until the bridge is pulled out: the kernel waits for who has it open."""
        self._opened.append(open_i2c_bus(self.bus))
        return self._opened[-1]

    def close(self) -> None:
        """Close what was opened."""
        for bus in self._opened:
            bus.close()


@contextmanager
def plugged(power_uw: int, faults: MeterFaults | None = None) -> Iterator[PluggedBridge]:
    """Plug the bridge in; pull it out at the end.

    Args:
        power_uw: what flows through the shunt.
        faults: of the chip.
    """
    modprobe("i2c-dev")
    for module in ("uhid", "hid-cp2112"):
        modprobe(module)
    knobs = Knobs()

    def play(say: Callable[[str], None]) -> None:
        bridge = Bridge(knobs, power_uw, faults or MeterFaults())
        device = HidDevice("CP2112 played", VENDOR, PRODUCT, DESCRIPTOR)
        say("plugged")
        while True:
            bridge.serve(device)

    with Child(play) as child:
        assert child.line() == "plugged"
        bridge = PluggedBridge(child, knobs, _bus(), _gpio_chip())
        try:
            yield bridge
        finally:
            bridge.close()


def _bus() -> int:
    def there() -> Path | None:
        names = Path("/sys/bus/i2c/devices").glob("i2c-*/name")
        return next((n.parent for n in names if "CP2112" in n.read_text()), None)

    folder = appears(there)
    return int(folder.name.removeprefix("i2c-"))


def _gpio_chip() -> str:
    def there() -> Path | None:
        chips = Path("/sys/bus/gpio/devices").glob("gpiochip*")
        return next((c for c in chips if "10C4:EA90" in str(c.resolve())), None)

    return appears(there).name
