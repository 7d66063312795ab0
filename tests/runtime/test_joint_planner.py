"""The joint planner against brute force, and what it must do where one can think it through."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.brute_force import outcomes
from tests.fakes.plan_tables import problem_of
from tests.profile import examples

from edge_infer.runtime.planning.frame_sweep import LOSS
from edge_infer.runtime.planning.joint_planner import STEPS, JointPlanner
from edge_infer.runtime.planning.plan import JointPlan
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import ExitDistribution, PlanProblem, known_exits
from edge_infer.runtime.planning.solving import LOSS_TOLERANCE_POINTS, within_loss

DEADLINE = STEPS * 100


@st.composite
def ratio_problems(draw: st.DrawFn) -> PlanProblem:
    """Two or three ratios of two stages at two or three clocks; no coupling of frames."""
    clocks, ratios = draw(st.integers(2, 3)), draw(st.integers(2, 3))
    cell = st.integers(1, 250).map(lambda t: t * 100)
    energy = st.integers(1, 1000).map(float)
    share = st.integers(1, 9)
    switch_ns, switch_nj = draw(st.integers(0, 20)) * 100, float(draw(st.integers(0, 300)))

    def one(index: int) -> PlanProblem:
        bins = [draw(share) for _ in range(2)]
        distribution = ExitDistribution(
            (1.0,), (draw(share) / 10,), (tuple(b / sum(bins) for b in bins),), ((1.0,), (1.0,))
        )
        made = problem_of(
            [[draw(cell) for _ in range(clocks)] for _ in range(2)],
            [[draw(energy) for _ in range(clocks)] for _ in range(2)],
            distribution, DEADLINE, switch_ns=switch_ns, switch_net_nj=switch_nj,
        )  # fmt: skip
        loss = float(draw(st.integers(1, 9))) if index else 0.0
        return replace(made, ratio=f"0.{9 - index}" if index else "1.0", loss_points=loss)

    full, *narrower = (one(index) for index in range(ratios))
    change_ns = tuple(draw(st.integers(0, 50)) * 100 for _ in range(clocks))
    return replace(
        full, narrower=tuple(narrower), ratio_switch_ns=change_ns,
        ratio_switch_net_nj=tuple(float(draw(st.integers(0, 200))) for _ in range(clocks)),
        loss_price_nj=float(draw(st.integers(0, 100))),
    )  # fmt: skip


def every_way(problem: PlanProblem, ratio: int, clock: int) -> list[tuple[float, float, float]]:
    """Energy, misses and loss of every policy of one frame, by the ratio and clock in force."""
    found = []
    for index, one in enumerate((problem, *problem.narrower)):
        late_ns = problem.ratio_switch_ns[clock] if index != ratio else 0
        extra = problem.ratio_switch_net_nj[clock] if index != ratio else 0.0
        for energy, miss in outcomes(one, clock, late_ns):
            found.append((energy + extra, miss, one.loss_points))
    return found


@given(ratio_problems(), st.floats(0, 5000))
def test_one_frame_costs_what_the_best_of_all_policies_costs(
    problem: PlanProblem, penalty_nj: float
) -> None:
    planner = JointPlanner(problem)
    values, _ = planner.sweep(planner.zeros(), penalty_nj)
    for ratio in range(len(problem.ratios)):
        for clock in range(len(problem.clocks_khz)):
            best = min(
                energy + penalty_nj * miss + problem.loss_price_nj * loss
                for energy, miss, loss in every_way(problem, ratio, clock)
            )
            planned = values[0, ratio, clock, 0] + penalty_nj * values[1, ratio, clock, 0]
            assert planned == pytest.approx(best, rel=1e-9, abs=1e-9)


@settings(max_examples=examples(8))
@given(ratio_problems(), st.integers(0, 9))
def test_the_price_keeps_the_loss_within_its_bound(problem: PlanProblem, bound: int) -> None:
    bounded = replace(problem, loss_bound_points=float(bound), loss_price_nj=0.0)
    for plan in within_loss(bounded.pruned(), 0.5):
        assert plan is None or isinstance(plan, JointPlan)
        assert plan is None or plan.loss_points <= bound + LOSS_TOLERANCE_POINTS


@given(ratio_problems(), st.floats(0, 5000))
def test_without_a_choice_of_ratios_it_is_the_plain_plan(
    problem: PlanProblem, penalty_nj: float
) -> None:
    """A narrower ratio that costs any price is never chosen: what is left is the full width."""
    dear = replace(problem, loss_price_nj=1e9)
    joint = JointPlanner(dear)
    values, _ = joint.sweep(joint.zeros(), penalty_nj)
    plain = Planner(replace(problem, narrower=()), ages_ns=joint.ages_ns)
    wanted, _ = plain.sweep(plain.zeros(), penalty_nj)
    assert values[:2, 0, :, 0] == pytest.approx(wanted[:, :, 0])
    assert not values[LOSS, 0, :, 0].any()


def test_a_burst_is_worked_off_at_a_narrower_ratio() -> None:
    """Bursts come at once, with long pauses between. The full width is slow, the narrow one quick
    and poor: whoever comes to a free board has time for the full width, whoever waited has not."""
    distribution = known_exits((1.0,))
    gaps = [0, 10_000, 10_000, 10_000]
    full = problem_of([[2000, 1800]], [[10.0, 30.0]], distribution, 3000, gaps_ns=gaps)
    narrow = replace(
        problem_of([[900, 800]], [[5.0, 15.0]], distribution, 3000, gaps_ns=gaps),
        ratio="0.5", loss_points=2.0,
    )  # fmt: skip
    problem = replace(
        full, narrower=(narrow,), ratio_switch_ns=(10, 10), ratio_switch_net_nj=(0.1, 0.1),
        loss_price_nj=50.0,
    )  # fmt: skip
    plan = JointPlanner(problem, 100).solve(1000.0)
    assert isinstance(plan, JointPlan)
    fresh, behind = plan.age_index(0), plan.age_index(2000)
    assert plan.chosen[0, 0, fresh] == 0
    assert plan.chosen[0, 0, behind] == 1
    assert np.all(plan.chosen[:, :, -1] == 1)
    assert 0.0 < plan.loss_points < 1.0
    assert plan.miss_rate < 0.3 * Planner(full, 100).solve(1000.0).miss_rate
