"""The planner against brute force, and what its plans must do on boards one can think through."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.brute_force import outcomes
from tests.fakes.plan_tables import CLOCKS_KHZ, MS, STAGES, problem_of, steep_table
from tests.profile import examples

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.planning.age_grid import overflow_odds
from edge_infer.runtime.planning.frame_sweep import Array
from edge_infer.runtime.planning.plan import Plan
from edge_infer.runtime.planning.planner import FINE_RATIO, STEPS, Planner
from edge_infer.runtime.planning.problem import (
    ExitDistribution,
    PlanProblem,
    known_exits,
    marginal_exits,
    plan_problem,
    predicted_exits,
)

DEADLINE = STEPS * 100  # steps of exactly 100 ns: times that are multiples of 100 round nowhere


@st.composite
def small_problems(draw: st.DrawFn) -> PlanProblem:
    """Two or three stages, two or three clocks, two bins; back to back, no coupling of frames."""
    stages = draw(st.integers(2, 3))
    clocks = draw(st.integers(2, 3))
    cell = st.integers(1, 250).map(lambda t: t * 100)
    time_ns = [[draw(cell) for _ in range(clocks)] for _ in range(stages)]
    energy = st.integers(1, 1000).map(float)
    net_nj = [[draw(energy) for _ in range(clocks)] for _ in range(stages)]
    later = stages - 1
    share = st.integers(1, 9)
    bins = [draw(share) for _ in range(2)]
    exits = [[draw(share) for _ in range(later)] for _ in range(2)]
    distribution = ExitDistribution(
        shares=(1.0,),
        leave=(draw(share) / 10,),
        bins=(tuple(b / sum(bins) for b in bins),),
        exits=tuple(tuple(e / sum(row) for e in row) for row in exits),
    )
    return problem_of(
        time_ns, net_nj, distribution, DEADLINE,
        switch_ns=draw(st.integers(0, 20)) * 100, switch_net_nj=float(draw(st.integers(0, 300))),
    )  # fmt: skip


def one_frame(problem: PlanProblem, penalty_nj: float) -> tuple[Planner, Array]:
    """Value of one frame that nothing follows: one sweep back from zero."""
    planner = Planner(problem)
    zero = np.zeros((2, len(problem.clocks_khz), len(planner.ages_ns)))
    values, _ = planner.sweep(zero, penalty_nj)
    return planner, values


@given(small_problems(), st.floats(0, 5000))
def test_one_frame_costs_what_the_best_of_all_policies_costs(
    problem: PlanProblem, penalty_nj: float
) -> None:
    _, values = one_frame(problem, penalty_nj)
    for start in range(len(problem.clocks_khz)):
        best = min(e + penalty_nj * m for e, m in outcomes(problem, start))
        planned = values[0, start, 0] + penalty_nj * values[1, start, 0]
        assert planned == pytest.approx(best, rel=1e-9, abs=1e-9)


@given(small_problems(), st.floats(0, 5000))
def test_pruned_points_are_not_missed(problem: PlanProblem, penalty_nj: float) -> None:
    pruned = problem.pruned()
    assert set(pruned.points) <= set(problem.points)
    for khz in pruned.clocks_khz:
        _, all_points = one_frame(problem, penalty_nj)
        _, fewer = one_frame(pruned, penalty_nj)
        here, there = problem.clocks_khz.index(khz), pruned.clocks_khz.index(khz)
        total = all_points[0, here, 0] + penalty_nj * all_points[1, here, 0]
        assert fewer[0, there, 0] + penalty_nj * fewer[1, there, 0] == pytest.approx(total)


@settings(max_examples=examples(30))
@given(small_problems(), st.sampled_from([0.0, 0.05, 0.2, 0.5]))
def test_the_bound_is_kept_at_least_energy_up_to_the_duality_gap(
    problem: PlanProblem, bound: float
) -> None:
    """Weak duality: no policy within the bound can beat the plan by more than the multiplier times
    the part of the bound that the plan leaves unused.

    Without switches each frame stands alone, so all policies of one frame are all there are.
    """
    free = PlanProblem(**{**vars(problem), "switch_ns": 0, "switch_net_nj": 0.0})
    plan = Planner(free).within(bound)
    feasible = [e for e, m in outcomes(free, 0) if m <= bound + 1e-9]
    if not feasible:
        fewest = min(m for _, m in outcomes(free, 0))
        assert plan.miss_rate == pytest.approx(fewest, abs=1e-6)
        return
    assert plan.miss_rate <= bound + 1e-9
    best = min(feasible)
    gap = FINE_RATIO * plan.penalty_nj * (bound - plan.miss_rate)
    scale = max(map(max, free.net_nj))
    assert best - 1e-3 * scale <= plan.net_nj_per_frame <= best + gap + 1e-3 * scale


def test_a_late_frame_is_paid_for_by_the_next() -> None:
    """Two slow frames fit the deadline of twice the gap, a third does not: brute force would need
    the whole future, the plan's stationary rates must still balance the arrivals."""
    distribution = known_exits((1.0,))
    slow_fast = problem_of([[1500, 500]], [[10.0, 30.0]], distribution, 2000, gaps_ns=[1000])
    plan = Planner(slow_fast).within(0.0)
    # Half slow and half fast keeps up with one frame every 1000: 20 nJ a frame on average.
    assert plan.miss_rate == pytest.approx(0.0, abs=1e-3)
    assert plan.net_nj_per_frame == pytest.approx(20.0, rel=0.01)


