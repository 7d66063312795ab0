"""CBOR bodies with one to three things wrong: built from sound ones, value by value."""

import random
import struct
from typing import Any

_BREAK = b"\xff"


def mutated(body: Any, rng: random.Random) -> bytes:
    """Return the bytes of a body with something wrong; now and then of the sound one."""
    writer = _Writer(rng, rng.choice((0, 1, 1, 1, 2, 3)))
    data = writer.value(body)
    if data and rng.random() < 0.15:
        data = _bytes_changed(data, rng)
    return data


def shared_lists(levels: int = 6, width: int = 100) -> bytes:
    """Lists that share the list below: a walk takes width to the power of levels steps."""
    out = bytearray(b"\xa1\x61a" + _head(4, levels))
    out += b"\xd8\x1c" + _head(4, width) + b"\x00" * width
    for level in range(levels - 1):
        out += b"\xd8\x1c" + _head(4, width) + (b"\xd8\x1d" + _head(0, level)) * width
    return bytes(out)


class _Writer:
    """Writes plain values as CBOR, and goes wrong a few times on the way."""

    def __init__(self, rng: random.Random, wrongs: int) -> None:
        self._rng = rng
        self._wrongs = wrongs

    def value(self, value: Any) -> bytes:
        if self._wrongs and self._rng.random() < 0.2:
            self._wrongs -= 1
            return self._wrong(value)
        return self._plain(value)

    def _plain(self, value: Any) -> bytes:
        if isinstance(value, dict):
            return self._container(5, [part for pair in value.items() for part in pair])
        if isinstance(value, list | tuple):
            return self._container(4, list(value))
        if isinstance(value, str):
            return _string(3, value.encode())
        if isinstance(value, bytes):
            return _string(2, value)
        if value is None or isinstance(value, bool):
            return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
        if isinstance(value, int):
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        return b"\xfb" + struct.pack(">d", value)

    def _container(self, major: int, parts: list[Any]) -> bytes:
        content = b"".join(self.value(part) for part in parts)
        if self._rng.random() < 0.1:
            return bytes([major << 5 | 31]) + content + _BREAK
        return _head(major, len(parts) // (major - 3)) + content

    def _wrong(self, value: Any) -> bytes:
        rng = self._rng
        plain = self._plain(value)
        return rng.choice(_WRONGS)(plain, value, rng)


def _head(major: int, number: int, size: int | None = None) -> bytes:
    """Return the head of an item; `size` writes its number in more bytes than it needs."""
    least = 0 if number < 24 else 1 if number < 1 << 8 else 2 if number < 1 << 16 else 4
    least = 8 if number >= 1 << 32 else least
    size = max(least, size or 0)
    if not size:
        return bytes([major << 5 | number])
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + number.to_bytes(size, "big")


def _string(major: int, data: bytes) -> bytes:
    return _head(major, len(data)) + data


def _bytes_changed(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
            case _:
                del changed[at:]
                if not changed:
                    return b"\xa0"
    return bytes(changed)


def _tagged(plain: bytes, value: Any, rng: random.Random) -> bytes:
    tag = rng.choice((0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 55799, 1 << 40))
    return _head(6, tag) + plain


def _nested(plain: bytes, value: Any, rng: random.Random) -> bytes:
    depth = rng.choice((1, 3, 7, 8, 9, 30, 300, 900))
    if rng.random() < 0.5:
        return b"\x81" * depth + plain
    return b"\x9f" * depth + plain + _BREAK * depth


def _long(plain: bytes, value: Any, rng: random.Random) -> bytes:
    count = rng.choice((100, 1000, 1023, 1024, 1500))
    if rng.random() < 0.5:
        return _head(4, count) + rng.choice((b"\x00", b"\x80", b"\xa0", b"\x60")) * count
    pairs = b"".join(_string(3, b"%d" % i) + b"\x00" for i in range(count // 4))
    return _head(5, count // 4) + pairs


def _claims(plain: bytes, value: Any, rng: random.Random) -> bytes:
    major = rng.randrange(2, 6)
    return _head(major, rng.choice((1, 255, 65_535, 1 << 31, (1 << 64) - 1)))


def _doubled(plain: bytes, value: Any, rng: random.Random) -> bytes:
    key = rng.choice((b"\x61a", b"\x78\x01a", b"\x79\x00\x01a", b"\x7f\x61a\xff"))
    return b"\xa2\x61a" + plain + key + plain


def _number(plain: bytes, value: Any, rng: random.Random) -> bytes:
    number = rng.choice((0, 1, 255, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1))
    return _head(rng.randrange(2), number, rng.choice((None, 8)))


def _real(plain: bytes, value: Any, rng: random.Random) -> bytes:
    reals = (float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, -0.0)
    half = rng.choice((b"\xf9\x7e\x00", b"\xf9\x7c\x00", b"\xfa\x7f\x80\x00\x00"))
    return rng.choice((half, b"\xfb" + struct.pack(">d", rng.choice(reals))))


def _text(plain: bytes, value: Any, rng: random.Random) -> bytes:
    texts = (b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"../" * 40, b"\x1b]52;c;AA\x07", b"a" * 1500)
    return _string(rng.choice((2, 3)), rng.choice(texts))


def _chunked(plain: bytes, value: Any, rng: random.Random) -> bytes:
    major = rng.choice((2, 3))
    return bytes([major << 5 | 31]) + _string(major, b"ab") * rng.randint(0, 3) + _BREAK


def _simple(plain: bytes, value: Any, rng: random.Random) -> bytes:
    odd = (b"\xf7", b"\xe0", b"\xf8\x20", b"\xf8\xff", b"\x1c", b"\xfc", _BREAK, b"\x5f", b"")
    return rng.choice(odd)


def _other(plain: bytes, value: Any, rng: random.Random) -> bytes:
    return rng.choice((b"\xf6", b"\xf4", b"\x80", b"\xa0", b"\x40", b"\x60", b"\x00", b"\x20"))


def _twice(plain: bytes, value: Any, rng: random.Random) -> bytes:
    return plain * 2


def _shared(plain: bytes, value: Any, rng: random.Random) -> bytes:
    return shared_lists(rng.randint(2, 6), rng.choice((5, 30, 100)))[3:]


_WRONGS = (
    _tagged, _nested, _long, _claims, _doubled, _number, _number, _real, _text, _chunked, _simple,
    _other, _other, _twice, _shared,
)  # fmt: skip
