"""Leaving as an action: chains, plans against brute force, the account, and what is promised."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.plan_tables import CLOCKS_KHZ, problem_of, steep_table

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.lab.tuning.chain_fitting import fit_chain
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.runtime.exit_chain import ExitChain, LeavingLoss
from edge_infer.runtime.governors.leaving import MOST_FRAMES, LeavingGovernor, LossAccount, pays_in
from edge_infer.runtime.planning.frame_sweep import LEAVES, LOSS, Array
from edge_infer.runtime.planning.plan import Plan, PlanSet
from edge_infer.runtime.planning.planner import STEPS, Planner
from edge_infer.runtime.planning.problem import (
    PlanProblem,
    chained_exits,
    marginal_exits,
    plan_problem,
)
from edge_infer.runtime.planning.solving import LOSS_TOLERANCE_POINTS, solve_within
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

DEADLINE = STEPS * 100


@st.composite
def chains(draw: st.DrawFn, exits: int = 3, bins: int = 2) -> ExitChain:
    """A chain with as many bins at each exit but the last."""

    def shares(count: int) -> tuple[float, ...]:
        drawn = [draw(st.integers(1, 9)) for _ in range(count + 1)]
        return tuple(share / sum(drawn) for share in drawn[:count])

    def loss(groups: int, most: int) -> LeavingLoss:
        points = [float(draw(st.integers(-most // 4, most))) for _ in range(groups)]
        return LeavingLoss(tuple(points), tuple(abs(p) / 100 for p in points))

    edges = tuple(tuple(float(10 * (b + 1)) for b in range(bins - 1)) for _ in range(exits - 1))
    return ExitChain(
        edges, shares(bins),
        tuple(tuple(shares(bins) for _ in range(bins)) for _ in range(exits - 2)),
        tuple(loss(bins, 40) for _ in range(exits - 1)), loss(exits, 4), 5000, "drawn",
    )  # fmt: skip


@st.composite
def small_problems(draw: st.DrawFn) -> PlanProblem:
    """Two or three stages, two clocks, a chain of two bins; back to back."""
    stages = draw(st.integers(2, 3))
    cell = st.integers(1, 250).map(lambda t: t * 100)
    time_ns = [[draw(cell) for _ in range(2)] for _ in range(stages)]
    net_nj = [[float(draw(st.integers(1, 1000))) for _ in range(2)] for _ in range(stages)]
    found = problem_of(
        time_ns, net_nj, chained_exits(draw(chains(stages))), DEADLINE,
        switch_ns=draw(st.integers(0, 20)) * 100, switch_net_nj=float(draw(st.integers(0, 300))),
    )  # fmt: skip
    return replace(found, loss_price_nj=float(draw(st.integers(0, 60))))


def best_by_counting(problem: PlanProblem, start: int, penalty_nj: float) -> float:
    """The least energy, misses and priced loss of one frame, by trying every policy.

    A policy: the first clock, and for each later stage and bin at the exit before it a clock or
    leaving.
    """
    chain, price = problem.distribution.chain, problem.loss_price_nj
    assert chain is not None
    stages = problem.stages
    cells = [(stage, b) for stage in range(1, stages) for b in range(2)]
    tables = [(chain.stay_first,), *chain.stay]

    def cost(policy: dict[tuple[int, int], int], first: int) -> float:
        def run(stage: int, point: int, clock: int, time_ns: int, before: int) -> float:
            spent = problem.net_nj[stage][point]
            time_ns += problem.time_ns[stage][point]
            if point != clock:
                spent, time_ns = spent + problem.switch_net_nj, time_ns + problem.switch_ns
            end = penalty_nj * (time_ns > problem.deadline_ns)
            left = end + price * chain.tuned.points[stage]
            if stage == stages - 1:
                return spent + left
            row = tables[stage][before]
            spent += (1 - sum(row)) * left
            for b, share in enumerate(row):
                choice = policy[stage + 1, b]
                forced = end + price * chain.forced[stage].points[b]
                spent += share * (
                    forced if choice < 0 else run(stage + 1, choice, point, time_ns, b)
                )
            return spent

        return run(0, first, start, 0, 0)

    return min(
        cost(dict(zip(cells, choices, strict=True)), first)
        for first in range(2)
        for choices in product((-1, 0, 1), repeat=len(cells))
    )


@given(small_problems(), st.floats(0, 5000))
def test_one_frame_costs_what_the_best_of_all_policies_costs(
    problem: PlanProblem, penalty_nj: float
) -> None:
    planner = Planner(problem)
    values, _ = planner.sweep(planner.zeros(), penalty_nj)
    for start in range(2):
        # Ages are rounded up after each stage, a policy here sees none: the plan is no worse.
        best = best_by_counting(problem, start, penalty_nj)
        planned = values[0, start, 0] + penalty_nj * values[1, start, 0]
        assert planned <= best + 1e-6 * max(1.0, abs(best))


@given(small_problems())
def test_without_misses_a_plan_is_as_good_as_the_best_policy(problem: PlanProblem) -> None:
    planner = Planner(problem)
    values, _ = planner.sweep(planner.zeros(), 0.0)
    for start in range(2):
        best = best_by_counting(problem, start, 0.0)
        assert values[0, start, 0] == pytest.approx(best, rel=1e-6, abs=1e-6)


def _chain(forced: float = 20.0, inputs: int = 100_000) -> ExitChain:
    """Three exits, two bins each: the surer one loses half."""
    loss = LeavingLoss((forced, forced / 2), (forced / 100, forced / 200))
    return ExitChain(
        ((10.0,), (10.0,)), (0.3, 0.3), (((0.3, 0.3), (0.1, 0.2)),), (loss, loss),
        LeavingLoss((0.2, 0.2, 0.0), (0.002, 0.002, 0.0)), inputs, "made up",
    )  # fmt: skip


def _problem(loss_bound: float, gap_ms: float = 4.4, chain: ExitChain | None = None) -> PlanProblem:
    table = steep_table((1.0, 1.0, 2.0))
    gap_ns = round(gap_ms * 1e6)
    found = plan_problem(
        table, "abc", table.points, chained_exits(chain or _chain()), gap_ns, (gap_ns,)
    )
    return replace(found, loss_bound_points=loss_bound)


@pytest.mark.parametrize("loss_bound", [0.5, 1.0, 3.0])
def test_plans_keep_both_bounds_and_a_higher_loss_saves_energy(loss_bound: float) -> None:
    tight, found = (
        solve_within(_problem(0.2), 0.01).feasible,
        solve_within(_problem(loss_bound), 0.01),
    )
    plan, giving = found.feasible, found.giving
    assert plan.loss_points <= loss_bound + LOSS_TOLERANCE_POINTS
    assert giving is not None and giving.loss_points > loss_bound
    assert max(plan.miss_rate, giving.miss_rate) <= 0.0105
    assert giving.net_nj_per_frame < plan.net_nj_per_frame <= tight.net_nj_per_frame
    assert any((stage >= LEAVES).any() for stage in giving.later)


@pytest.mark.parametrize("inputs", [2_000, 1_000_000])
def test_the_bound_keeps_standard_errors_of_the_inputs(inputs: int) -> None:
    problem = replace(_problem(1.0, chain=_chain(inputs=inputs)), loss_sureness=1.645)
    plans = solve_within(problem, 0.01)
    assert plans.giving is not None
    assert plans.feasible.surest_loss_points <= 1.0 + LOSS_TOLERANCE_POINTS
    paid = pays_in(plans.feasible, plans.giving) / 1e6
    # An answer that changes is one that is lost here: the variance of the loss is the loss.
    assert paid + 1.645 * 100 * (paid / 100 / inputs) ** 0.5 == pytest.approx(1.0, abs=0.02)


def test_the_loss_that_is_planned_is_the_loss_of_the_tables() -> None:
    """Without a deadline the rate of loss follows from the chain by hand."""
    chain = _chain()
    problem = replace(_problem(0.0, chain=chain), gaps_ns=(), deadline_ns=10**9)
    kept = Planner(replace(problem, loss_price_nj=1e9)).solve(0.0)
    assert kept.loss_points == pytest.approx(chain.tuned_loss[0], rel=1e-3)
    always = Planner(replace(problem, loss_price_nj=0.0)).solve(0.0)
    expected = 0.4 * 0.2 + 0.3 * 20 + 0.3 * 10
    assert always.loss_points == pytest.approx(expected, rel=1e-3)
    assert len(always.values) == LOSS + 2


@cache
def _always() -> PlanSet:
    """A plan in which leaving costs nothing."""
    return PlanSet(Planner(replace(_problem(1.0), loss_price_nj=0.0)).solve(0.0))


def _governor() -> LeavingGovernor:
    return LeavingGovernor("planned-leaving", _problem(1.0), 0.01, feedback=False, plans=_always())


def _frame(number: int) -> Frame:
    return Frame(number, np.zeros(3, np.int8), number * 10**7, number * 10**7 + 10**8)


def _answer(governor: LeavingGovernor, number: int, confidences: tuple[float, ...]) -> int:
    """Take a frame that no threshold lets go through; return the exit."""
    frame = _frame(number)
    assert frame.arrival_ns is not None
    now = frame.arrival_ns
    points, ends = [governor.first_point(frame, now, 0)], []
    exit_ = 0
    while True:
        now += 1_000_000
        ends.append(now)
        if exit_ == 2:
            break
        result = StageResult(exit_, np.zeros(3, np.int8), now)
        stay = ExitDecision(False, 0, confidences[exit_])
        if governor.leaves(frame, result, stay):
            break
        points.append(governor.next_point(frame, result, stay))
        exit_ += 1
    governor.learn(
        InferenceRecord(
            number,
            0,
            exit_,
            0.0,
            frame.arrival_ns,
            frame.arrival_ns,
            now,
            tuple(end - 1_000_000 for end in ends),
            tuple(ends),
            tuple(points),
            deadline_ns=frame.deadline_ns,
        )
    )
    return exit_


@given(st.lists(st.sampled_from([0.0, 15.0]), min_size=1, max_size=120))
def test_the_account_holds_the_mean_loss_whatever_comes(confidences: list[float]) -> None:
    """Every frame would leave at once by this plan; the account lets only so many."""
    governor = _governor()
    forced, lost = governor.chain.forced[0].points, 0.0
    for number, confidence in enumerate(confidences):
        exit_ = _answer(governor, number, (confidence, 0.0))
        lost += forced[int(confidence >= 10)] if exit_ == 0 else 0.0
        # One frame may go beyond what was saved, no more.
        assert lost <= (number + 1) * 1.0 + max(forced)
    assert governor.account is not None
    assert governor.state()["loss_saved_points"] <= len(confidences)


def test_a_frame_leaves_only_once_something_is_saved() -> None:
    governor = _governor()
    exits = [_answer(governor, number, (0.0, 0.0)) for number in range(30)]
    assert exits[0] == 2 and 0 in exits
    assert exits.count(0) <= 2  # each loses 20 points, every frame pays in about one


def test_what_is_saved_has_an_end() -> None:
    account = LossAccount(pays_in=7)
    for _ in range(3):
        account.saved = MOST_FRAMES * 7 - 1
        account.add(0)
        assert account.saved == MOST_FRAMES * 7
    account.add(10**9)
    assert not account.allows


def test_a_point_stands_behind_every_leaving() -> None:
    governor = _governor()
    for stage, table in enumerate(governor.plan.later):
        assert (table % LEAVES < len(governor.plan.problem.points)).all(), stage
    assert {p.clock_khz for p in governor.plan.problem.points} <= set(CLOCKS_KHZ)
    assert governor.thread_counts == (1,)
    assert governor.next_point(
        _frame(0), StageResult(0, np.zeros(3, np.int8), 0), ExitDecision(False, 0, 0.0)
    ) in [OperatingPoint(khz) for khz in CLOCKS_KHZ]


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 400))
def test_a_fitted_chain_is_sound_and_says_what_the_inputs_said(
    seed: int, exits: int, inputs: int
) -> None:
    random = np.random.default_rng(seed)
    outcomes = ExitOutcomes(
        random.integers(0, 60, (exits - 1, inputs)).astype(float),
        random.random((exits, inputs)) < np.linspace(0.6, 0.9, exits)[:, None],
    )
    thresholds = tuple(float(t) for t in random.integers(10, 70, exits - 1))
    leaving = outcomes.exits(thresholds)
    chain = fit_chain(outcomes, leaving, "drawn")
    chain.check(exits)
    assert ExitChain.from_document(chain.to_document(), exits) == chain
    assert chain.leave_first == pytest.approx((leaving == 0).mean(), abs=1e-5)
    harm = outcomes.harm[leaving, np.arange(inputs)]
    # Later rows are smoothed by one input a bin.
    assert chain.tuned_loss[0] == pytest.approx(100 * harm.mean(), abs=100 * 8 / inputs + 1e-4)
    for exit_, loss in enumerate(chain.forced):
        staying = leaving > exit_
        own = [chain.bin_of(exit_, value) for value in outcomes.confidence[exit_][staying]]
        counted = outcomes.harm[exit_][staying].sum()
        assert 100 * counted <= sum(loss.points[b] for b in own) + 1e-3


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "of-tomorrow"},
        {"edges": [[10.0]]},
        {"edges": [[10.0], [20.0, 10.0]]},
        {"stay_first": [0.9, 0.9]},
        {"stay_first": [0.3]},
        {"stay": [[[0.3, "x"], [0.1, 0.2]]]},
        {"forced": [{"points": [1.0, 2.0], "changed": [0.1, 0.1]}]},
        {"tuned": {"points": [0.0] * 3, "changed": [0.0, 2.0, 0.0]}},
        {"tuned": {"points": [float("nan")] * 3, "changed": [0.0] * 3}},
        {"tuned": {"points": [0.0] * 3}},
        {"tuned": {"points": [-9.0, 0.0, 0.0], "changed": [0.05, 0.0, 0.0]}},
        {"inputs": 0},
        {"inputs": 10**400},
    ],
)
def test_numbers_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    document = {**_chain().to_document(), **change}
    with pytest.raises(ManifestError, match=r"manifest\.json: leaving"):
        ExitChain.from_document(document, 3)


class _Diverging(Planner):
    """Without a penalty its solution does not converge, with any it keeps the bound."""

    def solve(self, penalty_nj: float, start: Array | None = None) -> Plan:
        plan = super().solve(penalty_nj, start)
        return replace(plan, miss_rate=0.0 if penalty_nj else self.missed)

    missed = 1e25


@pytest.mark.parametrize("missed", [1e25, -1e25])
def test_a_search_ends_where_the_first_solution_does_not_converge(missed: float) -> None:
    problem = problem_of([[100, 200]], [[10.0, 5.0]], marginal_exits((1.0,)), DEADLINE)
    planner = _Diverging(problem, 20)
    planner.missed = missed
    plans = planner.around(0.01)
    assert plans.feasible.miss_rate == 0.0
    assert plans.cheaper is None
