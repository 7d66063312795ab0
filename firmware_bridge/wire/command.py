"""A command of SMP: its numbers, and the maps that are its request and its answer.

A map is a frozen dataclass; its fields say by their types what may stand in it:

    @dataclass(frozen=True, slots=True)
    class UploadProgress(Fields):
        offset: Annotated[int, "off"]
        match: bool | None = None

`Annotated` gives the key where it is not the field's name; FLAT says that the fields of a map stand
beside the others, if at all. A field without a default has to be there; one whose default is None
is left out while it is None; all others are always written.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from enum import IntEnum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from edge_infer.firmware_bridge.errors import FrameError

Body = dict[str, Any]
"""A map as CBOR has it: plain values under text keys."""

_SIGNED = object()
Signed = Annotated[int, _SIGNED]
"""A whole number that may be below 0; any other has to be 0 or above."""

FLAT = ""
"""Key of a map without one of its own."""


class Op(IntEnum):
    """What the header of a message asks for or answers."""

    READ = 0
    READ_RESPONSE = 1
    WRITE = 2
    WRITE_RESPONSE = 3


class Group(IntEnum):
    """The groups this project speaks."""

    OS = 0
    IMAGE = 1
    ENUMERATION = 10
    EDGE_INFER = 70
    """Our own; groups from 64 on are free for users."""


class Fields:
    """Base of the dataclasses that are a map."""

    __slots__ = ()

    def pack(self) -> Body:
        """Return the map."""
        body: Body = {}
        for place in places(type(self)):
            value = _packed(getattr(self, place.name))
            if place.key == FLAT:
                body |= value or {}
            elif value is not None or place.default is not None:
                body[place.key] = value
        return body

    @classmethod
    def unpack(cls, body: Any) -> Self:
        """Read a map; keys that are not known are passed over. Raises FrameError."""
        if not isinstance(body, dict):
            raise FrameError(f"{cls.__name__} has to be a map, not {body!r}")
        values = {}
        for place in places(cls):
            value = _flat(place, body) if place.key == FLAT else body.get(place.key)
            if value is not None or place.default is MISSING:
                values[place.name] = place.read(value, place.key)
        return cls(**values)


Q = TypeVar("Q", bound=Fields)
A = TypeVar("A", bound=Fields)


@dataclass(frozen=True, slots=True)
class Command(Generic[Q, A]):
    """One command of a group, to read or to write."""

    group: Group
    number: IntEnum
    op: Op
    request: type[Q]
    answer: type[A]


@dataclass(frozen=True, slots=True)
class Empty(Fields):
    """The map of a request or answer that says nothing more."""


@dataclass(frozen=True, slots=True)
class GroupError(Fields):
    """A group's own reason for a refusal."""

    group: int
    code: Annotated[int, "rc"]


@dataclass(frozen=True, slots=True)
class Refusal(Fields):
    """An answer that is none: a general code with its reason, or a group's own code."""

    code: Annotated[int | None, "rc"] = None
    reason: Annotated[str | None, "rsn"] = None
    error: Annotated[GroupError | None, "err"] = None


class Place(NamedTuple):
    """One field of a map."""

    name: str
    key: str
    default: Any
    read: Callable[[Any, str], Any]
    """Given a value and its key, returns what the field holds. Raises FrameError."""
    nested: type[Fields] | None
    """The map, or the map of each item, that the field holds."""


_PLACES: dict[type[Fields], tuple[Place, ...]] = {}


def places(kind: type[Fields]) -> tuple[Place, ...]:
    """Return the fields of a map, in order."""
    if kind not in _PLACES:
        hints = get_type_hints(kind, include_extras=True)
        # Every one of them is a dataclass.
        _PLACES[kind] = tuple(_place(field, hints[field.name]) for field in fields(kind))  # type: ignore[arg-type]
    return _PLACES[kind]


def keys(kind: type[Fields]) -> Iterator[str]:
    """Yield the keys of a map, and of the maps in it."""
    for place in places(kind):
        if place.key != FLAT:
            yield place.key
        if place.nested:
            yield from keys(place.nested)


def _place(field: Field[Any], hint: Any) -> Place:
    key = next((extra for extra in _extras(hint) if isinstance(extra, str)), field.name)
    return Place(field.name, key, field.default, _reader(hint), _nested(hint))


def _flat(place: Place, body: Body) -> Body | None:
    """Return what holds the fields of a map without a key; None where its first is missing."""
    assert place.nested is not None
    return body if places(place.nested)[0].key in body else None


def _extras(hint: Any) -> tuple[Any, ...]:
    return hint.__metadata__ if get_origin(hint) is Annotated else ()


def _nested(hint: Any) -> type[Fields] | None:
    if isinstance(hint, type) and issubclass(hint, Fields):
        return hint
    return next((kind for part in get_args(hint) if (kind := _nested(part))), None)


def _packed(value: Any) -> Any:
    if isinstance(value, Fields):
        return value.pack()
    return [_packed(item) for item in value] if isinstance(value, tuple) else value


_NAMES = {str: "a text", bytes: "a byte string", bool: "true or false", dict: "a map"}


def _reader(hint: Any) -> Callable[[Any, str], Any]:
    """Return what reads a value of a type. Its errors name the key."""
    extras, origin = _extras(hint), get_origin(hint)
    if origin is Annotated:
        hint = get_args(hint)[0]
        origin = get_origin(hint)
    if hint is Any:
        return lambda value, key: value
    if origin is UnionType:
        inner = _reader(next(part for part in get_args(hint) if part is not NoneType))
        return lambda value, key: None if value is None else inner(value, key)
    if origin is tuple:
        return _list_reader(get_args(hint))
    if hint in (int, float):
        return _number_reader(hint, signed=_SIGNED in extras)
    if isinstance(hint, type) and issubclass(hint, Fields):
        return lambda value, key: hint.unpack(value)
    kind = origin or hint

    def read(value: Any, key: str) -> Any:
        if type(value) is not kind:
            raise FrameError(f"{key!r} has to be {_NAMES[kind]}")
        return value

    return read


def _number_reader(hint: type, *, signed: bool) -> Callable[[Any, str], Any]:
    kinds = (int,) if hint is int else (int, float)
    natural = hint is int and not signed
    what = "a number, 0 or above" if natural else "a number"

    def read(value: Any, key: str) -> Any:
        if not isinstance(value, kinds) or isinstance(value, bool) or (natural and value < 0):
            raise FrameError(f"{key!r} has to be {what}, not {value!r}")
        return value

    return read


def _list_reader(parts: tuple[Any, ...]) -> Callable[[Any, str], tuple[Any, ...]]:
    """Return what reads a list: of one type (`T, ...`), or of a type for each item."""
    any_length = parts[-1] is Ellipsis
    readers = [_reader(part) for part in parts if part is not Ellipsis]

    def read(value: Any, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not (any_length or len(value) == len(readers)):
            raise FrameError(f"{key!r} has to be a list" + f" of {len(readers)}" * (not any_length))
        each = readers * len(value) if any_length else readers
        return tuple(item(one, key) for item, one in zip(each, value, strict=True))

    return read
