"""The truth of a replay: what stages, switches and waits cost, and how that changes meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from edge_infer.boards.cost_table import CostRow, CostTable, OperatingPoint
from edge_infer.boards.simulated.truth import IDEAL, RowError, Truth, row_error


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
        truth: how stages and waits differ from the table; a board that is the table by default.
        seed: of that.
        parts: names of the stages that one is made of, by its name: it is off by their mean.

    Raises:
        CostTableError: a row is missing.
    """

    def __init__(
        self,
        table: CostTable,
        stages: Sequence[str],
        truth: Truth = IDEAL,
        seed: int = 0,
        parts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.truth, self.seed = truth, seed
        self.table = table
        self.stages = tuple(stages)
        self.points = table.points
        self._rows = {
            (index, point): table.row(stage, point)
            for index, stage in enumerate(stages)
            for point in table.points
            if (stage, point) in table.rows
        }
        self._errors = {
            key: self._error(parts.get(stages[key[0]], stages[key[0] : key[0] + 1]), key[1])
            for key in self._rows
        }
        self.spend: dict[tuple[int, OperatingPoint], tuple[int, float]] = {}
        self.slow_down(1.0)
        self.cores = max(point.threads for point in self.points)
        self.idle_uw = {khz: uw + self._waiting_uw(khz) for khz, uw in table.idle_uw.items()}
        self.reference_uw = table.idle_reference_uw
        self.switch_ns = table.switch.time_ns
        self.switch_fj = table.switch.energy_nj * 1_000_000

    def slow_down(self, factor: float) -> None:
        """Let every stage take that factor of its table's time."""
        self.spend = {
            key: self._spent(row, factor, self._errors[key]) for key, row in self._rows.items()
        }

    def _spent(self, row: CostRow, factor: float, error: RowError) -> tuple[int, float]:
        power_uw, idle_uw = row.energy_nj * 1e6 / row.time_ns, self.table.idle_reference_uw
        if error.power != 1:
            power_uw = idle_uw + (power_uw - idle_uw) * error.power
        return round(row.time_ns * factor * error.time), power_uw

    def _error(self, names: Sequence[str], point: OperatingPoint) -> RowError:
        """Return how a stage is off at a point: by the mean of its parts, weighed by their time."""
        rows = [self.table.rows.get((name, point)) for name in names]
        weights = [0 if row is None else row.time_ns for row in rows]
        errors = [row_error(self.truth, self.seed, name, point) for name in names]
        if len(names) == 1 or not sum(weights):
            return errors[0]
        pairs = list(zip(errors, weights, strict=True))
        time = sum(error.time * weight for error, weight in pairs) / sum(weights)
        return RowError(time, sum(error.power * weight for error, weight in pairs) / sum(weights))

    def _waiting_uw(self, khz: int) -> int:
        """Return what idle cores draw at a clock beyond what they do at the lowest one."""
        busy_uw = {
            point.clock_khz: row.power_uw - self.table.idle_reference_uw
            for (stage, point), row in self._rows.items()
            if stage == 0 and point.threads == 1
        }
        if khz not in busy_uw:
            return 0
        beyond_uw = busy_uw[khz] - busy_uw[min(busy_uw)]
        return round(self.truth.idle_clock * self.cores * beyond_uw)

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
