"""What two slots remember: which one runs, what is pending, what went wrong.

It is kept twice, each copy with a checksum and a generation that counts up: whatever happens to one
file, the other one says the same, or what was said before a power cut.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from edge_infer.firmware_bridge.slots.slot_storage import (
    SlotStorage,
    read_sealed,
    replace_file,
    seal,
)

_COPIES = ("state-1", "state-2")
_OLD_FILE = "state.json"
"""Where devices before 0.2 kept it: once, without a checksum."""
_OLD_BYTES = 1 << 16
_MAX_NUMBER = 1 << 63
_MAX_COUNTER = 0xFFFFFFFF

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Revert:
    """The last time a bundle was given up for the one before."""

    digest: str
    """Of the bundle that was given up, in hex."""
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The image that the next reset swaps in."""

    digest: str
    permanent: bool = False
    """Stays without a confirmation."""
    rollback_reason: str = ""
    """Set when the swap is a rollback to the bundle before."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """Replaced as a whole, so that a power cut leaves the old one or the new one."""

    active: str = ""
    """Name of the slot that runs; empty before the first bundle."""
    confirmed: bool = False
    """False while the active image is on trial."""
    fallback: bool = False
    """While on trial: the other slot holds the confirmed image that a reset goes back to."""
    security_counter: int = 0
    """Highest counter ever confirmed; images below it are refused."""
    pending: Pending | None = None
    revert_reason: str = ""
    """Why the image on trial will be reverted, known before the reset that does it."""
    last_revert: Revert | None = None
    resets: int = 0

    @classmethod
    def read(cls, found: Any) -> "SlotState":
        """Read what `asdict` gives. Raises ValueError for anything else."""
        known = dict(found) if isinstance(found, dict) else None
        if known is None:
            raise ValueError("it holds no state")
        pending, revert = known.pop("pending", None), known.pop("last_revert", None)
        state: SlotState = _record(cls, known)
        if state.active not in ("", "a", "b") or state.security_counter > _MAX_COUNTER:
            raise ValueError("it names no slot, or no security counter")
        return replace(
            state,
            pending=None if pending is None else _record(Pending, pending),
            last_revert=None if revert is None else _record(Revert, revert),
        )


def _record(kind: type[Any], found: Any) -> Any:
    """Return a dataclass of plain values. Raises ValueError."""
    types = {field.name: field.type for field in fields(kind)}
    if not isinstance(found, dict) or not found.keys() <= types.keys():
        raise ValueError(f"it holds no {kind.__name__}")
    for name, value in found.items():
        if type(value) is not types[name] or (type(value) is int and not 0 <= value < _MAX_NUMBER):
            raise ValueError(f"{name} is not what it should be")
    try:
        return kind(**found)
    except TypeError as error:  # something is missing
        raise ValueError(f"it holds no {kind.__name__}: {error}") from error


class StoredState(NamedTuple):
    """What the files say."""

    state: SlotState | None
    """None when they were there and none could be read."""
    generation: int
    found: tuple[str, ...]
    """What is wrong with the files, one line each."""


class _Copy(NamedTuple):
    generation: int
    state: SlotState


def save_state(storage: SlotStorage, state: SlotState, generation: int) -> None:
    """Replace the stored state; a power cut leaves the old or the new one.

    Raises OSError when it could not be stored at all.
    """
    document = json.dumps({"generation": generation, "state": asdict(state)})
    first, second = _COPIES
    replace_file(storage, first, seal(document.encode()))
    try:
        replace_file(storage, second, seal(document.encode()))
        if storage.size(_OLD_FILE) is not None:
            storage.remove(_OLD_FILE)
    except OSError as error:  # the first one has it
        _log.error("the second copy of the slot state could not be stored: %s", error)


def load_state(storage: SlotStorage) -> StoredState:
    """Return the newest stored state, a new one where none was ever stored."""
    found: list[str] = []
    copies = [copy for name in _COPIES if (copy := _copy(storage, name, found))]
    if copies:
        newest = max(copies, key=lambda copy: copy.generation)
        if len(copies) < len(_COPIES) and not found:
            found.append("slot state: one of two copies is missing")
        return StoredState(newest.state, newest.generation, tuple(found))
    if found:
        return StoredState(None, 0, tuple(found))
    return _old_state(storage)


def _copy(storage: SlotStorage, name: str, found: list[str]) -> _Copy | None:
    with _noting(name, found):
        content = read_sealed(storage, name)
        if content is not None:
            document = json.loads(content)
            return _Copy(int(document["generation"]), SlotState.read(document["state"]))
    return None


def _old_state(storage: SlotStorage) -> StoredState:
    found: list[str] = []
    with _noting(_OLD_FILE, found):
        size = storage.size(_OLD_FILE)
        if size is None:
            return StoredState(SlotState(), 0, ())
        if size > _OLD_BYTES:
            raise ValueError(f"it has {size} bytes, at most {_OLD_BYTES}")
        return StoredState(SlotState.read(json.loads(storage.read(_OLD_FILE))), 0, ())
    return StoredState(None, 0, tuple(found))


@contextlib.contextmanager
def _noting(name: str, found: list[str]) -> Iterator[None]:
    """Note what is wrong with a file instead of raising it."""
    try:
        yield
    # Without a checksum JSON may be nested deeper than Python can follow.
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        found.append(f"slot state: {name}: {error}")
