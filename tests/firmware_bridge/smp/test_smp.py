import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smp.header import Header as PeerHeader
from smp.image_management import ImageManagementErrorV1, ImageManagementErrorV2
from smp.os_management import EchoWriteRequest, EchoWriteResponse

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.message import (
    HEADER_BYTES,
    Header,
    Message,
    error_body,
    read_body,
    refused,
)
from edge_infer.firmware_bridge.wire.command import Group, Op
from edge_infer.firmware_bridge.wire.standard import Code

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
headers = st.builds(
    Header,
    op=st.sampled_from(Op),
    group=st.integers(0, 0xFFFF),
    command=st.integers(0, 255),
    sequence=st.integers(0, 255),
    version=st.integers(0, 1),
)


@given(headers, st.dictionaries(st.text(max_size=6), plain, max_size=4))
def test_messages_round_trip(header: Header, body: dict[str, object]) -> None:
    message = Message(header, body)
    packed = message.pack()
    got = Message.unpack(packed)
    assert got.body == body
    assert got.header.length == len(packed) - HEADER_BYTES
    assert got.header.pack() == packed[:HEADER_BYTES]


def test_the_header_is_what_a_peer_writes() -> None:
    request = EchoWriteRequest(d="hi", sequence=7)
    got = Message.unpack(request.BYTES)
    assert got.body == {"d": "hi"}
    assert got.header == Header(Op.WRITE, Group.OS, 0, 7, len(request.BYTES) - 8, 1)
    reply = Message(got.header.answer(), {"r": "hi"}).pack()
    assert EchoWriteResponse.loads(reply).r == "hi"
    assert PeerHeader.loads(reply[:8]).sequence == 7


def test_refusals_are_what_peers_read_in_both_versions() -> None:
    head = Header(Op.WRITE_RESPONSE, Group.IMAGE, 1, 3, version=1)
    v2 = Message(head, error_body(1, Group.IMAGE, 24, "no such hash"))
    assert ImageManagementErrorV2.loads(v2.pack()).err.rc == 24
    assert refused(v2.body) == (Group.IMAGE, 24)
    v1 = error_body(0, Group.IMAGE, Code.INVALID, "no such hash")
    old = Message(Header(Op.WRITE_RESPONSE, Group.IMAGE, 1, 3, version=0), v1)
    assert ImageManagementErrorV1.loads(old.pack()).rsn == "no such hash"
    assert refused(v1) == (None, Code.INVALID)
    assert refused({"rc": 0}) is None
    assert refused({"off": 5}) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_a_frame_error(message: bytes) -> None:
    try:
        found = Message.unpack(message)
    except FrameError:
        return
    assert found.header.length == len(message) - HEADER_BYTES
    assert Message.unpack(found.pack()).pack() == found.pack()


@given(st.binary(max_size=200))
def test_any_body_is_plain_values_or_a_frame_error(content: bytes) -> None:
    try:
        body = read_body(bytes(HEADER_BYTES) + content)
    except FrameError:
        return
    assert all(isinstance(key, str) for key in body)


@pytest.mark.parametrize(
    "content",
    [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # an array of 2^64 - 1 items
        b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00",  # a map of 2^32 pairs
        b"\xa1\x61a\x5b\x00\x00\x00\x01\x00\x00\x00\x00",  # a byte string of 4 GiB
        b"\xa1\x61a" + b"\x81" * 300 + b"\x00",  # 300 lists deep
        b"\xa1\x61a\xc1\x00",  # a tagged date
        b"\xa1\x61a\xd8\x23\x61(",  # a tagged regular expression that does not compile
        b"\xa1\x00\x00",  # a key that is no text
        b"\x80",
        b"",
        cbor2.dumps({"a": cbor2.CBORTag(4, [2**40, 1])}),  # 10 to the power of 2^40
    ],
)
def test_hostile_bodies_are_refused(content: bytes) -> None:
    with pytest.raises(FrameError):
        read_body(bytes(HEADER_BYTES) + content)


def test_a_length_that_does_not_fit_is_refused() -> None:
    packed = Message(Header(Op.READ, 0, 6, 1)).pack()
    for wrong in (packed + b"\x00", packed[:-1], packed[:5]):
        with pytest.raises(FrameError):
            Message.unpack(wrong)
