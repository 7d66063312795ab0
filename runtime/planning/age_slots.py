"""The times since arrival that a planner tells apart."""

import math

from edge_infer.runtime.planning.problem import PlanProblem


def age_slots_ns(problem: PlanProblem, slots: int) -> tuple[int, ...]:
    """Return the times since arrival that are told apart, ascending from 0.

    Even steps up to the deadline and somewhat beyond, and every time that a frame can have come to
    at one point all the way.
    """
    ages = set(even_slots_ns(problem, slots))
    last_ns = max(ages)
    for point, clock in enumerate(problem.clock_of):
        for start_ns in (0, problem.switch_ns):
            age_ns = start_ns
            for stage, row in enumerate(problem.time_ns):
                age_ns += row[point]
                ages.add(age_ns)
                if stage == 0:
                    age_ns += problem.plan_ns[clock]
                    ages.add(age_ns)
    return tuple(sorted(age for age in ages if age <= last_ns))


def even_slots_ns(problem: PlanProblem, slots: int) -> tuple[int, ...]:
    """Return even steps of time up to the deadline and somewhat beyond, and the deadline."""
    step_ns = max(1, math.ceil(problem.deadline_ns / slots))
    slowest_ns = sum(max(row) for row in problem.time_ns)
    last_ns = problem.deadline_ns + min(slowest_ns, problem.deadline_ns // 2) + step_ns
    return tuple(sorted({0, problem.deadline_ns, *range(step_ns, last_ns, step_ns)}))
