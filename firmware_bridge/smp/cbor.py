"""CBOR (RFC 8949) as SMP bodies need it: one map of plain values under text keys, within bounds.

The library builds whatever the bytes describe: tags that share one list among others unfold
1.6 kB into 10^12 values, a tag of a date or an expression runs code. So the bytes are walked
first, once, and everything is refused that no message needs; only then the library reads them.
Maps and lists of unknown length pass, within the same bounds: zcbor and older clients write them.
"""

from dataclasses import dataclass, field

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.wire.command import Body

MAX_DEPTH = 8
"""Maps and lists inside each other; the deepest message needs four."""
MAX_ITEMS = 1024
"""Values and keys of a body; the longest answer has a quarter of them."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_BREAK = 0xFF
_INDEFINITE = 31
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_FALSE, _TRUE, _NULL = 20, 21, 22
_FLOATS = (25, 26, 27)


def encode(body: Body) -> bytes:
    """Return the bytes of a body."""
    import cbor2  # loaded with the first message: a command's help needs none

    return cbor2.dumps(body)


def decode(data: bytes) -> Body:
    """Return the map that `data` is. Raises FrameError for anything else, or beyond the bounds."""
    _Walk(data).check()
    import cbor2

    try:
        body: Body = cbor2.loads(data)
    except Exception as error:  # text that is no UTF-8
        raise FrameError(f"a body that is not CBOR: {error}") from error
    return body


@dataclass(slots=True)
class _Container:
    """A map or list that is being walked."""

    left: int | None
    """Values and keys still to come; None where a break ends it."""
    keys: set[bytes] | None
    """Of a map, those that came."""
    wants_key: bool = False


@dataclass(slots=True)
class _Walk:
    """Walks the bytes once, building nothing; its work is bounded by their number."""

    data: bytes
    at: int = 0
    items: int = 0
    open: list[_Container] = field(default_factory=list)

    def check(self) -> None:
        """Raise FrameError unless the bytes are one allowed map and nothing more."""
        if not self.data or self.data[0] >> 5 != _MAP:
            raise FrameError("a body that is not a map")
        self._item()
        while self._unfinished():
            if self.at >= len(self.data):
                raise FrameError(f"a body that is cut short at byte {self.at}")
            if self.data[self.at] == _BREAK:
                self._break()
            else:
                self._item()
        if self.at != len(self.data):
            raise FrameError(f"a body with {len(self.data) - self.at} bytes behind its end")

    def _unfinished(self) -> bool:
        """Leave the maps and lists that are complete; return True while one is not."""
        while self.open and self.open[-1].left == 0:
            self.open.pop()
        return bool(self.open)

    def _item(self) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise FrameError(f"a body of more than {MAX_ITEMS} values")
        first = self.data[self.at]
        major, info = first >> 5, first & 31
        self.at += 1
        self._count(major)
        if major in (_LIST, _MAP):
            self._open(major, None if info == _INDEFINITE else self._argument(info))
        elif major in (_BYTES, _TEXT):
            self._string(self._argument(info))
        elif major in (_UNSIGNED, _NEGATIVE):
            self._argument(info)
        elif major == _SIMPLE and info in _FLOATS:
            self._skip(_ARGUMENT_BYTES[info])
        elif major != _SIMPLE or info not in (_FALSE, _TRUE, _NULL):
            raise FrameError(f"a body with a tag or unknown value, {first:#04x}")

    def _count(self, major: int) -> None:
        """Take the next item from the map or list that it stands in."""
        if not self.open:
            return
        inner = self.open[-1]
        if inner.left is not None:
            inner.left -= 1
        if inner.keys is not None:
            inner.wants_key = not inner.wants_key
            if not inner.wants_key and major != _TEXT:
                raise FrameError("a body with a key that is no text")

    def _open(self, major: int, count: int | None) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise FrameError(f"a body more than {MAX_DEPTH} levels deep")
        if major == _LIST:
            self.open.append(_Container(count, None))
        else:
            self.open.append(_Container(None if count is None else 2 * count, set(), True))

    def _break(self) -> None:
        inner = self.open.pop()
        self.at += 1
        if inner.left is not None or (inner.keys is not None and not inner.wants_key):
            raise FrameError("a body with a break where none belongs")

    def _string(self, length: int) -> None:
        begin = self.at
        self._skip(length)
        inner = self.open[-1]
        if inner.keys is None or inner.wants_key:
            return  # a value: in a map, its key is behind it
        key = self.data[begin : self.at]
        if key in inner.keys:
            raise FrameError(f"a body with the key {key!r} twice")
        inner.keys.add(key)

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        size = _ARGUMENT_BYTES.get(info)
        if size is None:
            raise FrameError("a body with a string of unknown length, or a reserved length")
        self._skip(size)
        return int.from_bytes(self.data[self.at - size : self.at], "big")

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise FrameError(f"a body that is cut short: it claims {self.at} bytes")
