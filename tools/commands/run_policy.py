"""What a run is told about its policy, and the governor that comes of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_infer.boards.contract import Board
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import BackendInfo
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governor import Governor
from edge_infer.runtime.governors.stable_latency import NAME as STABLE
from edge_infer.runtime.governors.stable_latency import stable_latency
from edge_infer.runtime.measured_table import measured_table
from edge_infer.runtime.policies.joint import NAME as JOINT
from edge_infer.runtime.policies.live import LIVE, live_governor
from edge_infer.runtime.workload.arrivals import Arrivals

USED_BY = {
    "target": (STABLE,),
    "loss": (JOINT,),
    "misses": LIVE,
    "power_budget": LIVE,
    "battery": LIVE,
    "hours": LIVE,
    "cost_table": (*LIVE, STABLE),
}
"""Options that only some policies use, by parameter name."""


@dataclass(frozen=True)
class Policy:
    """A policy's name as the user wrote it, and what goes with it."""

    name: str
    target_ns: int | None = None
    miss_bound: float = 0.01
    loss_points: float = 1.0
    budget_uw: int | None = None
    cost_table: Path | None = None

    def refuse(self, given: Iterable[str]) -> None:
        """Refuse options that this policy does not use.

        Raises:
            PolicyError: names the first, and the policies that use it.
        """
        kind = self.name.partition(":")[0]
        for parameter in given:
            if kind not in USED_BY.get(parameter, (kind,)):
                users = ", ".join(USED_BY[parameter])
                raise PolicyError(
                    f"the policy {self.name} makes no use of --{parameter.replace('_', '-')}: "
                    f"leave it out, or choose one of {users}"
                )

    def governor(
        self,
        bundle: Bundle,
        board: Board,
        backend: BackendInfo,
        arrivals: Arrivals,
        deadline_ns: int | None,
        threads: int,
    ) -> Governor | None:
        """Return the governor; None for a policy that the engine knows by its name alone.

        Raises:
            PolicyError, CostTableError, BudgetError, RunError: something is missing or does not
                fit; the message says what to do.
        """
        table = None
        if self.cost_table is not None:
            table = measured_table(self.cost_table, bundle, board.name, str(backend))
        return stable_latency(
            self.name, bundle, board, self.target_ns, threads, table
        ) or live_governor(
            self.name, bundle, board, arrivals, deadline_ns, threads, self.miss_bound, table,
            self.budget_uw, self.loss_points,
        )  # fmt: skip
