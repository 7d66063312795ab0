"""A power budget is held, on time, and refused where it is below the floor."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.plan_tables import IDLE_UW, MS, STAGES, steep_table

from edge_infer.boards import open_board
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.energy_budget import BudgetError, EnergyBudget, battery_budget_uw
from edge_infer.runtime.exit_criterion import CriterionName, exit_criterion
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import marginal_exits, plan_problem
from edge_infer.runtime.records import ExitDecision
from edge_infer.runtime.stage_costs import works_of

PERIOD_NS = 12 * MS
TEN_MINUTES = 600 * 1000 * MS // PERIOD_NS
THRESHOLDS = (50.0, 40.0)
TUNED = {"1.0": THRESHOLDS}
TABLE = steep_table()


def drawn_frames(count: int = 1000) -> ScoredFrames:
    """Frames whose margins are anything, so that a lower threshold lets more of them leave."""
    draw = np.random.default_rng(5)
    margins = draw.uniform(0, 70, (count, 3))
    decisions = tuple(
        tuple(ExitDecision(k == 2 or row[k] >= THRESHOLDS[k], 1, float(row[k])) for k in range(3))
        for row in margins
    )
    exits = np.array([next(k for k, d in enumerate(row) if d.leave) for row in decisions])
    scores = tuple(np.zeros((count, 4), np.int8) for _ in range(3))
    return ScoredFrames(scores, decisions, exits, np.ones(count, np.int64))


FRAMES = drawn_frames()


def governed(budget_uw: int, frames: int = TEN_MINUTES) -> tuple[ReplayResult, EnergyBudget]:
    problem = plan_problem(
        TABLE, STAGES, TABLE.points, marginal_exits(FRAMES.exit_shares), PERIOD_NS, (PERIOD_NS,)
    )
    budget = EnergyBudget(budget_uw, TABLE, STAGES, TUNED)
    governor = PlannedGovernor("planned", problem, 0.008, budget=budget)
    order = np.random.default_rng(6).integers(0, len(FRAMES), frames).tolist()
    traffic = Traffic(order, [i * PERIOD_NS for i in range(frames)], PERIOD_NS)
    replay = Replay(FRAMES, traffic, ReplayCosts(TABLE, STAGES))
    return replay.run(governor, TABLE.points[0]), budget


def mean_uw(result: ReplayResult) -> float:
    return result.gross_nj * 1e6 / result.wall_ns


def test_a_budget_in_the_middle_is_held_within_three_percent_of_the_span_over_ten_minutes() -> None:
    most, _ = governed(10**9, 5000)
    least, _ = governed(IDLE_UW + 1, 5000)
    span_uw = mean_uw(most) - mean_uw(least)
    assert span_uw > 0
    asked_uw = round((mean_uw(most) + mean_uw(least)) / 2)
    held, budget = governed(asked_uw)
    assert abs(mean_uw(held) - asked_uw) < 0.03 * span_uw
    assert 0 < budget.effort < 1
    assert budget.mean_uw == pytest.approx(mean_uw(held), rel=1e-3)
    assert most.exits[0] / 5000 < held.exits[0] / TEN_MINUTES < least.exits[0] / 5000


def test_a_budget_above_what_is_drawn_changes_nothing() -> None:
    plenty, budget = governed(10**9, 2000)
    assert budget.effort == 0
    assert plenty.exits == [int(n) for n in np.bincount(
        FRAMES.exits[np.random.default_rng(6).integers(0, len(FRAMES), 2000)], minlength=3
    )]  # fmt: skip


@pytest.mark.parametrize("budget_uw", [0, IDLE_UW // 2, IDLE_UW])
def test_a_budget_below_idle_is_refused_with_the_floor(budget_uw: int) -> None:
    with pytest.raises(BudgetError, match=r"idle power of sim:steep, 1\.000 W: that is the floor"):
        EnergyBudget(budget_uw, TABLE, STAGES, TUNED)


@given(st.floats(0, 1), st.floats(0, 100), st.integers(0, 1))
def test_effort_only_ever_lets_frames_leave_earlier(
    effort: float, confidence: float, stage: int
) -> None:
    budget = EnergyBudget(2 * IDLE_UW, TABLE, STAGES, TUNED, effort=effort)
    decision = ExitDecision(confidence >= THRESHOLDS[stage], 1, confidence)
    if decision.leave and effort:
        assert budget.leaves(stage, decision)
    if effort == 1:
        assert budget.leaves(stage, decision)
    if effort == 0:
        assert not budget.leaves(stage, decision)


def test_a_threshold_for_each_class_is_looked_up_by_the_answer() -> None:
    budget = EnergyBudget(2 * IDLE_UW, TABLE, STAGES, {"1.0": ((10.0, 80.0), 40.0)}, effort=0.5)
    assert budget.leaves(0, ExitDecision(False, 0, 6.0))
    assert not budget.leaves(0, ExitDecision(False, 1, 6.0))


@pytest.mark.parametrize(
    ("criterion", "tuned", "scores"),
    [
        ("score-margin", 40.0, [10, 3, -5]),
        ("top-score", 90.0, [12, 3, -5]),
        ("entropy", 0.2, [40, 33, 25]),
        ("entropy", (0.2, 0.3, 0.1), [40, 33, 25]),
    ],
)
def test_whatever_the_criterion_all_leave_under_full_effort_and_some_under_less(
    criterion: CriterionName, tuned: float | tuple[float, ...], scores: list[int]
) -> None:
    manifest = open_bundle("digits-early-exit").manifest
    chosen = replace(manifest.thresholds["1.0"], criterion=criterion, values=(tuned, tuned))
    manifest = replace(manifest, thresholds={"1.0": chosen})
    with open_board("sim:raspberry-pi-5") as board:
        table = board.cost_table(works_of(open_bundle("digits-early-exit")))
    assert table is not None
    budget = EnergyBudget.of(manifest, table, 10**7)
    scale = 0.1 if criterion == "entropy" else 1.0
    decision = exit_criterion(criterion, tuned, scale)(np.array(scores, np.int8))
    assert not decision.leave
    found = []
    for budget.effort in (0.0, 0.05, 1.0):
        found.append(budget.leaves(0, decision))
    assert found == [False, False, True]


def test_a_battery_is_a_budget() -> None:
    assert battery_budget_uw(18_500, 4) == 4_625_000
    with pytest.raises(BudgetError):
        battery_budget_uw(18_500, 0)
