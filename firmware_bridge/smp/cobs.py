"""Consistent Overhead Byte Stuffing: bytes without zeros, so that zero can end a frame.

Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking
7(2), 1999, section III. One byte of overhead for every 254 begun.
"""

from edge_infer.firmware_bridge.errors import FrameError

DELIMITER = b"\x00"

_LONGEST_RUN = 254
"""Bytes after the code 0xFF, the only code that no zero follows."""

_CODES = tuple(bytes([code]) for code in range(256))


def encode(data: bytes) -> bytes:
    """Return `data` without zero bytes, no delimiter appended.

    Works on the runs between zeros, which `bytes.split` finds: an interpreted loop over
    single bytes could not fill a fast line.
    """
    out: list[bytes] = []
    for run in data.split(DELIMITER):
        while len(run) >= _LONGEST_RUN:
            out += (b"\xff", run[:_LONGEST_RUN])
            run = run[_LONGEST_RUN:]
        out += (_CODES[len(run) + 1], run)
    return b"".join(out)


def decode(stuffed: bytes) -> bytes:
    """Return what `encode` was given. Raises FrameError when no data encode to `stuffed`."""
    if not stuffed or 0 in stuffed:
        raise FrameError(f"a COBS frame of {len(stuffed)} bytes is empty or holds a zero")
    out: list[bytes] = []
    at, length = 0, len(stuffed)
    while at < length:
        end = at + stuffed[at]
        out.append(stuffed[at + 1 : end])
        if stuffed[at] <= _LONGEST_RUN and end < length:
            out.append(DELIMITER)
        at = end
    if at != length:
        raise FrameError(f"a COBS frame of {length} bytes ends {at - length} bytes too early")
    return b"".join(out)
