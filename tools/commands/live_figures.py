"""What the live view shows: the answer now, the last minute, shares, sums. No terminal here."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_infer.boards.power import UNUSABLE, PowerSample
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import RunState

SECONDS = 60
_SECOND_NS = 1_000_000_000


class MinuteStrip:
    """Means of each of the last sixty seconds."""

    def __init__(self) -> None:
        self._cells: deque[tuple[int, float, int]] = deque(maxlen=SECONDS)
        """Second, sum and count; in order of time."""

    def add(self, at_ns: int, value: float) -> None:
        """Take a value; one that comes late counts to the newest second."""
        second = at_ns // _SECOND_NS
        if self._cells and second <= self._cells[-1][0]:
            newest, total, count = self._cells[-1]
            self._cells[-1] = newest, total + value, count + 1
        else:
            self._cells.append((second, value, 1))

    def means(self) -> list[float | None]:
        """Return sixty values, the newest last; None for a second without any."""
        if not self._cells:
            return [None] * SECONDS
        newest = self._cells[-1][0]
        known = {second: total / count for second, total, count in self._cells}
        return [known.get(newest - ago) for ago in reversed(range(SECONDS))]

    def rate_hz(self) -> float | None:
        """Return the values a second, without the second that is under way."""
        if len(self._cells) < 2:
            return None
        whole = list(self._cells)[:-1]
        return sum(count for _, _, count in whole) / (whole[-1][0] - whole[0][0] + 1)


@dataclass
class LiveFigures:
    """Collects records, samples and states."""

    exit_names: Sequence[str]
    battery_mwh: int | None = None
    now: InferenceRecord | None = None
    """The last one."""
    state: RunState | None = None
    exits: list[int] = field(init=False)
    power_w: MinuteStrip = field(default_factory=MinuteStrip)
    latency_us: MinuteStrip = field(default_factory=MinuteStrip)
    misses: int = 0
    _sampled: bool = False

    def __post_init__(self) -> None:
        self.exits = [0] * len(self.exit_names)

    def write(self, record: InferenceRecord) -> None:
        """Take one record."""
        self.now = record
        self.exits[record.exit] += not record.gated
        self.misses += record.missed
        self.latency_us.add(record.end_ns, record.latency_ns / 1000)

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Take the meter's samples."""
        for sample in samples:
            if not sample.flags & UNUSABLE:
                self._sampled = True
                self.power_w.add(sample.timestamp_ns, sample.power_uw / 1e6)

    def observe(self, state: RunState) -> None:
        """Take the state of the run; where there is no meter its energy tells the power."""
        before, self.state = self.state, state
        known = before is not None and before.gross_nj is not None and state.gross_nj is not None
        if self._sampled or not known or before is None or state.wall_ns <= before.wall_ns:
            return
        gained_nj = (state.gross_nj or 0) - (before.gross_nj or 0)
        self.power_w.add(state.at_ns, gained_nj / (state.wall_ns - before.wall_ns))

    @property
    def answers(self) -> int:
        """Inferences so far."""
        return sum(self.exits)

    @property
    def joules(self) -> float | None:
        """Energy of the board since the run began."""
        state = self.state
        return None if state is None or state.gross_nj is None else state.gross_nj / 1e9

    @property
    def hours_left(self) -> float | None:
        """How long the battery lasts at the mean power of the run so far."""
        state, joules = self.state, self.joules
        if self.battery_mwh is None or state is None or not joules or not state.wall_ns:
            return None
        watts = joules / (state.wall_ns / 1e9)
        return max(0.0, self.battery_mwh * 3.6 - joules) / watts / 3600
