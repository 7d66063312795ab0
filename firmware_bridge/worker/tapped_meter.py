"""A power meter whose samples a log gets too."""

from collections.abc import Sequence

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Board
from edge_infer.boards.power import MeterStatistics, Origin, PowerMeter, PowerSample


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
