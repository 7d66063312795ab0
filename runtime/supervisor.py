"""What started this process, where it wants signs of life: systemd and its watchdog.

sd_notify(3), the protocol alone: a datagram to the socket that NOTIFY_SOCKET names; WATCHDOG_USEC
says how often it must come.
"""

import contextlib
import os
import socket


class Supervisor:
    """Hears that the process is ready, and then that it is alive.

    Args:
        address: the socket of NOTIFY_SOCKET; a leading @ is an abstract one.
        watchdog_us: time in which a sign of life is due; 0 without a watchdog.
    """

    def __init__(self, address: str, watchdog_us: int) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.every_ns = watchdog_us * 1000 // 3
        """How often to call; 0 for once."""
        self.next_ns = 0
        """When the next sign is due."""
        self.is_told = False
        """It has heard that the process is ready."""

    def alive(self, now_ns: int) -> None:
        """Give a sign of life, if one is due."""
        if not self.is_told:
            self.is_told = True
            self._tell("READY=1")
        if self.every_ns and now_ns >= self.next_ns:
            self.next_ns = now_ns + self.every_ns
            self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        # A supervisor that went away is no reason to stop.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.sendto(text.encode(), self._address)


def supervisor_here() -> Supervisor | None:
    """Return the supervisor that started us, None where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    watchdog_us = os.environ.get("WATCHDOG_USEC", "")
    return Supervisor(address, int(watchdog_us) if watchdog_us.isdigit() else 0)
