"""Serves a protocol on a port that may come and go: a UART, a USB gadget, a TCP port.

And tells systemd, where that started it, that it is up and alive.
"""

import contextlib
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.port import (
    DEFAULT_BAUD,
    SOCKET_PREFIX,
    DescriptorPort,
    OpenPort,
    socket_address,
)

_MAX_UNSENT_BYTES = 1 << 18
"""When nobody reads, what was to be said is dropped above this; the client asks again."""
_OPEN_EVERY_S = 0.2


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


class PortOpener(Protocol):
    """Opens the device's side of a port, again and again."""

    name: str
    """As clients use it."""

    def open(self) -> OpenPort:
        """Return the port. Raises LinkLostError while it is not there."""
        ...

    def close(self) -> None:
        """Free what waiting for the port holds."""
        ...


class SerialOpener:
    """A serial device, USB gadget or terminal."""

    def __init__(self, name: str, baud: int = DEFAULT_BAUD) -> None:
        self.name = name
        self._baud = baud

    def open(self) -> OpenPort:
        """See PortOpener."""
        return DescriptorPort(self.name, self._baud)

    def close(self) -> None:
        """See PortOpener."""


class TcpOpener:
    """Listens on "socket://HOST:PORT" (port 0: any) and takes one connection at a time.

    Raises LinkLostError when the address cannot be used.
    """

    def __init__(self, name: str) -> None:
        try:
            self._socket = socket.create_server(socket_address(name))
        except (OSError, ValueError) as error:
            raise LinkLostError(f"cannot listen on {name}: {error}") from error
        self._socket.setblocking(False)
        host, number = self._socket.getsockname()[:2]
        self.name = f"{SOCKET_PREFIX}{host}:{number}"

    def open(self) -> OpenPort:
        """See PortOpener."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError as error:
            raise LinkLostError("nobody has connected yet") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return OpenPort(self.name, connection)

    def close(self) -> None:
        """See PortOpener."""
        self._socket.close()


def port_opener(name: str, baud: int = DEFAULT_BAUD) -> PortOpener:
    """Return what opens the device's side of a port. Raises LinkLostError for a bad address."""
    return TcpOpener(name) if name.startswith(SOCKET_PREFIX) else SerialOpener(name, baud)


class Server:
    """Runs a protocol on a port until told to stop."""

    def __init__(self, protocol: LineProtocol, opener: PortOpener) -> None:
        self._protocol = protocol
        self._opener = opener
        self._port: OpenPort | None = None
        self._unsent = bytearray()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopping = False

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            while not self.stopping:
                self.step()
        finally:
            self._drop_port()
            self._opener.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def stop(self) -> None:
        """End `run` soon; may be called from a signal handler or another thread."""
        self.stopping = True
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\x00")

    def step(self) -> None:
        """Wait for the next thing to do, and do it."""
        self._ensure_port()
        wait_s = self._protocol.wait_ns(time.monotonic_ns()) / 1e9
        if self._port is None:
            wait_s = min(wait_s, _OPEN_EVERY_S)
        reading = [self._wake_read, *self._protocol.descriptors()]
        writing: list[int] = []
        port = self._port.fileno() if self._port else -1
        if self._port:
            reading.append(port)
            writing += [port] * bool(self._unsent)
        readable, _, _ = select.select(reading, writing, [], wait_s)
        try:
            if port in readable and self._port:
                self._send(self._protocol.feed(self._port.read_ready(), time.monotonic_ns()))
            self._send(self._protocol.poll(time.monotonic_ns()))
        except LinkLostError:
            self._drop_port()

    def _ensure_port(self) -> None:
        if self._port is not None:
            return
        try:
            self._port = self._opener.open()
            self._send(self._protocol.line_up(time.monotonic_ns()))
        except LinkLostError:
            self._drop_port()

    def _send(self, data: bytes) -> None:
        self._unsent += data
        if self._unsent and self._port:
            del self._unsent[: self._port.write_some(bytes(self._unsent))]
        if self._port is None or len(self._unsent) > _MAX_UNSENT_BYTES:
            self._unsent.clear()

    def _drop_port(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None
            self._protocol.line_lost()
        self._unsent.clear()


class NotifiedProtocol:
    """Passes a protocol on, and tells systemd at each turn of the server's loop that it is alive.

    sd_notify(3), the protocol alone: a datagram to the socket that NOTIFY_SOCKET names;
    WATCHDOG_USEC says how often it must come.

    Args:
        inner: the protocol.
        address: the socket of NOTIFY_SOCKET; a leading @ is an abstract one.
        watchdog_us: time in which a sign of life is due; 0 without a watchdog.
    """

    def __init__(self, inner: LineProtocol, address: str, watchdog_us: int) -> None:
        self._inner = inner
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._every_ns = watchdog_us * 1000 // 3
        self._next_ns = 0
        self._ready = False
        self.line_up, self.line_lost, self.feed = inner.line_up, inner.line_lost, inner.feed

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol; the loop has come round, so the server is alive."""
        if not self._ready:
            self._ready = True
            self._tell("READY=1")
        if self._every_ns and now_ns >= self._next_ns:
            self._next_ns = now_ns + self._every_ns
            self._tell("WATCHDOG=1")
        return self._inner.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol; not longer than until the next sign of life."""
        wait_ns = self._inner.wait_ns(now_ns)
        if not self._ready:
            return 0
        return min(wait_ns, max(0, self._next_ns - now_ns)) if self._every_ns else wait_ns

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol."""
        return self._inner.descriptors()

    def _tell(self, text: str) -> None:
        # A supervisor that went away is no reason to stop serving.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.sendto(text.encode(), self._address)


def notified(protocol: LineProtocol) -> LineProtocol:
    """Return the protocol, one that tells systemd where systemd started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return protocol
    return NotifiedProtocol(protocol, address, int(os.environ.get("WATCHDOG_USEC") or 0))