def test_a_plan_that_is_far_behind_hurries() -> None:
    """At the last age more lateness cannot be told: it still counts, as a late frame for each gap.
    Two slow frames fit within the deadline, so slow is best only as long as there is room."""
    distribution = known_exits((1.0,))
    problem = problem_of([[1500, 500]], [[10.0, 30.0]], distribution, 2000, gaps_ns=[1000])
    plan = Planner(problem).solve(100.0)
    fast = problem.points[1]
    assert {plan.problem.points[index] for index in plan.first[0][:, -1]} == {fast}


def test_a_clock_that_is_better_by_little_is_gone_to_from_any_other() -> None:
    """A switch costs what 2,000 frames save: so many sweeps would show it, and so do leaps."""
    costs = [[1000.0, 990.0, 1010.0]]
    problem = problem_of([[1000] * 3], costs, known_exits((1.0,)), 2000, switch_net_nj=20_000.0)
    plan = Planner(problem).solve(0.0)
    assert plan.first[0, :, 0].tolist() == [1, 1, 1]
    assert plan.net_nj_per_frame == pytest.approx(990.0, rel=1e-3)


def test_the_cheaper_plan_of_a_pair_is_cheaper_and_misses_more() -> None:
    table = steep_table((1, 1, 4))
    distribution, deadline_ns = marginal_exits((0.6, 0.37, 0.03)), round(6.6 * MS)
    problem = plan_problem(table, STAGES, table.points, distribution, deadline_ns, (deadline_ns,))
    bound = 0.01
    feasible, cheaper, *_ = pair = Planner(problem).around(bound)
    assert cheaper is not None
    assert feasible.miss_rate <= bound < cheaper.miss_rate
    assert cheaper.net_nj_per_frame < feasible.net_nj_per_frame
    net_nj, miss_rate = pair.mean(bound)
    assert miss_rate == pytest.approx(bound)
    # Weak duality: nothing within the bound is cheaper than the line through both plans, but for
    # what the multiplier is not known to.
    lower = feasible.net_nj_per_frame + feasible.penalty_nj * (feasible.miss_rate - bound)
    assert lower * 0.999 <= net_nj < feasible.net_nj_per_frame


def test_a_full_queue_is_a_miss_that_is_planned_for() -> None:
    """Gaps that are mostly shorter than the slow point's time fill a queue of two long before the
    deadline; the fast point keeps it empty."""
    gaps = [600, 600, 600, 3000]
    distribution = known_exits((1.0,))
    free = problem_of([[1000, 500]], [[10.0, 30.0]], distribution, 4000, gaps_ns=gaps)
    full = replace(free, queue_limit=2)
    carefree = Planner(free).within(0.01)
    assert carefree.miss_rate < 0.01
    judged = Planner(full).solve(carefree.penalty_nj)
    assert judged.miss_rate > 0.01
    feasible = Planner(full).within(0.01)
    assert feasible.miss_rate <= 0.0105
    assert feasible.net_nj_per_frame > carefree.net_nj_per_frame


def test_the_odds_of_a_full_queue_are_exact_for_equal_gaps() -> None:
    ages = np.array([0.0, 299.0, 300.0, 301.0])
    assert overflow_odds([100], ages, 3).tolist() == [0, 0, 1, 1]
    odds = overflow_odds([100, 900], ages, 3)
    assert odds[-1] == pytest.approx(1 / 8, abs=0.02)


def points_by_time(plan: Plan, stage: int, bin_: int, clock: int) -> list[int]:
    table = plan.first[0] if stage == 0 else plan.later[stage - 1][bin_]
    return [plan.problem.points[i].clock_khz for i in table[clock]]


@pytest.mark.parametrize("load", [0.3, 0.5, 0.75, 0.95])
def test_on_a_flat_voltage_board_race_to_idle_comes_out_of_the_table(load: float) -> None:
    table = steep_table(volts=[1.0, 1.0, 1.0])
    deadline_ns = round(4 * MS / load)
    distribution = marginal_exits((0.5, 0.3, 0.2))
    problem = plan_problem(table, STAGES, table.points, distribution, deadline_ns, (deadline_ns,))
    plan = Planner(problem).within(0.01)
    top = len(CLOCKS_KHZ) - 1
    assert points_by_time(plan, 0, 0, top)[0] == CLOCKS_KHZ[-1]
    assert points_by_time(plan, 0, 0, 0)[0] == CLOCKS_KHZ[-1]
    assert problem.pruned().clocks_khz == CLOCKS_KHZ[-1:]


