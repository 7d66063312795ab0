"""Ports: what one is, and real ones: a serial device, or a TCP connection with the same bytes.

pyserial opens and configures; reading and writing go straight to the descriptor, since its own
read sets the terminal up again for every new time limit. This is the one place that turns
SerialException and OSError into our errors.
"""

import errno
import logging
import os
import select
import socket
import time
from typing import Protocol

from edge_infer.firmware_bridge.errors import LinkLostError

_log = logging.getLogger(__name__)

SOCKET_PREFIX = "socket://"
DEFAULT_BAUD = 115_200

_READ_BYTES = 65_536
_STUCK_S = 5.0
"""A port that takes no bytes for so long is held by flow control, or by nobody."""
_REOPEN_EVERY_S = 0.1


class BytePort(Protocol):
    """Carries bytes both ways. A real one waits; a simulated one lets virtual time pass."""

    name: str
    """As the user gave it."""

    def now_ns(self) -> int:
        """Return the time of this side, monotonic, in ns."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises LinkLostError when the port is gone."""
        ...

    def read(self, until_ns: int) -> bytes:
        """Return bytes as soon as there are any, none at `until_ns`. Raises LinkLostError."""
        ...

    def reopen(self, until_ns: int) -> None:
        """Open the port again after it was lost, waiting for it to come back.

        Raises LinkLostError when it has not come back at `until_ns`.
        """
        ...

    def close(self) -> None:
        """Free the port. May be called twice."""
        ...


class _Opened(Protocol):
    """What an open port needs to be."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class OpenPort:
    """A port that is open: reads and writes a descriptor that does not block."""

    def __init__(self, name: str, opened: _Opened) -> None:
        self.name = name
        self._opened: _Opened | None = opened
        self._logged = _log.isEnabledFor(logging.DEBUG)

    now_ns = staticmethod(time.monotonic_ns)

    def fileno(self) -> int:
        """Return the descriptor. Raises LinkLostError when the port is closed."""
        if self._opened is None:
            raise LinkLostError(f"{self.name} is closed")
        return self._opened.fileno()

    def write(self, data: bytes) -> None:
        """See BytePort. Waits while the port takes nothing, at most 5 s."""
        view = memoryview(data)
        while view:
            written = self.write_some(view)
            view = view[written:]
            if not written and not select.select([], [self.fileno()], [], _STUCK_S)[1]:
                raise self._lost(f"it took no bytes for {_STUCK_S:g} s: flow control?")

    def write_some(self, data: bytes | memoryview) -> int:
        """Send what the port takes now; return how many bytes. Raises LinkLostError."""
        try:
            written = os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(_text(error)) from error
        if self._logged:
            _log.debug("%s > %s", self.name, bytes(data[:written]).hex(" "))
        return written

    def read(self, until_ns: int) -> bytes:
        """See BytePort."""
        wait_s = max(0, until_ns - self.now_ns()) / 1e9
        if not select.select([self.fileno()], [], [], wait_s)[0]:
            return b""
        return self.read_ready()

    def read_ready(self) -> bytes:
        """Return bytes of a port that can be read now. Raises LinkLostError."""
        try:
            data = os.read(self.fileno(), _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(_text(error)) from error
        if not data:
            raise self._lost("the other side hung up")
        if self._logged:
            _log.debug("%s < %s", self.name, data.hex(" "))
        return data

    def close(self) -> None:
        """See BytePort."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _lost(self, why: str) -> LinkLostError:
        self.close()
        return LinkLostError(f"{self.name} went away: {why}")


class DescriptorPort(OpenPort):
    """Fulfils BytePort over a port of this computer.

    Args:
        name: a serial device, or "socket://HOST:PORT".
        baud: bits per second of a serial device.
        set_lines: raise DTR and RTS on opening, for boards that want them.

    Raises:
        LinkLostError: it cannot be opened; the message says what to try.
    """

    def __init__(self, name: str, baud: int = DEFAULT_BAUD, *, set_lines: bool = False) -> None:
        super().__init__(name, _open_descriptor(name, baud, set_lines=set_lines))
        self._baud = baud
        self._set_lines = set_lines

    def reopen(self, until_ns: int) -> None:
        """See BytePort."""
        self.close()
        while True:
            time.sleep(_REOPEN_EVERY_S)  # first: one that hangs up at once is no reason to hurry
            try:
                self._opened = _open_descriptor(self.name, self._baud, set_lines=self._set_lines)
                return
            except LinkLostError:
                if self.now_ns() >= until_ns:
                    raise


def _open_descriptor(name: str, baud: int, *, set_lines: bool = False) -> _Opened:
    """Open a serial device, alone, or connect to a socket. Raises LinkLostError."""
    try:
        if name.startswith(SOCKET_PREFIX):
            return _connect(name)
        return _open_serial(name, baud, set_lines)
    # pyserial's own error is an OSError.
    except (OSError, ValueError) as error:
        raise LinkLostError(f"cannot open {name}: {_advice(error)}") from error


def _open_serial(name: str, baud: int, set_lines: bool) -> _Opened:
    import serial  # loaded with the first serial port: a socket needs none

    class Quiet(serial.Serial):
        """Leaves DTR and RTS as the driver has them.

        They reset many boards, and pyserial sets both when it opens (pyserial issue 729).
        """

        def _update_dtr_state(self) -> None:
            """Not touched."""

        def _update_rts_state(self) -> None:
            """Not touched."""

    kind = serial.Serial if set_lines else Quiet
    return kind(name, baud, exclusive=True)


def socket_address(name: str) -> tuple[str, int]:
    """Return host and port of "socket://HOST:PORT". Raises ValueError."""
    host, _, number = name.removeprefix(SOCKET_PREFIX).rpartition(":")
    if not number.isdigit() or int(number) > 65_535:
        raise ValueError(f"{number!r} is no port number, 0 to 65535")
    return host or "127.0.0.1", int(number)


def _connect(name: str) -> socket.socket:
    connection = socket.create_connection(socket_address(name), timeout=_STUCK_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection


def _advice(error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.ENOENT:
            return "there is no such port; plug the device in, or see: edge-infer device ports"
        case errno.EACCES:
            return "permission denied; add yourself to its group: sudo usermod -aG dialout $USER"
        case errno.EAGAIN | errno.EBUSY:
            return "another program uses it; close that (ModemManager opens new ports too)"
        case errno.ECONNREFUSED:
            return "nothing listens there; start: edge-infer serve"
    return _text(error)


def _text(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
