"""A serial line between a host and a device in virtual time: slow, noisy, sometimes unplugged.

Both directions are paced by the baud rate (10 bits a byte). What is to go wrong comes from a
seed. Nothing waits: reading lets virtual time pass until bytes arrive.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_infer.firmware_bridge.errors import LinkLostError

PIECE_BYTES = 64
"""Bytes arrive in pieces, as a UART's FIFO or a USB packet gives them."""


@dataclass
class Faults:
    """What goes wrong. All shares are probabilities."""

    byte_error: float = 0.0
    drop_piece: float = 0.0
    """A whole piece vanishes."""
    duplicate_piece: float = 0.0
    stall: float = 0.0
    """A piece is held up, and all behind it."""
    stall_ns: int = 300_000_000
    unplugged: list[tuple[int, int]] = field(default_factory=list)
    """(from, until) in ns of virtual time."""
    drop_write: float = 0.0
    """A whole write of the host vanishes: a dropped chunk."""


class SerialLine:
    """Fulfils BytePort for the host; feeds the device as bytes reach it."""

    name = "virtual line"

    def __init__(
        self,
        device: Callable[[bytes, int], bytes],
        baud: int = 115_200,
        faults: Faults | None = None,
        seed: int = 0,
        on_lost: Callable[[], None] = lambda: None,
        device_offset_ns: int = 0,
    ) -> None:
        self.time_ns = 0
        self.faults = faults or Faults()
        self.lost_bytes = 0
        self._device = device
        self._on_lost = on_lost
        self._device_offset_ns = device_offset_ns
        self._ns_per_byte = 10 * 1_000_000_000 // baud
        self._rng = random.Random(seed)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._free_ns = {"out": 0, "in": 0}
        self._received = bytearray()
        self._plug = 0
        self._gone = False
        for start_ns, end_ns in self.faults.unplugged:
            self.at(start_ns, self._pull)
            self.at(end_ns, self._push)

    # --- virtual time ---

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        """Run `action` when virtual time gets there."""
        heapq.heappush(self._events, (time_ns, next(self._order), action))

    def every(self, period_ns: int, action: Callable[[int], bytes]) -> None:
        """Call the device every so often; what it returns goes to the host."""

        def tick() -> None:
            self._transmit("in", action(self.time_ns + self._device_offset_ns))
            self.at(self.time_ns + period_ns, tick)

        self.at(self.time_ns + period_ns, tick)

    def run_until(self, until_ns: int, stop: Callable[[], bool] = lambda: False) -> None:
        while not stop() and self._events and self._events[0][0] <= until_ns:
            time_ns, _, action = heapq.heappop(self._events)
            self.time_ns = max(self.time_ns, time_ns)
            action()
        if not stop():
            self.time_ns = max(self.time_ns, until_ns)

    # --- BytePort ---

    def now_ns(self) -> int:
        return self.time_ns

    def write(self, data: bytes) -> None:
        self.run_until(self.time_ns)
        self._check()
        if self._rng.random() >= self.faults.drop_write:
            self._transmit("out", data)

    def read(self, until_ns: int) -> bytes:
        self.run_until(until_ns, lambda: bool(self._received) or self._gone)
        self._check()
        data = bytes(self._received)
        self._received.clear()
        return data

    def reopen(self, until_ns: int) -> None:
        self.run_until(until_ns, lambda: not self._unplugged)
        if self._unplugged:
            raise LinkLostError("the virtual line stayed unplugged")
        self._gone = False

    def close(self) -> None:
        self._gone = True

    # --- the wire ---

    _unplugged = False

    def _check(self) -> None:
        if self._gone or self._unplugged:
            self._gone = True
            raise LinkLostError("the virtual line is unplugged")

    def _pull(self) -> None:
        self._plug += 1
        self._unplugged = self._gone = True
        self._received.clear()
        self._free_ns = {"out": self.time_ns, "in": self.time_ns}
        self._on_lost()

    def _push(self) -> None:
        self._unplugged = False

    def _transmit(self, way: str, data: bytes) -> None:
        if self._unplugged:
            self.lost_bytes += len(data)
            return
        for at in range(0, len(data), PIECE_BYTES):
            self._send_piece(way, data[at : at + PIECE_BYTES])

    def _send_piece(self, way: str, piece: bytes) -> None:
        faults, rng = self.faults, self._rng
        start_ns = max(self.time_ns, self._free_ns[way])
        if rng.random() < faults.stall:
            start_ns += faults.stall_ns
        end_ns = start_ns + len(piece) * self._ns_per_byte
        self._free_ns[way] = end_ns
        if rng.random() < faults.drop_piece:
            return
        if faults.byte_error:
            piece = bytes(
                b ^ rng.randint(1, 255) if rng.random() < faults.byte_error else b for b in piece
            )
        copies = 2 if rng.random() < faults.duplicate_piece else 1
        plug = self._plug
        for _ in range(copies):
            self.at(end_ns, lambda: self._arrive(way, piece, plug))

    def _arrive(self, way: str, piece: bytes, plug: int) -> None:
        if plug != self._plug:
            self.lost_bytes += len(piece)
        elif way == "in":
            self._received += piece
        else:
            self._transmit("in", self._device(piece, self.time_ns + self._device_offset_ns))
