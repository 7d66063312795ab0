"""Entries of the power log, and a batch of them in few bytes.

Each is written as its difference to the one before: about seven bytes a power sample, so that
900 samples a second fit a line of 115,200 baud. A batch stands alone: its first entry is a
difference to zero. PROTOCOL.md shows one in hex.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.firmware_bridge.errors import FrameError


class Mark(IntEnum):
    """What an entry besides the power samples says; its value is in `MarkEntry.value`."""

    CLOCK_KHZ = 1
    MILLICELSIUS = 2
    THROTTLED = 3
    """1 from now on, 0 no longer."""
    INFERENCE_START = 4
    """Number of the frame."""
    INFERENCE_EXIT = 5
    """Index of the stage that answered the inference started last."""
    METER_START = 6
    """The meter was started: its sample numbers begin anew. The value is always 0."""
    INFERENCES_UNMARKED = 7
    """So many inferences before this had no marks of their own: there were too many to log."""


class SampleKind(IntEnum):
    """What an entry's kind is for a power sample, and the bits that say what else follows."""

    SAMPLE = 0
    INTERVAL_CHANGED = 0x10
    POWER_DIFFERS = 0x20
    """power_uw is not bus_mv * current_ua / 1000: another meter computed it otherwise."""
    FLAGS_SET = 0x40


class MarkEntry(NamedTuple):
    """Something that happened at a moment."""

    timestamp_ns: int
    """On the device's monotonic time, as in a power sample."""
    mark: Mark
    value: int


LogEntry = PowerSample | MarkEntry

_INTERVAL_CHANGED, _POWER_DIFFERS, _FLAGS_SET = (int(kind) for kind in list(SampleKind)[1:])
"""As plain numbers: thousands of samples a second are written with them."""


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
        (_INTERVAL_CHANGED if sample.interval_ns != last.interval_ns else 0)
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
        elif kind & ~(_INTERVAL_CHANGED | _POWER_DIFFERS | _FLAGS_SET) == SampleKind.SAMPLE:
            entries.append(_take_sample(reader, kind, last))
        else:
            raise FrameError(f"a log batch holds an entry of unknown kind {kind:#x}")
    return entries


def _take_sample(reader: "Reader", kind: int, last: _Last) -> LogEntry:
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


def _take_mark(reader: "Reader", mark: Mark, last: _Last) -> LogEntry:
    timestamp_ns = last.timestamp_ns + reader.take_signed()
    last.values[mark] += reader.take_signed()
    return MarkEntry(timestamp_ns, mark, last.values[mark])


# Integers in as few bytes as they need: LEB128, with zigzag for signed ones (Protocol Buffers
# documentation, "Encoding", sections "Base 128 Varints" and "Signed Integers").


def put(out: bytearray, value: int) -> None:
    """Append the integer 0 <= `value` < 2**64."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_signed(out: bytearray, value: int) -> None:
    """Append a signed integer; small magnitudes are short."""
    put(out, value << 1 if value >= 0 else (-value << 1) - 1)


class Reader:
    """Reads what `put` and `put_signed` wrote. Raises FrameError at a cut or overlong number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def empty(self) -> bool:
        """True when everything was read."""
        return self._at >= len(self._data)

    def take(self) -> int:
        """Return the next unsigned integer."""
        value = shift = 0
        while True:
            if self.empty or shift > 63:
                raise FrameError(f"a number is cut short or too long at byte {self._at}")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take_signed(self) -> int:
        """Return the next signed integer."""
        value = self.take()
        return value >> 1 if value & 1 == 0 else -((value + 1) >> 1)