def test_where_voltage_falls_with_the_clock_slack_is_spent_on_the_lowest() -> None:
    table = steep_table()
    problem = plan_problem(
        table, STAGES, table.points, marginal_exits((0.5, 0.3, 0.2)), 100 * MS, (100 * MS,)
    )
    plan = Planner(problem).within(0.01)
    assert set(points_by_time(plan, 0, 0, 0)[: STEPS // 2]) == {CLOCKS_KHZ[0]}


def test_a_switch_that_costs_more_than_it_saves_is_not_made() -> None:
    cheap = steep_table((1, 1, 2), switch_ns=0, switch_nj=0)
    dear = steep_table((1, 1, 2), switch_ns=0, switch_nj=100_000_000)
    shares, deadline_ns = (0.9, 0.05, 0.05), round(4.5 * MS)
    switches = {}
    for name, table in (("cheap", cheap), ("dear", dear)):
        problem = plan_problem(
            table, STAGES, table.points, known_exits(shares), deadline_ns, (deadline_ns,)
        )
        plan = Planner(problem).within(0.0)
        clock = len(CLOCKS_KHZ) - 1
        first = plan.first[0][clock][0]
        after = plan.age_index(problem.time_ns[0][first])
        chosen = {int(plan.later[0][b][problem.clock_of[first]][after]) for b in (0, 1)}
        switches[name] = len({int(first), *chosen}) - 1
    assert switches["cheap"] >= 1
    assert switches["dear"] == 0


def test_knowing_more_never_costs_more() -> None:
    table = steep_table((1, 1, 4))
    shares, deadline_ns = (0.5, 0.3, 0.2), round(7.5 * MS)
    energies = []
    for distribution in (
        marginal_exits(shares),
        known_exits(shares),
        known_exits(shares, beforehand=True),
    ):
        problem = plan_problem(
            table, STAGES, table.points, distribution, deadline_ns, (deadline_ns,)
        )
        plan = Planner(problem).within(0.0)
        assert plan.miss_rate == pytest.approx(0.0, abs=1e-9)
        energies.append(plan.net_nj_per_frame)
    assert energies[0] > energies[1] > energies[2]


def test_threads_are_operating_points_without_a_switch() -> None:
    table = steep_table((1, 1, 8), threads=(1, 4), volts=(0.9, 0.95, 1.0))
    deadline_ns = 20 * MS
    problem = plan_problem(
        table, STAGES, table.points, known_exits((0.4, 0.4, 0.2)), deadline_ns, (deadline_ns,)
    )
    plan = Planner(problem).within(0.0)
    lowest = OperatingPoint(CLOCKS_KHZ[0])
    first = plan.problem.points[plan.first[0][0][0]]
    assert first == lowest
    after = plan.age_index(problem.time_ns[0][problem.points.index(first)])
    short = plan.problem.points[plan.later[0][0][0][after]]
    long = plan.problem.points[plan.later[0][1][0][after]]
    assert short == lowest
    assert long == OperatingPoint(CLOCKS_KHZ[0], 4) or long.clock_khz == CLOCKS_KHZ[0]


def test_a_missing_row_says_how_to_fill_it() -> None:
    table = steep_table()
    with pytest.raises(ValueError, match="edge-infer measure"):
        plan_problem(table, ("a", "z"), table.points, marginal_exits((0.5, 0.5)), MS, ())


class TwoBins:
    leave_first = 0.25
    bin_shares = (0.5, 0.5)
    bin_exits = ((0.75, 0.25), (0.25, 0.75))


def test_distributions_add_up() -> None:
    distributions = [
        predicted_exits(TwoBins()),  # type: ignore[arg-type]  # what a planner reads of it
        marginal_exits((0.25, 0.375, 0.375)),
        known_exits((0.25, 0.375, 0.375)),
        known_exits((0.25, 0.375, 0.375), beforehand=True),
    ]
    for one in distributions:
        shares = np.zeros(3)
        for kind, share in enumerate(one.shares):
            shares[0] += share * one.leave[kind]
            staying = share * (1 - one.leave[kind])
            shares[1:] += staying * (np.array(one.bins[kind]) @ np.array(one.exits))
        assert shares == pytest.approx([0.25, 0.375, 0.375])


@given(st.integers(0, 10**8))
def test_slots_round_up_and_never_overflow(age_ns: int) -> None:
    distribution = known_exits((1.0,))
    plan = Planner(problem_of([[500, 300]], [[1.0, 2.0]], distribution, 2000, [1000])).solve(0.0)
    age = plan.age_index(age_ns)
    assert plan.ages_ns[age] >= age_ns or age == plan.first.shape[-1] - 1
