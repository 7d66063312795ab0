"""The line to a board of a fleet: opened when it is its turn, let go when the fleet is stopped."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.port import BytePort, DescriptorPort
from edge_infer.firmware_bridge.smp.framing import Framing

if TYPE_CHECKING:
    from edge_infer.firmware_bridge.image.keys import SigningKey

_SLICE_NS = 500_000_000
"""A wait is cut into these, to notice a stop."""

_LOOK_EVERY_S = 0.1

OpenPort = Callable[[FleetBoard], BytePort]


class StoppedError(Exception):
    """The fleet was stopped; nothing that waits for a line goes on."""


def open_board_port(board: FleetBoard) -> BytePort:
    """Open the port of a board. Raises LinkLostError."""
    return DescriptorPort(board.port, board.baud, set_lines=board.set_lines)


class LatePort:
    """Fulfils BytePort for a board that may not be there yet: `reopen` waits for it."""

    now_ns = staticmethod(time.monotonic_ns)

    def __init__(self, board: FleetBoard) -> None:
        self.name, self._board = board.port, board
        self._port: BytePort | None = None

    def write(self, data: bytes) -> None:
        """See BytePort."""
        self._opened().write(data)

    def read(self, until_ns: int) -> bytes:
        """See BytePort."""
        return self._opened().read(until_ns)

    def reopen(self, until_ns: int) -> None:
        """See BytePort."""
        while self._port is None:
            try:
                self._port = open_board_port(self._board)
                return
            except LinkLostError:
                if self.now_ns() >= until_ns:
                    raise
                time.sleep(_LOOK_EVERY_S)
        self._port.reopen(until_ns)

    def close(self) -> None:
        """See BytePort."""
        if self._port is not None:
            self._port.close()

    def _opened(self) -> BytePort:
        if self._port is None:
            raise LinkLostError(f"{self.name} is not open yet")
        return self._port


class StoppablePort:
    """Fulfils BytePort over another; raises StoppedError once stopped."""

    def __init__(self, port: BytePort, stopped: Callable[[], bool]) -> None:
        self._port, self._stopped = port, stopped
        self.name, self.now_ns, self.close = port.name, port.now_ns, port.close

    def write(self, data: bytes) -> None:
        """See BytePort."""
        self._check()
        self._port.write(data)

    def read(self, until_ns: int) -> bytes:
        """See BytePort."""
        while True:
            self._check()
            data = self._port.read(min(until_ns, self.now_ns() + _SLICE_NS))
            if data or self.now_ns() >= until_ns:
                return data

    def reopen(self, until_ns: int) -> None:
        """See BytePort."""
        while True:
            self._check()
            try:
                return self._port.reopen(min(until_ns, self.now_ns() + _SLICE_NS))
            except LinkLostError:
                if self.now_ns() >= until_ns:
                    raise

    def _check(self) -> None:
        if self._stopped():
            raise StoppedError


@dataclass(frozen=True)
class BoardLines:
    """Opens links to boards.

    Args:
        open_port: opens a board's port.
        operator: signs who asks, where a device wants to know that.
        patience_ns: how long an unplugged port may stay away in mid-work.
    """

    open_port: OpenPort = open_board_port
    operator: "SigningKey | None" = None
    patience_ns: int = 30_000_000_000
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let whatever waits for a line end with StoppedError."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Let real time pass; return whether it was stopped."""
        return self._stop.wait(seconds)

    @contextmanager
    def link(self, board: FleetBoard) -> Iterator[Link]:
        """Open a link to a board; close its port at the end. Raises LinkLostError."""
        if self.stopped:
            raise StoppedError
        port = StoppablePort(self.open_port(board), self._stop.is_set)
        try:
            yield Link(port, Framing(board.framing), self.operator, self.patience_ns)
        finally:
            port.close()
