import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.framing import stuff, unstuff

# Cheshire and Baker 1999, and the worked examples everyone checks an implementation with.
FULL_RUN = bytes(range(1, 255)).hex()
KNOWN = [
    ("", "01"),
    ("00", "0101"),
    ("0000", "010101"),
    ("1122330044", "041122330244"),
    ("11000000", "0211010101"),
    (FULL_RUN, "ff" + FULL_RUN + "01"),
]


@pytest.mark.parametrize(("plain", "stuffed"), KNOWN)
def test_known_vectors(plain: str, stuffed: str) -> None:
    assert stuff(bytes.fromhex(plain)).hex() == stuffed
    assert unstuff(bytes.fromhex(stuffed)).hex() == plain


@given(st.binary(max_size=700) | st.integers(0, 700).map(lambda n: b"\x01" * n))
def test_round_trip_has_no_zero_and_little_overhead(data: bytes) -> None:
    stuffed = stuff(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert unstuff(stuffed) == data


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_data_or_raise_frame_error(stuffed: bytes) -> None:
    try:
        data = unstuff(stuffed)
    except FrameError:
        return
    assert len(data) <= len(stuffed)


@pytest.mark.parametrize("bad", [b"", b"\x02", b"\x03\x01", b"\x00", b"\x02\x00"])
def test_malformed_is_refused(bad: bytes) -> None:
    with pytest.raises(FrameError):
        unstuff(bad)
