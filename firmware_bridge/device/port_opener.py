"""The device's side of a port: a serial device that comes and goes, or a TCP port to listen on."""

import ipaddress
import socket
from typing import Protocol

from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.port import (
    DEFAULT_BAUD,
    SOCKET_PREFIX,
    DescriptorPort,
    OpenPort,
    socket_address,
)


class PortOpener(Protocol):
    """Opens the device's side of a port, again and again."""

    name: str
    """As clients use it."""
    several: bool
    """True when several clients may use it at once."""

    def open(self) -> OpenPort:
        """Return the port. Raises LinkLostError while it is not there."""
        ...

    def waiting(self) -> int | None:
        """Return what can be read when a client waits, None where none can."""
        ...

    def close(self) -> None:
        """Free what waiting for the port holds."""
        ...


class SerialOpener:
    """A serial device, USB gadget or terminal."""

    several = False

    def __init__(self, name: str, baud: int = DEFAULT_BAUD) -> None:
        self.name = name
        self._baud = baud

    def open(self) -> OpenPort:
        """See PortOpener."""
        return DescriptorPort(self.name, self._baud)

    def waiting(self) -> int | None:
        """See PortOpener."""
        return None

    def close(self) -> None:
        """See PortOpener."""


class TcpOpener:
    """Listens on "socket://HOST:PORT" (port 0: any).

    Args:
        name: of the address.
        allow_remote: False to refuse an address that other computers can reach.

    Raises:
        LinkLostError: the address cannot be used, or may not.
    """

    several = True

    def __init__(self, name: str, *, allow_remote: bool = False) -> None:
        if is_remote(name) and not allow_remote:
            raise LinkLostError(
                f"{name} can be reached from other computers: use socket://127.0.0.1:PORT and "
                "ssh's port forwarding, or --allow-remote"
            )
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
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
        except OSError as error:
            raise LinkLostError("nobody has connected yet, or went away again") from error
        return OpenPort(self.name, connection)

    def waiting(self) -> int | None:
        """See PortOpener."""
        return self._socket.fileno()

    def close(self) -> None:
        """See PortOpener."""
        self._socket.close()


def is_remote(name: str) -> bool:
    """Return True when other computers can reach a port. Raises LinkLostError for a bad address."""
    if not name.startswith(SOCKET_PREFIX):
        return False
    try:
        host, number = socket_address(name)
        found = socket.getaddrinfo(host, number, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise LinkLostError(f"cannot listen on {name}: {error}") from error
    return not all(ipaddress.ip_address(place[0]).is_loopback for *_, place in found)


def port_opener(name: str, baud: int = DEFAULT_BAUD, *, allow_remote: bool = False) -> PortOpener:
    """Return what opens the device's side of a port. Raises LinkLostError for a bad address."""
    if name.startswith(SOCKET_PREFIX):
        return TcpOpener(name, allow_remote=allow_remote)
    return SerialOpener(name, baud)
