"""What a worker writes into the power log: samples, inferences, clocks, heat.

The samples are those that the engine's account drains from the meter: a tap keeps a copy.
"""

from collections.abc import Sequence

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Board
from edge_infer.boards.power import MeterStatistics, Origin, PowerMeter, PowerSample
from edge_infer.firmware_bridge.wire.log_batch import LogEntry, Mark, MarkEntry
from edge_infer.runtime.records import InferenceRecord

_MARKED_PER_REPORT = 10
"""Inferences that get marks of their own in one report, so that thousands a second do not push
the power samples out of the log; the rest is counted in one mark."""
_HEAT_NS = 1_000_000_000


class WorkerLog:
    """Collects entries between two reports."""

    def __init__(self, board: "TappedBoard") -> None:
        self._board = board
        self._marks: list[MarkEntry] = []
        self._marked = self._unmarked = 0
        self._khz = self._last_khz = 0
        self._heat: tuple[int | None, bool] = (None, False)
        self._heat_ns = board.timebase.now_ns()

    def meter_started(self) -> None:
        """Note that sample numbers begin anew."""
        self._add(Mark.METER_START, 0)

    def answered(self, record: InferenceRecord) -> None:
        """Note an inference; on the hot path of a run."""
        self._last_khz = record.points[-1].clock_khz
        if self._marked >= _MARKED_PER_REPORT:
            self._unmarked += 1
            return
        self._marked += 1
        self._marks.append(MarkEntry(record.start_ns, Mark.INFERENCE_START, record.number))
        for start_ns, point in zip(record.stage_start_ns, record.points, strict=True):
            self._note_clock(start_ns, point.clock_khz)
        self._marks.append(MarkEntry(record.end_ns, Mark.INFERENCE_EXIT, record.exit))

    def take(self) -> list[LogEntry]:
        """Return samples and marks since the last call, by time."""
        if self._unmarked:
            self._note_clock(self._board.timebase.now_ns(), self._last_khz)
            self._add(Mark.INFERENCES_UNMARKED, self._unmarked)
        self._note_heat()
        self._marked = self._unmarked = 0
        samples: list[PowerSample] = self._board.tap.take() if self._board.tap else []
        marks, self._marks = self._marks, []
        return sorted([*samples, *marks], key=lambda entry: entry.timestamp_ns)

    def _note_clock(self, at_ns: int, khz: int) -> None:
        if khz != self._khz:
            self._khz = khz
            self._marks.append(MarkEntry(at_ns, Mark.CLOCK_KHZ, khz))

    def _note_heat(self) -> None:
        now_ns = self._board.timebase.now_ns()
        if now_ns - self._heat_ns < _HEAT_NS:
            return
        self._heat_ns = now_ns
        thermometer = self._board.thermometer
        heat = thermometer.millicelsius(), thermometer.throttled()
        if heat[0] is not None:
            self._add(Mark.MILLICELSIUS, heat[0])
        if heat[1] != self._heat[1]:
            self._add(Mark.THROTTLED, int(heat[1]))
        self._heat = heat

    def _add(self, mark: Mark, value: int) -> None:
        self._marks.append(MarkEntry(self._board.timebase.now_ns(), mark, value))


class TappedMeter:
    """Fulfils PowerMeter; keeps a copy of what is drained until it is taken."""

    def __init__(self, meter: PowerMeter) -> None:
        self._meter = meter
        self._tapped: list[PowerSample] = []

    @property
    def origin(self) -> Origin:
        """See PowerMeter."""
        return self._meter.origin

    @property
    def gain_uncertainty_ppm(self) -> int:
        """See PowerMeter."""
        return self._meter.gain_uncertainty_ppm

    @property
    def offset_uncertainty_uw(self) -> int:
        """See PowerMeter."""
        return self._meter.offset_uncertainty_uw

    @property
    def resolution_uw(self) -> int:
        """See PowerMeter."""
        return self._meter.resolution_uw

    def start(self) -> None:
        """See PowerMeter."""
        self._meter.start()

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """See PowerMeter."""
        samples = self._meter.drain(until_ns)
        self._tapped += samples
        return samples

    def take(self) -> list[PowerSample]:
        """Return the samples drained since the last call."""
        tapped, self._tapped = self._tapped, []
        return tapped

    def statistics(self) -> MeterStatistics:
        """See PowerMeter."""
        return self._meter.statistics()

    def stop(self) -> None:
        """See PowerMeter."""
        self._meter.stop()


class TappedBoard(Closing):
    """Fulfils Board: another one with a tapped meter."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.tap = TappedMeter(board.meter) if board.meter is not None else None
        self.meter: PowerMeter | None = self.tap
        self.name = board.name
        self.simulated = board.simulated
        self.profile = board.profile
        self.timebase = board.timebase
        self.clock = board.clock
        self.thermometer = board.thermometer
        # Bound here: an engine calls them for every stage.
        self.spend = board.spend
        self.cost_table = board.cost_table

    def close(self) -> None:
        """Close the board behind. May be called twice."""
        self._board.close()
