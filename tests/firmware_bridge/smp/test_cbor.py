"""The one CBOR decoder: it takes what the library reads, and nothing makes it work long."""

import time
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.bridge_device import BridgeDevice
from tests.firmware_bridge.smp.test_smp import plain

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.cbor import MAX_DEPTH, MAX_ITEMS, decode, encode
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.smp.framing import encode as frame
from edge_infer.firmware_bridge.smp.message import Header
from edge_infer.firmware_bridge.wire.command import Op


def shared_lists() -> bytes:
    """Six levels of a hundred references each to the list below: 100^6 steps for who walks them."""
    out = bytearray(b"\xa1\x61a\x86")
    out += b"\xd8\x1c\x98\x64" + b"\x00" * 100
    for level in range(5):
        out += b"\xd8\x1c\x98\x64" + (b"\xd8\x1d" + bytes([level])) * 100
    return bytes(out)


@given(st.dictionaries(st.text(max_size=6), plain, max_size=4))
def test_what_is_written_is_read(body: dict[str, Any]) -> None:
    assert decode(encode(body)) == body


@given(st.dictionaries(st.text(max_size=6), st.lists(plain, max_size=3), max_size=4))
def test_unknown_lengths_are_taken(body: dict[str, Any]) -> None:
    content = b"".join(
        cbor2.dumps(key) + b"\x9f" + b"".join(map(cbor2.dumps, items)) + b"\xff"
        for key, items in body.items()
    )
    assert decode(b"\xbf" + content + b"\xff") == body


@given(st.binary(max_size=60))
def test_what_passes_is_one_plain_map(tail: bytes) -> None:
    data = b"\xa1\x61a" + tail
    try:
        body = decode(data)
    except FrameError:
        return
    assert cbor2.loads(data) == body or body != body or "nan" in str(body)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (shared_lists(), "tag"),
        (b"\xa2\x61a\x00\x61a\x01", "twice"),
        (b"\xbf\x61a\x00\x78\x01a\x01\xff", "twice"),  # the same key, its length written longer
        (b"\xa1\x61a\x7f\x61a\xff", "unknown length"),
        (b"\xa1\x61a\x5f\x41a\xff", "unknown length"),
        (b"\xa1\x7f\x61a\xff\x00", "unknown length"),
        (b"\xa1\x61a" + b"\x81" * MAX_DEPTH + b"\x00", "levels deep"),
        (b"\xa1\x61a" + b"\x9f" * MAX_DEPTH + b"\x00" + b"\xff" * MAX_DEPTH, "levels deep"),
        (b"\xa1\x61a\x99\x04\x00" + b"\x00" * MAX_ITEMS, "more than"),
        (b"\xa1\x61a\x9f" + b"\x00" * MAX_ITEMS + b"\xff", "more than"),
        (b"\xa1\x61a\xf7", "unknown value"),  # undefined
        (b"\xa1\x61a\xe0", "unknown value"),
        (b"\xa1\x61a\xf8\x20", "unknown value"),
        (b"\xa1\x61a\x1c", "reserved"),
        (b"\xa1\x61a\xff", "break"),
        (b"\xbf\x61a\xff", "break"),
        (b"\xa1\x61a\x00\x00", "behind its end"),
        (b"\xa1\x61a\x62\xc3\x28", "not CBOR"),  # no UTF-8
        (b"\xa1\x61a\x82\x00", "cut short"),
        (b"\xa1\x61a\x19\x00", "cut short"),
    ],
)
def test_what_no_message_needs_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode(content)


def test_the_deepest_and_the_longest_pass() -> None:
    assert decode(b"\xa1\x61a" + b"\x81" * (MAX_DEPTH - 1) + b"\x00")
    assert decode(b"\xa1\x61a\x99\x03\xfd" + b"\x00" * (MAX_ITEMS - 3))
    assert decode(b"\xa0") == {} == decode(b"\xbf\xff")


def test_a_frame_of_shared_lists_is_refused_at_once() -> None:
    content = shared_lists()
    request = Header(Op.WRITE, 0, 0, 1, len(content), version=0).pack() + content
    begin_s = time.process_time()
    answer = BridgeDevice().agent.feed(frame(request, Framing.COBS), 0)
    assert b"tag" in answer and time.process_time() - begin_s < 0.05
