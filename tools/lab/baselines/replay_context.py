"""What policies may know in a replay: all that they know on a board, and the future."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.lab.baselines.zero_pad import ZeroPadPredictor
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.planned import BinOf
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.records import Frame

if TYPE_CHECKING:
    from edge_infer.runtime.policies.policy import Need


class ReplayContext(PolicyContext):
    """What a comparison knows, the trace of arrivals and the true exits included.

    Args:
        bundle: an open bundle.
        table: cost of the stages, at all ratios that were scored.
        points: what may be chosen.
        settings: deadline, arrivals of the same law as those replayed, and what may be lost.
    """

    zero_pad: ZeroPadPredictor | None = None
    """The published predictor, fitted."""
    zero_pad_bin_of: BinOf | None = None
    exit_of: Callable[[Frame], int]
    """The true exit of a frame."""
    arrivals_ns: Sequence[int] | None = None
    """Of every frame that will come."""
    without_ratios: str = ""
    """Why there are no ratios to choose from, if there are none."""
    executor = None

    def __init__(
        self,
        bundle: Bundle,
        table: CostTable,
        points: Sequence[OperatingPoint],
        settings: PolicySettings,
    ) -> None:
        self.manifest = bundle.manifest
        self.settings = settings
        self.threads = 1
        self.found_table = table
        self.points = tuple(points)

    def require(self, need: "Need", policy: str) -> None:
        """Refuse a policy whose need is not met here. Raises PolicyError."""
        multi = len(self.stages) > 1
        if need == "predictor" and multi and self.predictor is None:
            raise PolicyError(
                f"the policy {policy} needs a predictor, and this bundle carries none here: use "
                "planned-blind, or a bundle with a predictor"
            )
        if need == "ratio losses" and self.without_ratios:
            raise PolicyError(self.without_ratios)
        if need not in ("predictor", "exit shares"):
            super().require(need, policy)

    @cached_property
    def clocks_khz(self) -> tuple[int, ...]:
        """The clocks of the points, ascending."""
        return tuple(sorted({point.clock_khz for point in self.points}))

    def offers(self, point: OperatingPoint) -> bool:
        """Return True for one of the points."""
        return point in self.points

    @property
    def offered(self) -> str:
        """The points."""
        return f"there are: {', '.join(str(point) for point in self.points)}"
