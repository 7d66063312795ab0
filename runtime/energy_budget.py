"""An energy budget: less energy per frame by leaving earlier, and at last by the cheapest clock.

The budget is a mean power of the whole board, kept by integral feedback. The error is the energy
drawn above the budget since the start; times a gain it is the control effort, from 0 (thresholds as
tuned) to 1 (every frame leaves at its first exit, and the plan is the one of least energy, whatever
the deadlines). A governor that chooses pruning ratios lowers those too. The effort is clipped to
[0, 1] and the loop is of first order, so it cannot run away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_infer.boards.cost_table import CostTable
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import Threshold
from edge_infer.runtime.records import ExitDecision, InferenceRecord
from edge_infer.runtime.stage_costs import row_name, switch_work

GAIN_PER_S = 0.5
"""Control effort for each second of the mean power above idle that was drawn too much."""
LEAST_SCALE = 0.001
"""Of the idle power: what the mean power above idle is at least taken for."""
_MOST_HOURS = 1_000_000

LOWEST_SCORES = {"int8": -128.0, "uint8": 0.0, "float32": 0.0}
"""Of a head, by dtype; float32 as of probabilities."""


class BudgetError(RunError, ValueError):
    """A budget that no policy can hold."""


@dataclass
class EnergyBudget:
    """Keeps the mean power of a run at or below a budget.

    Args:
        budget_uw: mean power of the whole board.
        table: of the board: what is drawn is taken from it.
        stages: names in order.
        thresholds: by ratio, of the stages but the last, in units of `ExitDecision.confidence`.
        lowest: the lowest confidence there is, in the same units: 0 for score margins.
        ratio_switch: name of the table's row for a change of ratio.

    Raises:
        BudgetError: the budget is at or below the idle power; the message says the floor.
    """

    budget_uw: int
    table: CostTable
    stages: tuple[str, ...]
    thresholds: Mapping[str, Sequence[Threshold]]
    lowest: float = 0.0
    ratio_switch: str = ""
    effort: float = 0.0
    drawn_nj: float = 0.0
    _until_ns: int | None = None
    _started_ns: int = 0
    _ratio: str = FULL_RATIO

    @classmethod
    def of(cls, manifest: Manifest, table: CostTable, budget_uw: int) -> "EnergyBudget":
        """Return the budget of a bundle's run: a table of all its ratios if it has several.

        Raises:
            BudgetError: as the constructor.
        """
        head, name = manifest.stages[0].scores, manifest.thresholds[FULL_RATIO].criterion
        lowest = {"entropy": -math.log(head.classes), "top-score": LOWEST_SCORES[head.dtype]}
        sign = -1 if name == "entropy" else 1
        return cls(
            budget_uw, table, tuple(stage.name for stage in manifest.stages),
            {ratio: _times(sign, chosen.values) for ratio, chosen in manifest.thresholds.items()},
            lowest.get(name, 0.0), switch_work(manifest, FULL_RATIO).name,
        )  # fmt: skip

    def __post_init__(self) -> None:
        self._floor_uw = min(self.table.idle_uw.values())
        if self.budget_uw <= self._floor_uw:
            raise BudgetError(
                f"a budget of {self.budget_uw / 1e6:.3f} W is not above the idle power of "
                f"{self.table.board}, {self._floor_uw / 1e6:.3f} W: that is the floor before any "
                "frame"
            )

    def leaves(self, stage: int, decision: ExitDecision, ratio: str = FULL_RATIO) -> bool:
        """Return True when a frame leaves here for the budget, though the tuned exit says stay."""
        if self.effort <= 0.0:
            return False
        threshold = self.thresholds[ratio][stage]
        if isinstance(threshold, Sequence):
            threshold = threshold[decision.answer]
        relaxed = threshold + self.effort * (self.lowest - threshold)
        return decision.confidence >= relaxed

    def add(self, record: InferenceRecord) -> None:
        """Account for a finished inference and the wait before it; then set the effort."""
        if self._until_ns is None:
            self._until_ns = self._started_ns = record.start_ns
        busy_ns = record.switches * self.table.switch.time_ns
        self.drawn_nj += record.switches * self.table.switch.energy_nj
        if record.ratio != self._ratio:
            change = self.table.row(self.ratio_switch, record.points[0])
            self._ratio = record.ratio
            self.drawn_nj += change.energy_nj
            busy_ns += change.time_ns
        for stage, point in enumerate(record.points):
            time_ns = record.stage_end_ns[stage] - record.stage_start_ns[stage]
            name = row_name(self.stages[stage], record.ratio)
            power_uw = self.table.row(name, point).power_uw
            self.drawn_nj += power_uw * time_ns / 1e6
            busy_ns += time_ns
        idle_ns = max(0, record.end_ns - self._until_ns - busy_ns)
        self.drawn_nj += self.table.idle_uw[record.points[0].clock_khz] * idle_ns / 1e6
        self._until_ns = record.end_ns
        self._steer(record.end_ns - self._started_ns)

    def _steer(self, ran_ns: int) -> None:
        if not ran_ns:
            return
        above_uw = max(self.mean_uw - self._floor_uw, LEAST_SCALE * self._floor_uw)
        error_nj = self.drawn_nj - self.budget_uw * ran_ns / 1e6
        self.effort = min(max(GAIN_PER_S * error_nj / (above_uw * 1000), 0.0), 1.0)

    @property
    def mean_uw(self) -> float:
        """Mean power so far, by the cost table."""
        ran_ns = (self._until_ns or 0) - self._started_ns
        return self.drawn_nj * 1e6 / ran_ns if ran_ns else 0.0


def _times(sign: int, thresholds: Sequence[Threshold]) -> tuple[Threshold, ...]:
    """Return thresholds in units of `ExitDecision.confidence`: entropies are negative there."""
    return tuple(
        tuple(sign * bound for bound in one) if isinstance(one, Sequence) else sign * one
        for one in thresholds
    )


def battery_budget_uw(capacity_mwh: int, hours: float) -> int:
    """Return the mean power that empties a battery in a number of hours. Raises BudgetError."""
    if not 0 < hours <= _MOST_HOURS:
        raise BudgetError(
            f"a battery cannot last {hours:g} hours: give more than 0, at most {_MOST_HOURS}"
        )
    return round(capacity_mwh * 1000 / hours)
