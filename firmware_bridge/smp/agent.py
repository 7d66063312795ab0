"""The SMP server, without a port: bytes in, bytes out, time given; and what a group looks like.

It answers in the framing that asked. Damage is dropped without an answer, as on every SMP
serial line: the client repeats. A handler that fails unexpectedly costs one error answer, never
the agent.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.framing import FrameDecoder, Framing, Received, encode
from edge_infer.firmware_bridge.smp.message import Header, Message, error_body, read_body
from edge_infer.firmware_bridge.wire.command import A, Body, Command, Op, Q
from edge_infer.firmware_bridge.wire.standard import Code

BUFFER_BYTES = 2048
"""Longest message that is taken or given, advertised to clients."""
BUFFER_COUNT = 4
"""Messages a client may have on the way at once, advertised too."""

_MAX_WAITING = 16
"""Unanswered requests that are kept; above it the device says that it is busy."""

_WAITING_POLL_NS = 20_000_000
_IDLE_POLL_NS = 1_000_000_000

_log = logging.getLogger(__name__)

T = TypeVar("T")


class RefusalError(Exception):
    """A request is understood and refused."""

    def __init__(self, code: Code, reason: str, group_code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        """The general code, for the first protocol version."""
        self.group_code = group_code
        """The group's own code, for the second; None where the refusal is a general one."""


@dataclass(frozen=True, slots=True)
class Later(Generic[T]):
    """An answer that is not known yet."""

    poll: Callable[[int], T | None]
    """Given the time in ns, returns the answer, None while there is none. May raise
    RefusalError."""


Handler = Callable[[Body, int], Body | Later[Body]]
"""Given the body and the time in ns, returns the answer's body. May raise RefusalError, and
FrameError for a body that lacks something."""


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """One SMP group: its number, its name for enumeration, its commands."""

    number: int
    name: str
    handlers: Mapping[tuple[int, Op], Handler]


def on(
    command: Command[Q, A], answer: Callable[[Q, int], A | Later[A]]
) -> tuple[tuple[int, Op], Handler]:
    """Return the handler of a command, under its number and operation.

    `answer` is given the request and the time in ns.
    """

    def handle(body: Body, now_ns: int) -> Body | Later[Body]:
        found = answer(command.request.unpack(body), now_ns)
        if not isinstance(found, Later):
            return found.pack()
        later = found
        return Later(lambda time_ns: None if (a := later.poll(time_ns)) is None else a.pack())

    return (command.number, command.op), handle


Check = Callable[[Header, int], None]
"""Given a request's header and the time in ns, raises RefusalError where it may not be made."""


@dataclass(slots=True)
class _Waiting:
    framing: Framing
    header: Header
    later: Later[Body]


class Agent:
    """Dispatches requests to groups, those that `check` lets pass."""

    def __init__(
        self,
        groups: Iterable[CommandGroup],
        check: Check = lambda header, now_ns: None,
    ) -> None:
        self._check = check
        self._groups = {group.number: group for group in groups}
        self._decoder = FrameDecoder(BUFFER_BYTES)
        self._waiting: list[_Waiting] = []

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes from the line; return the bytes to send."""
        out = [self._answer(received, now_ns) for received in self._decoder.feed(data, now_ns)]
        return b"".join(out)

    def poll(self, now_ns: int) -> bytes:
        """Return the answers that have become known since."""
        waiting, self._waiting = self._waiting, []
        return b"".join([self._finish(entry, now_ns) for entry in waiting])

    def line_up(self, now_ns: int) -> bytes:
        """Say nothing unasked."""
        return b""

    def wait_ns(self, now_ns: int) -> int:
        """Return how long `poll` may stay away at most, in ns."""
        return _WAITING_POLL_NS if self._waiting else _IDLE_POLL_NS

    def line_lost(self) -> None:
        """Forget half a frame, and the requests whose answers nobody waits for any more."""
        self._decoder = FrameDecoder(BUFFER_BYTES)
        self._waiting.clear()

    def _answer(self, received: Received, now_ns: int) -> bytes:
        try:
            header = Header.unpack(received.message)
        except FrameError:
            return b""
        if header.op not in (Op.READ, Op.WRITE):
            return b""
        try:
            self._check(header, now_ns)
            result = self._handler(header)(read_body(received.message), now_ns)
        except Exception as error:
            result = _refusal(header, error)
        if isinstance(result, Later):
            return self._wait(_Waiting(received.framing, header, result), now_ns)
        return _encoded(received.framing, header, result)

    def _handler(self, header: Header) -> Handler:
        group = self._groups.get(header.group)
        handler = group.handlers.get((header.command, header.op)) if group else None
        if handler is None:
            raise RefusalError(
                Code.NOT_SUPPORTED,
                f"no command {header.command} to {header.op.name.lower()} in group {header.group}",
            )
        return handler

    def _wait(self, entry: _Waiting, now_ns: int) -> bytes:
        if len(self._waiting) >= _MAX_WAITING:
            busy = RefusalError(Code.BUSY, f"{_MAX_WAITING} requests wait for answers already")
            return _encoded(entry.framing, entry.header, _refusal(entry.header, busy))
        return self._finish(entry, now_ns)

    def _finish(self, entry: _Waiting, now_ns: int) -> bytes:
        try:
            result = entry.later.poll(now_ns)
        except Exception as error:
            result = _refusal(entry.header, error)
        if result is None:
            self._waiting.append(entry)
            return b""
        return _encoded(entry.framing, entry.header, result)


def _refusal(header: Header, error: Exception) -> Body:
    if isinstance(error, FrameError):
        error = RefusalError(Code.INVALID, str(error))
    elif not isinstance(error, RefusalError):
        _log.error("group %d command %d failed", header.group, header.command, exc_info=error)
        error = RefusalError(Code.UNKNOWN, f"the device failed: {type(error).__name__}: {error}")
    # A path may hold bytes that are no text.
    reason = str(error)[:300].encode("utf-8", "replace").decode()
    if error.group_code is None:
        return error_body(0, header.group, error.code, reason)
    code = error.group_code if header.version else error.code
    return error_body(header.version, header.group, code, reason)


def _encoded(framing: Framing, header: Header, body: Body) -> bytes:
    try:
        message = Message(header.answer(), body).pack()
    except ValueError as error:  # a text that cannot be written as UTF-8
        message = Message(header.answer(), _refusal(header, error)).pack()
    if len(message) > BUFFER_BYTES:
        reason = f"the answer has {len(message)} bytes, at most {BUFFER_BYTES}"
        body = error_body(0, header.group, Code.TOO_LARGE, reason)
        message = Message(header.answer(), body).pack()
    return encode(message, framing)
