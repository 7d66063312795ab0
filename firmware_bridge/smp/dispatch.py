"""What a group of commands looks like to the agent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_infer.firmware_bridge.smp.message import Body, Code, Op


class RefusalError(Exception):
    """A request is understood and refused."""

    def __init__(self, code: Code, reason: str, group_code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        """The general code, for the first protocol version."""
        self.group_code = group_code
        """The group's own code, for the second; None where the refusal is a general one."""


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that is not known yet."""

    poll: Callable[[int], Body | None]
    """Given the time in ns, returns the answer, None while there is none. May raise
    RefusalError."""


Handler = Callable[[Body, int], Body | Later]
"""Given the body and the time in ns, returns the answer's body. May raise RefusalError."""


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """One SMP group: its number, its name for enumeration, its commands."""

    number: int
    name: str
    handlers: Mapping[tuple[int, Op], Handler]


def integer(body: Body, key: str, default: int | None = None) -> int:
    """Return a whole number of a request, 0 or above. Raises RefusalError."""
    value = body.get(key, default)
    if type(value) is not int or value < 0:
        raise RefusalError(Code.INVALID, f"{key!r} has to be a number, 0 or above, not {value!r}")
    return value


def data(body: Body, key: str) -> bytes:
    """Return a byte string of a request, empty where it is missing. Raises RefusalError."""
    value = body.get(key, b"")
    if not isinstance(value, bytes):
        raise RefusalError(Code.INVALID, f"{key!r} has to be a byte string")
    return value


def text(body: Body, key: str, default: str | None = None) -> str:
    """Return a text of a request. Raises RefusalError."""
    value = body.get(key, default)
    if not isinstance(value, str):
        raise RefusalError(Code.INVALID, f"{key!r} has to be a text")
    return value
