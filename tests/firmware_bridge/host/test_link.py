"""Host and device over a simulated line: fast on a clean one, whole over a bad one."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.bridge_device import BridgeDevice, bundle_file, digest
from tests.fakes.serial_line import Faults, SerialLine
from tests.profile import examples

from edge_infer.firmware_bridge.errors import DeviceRefusedError, LinkLostError, LinkTimeoutError
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.standard import (
    ECHO,
    PARAMETERS,
    SET_IMAGE_STATE,
    Code,
    Echo,
    Echoed,
    SetImageState,
)

MEGABYTE = bundle_file(1, size=1 << 20, fill=random.Random(7).randbytes(1 << 20))
SMALL = bundle_file(1, size=60_000, fill=random.Random(8).randbytes(60_000))
S = 1_000_000_000


def connected(
    faults: Faults | None = None,
    seed: int = 0,
    framing: Framing = Framing.COBS,
    baud: int = 115_200,
) -> tuple[Link, SerialLine, BridgeDevice]:
    device = BridgeDevice()
    line = SerialLine(device.agent.feed, baud, faults, seed, device.agent.line_lost)
    line.every(10_000_000, device.agent.poll)
    return Link(line, framing), line, device


def arrived(device: BridgeDevice, file: bytes) -> bool:
    return device.slots.other is not None and device.slots.other.digest == digest(file)


@pytest.mark.parametrize(("framing", "share"), [(Framing.COBS, 0.90), (Framing.CONSOLE, 0.65)])
def test_a_megabyte_at_115200_baud_fills_the_line(framing: Framing, share: float) -> None:
    link, line, device = connected(framing=framing)
    sender = link.upload(MEGABYTE)
    assert arrived(device, MEGABYTE) and sender.resent == 0 and link.repeated == 0
    bytes_per_s = len(MEGABYTE) / (line.time_ns / S)
    assert share * 11_520 <= bytes_per_s <= 11_520


def test_a_megabyte_over_a_bad_line_takes_at_most_twice_the_clean_time() -> None:
    """One byte error in 10,000, 0.5 % of the chunks dropped, three unplugs of 3 s."""
    clean, line, _ = connected()
    clean.upload(MEGABYTE)
    clean_ns = line.time_ns
    unplugged = [(at * S, (at + 3) * S) for at in (20, 50, 80)]
    bad = Faults(byte_error=1e-4, drop_write=0.005, unplugged=unplugged)
    link, line, device = connected(bad, seed=3)
    sender = link.upload(MEGABYTE)
    assert arrived(device, MEGABYTE)
    assert link.reconnects == 3 and sender.resent > 20
    assert line.time_ns <= 2 * clean_ns


@given(
    st.builds(
        Faults,
        byte_error=st.sampled_from([0, 1e-4, 1e-3]),
        drop_piece=st.sampled_from([0, 0.01]),
        duplicate_piece=st.sampled_from([0, 0.01]),
        stall=st.sampled_from([0, 0.003]),
        unplugged=st.lists(
            st.integers(1, 12).map(lambda at: (at * S, at * S + S // 2)), max_size=2, unique=True
        ),
    ),
    st.integers(0, 1000),
    st.sampled_from(Framing),
)
@settings(max_examples=examples(25))
def test_any_line_that_works_at_all_delivers_the_file(
    faults: Faults, seed: int, framing: Framing
) -> None:
    link, line, device = connected(faults, seed, framing)
    for _ in range(5):
        try:
            link.upload(SMALL)
            break
        except LinkLostError:  # unplugged while the first question was asked
            link.reconnect()
    assert arrived(device, SMALL)
    assert line.time_ns < 120 * S


def test_an_interrupted_upload_goes_on_where_it_stopped() -> None:
    link, line, _ = connected(Faults(unplugged=[(30 * S, 31 * S)]))
    offsets: list[int] = []
    link.upload(MEGABYTE, lambda done, total: offsets.append(done))
    assert offsets == sorted(offsets)
    assert line.time_ns < (len(MEGABYTE) / 11_520 / 0.9 + 5) * S
    before = line.time_ns
    link.upload(MEGABYTE)
    assert line.time_ns - before < S, "a file that is there already is not sent again"


def test_a_device_that_keeps_no_early_chunks_gets_them_again() -> None:
    """Zephyr's and MCUboot's servers answer with the wanted offset and drop the chunk."""
    link, line, device = connected(Faults(drop_write=0.05), seed=2)
    write = device.upload.write
    device.upload.write = lambda offset, data, now_ns: (  # type: ignore[method-assign]
        device.upload.offset if offset > device.upload.offset else write(offset, data, now_ns)
    )
    sender = link.upload(SMALL)
    assert arrived(device, SMALL) and sender.resent > 0
    assert line.time_ns < 3 * len(SMALL) / 11_520 * S


def test_silence_is_a_timeout_that_says_what_to_try() -> None:
    line = SerialLine(lambda data, now_ns: b"")
    with pytest.raises(LinkTimeoutError, match="edge-infer serve"):
        Link(line).ask(PARAMETERS, Empty())
    assert 5 * S < line.time_ns < 10 * S


def test_a_device_that_falls_silent_in_the_middle_is_a_timeout_with_the_offset() -> None:
    device = BridgeDevice()
    line = SerialLine(
        lambda data, now_ns: device.agent.feed(data, now_ns) if now_ns < 3 * S else b""
    )
    with pytest.raises(LinkTimeoutError, match=f"of {len(SMALL)} bytes"):
        Link(line).upload(SMALL)
    assert line.time_ns < 60 * S


def test_a_port_that_stays_away_is_lost() -> None:
    link, _, _ = connected(Faults(unplugged=[(2 * S, 1000 * S)]))
    with pytest.raises(LinkLostError, match="unplugged"):
        link.upload(SMALL)


def test_a_refusal_carries_the_devices_reason() -> None:
    link, _, device = connected()
    file = bytearray(SMALL)
    file[100] ^= 1
    with pytest.raises(DeviceRefusedError, match="SHA-256") as refused:
        link.upload(bytes(file))
    assert refused.value.code == Code.CORRUPT
    assert device.slots.other is None
    link.upload(SMALL)
    assert arrived(device, SMALL), "a failed upload does not stand in the way of the next"


def test_busy_is_asked_again_until_it_is_not() -> None:
    link, line, device = connected()
    link.upload(SMALL)
    device.tests.verdicts[digest(SMALL)] = None
    line.at(line.time_ns + 7 * S, lambda: device.tests.verdicts.update({digest(SMALL): ""}))
    wanted = SetImageState(digest(SMALL))
    answer = link.ask_until_ready(SET_IMAGE_STATE, wanted, within_ns=60 * S)
    assert answer.images[0].pending
    device.tests.verdicts[digest(SMALL)] = None
    with pytest.raises(DeviceRefusedError, match="still runs"):
        link.ask_until_ready(SET_IMAGE_STATE, wanted, within_ns=3 * S)


@given(st.integers(0, 10_000))
@settings(max_examples=examples(30))
def test_a_late_answer_is_never_taken_for_another_question(seed: int) -> None:
    link, _, _ = connected(Faults(stall=0.1, stall_ns=2 * S, byte_error=1e-3), seed)
    for number in range(20):
        try:
            answer = link.ask(ECHO, Echo(str(number)), retries=20)
            assert answer == Echoed(str(number))
        except LinkTimeoutError:
            pytest.fail("twenty questions were lost")
