"""Tells systemd that a server is up and alive: sd_notify(3), the protocol alone.

A datagram to the socket that NOTIFY_SOCKET names; WATCHDOG_USEC says how often it must come.
"""

import contextlib
import os
import socket
from collections.abc import Sequence

from edge_infer.firmware_bridge.line.server import LineProtocol


class NotifiedProtocol:
    """Passes a protocol on, and tells the supervisor at each turn of the server's loop.

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
