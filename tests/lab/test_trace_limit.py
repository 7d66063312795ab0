"""The limits over a trace: exact on traces small enough to try everything, and never beaten."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.plan_tables import MS, STAGES, problem_of, steep_table
from tests.fakes.scored import frames_leaving_at
from tests.profile import examples

from edge_infer.lab.baselines.trace_limit import TraceLimitGovernor, TracePlanner
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.frame_sweep import ENERGY, MISSES
from edge_infer.runtime.planning.problem import known_exits, plan_problem

DEADLINE = 128 * 100  # even steps of exactly 100 ns


@settings(max_examples=examples(40))
@given(
    st.lists(st.integers(0, 120).map(lambda t: t * 100), min_size=2, max_size=4),
    st.floats(0, 300),
)
def test_a_short_trace_costs_what_the_best_of_all_schedules_costs(
    gaps: list[int], penalty_nj: float
) -> None:
    """One stage, two clocks without switch costs: every schedule of a few frames is tried."""
    times, energies = (9000, 4000), (10.0, 30.0)
    problem = problem_of([times], [energies], known_exits((1.0,)), DEADLINE)
    arrivals = [0, *np.cumsum(gaps).tolist()]
    best = min(
        cost_of(choice, arrivals, times, energies, penalty_nj)
        for choice in product((0, 1), repeat=len(arrivals))
    )
    solver = TracePlanner(problem, arrivals)
    _, energy, misses = solver.solve(penalty_nj, len(arrivals))
    total = (energy + penalty_nj * misses) * len(arrivals)
    # The age grid ends at one and a half deadlines: all beyond are late already, but
    # how late decides on the frames behind.
    assert total <= best + 1e-6
    if len(arrivals) <= 2:
        assert total == pytest.approx(best)


def cost_of(
    choice: tuple[int, ...],
    arrivals: list[int],
    times: tuple[int, int],
    energies: tuple[float, float],
    penalty_nj: float,
) -> float:
    now, cost = 0, 0.0
    for arrival, clock in zip(arrivals, choice, strict=True):
        now = max(now, arrival) + times[clock]
        cost += energies[clock] + penalty_nj * (now - arrival > DEADLINE)
    return cost


def test_knowing_the_arrivals_is_worth_something_and_costs_no_misses() -> None:
    clocks = tuple(range(500_000, 2_000_001, 250_000))
    table = steep_table((1, 1, 2), clocks)
    shares, deadline_ns, frames = (0.5, 0.3, 0.2), 12 * MS, 1500
    draw = np.random.default_rng(4)
    exits = draw.choice(3, frames, p=shares)
    gaps = draw.exponential(7 * MS, frames).astype(int)
    arrivals = [0, *np.cumsum(gaps[1:]).tolist()]
    distribution = known_exits(shares)
    typical = tuple(np.quantile(gaps, (np.arange(24) + 0.5) / 24).astype(int).tolist())
    problem = plan_problem(table, STAGES, table.points, distribution, deadline_ns, typical)

    def later(frame, scores):  # type: ignore[no-untyped-def]
        return int(exits[frame.number]) - 1

    limit = TraceLimitGovernor("oracle", problem, arrivals, 0.02, later)
    planned = PlannedGovernor("planned", problem, 0.02, later, feedback=False)
    planned.predicts = False
    replay = Replay(
        frames_leaving_at(exits.tolist()), Traffic(range(frames), arrivals, deadline_ns),
        ReplayCosts(table, STAGES), queue_limit=50,
    )  # fmt: skip
    knows, guesses = replay.run(limit), replay.run(planned)
    assert knows.miss_rate <= 0.03
    assert knows.net_nj < guesses.net_nj


def test_expected_energy_and_misses_are_counted_apart() -> None:
    problem = problem_of([(9000, 4000)], [(10.0, 30.0)], known_exits((1.0,)), DEADLINE)
    solver = TracePlanner(problem, [0, 0, 0])
    _, energy, misses = solver.solve(0.0, 3)
    assert energy == pytest.approx(10.0)
    assert misses == pytest.approx(2 / 3)
    assert (ENERGY, MISSES) == (0, 1)
