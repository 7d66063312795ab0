"""The token bucket of misses: it keeps the bound whatever happens, and uses it up where it can."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.plan_tables import MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at
from tests.profile import examples

from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.runtime.governors.feedback import (
    ENOUGH,
    LEAST,
    MOST_MARGIN,
    MOST_UNSPENT,
    UNSPENT,
    MissBucket,
)
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.plan import PlanSet
from edge_infer.runtime.planning.problem import PlanProblem, marginal_exits, plan_problem
from edge_infer.runtime.planning.solving import solve_within

BOUND, FRAMES = 0.01, 6000


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=300))
def test_the_balance_stays_within_its_bounds(frames: Sequence[tuple[int, bool]]) -> None:
    bucket, number = MissBucket(BOUND), 0
    for pushed_out, missed in frames:
        number += pushed_out + 1
        bucket.add(number, missed)
        assert LEAST <= bucket.tokens <= ENOUGH + MOST_MARGIN + 1
        assert 0 <= bucket.margin <= MOST_MARGIN


@given(st.floats(0.02, 1), st.integers(0, 1000))
def test_whatever_the_cheaper_plan_misses_the_bound_is_kept(share: float, seed: int) -> None:
    """The feasible plan misses nothing; misses come one at a time, so none is taken on credit.

    Tokens are spent or saved. Some are lost in one case alone: the bucket is full because
    the cheaper plan runs, as it may, and has not missed for long.
    """
    draw, bucket, misses = np.random.default_rng(seed), MissBucket(BOUND), 0
    for number in range(3000):
        cheaper, saved = bucket.spends, bucket.tokens
        missed = cheaper and bool(draw.random() < share)
        misses += missed
        bucket.add(number, missed)
        assert misses <= BOUND * (number + 1) + 1e-9
        assert bucket.spends or bucket.tokens < ENOUGH
        if bucket.tokens != saved + (BOUND - missed):
            assert cheaper and not missed and bucket.tokens == ENOUGH + 1


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20, 50, 75, 99])
def test_what_is_allowed_is_used_up(every: int) -> None:
    """The cheaper plan misses one frame in so many: the bucket is never full, nothing is lost."""
    bucket, misses, cheaper = MissBucket(BOUND), 0, 0
    for number in range(3000):
        cheaper += bucket.spends
        missed = bucket.spends and cheaper % every == 0
        misses += missed
        bucket.add(number, missed)
    assert misses > 0.8 * BOUND * 3000
    assert misses > BOUND * 3000 - ENOUGH - 1


def test_misses_that_come_several_at_once_are_overdrawn_once() -> None:
    """Each turn of the cheaper plan ends with five misses in a row. The bucket learns that."""
    bucket, left, owed = MissBucket(BOUND), 0, []
    for number in range(20_000):
        if bucket.spends and not left and number % 40 == 0:
            left = 5
        missed = left > 0
        left -= missed
        bucket.add(number, missed)
        owed.append(min(bucket.tokens, 0.0))
    assert min(owed[4000:]) > 0.75 * min(owed[:2000]) > -5


def test_frames_that_were_pushed_out_are_misses() -> None:
    bucket = MissBucket(BOUND)
    bucket.add(0, False)
    bucket.add(4, True)
    assert round(bucket.tokens, 9) == round(5 * BOUND - 4, 9)


def most(frames: int) -> float:
    """Misses after so many frames, at most, if the backup plan has none."""
    unspent = min(UNSPENT * BOUND * frames, MOST_UNSPENT)
    return BOUND * frames + max(1.0, unspent) + 1e-9


@given(st.lists(st.booleans(), max_size=600), st.floats(0, 1), st.integers(0, 1000))
def test_whatever_the_feasible_plan_misses_the_backup_one_pays_back(
    outcomes: Sequence[bool], share: float, seed: int
) -> None:
    """Frames late under both other plans: as somebody hostile puts them, then by chance."""
    draw, bucket, misses = np.random.default_rng(seed), MissBucket(BOUND), 0
    late = [*outcomes, *(draw.random(2000) < share)]
    for number, would_miss in enumerate(late):
        missed = bool(would_miss) and not bucket.overdrawn
        misses += missed
        bucket.add(number, missed)
        assert misses <= most(number + 1)
        assert not (bucket.overdrawn and bucket.spends)


def test_the_backup_plan_ends_when_a_miss_is_paid_back_and_one_is_left() -> None:
    bucket, ended = MissBucket(BOUND), 0
    bucket.add(0, True)
    while bucket.overdrawn:
        ended += 1
        bucket.add(ended, False)
    assert ended == 199  # (1 + 1) / BOUND frames in all


TABLE = steep_table((1, 1, 4), tuple(range(500_000, 2_000_001, 250_000)))
DEADLINE_NS = 9 * MS
SHARES = (0.6, 0.37, 0.03)
"""Three in a hundred frames need a stage that takes long; nothing tells them from the rest."""


def planned(counted: Sequence[float], allowed: float) -> tuple[PlanProblem, PlanSet]:
    problem = plan_problem(
        TABLE, STAGES, TABLE.points, marginal_exits(counted), DEADLINE_NS, (DEADLINE_NS,)
    )
    return problem, solve_within(problem, 0.8 * allowed)


def replayed(
    problem: PlanProblem, plans: PlanSet, shares: Sequence[float], allowed: float = BOUND
) -> ReplayResult:
    exits = np.random.default_rng(7).choice(3, FRAMES, p=shares)
    governor = PlannedGovernor(
        "planned", problem, 0.8 * allowed, plans=plans, allowed_misses=allowed, feedback=False
    )
    traffic = Traffic(range(FRAMES), [i * DEADLINE_NS for i in range(FRAMES)], DEADLINE_NS)
    replay = Replay(frames_leaving_at(exits.tolist()), traffic, ReplayCosts(TABLE, STAGES))
    return replay.run(governor, TABLE.points[0])


def run(allowed: float, only_feasible: bool = False) -> ReplayResult:
    problem, plans = planned(SHARES, allowed)
    return replayed(problem, PlanSet(plans.feasible) if only_feasible else plans, SHARES, allowed)


def test_two_plans_in_turn_earn_what_one_leaves_of_the_bound() -> None:
    mixed, feasible = run(BOUND), run(BOUND, only_feasible=True)
    assert feasible.miss_rate < mixed.miss_rate <= BOUND
    assert mixed.miss_rate > 0.7 * BOUND
    assert mixed.net_nj < 0.99 * feasible.net_nj


COUNTED = (0.6, 0.3935, 0.0065)
"""So few need the long stage that the feasible plan lets all of them be late."""


def test_a_predictor_that_counted_too_few_late_exits_breaks_the_bound_without_a_backup_plan() -> (
    None
):
    problem, plans = planned(COUNTED, BOUND)
    assert plans.backup is not None
    assert plans.backup.miss_rate < plans.feasible.miss_rate / 2
    assert plans.backup.net_nj_per_frame > plans.feasible.net_nj_per_frame
    without = replayed(problem, plans._replace(backup=None), SHARES)
    assert without.miss_rate > 2 * BOUND
    kept = replayed(problem, plans, SHARES)
    assert kept.misses <= most(FRAMES)
    # Paid back by the backup plan for as long as it takes, and no longer.
    alone = replayed(problem, PlanSet(plans.backup), SHARES)
    assert alone.misses < 0.2 * kept.misses
    assert without.net_nj < kept.net_nj < alone.net_nj


@settings(max_examples=examples(5))
@given(st.floats(0, 0.9), st.floats(0, 0.8))
def test_any_mix_of_exits_keeps_the_bound_where_the_backup_plan_alone_would(
    first: float, last: float
) -> None:
    """Up to a hundred times as many frames need the long stage as counted. If all did, the backup
    plan would not catch up with what the feasible one left: it expects the next to be short.
    When it begins, one frame is in work, four may wait and one is about to come: too late.
    """
    problem, plans = planned(COUNTED, BOUND)
    assert plans.backup is not None
    shares = (first, (1 - first) * (1 - last), (1 - first) * last)
    alone = replayed(problem, PlanSet(plans.backup), shares)
    mixed = replayed(problem, plans, shares)
    assert mixed.misses <= max(most(FRAMES), alone.misses) + 6


@pytest.mark.parametrize("last", [0.0, 0.0001])
def test_there_is_no_backup_plan_where_the_feasible_one_misses_none_to_speak_of(
    last: float,
) -> None:
    _, plans = planned((0.6, 0.4 - last, last), BOUND)
    assert plans.backup is None


def test_a_feasible_plan_far_below_the_bound_has_a_backup_one_too() -> None:
    """Where it is wrong about what it misses, it can be wrong by more than that."""
    problem, plans = planned((0.6, 0.399, 0.001), BOUND)
    assert plans.backup is not None
    assert plans.backup.miss_rate <= plans.feasible.miss_rate / 2 < BOUND / 4
    assert replayed(problem, plans, SHARES).misses <= most(FRAMES)
