import tracemalloc
from itertools import cycle, islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smp import packet as peer_packet
from smpclient.transport.serial import Cobs
from tests.profile import examples

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.framing import (
    GAP_NS,
    FrameDecoder,
    Framing,
    Received,
    crc16,
    encode,
)
from edge_infer.firmware_bridge.smp.message import Header
from edge_infer.firmware_bridge.wire.command import Op

# An SMP message begins with its operation and flags 0, which is what tells the framings apart.
messages = st.builds(
    lambda first, rest: bytes([first, 0]) + rest,
    st.sampled_from([0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B]),
    st.binary(max_size=600),
)
framings = st.sampled_from(Framing)
exchanges = st.lists(st.tuples(framings, messages), max_size=6)


def _is_smp(message: bytes) -> bool:
    try:
        Header.unpack(message)
    except FrameError:
        return False
    return True


def test_crc_is_xmodem() -> None:
    assert crc16(b"123456789") == 0x31C3


@given(exchanges, st.lists(st.integers(1, 90), min_size=1))
def test_both_framings_on_one_line_however_it_is_cut(
    sent: list[tuple[Framing, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode(message, framing) for framing, message in sent)
    decoder, got, at, turn = FrameDecoder(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        got += decoder.feed(stream[at : at + size], now_ns=turn)
        at, turn = at + size, turn + 1
    assert got == [Received(framing, message) for framing, message in sent]
    assert decoder.damaged == decoder.noise_bytes == 0


def test_every_split_point_of_a_mixed_stream() -> None:
    sent = [(Framing.CONSOLE, b"\x0a\x00" + bytes(200)), (Framing.COBS, b"\x08\x00" + b"x" * 260)]
    stream = b"".join(encode(message, framing) for framing, message in sent)
    for at in range(len(stream) + 1):
        decoder = FrameDecoder()
        got = decoder.feed(stream[:at], 0) + decoder.feed(stream[at:], 1)
        assert [(r.framing, r.message) for r in got] == sent


@given(framings, messages, st.binary(max_size=200))
def test_noise_before_a_frame_never_costs_the_frame_after_next(
    framing: Framing, message: bytes, noise: bytes
) -> None:
    decoder = FrameDecoder()
    frame = encode(message, framing)
    # A console stream has no zero to end a noise that looks like the start of a COBS frame: a
    # pause does, and a client that repeats makes one.
    decoder.feed(noise, 0)
    got = decoder.feed(frame, GAP_NS + 1)
    assert got == [Received(framing, message)]


@given(messages, st.binary(max_size=200))
def test_a_cobs_frame_survives_any_noise_before_it(message: bytes, noise: bytes) -> None:
    got = FrameDecoder().feed(noise + encode(message, Framing.COBS), 0)
    assert Received(Framing.COBS, message) in got


@given(framings, st.binary(max_size=300), st.data())
@settings(max_examples=examples(200))
def test_a_changed_byte_never_yields_another_smp_message(
    framing: Framing, content: bytes, data: st.DataObject
) -> None:
    # The CRC starts at 0 and so is blind to leading zeros: a READ that a delimiter cuts may leave
    # a shorter one. A WRITE begins with a byte that is not 0.
    message = Header(Op.WRITE, 0, 0, 0, len(content), version=0).pack() + content
    frame = bytearray(encode(message, framing))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    got = decoder.feed(bytes(frame), 0)
    assert all(r.message == message for r in got if _is_smp(r.message))
    again = decoder.feed(encode(message, framing), GAP_NS + 1)
    assert again[-1:] == [Received(framing, message)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=20))
@example([b"\x01" * 200])
@example([b"\x06\x09" + b"A" * 200])
@example([b"\x06\x09" + b"A" * 100 + b"\n", b"\x04\x14" + b"A" * 100 + b"\n"])
def test_memory_is_bounded_whatever_arrives(chunks: list[bytes]) -> None:
    tracemalloc.start()
    decoder = FrameDecoder(max_message_bytes=512)
    for turn, chunk in enumerate(islice(cycle(chunks), 300)):
        for received in decoder.feed(chunk, turn):
            assert len(received.message) <= 512
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 16_000


def test_text_between_frames_is_counted_not_mixed_in() -> None:
    frame = encode(b"\x08\x00echo", Framing.CONSOLE)
    decoder = FrameDecoder()
    got = decoder.feed(b"boot: hello\r\n" + frame + b"[00:01] log " + frame, 0)
    assert [r.message for r in got] == [b"\x08\x00echo"] * 2
    assert decoder.noise_bytes == len("boot: hello\r") + len("[00:01] log ")
    assert decoder.damaged == 0


def test_an_unfinished_frame_is_given_up_after_a_pause() -> None:
    frame = encode(b"\x08\x00" + b"a" * 50, Framing.CONSOLE)
    decoder = FrameDecoder()
    assert decoder.feed(frame[:20], 0) == []
    assert len(decoder.feed(frame, GAP_NS + 1)) == 1
    assert decoder.damaged == 1


def test_longer_than_allowed_is_refused_in_both_framings() -> None:
    for framing in Framing:
        decoder = FrameDecoder(max_message_bytes=100)
        assert decoder.feed(encode(b"\x08\x00" + bytes(99), framing), 0) == []
        assert decoder.damaged >= 1
        assert len(decoder.feed(encode(b"\x08\x00" + bytes(98), framing), GAP_NS + 1)) == 1


@pytest.mark.parametrize("size", [1, 90, 93, 94, 500, 2000])
def test_console_lines_are_the_ones_a_peer_writes_and_reads(size: int) -> None:
    message = b"\x08\x00" + bytes(range(256)) * 8
    message = message[: size + 2]
    assert encode(message, Framing.CONSOLE) == b"".join(peer_packet.encode(message, 128))
    peer = peer_packet.decode()
    next(peer)
    lines = encode(message, Framing.CONSOLE).splitlines(keepends=True)
    with pytest.raises(StopIteration) as done:
        for line in lines:
            peer.send(line)
    assert done.value.value == message


@given(messages)
def test_cobs_frames_are_the_ones_a_peer_writes_and_reads(message: bytes) -> None:
    peer = Cobs()
    written = b"".join(peer.encode(message))
    assert FrameDecoder().feed(written, 0) == [Received(Framing.COBS, message)]
    peer.feed(encode(message, Framing.COBS))
    assert peer.take() == message
