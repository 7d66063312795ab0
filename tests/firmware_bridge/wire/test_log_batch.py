import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.wire import log_batch
from edge_infer.firmware_bridge.wire.log_batch import (
    LogEntry,
    Mark,
    MarkEntry,
    Reader,
    put,
    put_signed,
)
from edge_infer.firmware_bridge.worker.power_log import PowerLog

times = st.integers(0, 2**62)
samples = st.builds(
    PowerSample,
    seq=st.integers(0, 2**40),
    timestamp_ns=times,
    interval_ns=st.integers(0, 10**9),
    bus_mv=st.integers(0, 32_000),
    current_ua=st.integers(-3_200_000, 3_200_000),
    power_uw=st.integers(-(10**8), 10**8),
    flags=st.integers(0, 7).map(SampleFlag),
)
marks = st.builds(MarkEntry, times, st.sampled_from(Mark), st.integers(-(2**40), 2**40))
entries = st.lists(samples | marks, max_size=30)


@given(entries)
def test_a_batch_says_what_went_in(given_entries: list[LogEntry]) -> None:
    batch, count = log_batch.encode(given_entries, 10**6)
    assert count == len(given_entries)
    assert log_batch.decode(batch) == given_entries


@given(entries, st.integers(0, 300))
def test_a_full_batch_takes_whole_entries_from_the_front(
    given_entries: list[LogEntry], max_bytes: int
) -> None:
    batch, count = log_batch.encode(given_entries, max_bytes)
    assert len(batch) <= max_bytes
    assert log_batch.decode(batch) == given_entries[:count]
    if count < len(given_entries):
        assert len(log_batch.encode(given_entries[: count + 1], 10**6)[0]) > max_bytes


@given(st.binary(max_size=200))
def test_any_bytes_are_entries_or_a_frame_error(batch: bytes) -> None:
    try:
        found = log_batch.decode(batch)
    except FrameError:
        return
    again, count = log_batch.encode(found, 10**6)
    assert count == len(found) and log_batch.decode(again) == found


@given(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1))
def test_numbers_round_trip(unsigned: int, signed: int) -> None:
    out = bytearray()
    put(out, unsigned)
    put_signed(out, signed)
    reader = Reader(bytes(out))
    assert (reader.take(), reader.take_signed(), reader.empty) == (unsigned, signed, True)


def test_protobuf_examples() -> None:
    out = bytearray()
    put(out, 150)
    put_signed(out, -2)
    assert out.hex() == "960103"
    with pytest.raises(FrameError):
        Reader(b"\x80").take()


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=30))
def test_the_ring_counts_exactly_what_was_overwritten(capacity: int, bursts: list[int]) -> None:
    log, next_wanted, got, lost, value = PowerLog(capacity), 0, [], 0, 0
    for burst in bursts:
        for _ in range(burst):
            log.add(MarkEntry(value, Mark.CLOCK_KHZ, value))
            value += 1
        part = log.read(next_wanted, 7)
        lost += part.first - next_wanted
        got += [entry.value for entry in part.entries if isinstance(entry, MarkEntry)]
        next_wanted = part.first + len(part.entries)
        assert part.end == value
    assert len(got) == len(set(got)) and got == sorted(got)
    assert len(got) + lost == next_wanted


@given(st.integers(0, 400), st.integers(0, 30))
def test_reading_is_a_slice_wherever_it_starts(start: int, count: int) -> None:
    log = PowerLog(100)
    for number in range(250):
        log.add(MarkEntry(number, Mark.CLOCK_KHZ, number))
    part = log.read(start, count)
    first = min(max(start, 150), 250)
    assert part.first == first
    wanted = range(first, min(first + count, 250))
    assert part.entries == [MarkEntry(n, Mark.CLOCK_KHZ, n) for n in wanted]


def test_an_ina219_stream_takes_few_enough_bytes_for_115200_baud() -> None:
    """900 samples a second in 11,520 B/s leave 12.8 bytes; half of it keeps room to catch up."""
    rng = random.Random(1)
    stream: list[LogEntry] = []
    for seq in range(5000):
        # 10 uV over 0.1 ohm is a step of 100 uA, 4 mV a step of the bus; load and noise as on a
        # busy board: bursts of 400 mA, 3 mA of noise, 20 us of jitter.
        current_ua = round((600_000 + 400_000 * (seq % 40 > 20) + rng.gauss(0, 3000)) / 100) * 100
        bus_mv = 5000 + 4 * rng.randint(-2, 2)
        stamp = seq * 1_111_111 + rng.randint(-20_000, 20_000)
        power_uw = bus_mv * current_ua // 1000
        stream.append(PowerSample(seq, stamp, 532_000, bus_mv, current_ua, power_uw))
    size = 0
    left = stream
    while left:
        batch, count = log_batch.encode(left, 1900)
        size, left = size + len(batch), left[count:]
    assert size / len(stream) < 9
