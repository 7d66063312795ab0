"""A batch of log entries in few bytes: each is written as its difference to the one before.

About seven bytes a power sample, so that 900 samples a second fit a line of 115,200 baud. A
batch stands alone: its first entry is a difference to zero. PROTOCOL.md shows one in hex.
"""

from collections.abc import Sequence

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.log.power_log import LogEntry, Mark, MarkEntry
from edge_infer.firmware_bridge.log.varint import Reader, put, put_signed

_SAMPLE = 0
"""Kinds of entry are the values of Mark, and this. Power samples carry three bits more:"""
_INTERVAL_CHANGED = 0x10
_POWER_DIFFERS = 0x20
"""power_uw is not bus_mv * current_ua / 1000: another meter computed it otherwise."""
_FLAGS_SET = 0x40


class _Last:
    """What the next entry is written as a difference to."""

    __slots__ = ("current_ua", "interval_ns", "mv", "period_ns", "seq", "timestamp_ns", "values")

    def __init__(self) -> None:
        self.timestamp_ns = self.period_ns = self.interval_ns = 0
        self.seq = self.mv = self.current_ua = 0
        self.values = dict.fromkeys(Mark, 0)


def encode(entries: Sequence[LogEntry], max_bytes: int) -> tuple[bytes, int]:
    """Return a batch of at most `max_bytes` and how many of `entries` are in it."""
    out, last = bytearray(), _Last()
    for count, entry in enumerate(entries):
        before = len(out)
        if isinstance(entry, PowerSample):
            _put_sample(out, entry, last)
        else:
            _put_mark(out, entry, last)
        if len(out) > max_bytes:
            return bytes(out[:before]), count
    return bytes(out), len(entries)


def _put_sample(out: bytearray, sample: PowerSample, last: _Last) -> None:
    power_uw = sample.bus_mv * sample.current_ua // 1000
    kind = (
        _SAMPLE
        | (_INTERVAL_CHANGED if sample.interval_ns != last.interval_ns else 0)
        | (_POWER_DIFFERS if sample.power_uw != power_uw else 0)
        | (_FLAGS_SET if sample.flags else 0)
    )
    put(out, kind)
    # Samples come at a steady rate: the change of the period is smaller than the period.
    period_ns = sample.timestamp_ns - last.timestamp_ns
    put_signed(out, period_ns - last.period_ns)
    put_signed(out, sample.seq - last.seq - 1)
    put_signed(out, sample.bus_mv - last.mv)
    put_signed(out, sample.current_ua - last.current_ua)
    if kind & _INTERVAL_CHANGED:
        put(out, sample.interval_ns)
    if kind & _POWER_DIFFERS:
        put_signed(out, sample.power_uw - power_uw)
    if kind & _FLAGS_SET:
        put(out, int(sample.flags))
    last.timestamp_ns, last.period_ns = sample.timestamp_ns, period_ns
    last.interval_ns, last.seq = sample.interval_ns, sample.seq
    last.mv, last.current_ua = sample.bus_mv, sample.current_ua


def _put_mark(out: bytearray, entry: MarkEntry, last: _Last) -> None:
    put(out, entry.mark)
    # Marks stand between samples: their time is a difference, but no period.
    put_signed(out, entry.timestamp_ns - last.timestamp_ns)
    put_signed(out, entry.value - last.values[entry.mark])
    last.values[entry.mark] = entry.value


def decode(batch: bytes) -> list[LogEntry]:
    """Return the entries of a batch. Raises FrameError when it is none."""
    reader, last, entries = Reader(batch), _Last(), []
    while not reader.empty:
        kind = reader.take()
        if kind in last.values:
            entries.append(_take_mark(reader, Mark(kind), last))
        elif kind & ~(_INTERVAL_CHANGED | _POWER_DIFFERS | _FLAGS_SET) == _SAMPLE:
            entries.append(_take_sample(reader, kind, last))
        else:
            raise FrameError(f"a log batch holds an entry of unknown kind {kind:#x}")
    return entries


def _take_sample(reader: Reader, kind: int, last: _Last) -> LogEntry:
    last.period_ns += reader.take_signed()
    last.timestamp_ns += last.period_ns
    last.seq += reader.take_signed() + 1
    last.mv += reader.take_signed()
    last.current_ua += reader.take_signed()
    if kind & _INTERVAL_CHANGED:
        last.interval_ns = reader.take()
    power_uw = last.mv * last.current_ua // 1000
    if kind & _POWER_DIFFERS:
        power_uw += reader.take_signed()
    flags = SampleFlag(reader.take() & 0xFF) if kind & _FLAGS_SET else SampleFlag.NONE
    return PowerSample(
        last.seq, last.timestamp_ns, last.interval_ns, last.mv, last.current_ua, power_uw, flags
    )


def _take_mark(reader: Reader, mark: Mark, last: _Last) -> LogEntry:
    timestamp_ns = last.timestamp_ns + reader.take_signed()
    last.values[mark] += reader.take_signed()
    return MarkEntry(timestamp_ns, mark, last.values[mark])
