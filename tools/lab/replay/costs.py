"""The truth of a replay: what stages, switches and waits cost, and how that changes meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_infer.boards.cost_table import CostRow, CostTable, OperatingPoint


@dataclass(frozen=True, slots=True)
class Disturbance:
    """From a frame on, the board is not what its cost table says."""

    from_frame: int
    slowdown: float = 1.0
    """Factor on the time of every stage, at the same power."""
    cap_khz: int | None = None
    """A clock above is asked for in vain: the board reads back this one."""


class ReplayCosts:
    """Times in ns and powers in uW, looked up by stage index and operating point.

    Args:
        table: of the board.
        stages: names in order.

    Raises:
        CostTableError: a row is missing.
    """

    def __init__(self, table: CostTable, stages: Sequence[str]) -> None:
        self.table = table
        self.stages = tuple(stages)
        self.points = table.points
        self._rows = {
            (index, point): table.row(stage, point)
            for index, stage in enumerate(stages)
            for point in table.points
            if (stage, point) in table.rows
        }
        self.spend: dict[tuple[int, OperatingPoint], tuple[int, float]] = {}
        self.slow_down(1.0)
        self.idle_uw = dict(table.idle_uw)
        self.reference_uw = table.idle_reference_uw
        self.switch_ns = table.switch.time_ns
        self.switch_fj = table.switch.energy_nj * 1_000_000

    def slow_down(self, factor: float) -> None:
        """Let every stage take that factor of its table's time."""
        self.spend = {
            key: (round(row.time_ns * factor), row.energy_nj * 1e6 / row.time_ns)
            for key, row in self._rows.items()
        }

    def overhead_ns(self, point: OperatingPoint) -> int:
        """Return the runtime and decision overhead of the first stage at a point."""
        return self._rows[0, point].overhead_ns


def scaled_table(table: CostTable, factor: float) -> CostTable:
    """Return a synthetic table: every invocation takes `factor` times the time, at its power.

    The runtime's own overhead stays what it is, as it would under a larger net.
    """
    rows = {key: _scaled(row, factor) for key, row in table.rows.items()}
    note = f"synthetic: times of the invocations times {factor:g}"
    return replace(table, rows=rows, notes=(*table.notes, note))


def _scaled(row: CostRow, factor: float) -> CostRow:
    time_ns = round((row.time_ns - row.overhead_ns) * factor) + row.overhead_ns
    share = time_ns / row.time_ns
    return replace(
        row,
        time_ns=time_ns,
        energy_nj=round(row.energy_nj * share),
        time_spread_ns=round(row.time_spread_ns * share),
        energy_spread_nj=round(row.energy_spread_nj * share),
        origin="synthetic",
    )
