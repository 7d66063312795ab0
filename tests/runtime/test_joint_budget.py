"""A power budget with the joint plan: ratios, thresholds and clocks give way, and it is held."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.fakes.plan_tables import IDLE_UW, MS, steep_table

from edge_infer.boards.cost_table import CostRow, CostTable
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.governors.joint import EASING_STEPS, JointGovernor, eased
from edge_infer.runtime.planning.problem import PlanProblem, marginal_exits, plan_problem
from edge_infer.runtime.records import ExitDecision

PERIOD_NS = 12 * MS
TEN_MINUTES = 600 * 1000 * MS // PERIOD_NS
STAGES = ("a", "b", "c")
SWITCH = "switch to 1.0"
WIDTHS = {"1.0": 1.0, "0.7": 0.7, "0.4": 0.4}
LOSS_POINTS = {"1.0": 0.0, "0.7": 1.0, "0.4": 4.0}
TUNED = {"1.0": (50.0, 40.0), "0.7": (45.0, 42.0), "0.4": (60.0, 60.0)}
LOSS_BOUND = 0.5


def table_of() -> CostTable:
    """Stages that take less at narrower ratios, and a change of ratio."""
    table = steep_table()
    rows = dict(table.rows)
    for point in table.points:
        for ratio, width in WIDTHS.items():
            for stage in STAGES:
                if ratio != "1.0":
                    own = table.row(stage, point)
                    time_ns = round(own.time_ns * width)
                    energy_nj = round(own.energy_nj * width)
                    rows[f"{stage}@{ratio}", point] = CostRow(time_ns, energy_nj, time_ns // 100)
        rows[SWITCH, point] = CostRow(50_000, 90_000, 0)
    return replace(table, rows=rows)


TABLE = table_of()


def drawn_frames(ratio: str, count: int = 1000) -> ScoredFrames:
    """Frames whose margins are anything, so that a lower threshold lets more of them leave."""
    margins = np.random.default_rng(5).uniform(0, 70, (count, 3))
    thresholds = TUNED[ratio]
    decisions = tuple(
        tuple(ExitDecision(k == 2 or row[k] >= thresholds[k], 1, float(row[k])) for k in range(3))
        for row in margins
    )
    exits = np.array([next(k for k, d in enumerate(row) if d.leave) for row in decisions])
    scores = tuple(np.zeros((count, 4), np.int8) for _ in range(3))
    return ScoredFrames(scores, decisions, exits, np.ones(count, np.int64))


FRAMES = {ratio: drawn_frames(ratio) for ratio in WIDTHS}


def stages_at(ratio: str) -> tuple[str, ...]:
    return STAGES if ratio == "1.0" else tuple(f"{stage}@{ratio}" for stage in STAGES)


def problem_of() -> PlanProblem:
    def one(ratio: str) -> PlanProblem:
        distribution = marginal_exits(FRAMES[ratio].exit_shares)
        made = plan_problem(
            TABLE, stages_at(ratio), TABLE.points, distribution, PERIOD_NS, (PERIOD_NS,)
        )
        return replace(made, ratio=ratio, loss_points=LOSS_POINTS[ratio])

    full, *narrower = (one(ratio) for ratio in WIDTHS)
    clocks = len(full.clocks_khz)
    return replace(
        full, narrower=tuple(narrower), loss_bound_points=LOSS_BOUND,
        ratio_switch_ns=(50_000,) * clocks, ratio_switch_net_nj=(40_000.0,) * clocks,
    )  # fmt: skip


@cache
def governed(budget_uw: int | None, frames: int = 5000) -> tuple[ReplayResult, JointGovernor]:
    budget = None
    if budget_uw is not None:
        budget = EnergyBudget(budget_uw, TABLE, STAGES, TUNED, ratio_switch=SWITCH)
    governor = JointGovernor("planned-joint", problem_of(), 0.008, [None] * 3, budget=budget)
    order = np.random.default_rng(6).integers(0, 1000, frames).tolist()
    traffic = Traffic(order, [i * PERIOD_NS for i in range(frames)], PERIOD_NS)
    costs = {ratio: ReplayCosts(TABLE, stages_at(ratio)) for ratio in WIDTHS}
    replay = Replay(
        FRAMES["1.0"], traffic, costs["1.0"],
        narrower={ratio: (FRAMES[ratio], costs[ratio]) for ratio in WIDTHS if ratio != "1.0"},
        ratio_switch={point: TABLE.row(SWITCH, point) for point in TABLE.points},
    )  # fmt: skip
    return replay.run(governor, TABLE.points[0]), governor


def mean_uw(result: ReplayResult) -> float:
    return result.gross_nj * 1e6 / result.wall_ns


def lost_points(result: ReplayResult) -> float:
    return sum(LOSS_POINTS[ratio] * n for ratio, n in result.ratios.items()) / result.answered


MOST, LEAST = 10**9, IDLE_UW + 1


@pytest.mark.parametrize(
    ("share", "frames"),
    [
        (0.5, TEN_MINUTES // 5),
        (0.2, TEN_MINUTES // 5),
        pytest.param(0.5, TEN_MINUTES, marks=pytest.mark.slow),
    ],
)
def test_a_budget_between_the_ends_is_held_within_three_percent_of_the_span(
    share: float, frames: int
) -> None:
    most, least = mean_uw(governed(MOST)[0]), mean_uw(governed(LEAST)[0])
    asked_uw = round(least + share * (most - least))
    held, governor = governed(asked_uw, frames)
    assert abs(mean_uw(held) - asked_uw) < 0.03 * (most - least)
    assert governor.budget is not None
    assert governor.budget.mean_uw == pytest.approx(mean_uw(held), rel=1e-4)
    assert 0 < lost_points(held) < lost_points(governed(LEAST)[0])
    # No to and fro: a change of the ratio a second at most, and of the plan two.
    seconds = held.wall_ns / 1e9
    assert held.ratio_switches <= seconds + 1
    assert governor.solutions <= 2 * seconds + 2
    assert held.miss_rate <= 0.008


def test_the_tightest_budget_ends_at_the_narrowest_ratio_and_the_first_exit() -> None:
    held, governor = governed(LEAST)
    assert governor.budget is not None
    assert governor.budget.effort == 1
    assert held.ratios["0.4"] > 0.95 * held.answered
    assert held.exits[0] > 0.95 * held.answered
    assert governor.plan.penalty_nj == governor.nominal.loss_price_nj == 0


def test_a_budget_above_what_is_drawn_changes_nothing() -> None:
    plenty, governor = governed(MOST)
    free, _ = governed(None)
    assert governor.budget is not None
    assert governor.budget.effort == 0
    assert (plenty.ratios, plenty.exits, plenty.gross_fj) == (
        free.ratios,
        free.exits,
        free.gross_fj,
    )
    assert lost_points(plenty) <= LOSS_BOUND


@pytest.mark.parametrize("price_nj", [0.0, 10.0, 1e12])
def test_accuracy_gets_cheaper_with_every_step_down_to_nothing(price_nj: float) -> None:
    priced = replace(problem_of(), loss_price_nj=price_nj)
    assert eased(priced, 0) is priced
    prices = [eased(priced, steps).loss_price_nj for steps in range(EASING_STEPS + 1)]
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == 0
    assert eased(priced, 1).loss_bound_points == max(LOSS_POINTS.values())


def test_thresholds_sink_at_the_ratio_in_force() -> None:
    budget = EnergyBudget(2 * IDLE_UW, TABLE, STAGES, TUNED, effort=0.5)
    assert budget.leaves(0, ExitDecision(False, 1, 26.0))
    assert not budget.leaves(0, ExitDecision(False, 1, 26.0), "0.4")
    assert budget.leaves(0, ExitDecision(False, 1, 31.0), "0.4")
