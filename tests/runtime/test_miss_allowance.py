"""The account of misses: it keeps the bound whatever happens, and uses it up where plans allow."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.governors.planned import PlannedGovernor
from runtime.planning.miss_allowance import ENOUGH, LEAST, MOST_MARGIN, MissAllowance
from runtime.planning.plan import PlanPair
from runtime.planning.problem import blind_beliefs, plan_problem
from runtime.planning.solving import solve_within
from runtime.replay.costs import ReplayCosts
from runtime.replay.replay import Replay, Traffic
from runtime.replay.result import ReplayResult
from tests.fakes.plan_tables import MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at

BOUND, FRAMES = 0.01, 6000


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=300))
def test_the_balance_stays_within_its_bounds(frames: Sequence[tuple[int, bool]]) -> None:
    allowance, number = MissAllowance(BOUND), 0
    for pushed_out, missed in frames:
        number += pushed_out + 1
        allowance.add(number, missed)
        assert LEAST <= allowance.balance <= ENOUGH + MOST_MARGIN + 1
        assert 0 <= allowance.margin <= MOST_MARGIN


@given(st.floats(0.02, 1), st.integers(0, 1000))
def test_whatever_the_eager_plan_misses_the_bound_is_kept(share: float, seed: int) -> None:
    """The careful plan misses nothing; misses come one at a time, so none is taken on credit."""
    draw, allowance, misses = np.random.default_rng(seed), MissAllowance(BOUND), 0
    for number in range(3000):
        missed = allowance.spends and bool(draw.random() < share)
        misses += missed
        allowance.add(number, missed)
        assert misses <= BOUND * (number + 1) + 1e-9
    assert misses > 0.8 * BOUND * 3000


def test_misses_that_come_several_at_once_are_overdrawn_once() -> None:
    """Each turn of the eager plan ends with five misses in a row. The account learns that."""
    allowance, left, owed = MissAllowance(BOUND), 0, []
    for number in range(20_000):
        if allowance.spends and not left and number % 40 == 0:
            left = 5
        missed = left > 0
        left -= missed
        allowance.add(number, missed)
        owed.append(min(allowance.balance, 0.0))
    assert min(owed[4000:]) > 0.75 * min(owed[:2000]) > -5


def test_frames_that_were_pushed_out_are_misses() -> None:
    allowance = MissAllowance(BOUND)
    allowance.add(0, False)
    allowance.add(4, True)
    assert round(allowance.balance, 9) == round(5 * BOUND - 4, 9)


def run(allowed: float, only_careful: bool = False) -> ReplayResult:
    """Three in a hundred frames need a stage that takes long; nothing tells them from the rest."""
    table = steep_table((1, 1, 4), tuple(range(500_000, 2_000_001, 250_000)))
    shares, deadline_ns = (0.6, 0.37, 0.03), 9 * MS
    exits = np.random.default_rng(7).choice(3, FRAMES, p=shares)
    problem = plan_problem(
        table, STAGES, table.points, blind_beliefs(shares), deadline_ns, (deadline_ns,)
    )
    plans = solve_within(problem, 0.8 * allowed)
    if only_careful:
        plans = PlanPair(plans.careful)
    governor = PlannedGovernor(
        "planned", problem, 0.8 * allowed, plans=plans, allowed_misses=allowed, calibrate=False
    )
    traffic = Traffic(range(FRAMES), [i * deadline_ns for i in range(FRAMES)], deadline_ns)
    replay = Replay(frames_leaving_at(exits.tolist()), traffic, ReplayCosts(table, STAGES))
    return replay.run(governor, table.points[0])


def test_two_plans_in_turn_earn_what_one_leaves_of_the_bound() -> None:
    mixed, careful = run(BOUND), run(BOUND, only_careful=True)
    assert careful.miss_rate < mixed.miss_rate <= BOUND
    assert mixed.miss_rate > 0.7 * BOUND
    assert mixed.net_nj < 0.99 * careful.net_nj
