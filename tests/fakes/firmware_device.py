"""The firmware's device with a flash, a clock and a line that the test is in command of."""

import hashlib
import struct
from typing import Any

from tests.fakes.firmware_build import Driver

from edge_infer.firmware_bridge.smp.client import Client, raise_refusal
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.wire.command import Body, Group, Op

SAMPLE_REGISTERS = {1: 6000, 2: (1250 << 3) | 2}
"""An INA219 with 60 mV at its shunt and 5 V at its bus, a conversion ready."""


class FirmwareDevice:
    """A device that is off until `power_on`.

    Args:
        driver: a running device_runner.
        framing: of what the host sends.
    """

    def __init__(self, driver: Driver, framing: Framing = Framing.COBS) -> None:
        self._driver = driver
        self._framing = framing
        self._client = Client(framing)
        self.cut = False
        """The last request was not answered: the power failed."""

    def power_on(self) -> bytes:
        """Switch off and on; return what it says."""
        self._client = Client(self._framing)
        return self._call(b"R", 0)

    def cut_after(self, operations: int) -> None:
        """Let the power fail at a flash operation from now on; 0 for never."""
        self._call(b"C", operations)

    def wait_us(self, us: int) -> bytes:
        """Let time pass; return what it says."""
        return self._call(b"T", us)

    def poll(self, times: int) -> bytes:
        """Let the main loop turn."""
        return self._call(b"P", times)

    def set_registers(self, registers: dict[int, int]) -> None:
        """Put values into the INA219's registers; none removes it."""
        data = b"".join(struct.pack("<HH", *item) for item in registers.items())
        self._call(b"I", len(data), data)

    def be_slow(self, ns: int) -> None:
        """Let time pass with each look at the clock."""
        self._call(b"S", ns)

    def trust(self, key: bytes) -> None:
        """Let one raw ed25519 public key's signatures count; empty for everybody's."""
        self._call(b"K", len(key), key)

    def flash(self) -> bytes:
        """Return the whole flash."""
        return self._call(b"D", 0)

    def load_flash(self, content: bytes) -> None:
        """Replace the whole flash, while the device is off."""
        self._call(b"L", len(content), content)

    def feed(self, data: bytes) -> bytes:
        """Send bytes; return what it says."""
        return self._call(b"F", len(data), data)

    def ask(self, op: Op, group: int, command: int, body: Body | None = None) -> Body:
        """Return the answer. Raises DeviceRefusedError; AssertionError without an answer."""
        sequence, frame = self._client.request(op, group, command, body or {})
        answers = dict(self._client.feed(self.feed(frame), 0))
        self.cut = sequence not in answers
        assert not self.cut, "no answer"
        return raise_refusal(group, answers[sequence])

    def images(self) -> list[dict[str, Any]]:
        """Return the entries of the slots."""
        return list(self.ask(Op.READ, Group.IMAGE, 0)["images"])

    def upload(self, file: bytes, chunk: int = 900) -> Body:
        """Send a file; return the last answer."""
        answer: Body = {}
        at = 0
        while at < len(file):
            body: Body = {"off": at, "data": file[at : at + chunk]}
            if at == 0:
                body |= {"image": 0, "len": len(file), "sha": hashlib.sha256(file).digest()}
            answer = self.ask(Op.WRITE, Group.IMAGE, 1, body)
            at = answer["off"]
        return answer

    def mark(self, digest: bytes, *, permanent: bool = False) -> None:
        """Let the next reset run an image."""
        self.ask(Op.WRITE, Group.IMAGE, 0, {"hash": digest, "confirm": permanent})

    def confirm(self) -> None:
        """Keep what runs."""
        self.ask(Op.WRITE, Group.IMAGE, 0, {"confirm": True})

    def _call(self, request: bytes, number: int, data: bytes = b"") -> bytes:
        self._driver.write(request, struct.pack("<I", number), data)
        return self._driver.read(self._driver.numbers(1)[0])
