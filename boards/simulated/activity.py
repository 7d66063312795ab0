"""What each thing that a simulated board does really takes and draws."""

from dataclasses import dataclass
from typing import NamedTuple

from edge_infer.boards.cost_table import Work
from edge_infer.boards.simulated.stage_shape import StageShape


@dataclass(slots=True)
class ActivityTruth:
    """What one activity really took and drew, idle power included."""

    count: int = 0
    time_ns: int = 0
    energy_fj: int = 0

    @property
    def energy_nj(self) -> int:
        """Gross energy in nJ."""
        return round(self.energy_fj / 1e6)


class StageTruth(NamedTuple):
    """A stage at a point, as it really is."""

    time_ns: int
    """Mean time."""
    shape: StageShape
    total: ActivityTruth
    work: Work
    """Kept, so that no other work gets its id."""
