"""An energy budget: less energy per frame by leaving earlier, and at last by the cheapest clock.

The budget is a mean power of the whole board. What was drawn more or less than it since the start
is the error; a proportional-integral controller with clipped state turns it into a pressure from 0
(thresholds as tuned) to 1 (every frame leaves at its first exit). At full pressure the plan is the
one of least energy, whatever the deadlines.
"""

from dataclasses import dataclass, field

from boards.cost_table import CostTable
from runtime.errors import RunError
from runtime.records import ExitDecision, InferenceRecord

PROPORTIONAL, INTEGRAL = 0.5, 0.02
"""Gains on the error in units of one second of the span between least and greatest draw."""


class BudgetError(RunError, ValueError):
    """A budget that no policy can hold."""


@dataclass
class EnergyBudget:
    """Keeps the mean power of a run at or below a budget.

    Args:
        budget_uw: mean power of the whole board.
        table: of the board, to know what was drawn; with a meter, `correct` it.
        stages: names in order.
        thresholds: of the stages but the last, in score units, as `ExitDecision.confidence`.

    Raises:
        BudgetError: the budget is at or below the idle power; the message says the floor.
    """

    budget_uw: int
    table: CostTable
    stages: tuple[str, ...]
    thresholds: tuple[float, ...]
    pressure: float = 0.0
    drawn_nj: float = 0.0
    _integral: float = 0.0
    _until_ns: int | None = None
    _started_ns: int = 0
    _span_uw: float = field(init=False)

    def __post_init__(self) -> None:
        floor_uw = min(self.table.idle_uw.values())
        if self.budget_uw <= floor_uw:
            raise BudgetError(
                f"a budget of {self.budget_uw / 1e6:.3f} W is not above the idle power of "
                f"{self.table.board}, {floor_uw / 1e6:.3f} W: that is the floor before any frame"
            )
        busiest = max(row.power_uw for row in self.table.rows.values())
        self._span_uw = float(busiest - floor_uw)

    def leaves(self, stage: int, decision: ExitDecision) -> bool:
        """Return True when a frame leaves here under pressure, though the tuned exit says stay."""
        if self.pressure <= 0.0:
            return False
        threshold = self.thresholds[stage]
        return decision.confidence >= threshold * (1.0 - self.pressure)

    def add(self, record: InferenceRecord) -> None:
        """Account for a finished inference and the wait before it; then set the pressure."""
        if self._until_ns is None:
            self._until_ns = self._started_ns = record.start_ns
        waited_ns = max(0, record.start_ns - self._until_ns)
        idle_uw = self.table.idle_uw[record.points[0].clock_khz]
        self.drawn_nj += idle_uw * waited_ns / 1e6
        passed_ns = record.end_ns - self._until_ns
        busy_ns = 0
        for stage, point in enumerate(record.points):
            time_ns = record.stage_end_ns[stage] - record.stage_start_ns[stage]
            self.drawn_nj += self.table.row(self.stages[stage], point).power_uw * time_ns / 1e6
            busy_ns += time_ns
        rest_ns = max(0, record.busy_ns - busy_ns - record.switches * self.table.switch.time_ns)
        self.drawn_nj += record.switches * self.table.switch.energy_nj + idle_uw * rest_ns / 1e6
        self._until_ns = record.end_ns
        self._steer(passed_ns)

    def _steer(self, passed_ns: int) -> None:
        ran_ns = (self._until_ns or 0) - self._started_ns
        error_s = (self.drawn_nj / 1e9 - self.budget_uw * ran_ns / 1e15) / (self._span_uw / 1e6)
        self._integral = min(max(self._integral + INTEGRAL * error_s * passed_ns / 1e9, 0.0), 1.0)
        self.pressure = min(max(PROPORTIONAL * error_s + self._integral, 0.0), 1.0)

    @property
    def mean_uw(self) -> float:
        """Mean power so far, by the cost table."""
        ran_ns = (self._until_ns or 0) - self._started_ns
        return self.drawn_nj * 1e6 / ran_ns if ran_ns else 0.0


def battery_budget_uw(capacity_mwh: int, hours: float) -> int:
    """Return the mean power that empties a battery in a number of hours."""
    if hours <= 0:
        raise BudgetError(f"a battery cannot last {hours:g} hours: give more than 0")
    return round(capacity_mwh * 1000 / hours)
