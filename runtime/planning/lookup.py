"""The tables of a plan as the hot path reads them: flat bytes, the fastest there is in Python."""

from typing import NamedTuple

from edge_infer.runtime.planning.plan import Plan


class PlanLookup(NamedTuple):
    """Index of a point, or of a clock, by slot in rows of bytes; see `Plan`."""

    first: list[list[bytes]]
    later: list[list[list[bytes]]]
    idle: list[bytes]
    plan_ns: tuple[int, ...]
    """By clock: time that choosing a plan takes."""

    @classmethod
    def of(cls, plan: Plan) -> "PlanLookup":
        """Return the tables of a plan."""
        return cls(
            [[row.tobytes() for row in kind] for kind in plan.first],
            [[[row.tobytes() for row in b] for b in stage] for stage in plan.later],
            [row.tobytes() for row in plan.idle],
            plan.problem.plan_ns,
        )
