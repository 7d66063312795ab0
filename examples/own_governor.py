"""A governor of your own: the highest clock while frames wait, the lowest otherwise.

A governor is any subclass of `Governor`; the laboratory replays it too, on any cost table.
"""

from edge_infer import (
    Engine,
    EventLoop,
    Frame,
    Governor,
    Periodic,
    RunSummary,
    open_board,
    open_bundle,
    open_samples,
)
from edge_infer.boards import OperatingPoint


class BacklogGovernor(Governor):
    """Hurries when somebody waits."""

    name = "backlog"
    asks_between_stages = False  # a frame keeps the clock that it began with

    def __init__(self, lowest_khz: int, highest_khz: int) -> None:
        self._calm, self._hurry = OperatingPoint(lowest_khz), OperatingPoint(highest_khz)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the point for a frame, with `backlog` more behind it."""
        return self._hurry if backlog else self._calm


bundle, arrivals = open_bundle("digits-early-exit"), Periodic(12_000)
with open_board("sim:raspberry-pi-5") as board:
    clocks_khz = board.clock.supported_khz()
    governor = BacklogGovernor(clocks_khz[0], clocks_khz[-1])
    with Engine(bundle, board, policy=governor) as engine:
        summary = RunSummary(engine.exit_names)
        EventLoop(
            engine, board.timebase, open_samples(bundle), arrivals, summary.add, max_frames=1_000
        ).run()
    print(f"{summary.inferences} frames, {summary.switches} changes of clock within them")
    print(f"{engine.switches} changes of clock in all, accuracy {summary.accuracy:.1%}")
