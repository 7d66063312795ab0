"""Serves a protocol on a port that may come and go: a UART, a USB gadget, a TCP port.

And tells systemd, where that started it, that it is up and alive.
"""

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge_infer.firmware_bridge.device.port_opener import PortOpener
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.port import OpenPort
from edge_infer.runtime.supervisor import Supervisor, supervisor_here

_MAX_UNSENT_BYTES = 1 << 18
"""When nobody reads, what was to be said is dropped above this; the client asks again."""
_LOOK_EVERY_S = 0.2

MAX_CLIENTS = 4
"""Served at once on a TCP port."""
MAX_WAIT_NS = 5_000_000_000
"""A client that waits gets the place of one that was quiet for so long; if none was, after so long
that of the one served longest. Below the time after which a client that asks gives up."""


class LineProtocol(Protocol):
    """Speaks on a line, without owning it. Times are ns, bytes are to be sent."""

    def line_up(self, now_ns: int) -> bytes:
        """Somebody may listen now."""
        ...

    def line_lost(self) -> None:
        """Nobody listens any more."""
        ...

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """Bytes arrived."""
        ...

    def poll(self, now_ns: int) -> bytes:
        """Time has passed, or a descriptor became ready."""
        ...

    def wait_ns(self, now_ns: int) -> int:
        """Return how long `poll` may stay away at most."""
        ...

    def descriptors(self) -> Sequence[int]:
        """Return what else to wake up for when it can be read."""
        ...


@dataclass(slots=True, eq=False)
class _Line:
    """A client that is served."""

    port: OpenPort
    protocol: LineProtocol
    since_ns: int
    heard_ns: int
    unsent: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        """Send what the port takes now, keep the rest. Raises LinkLostError."""
        self.unsent += data
        if self.unsent:
            del self.unsent[: self.port.write_some(bytes(self.unsent))]
        if len(self.unsent) > _MAX_UNSENT_BYTES:
            self.unsent.clear()


class Server:
    """Runs a protocol on a port until told to stop.

    Args:
        protocol: of the first client; it is polled while there is none, too.
        opener: opens the port.
        another: makes a protocol for a further client at the same time; None to serve one.
    """

    def __init__(
        self,
        protocol: LineProtocol,
        opener: PortOpener,
        another: Callable[[], LineProtocol] | None = None,
    ) -> None:
        self._protocol = protocol
        self._opener = opener
        self._another = another
        self._most = MAX_CLIENTS if another is not None and opener.several else 1
        self._lines: list[_Line] = []
        self._waiting_since_ns: int | None = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopping = False

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            while not self.stopping:
                self.step()
        finally:
            for line in tuple(self._lines):
                self._drop(line)
            self._opener.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_write = -1  # a late `stop` writes nowhere

    def stop(self) -> None:
        """End `run` soon; may be called from a signal handler or another thread."""
        self.stopping = True
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\x00")

    def step(self) -> None:
        """Wait for the next thing to do, and do it."""
        self._take_clients()
        ready = self._wait()
        for line in tuple(self._lines):
            with self._dropping(line):
                self._serve(line, line.port.fileno() in ready)
        said = self._protocol.poll(time.monotonic_ns())
        for line in tuple(self._lines):
            if line.protocol is self._protocol:
                with self._dropping(line):
                    line.send(said)

    def _wait(self) -> list[int]:
        """Return the descriptors that can be read, after the time that the protocols allow."""
        now_ns = time.monotonic_ns()
        protocols = {id(p): p for p in (self._protocol, *(line.protocol for line in self._lines))}
        wait_s = min(protocol.wait_ns(now_ns) for protocol in protocols.values()) / 1e9
        reading = [self._wake_read, *self._protocol.descriptors()]
        waiting = self._opener.waiting()
        if len(self._lines) < self._most and waiting is not None:
            reading.append(waiting)
        elif not self._lines or waiting is not None:
            wait_s = min(wait_s, _LOOK_EVERY_S)
        reading += [line.port.fileno() for line in self._lines]
        writing = [line.port.fileno() for line in self._lines if line.unsent]
        return select.select(reading, writing, [], wait_s)[0]

    def _serve(self, line: _Line, readable: bool) -> None:
        if readable:
            line.heard_ns = time.monotonic_ns()
            line.send(line.protocol.feed(line.port.read_ready(), line.heard_ns))
        if line.protocol is not self._protocol:
            line.send(line.protocol.poll(time.monotonic_ns()))
        else:
            line.send(b"")

    def _take_clients(self) -> None:
        while len(self._lines) < self._most or self._made_place():
            try:
                port = self._opener.open()
            except LinkLostError:
                return
            first = all(line.protocol is not self._protocol for line in self._lines)
            protocol = self._protocol if first or self._another is None else self._another()
            now_ns = time.monotonic_ns()
            line = _Line(port, protocol, now_ns, now_ns)
            self._lines.append(line)
            with self._dropping(line):
                line.send(protocol.line_up(now_ns))

    def _made_place(self) -> bool:
        """Drop a client for one that waits: one that is quiet, or in the end the oldest."""
        now_ns, waiting = time.monotonic_ns(), self._opener.waiting()
        if waiting is None or not select.select([waiting], [], [], 0)[0]:
            self._waiting_since_ns = None
            return False
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        quiet = min(self._lines, key=lambda line: line.heard_ns)
        if now_ns - quiet.heard_ns > MAX_WAIT_NS:
            self._drop(quiet)
        elif now_ns - self._waiting_since_ns > MAX_WAIT_NS:
            self._drop(min(self._lines, key=lambda line: line.since_ns))
        else:
            return False
        self._waiting_since_ns = None
        return True

    @contextlib.contextmanager
    def _dropping(self, line: _Line) -> Iterator[None]:
        """Drop a line that is lost."""
        try:
            yield
        except LinkLostError:
            self._drop(line)

    def _drop(self, line: _Line) -> None:
        line.port.close()
        line.protocol.line_lost()
        self._lines.remove(line)


class NotifiedProtocol:
    """Passes a protocol on, and tells systemd at each turn of the server's loop that it is alive.

    Args:
        inner: the protocol.
        supervisor: that started us.
    """

    def __init__(self, inner: LineProtocol, supervisor: Supervisor) -> None:
        self._inner, self._supervisor = inner, supervisor
        self.line_up, self.line_lost, self.feed = inner.line_up, inner.line_lost, inner.feed

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol; the loop has come round, so the server is alive."""
        self._supervisor.alive(now_ns)
        return self._inner.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol; not longer than until the next sign of life."""
        wait_ns, supervisor = self._inner.wait_ns(now_ns), self._supervisor
        if not supervisor.is_told:
            return 0
        return min(wait_ns, max(0, supervisor.next_ns - now_ns)) if supervisor.every_ns else wait_ns

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol."""
        return self._inner.descriptors()


def notified(protocol: LineProtocol) -> LineProtocol:
    """Return the protocol, one that tells systemd where systemd started us."""
    supervisor = supervisor_here()
    return protocol if supervisor is None else NotifiedProtocol(protocol, supervisor)
