"""The contract of a line to the other side, whatever it is made of."""

from typing import Protocol


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
