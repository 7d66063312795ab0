"""A deterministic ZIP: entries stored, sorted, 16-byte aligned; the payload of a bundle file.

PKWARE, "APPNOTE.TXT - .ZIP File Format Specification" 6.3.10, sections 4.3 and 4.4. Any unzip
reads it. The same entries always give the same bytes, so that reading can demand exactly the
bytes that writing would give: no path tricks, links, double names, compression, gaps or claimed
sizes have to be thought of one by one.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from edge_infer.firmware_bridge.errors import ImageError

ALIGNMENT_BYTES = 16
"""A .tflite file can be mapped in place: its buffers want 16 bytes (FlatBuffers, TFLite schema)."""

MAX_ENTRIES = 1024

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_MIDNIGHT_1980 = (0, 1 << 5 | 1)  # time, date
_REGULAR_FILE = 0o100644 << 16
_PADDING_FIELD = 0xD935
"""Header id that zipalign registered for alignment padding."""
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}(/(?!\.)[A-Za-z0-9._-]{1,100}){0,3}")


def pack(entries: Mapping[str, bytes]) -> bytes:
    """Return the ZIP of `entries` (name to content).

    Names are relative, of letters, digits, `.`, `_` and `-`, at most four parts deep, no part
    starting with a dot, and differ by more than case. Raises ImageError otherwise.
    """
    _check_names(entries)
    body, central = bytearray(), bytearray()
    for name in sorted(entries):
        content, path = entries[name], name.encode()
        extra = _padding(len(body) + _LOCAL.size + len(path))
        sizes = (zlib.crc32(content), len(content), len(content), len(path))
        times = _MIDNIGHT_1980
        central += _CENTRAL.pack(
            0x02014B50, _MADE_ON_UNIX, _VERSION, 0, 0, *times, *sizes, 0, 0, 0, 0,
            _REGULAR_FILE, len(body),
        )  # fmt: skip
        central += path
        body += _LOCAL.pack(0x04034B50, _VERSION, 0, 0, *times, *sizes, len(extra))
        body += path + extra + content
    count = len(entries)
    return bytes(
        body + central + _END.pack(0x06054B50, 0, 0, count, count, len(central), len(body), 0)
    )


def unpack(payload: bytes) -> dict[str, bytes]:
    """Return what `pack` was given. Raises ImageError unless `payload` is exactly its result.

    Memory stays below three times the payload whatever sizes it claims.
    """
    try:
        entries = _read(payload)
    # Hostile directories make zipfile raise nearly anything (UnicodeDecodeError, OverflowError).
    except Exception as error:
        raise ImageError(f"the payload is not a usable ZIP: {error}") from error
    if pack(entries) != payload:
        raise ImageError(
            "the payload is not the stored, sorted, 16-byte aligned ZIP that pack writes: "
            "pack the bundle again"
        )
    return entries


def _read(payload: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        infos = archive.infolist()
        _check_names([info.filename for info in infos])
        if sum(info.file_size for info in infos) > len(payload):
            raise ImageError("its entries claim more bytes than it has")
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise ImageError("an entry is compressed")
        return {info.filename: archive.read(info) for info in infos}


def _check_names(names: Mapping[str, bytes] | list[str]) -> None:
    if len(names) > MAX_ENTRIES:
        raise ImageError(f"{len(names)} entries, at most {MAX_ENTRIES}")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ImageError(f"entry name {name!r}: only letters, digits, . _ - and at most 3 /")
    if len({name.lower() for name in names}) != len(names):
        raise ImageError("two entries have the same name")


def _padding(data_offset: int) -> bytes:
    """Return an extra field that moves `data_offset` to the next aligned one."""
    missing = -data_offset % ALIGNMENT_BYTES
    if missing == 0:
        return b""
    missing += ALIGNMENT_BYTES if missing < 4 else 0
    return struct.pack("<HH", _PADDING_FIELD, missing - 4) + bytes(missing - 4)
