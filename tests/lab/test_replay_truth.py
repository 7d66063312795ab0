"""A replay on a board that is not its cost table: what differs, and what governors make of it."""

import numpy as np
import pytest
from tests.fakes.plan_tables import MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at

from edge_infer.boards.simulated import DISTURBED, IDEAL, Truth
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.runtime.governors.governor import FixedGovernor, Governor
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import known_exits, plan_problem

SHARES = (0.6, 0.3, 0.1)
BOUND = 0.01
CLOCKS = tuple(range(500_000, 2_000_001, 250_000))
TABLE = steep_table((1, 1, 2), CLOCKS)


def exits_of(seed: int, frames: int) -> list[int]:
    exits: list[int] = np.random.default_rng(seed).choice(3, frames, p=SHARES).tolist()
    return exits


def replayed(
    governor: Governor, truth: Truth, seed: int, frames: int, deadline_ns: int
) -> ReplayResult:
    traffic = Traffic(range(frames), [i * deadline_ns for i in range(frames)], deadline_ns)
    costs = ReplayCosts(TABLE, STAGES, truth, seed)
    scored = frames_leaving_at(exits_of(seed, frames))
    return Replay(scored, traffic, costs).run(governor, TABLE.points[0])


def planned(deadline_ns: int, exits: list[int]) -> PlannedGovernor:
    """The exit is predicted perfectly."""
    problem = plan_problem(
        TABLE, STAGES, TABLE.points, known_exits(SHARES), deadline_ns, (deadline_ns,)
    )
    return PlannedGovernor(
        "planned", problem, 0.8 * BOUND, lambda frame, scores: exits[frame.number] - 1,
        allowed_misses=BOUND,
    )  # fmt: skip


def fastest() -> Governor:
    return FixedGovernor("performance", TABLE.points[-1])


def test_an_ideal_replay_takes_what_the_table_says() -> None:
    costs = ReplayCosts(TABLE, STAGES, IDEAL, 7)
    assert costs.spend == ReplayCosts(TABLE, STAGES).spend
    assert costs.idle_uw == dict(TABLE.idle_uw)


def test_a_seed_gives_the_same_replay_and_another_another() -> None:
    first, again, other = (replayed(fastest(), DISTURBED, seed, 300, 7 * MS) for seed in (1, 1, 2))
    assert list(first.latency_ns) == list(again.latency_ns)
    assert first.gross_fj == again.gross_fj != other.gross_fj


def test_rows_and_waits_are_off_by_a_little() -> None:
    costs, table = ReplayCosts(TABLE, STAGES, DISTURBED, 3), ReplayCosts(TABLE, STAGES)
    for key, (time_ns, power_uw) in costs.spend.items():
        assert time_ns == pytest.approx(table.spend[key][0], rel=0.13)
        assert power_uw == pytest.approx(table.spend[key][1], rel=0.15)
    assert costs.spend != table.spend
    lowest, highest = min(costs.idle_uw), max(costs.idle_uw)
    assert costs.idle_uw[lowest] == table.idle_uw[lowest]
    assert table.idle_uw[highest] < costs.idle_uw[highest] < 1.05 * table.idle_uw[highest]


def test_a_net_is_off_by_the_mean_of_its_stages() -> None:
    parts = {STAGES[-1]: STAGES[:-1]}
    point = TABLE.points[-1]
    costs = ReplayCosts(TABLE, STAGES, DISTURBED, 3, parts)
    rows = [TABLE.row(stage, point) for stage in STAGES]
    factors = [costs.spend[index, point][0] / row.time_ns for index, row in enumerate(rows)]
    expected = sum(
        factor * row.time_ns for factor, row in zip(factors[:-1], rows[:-1], strict=True)
    ) / sum(row.time_ns for row in rows[:-1])
    assert factors[-1] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("seeds", "frames"),
    [(range(2), 2_000), pytest.param(range(3), 20_000, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("deadline_ns", [3 * MS, 7 * MS])
def test_planned_keeps_the_bound_where_the_top_clock_does(
    seeds: range, frames: int, deadline_ns: int
) -> None:
    for seed in seeds:
        fast = replayed(fastest(), DISTURBED, seed, frames, deadline_ns)
        governor = planned(deadline_ns, exits_of(seed, frames))
        ours = replayed(governor, DISTURBED, seed, frames, deadline_ns)
        # What the first change of clock holds up is a few frames, whatever their number.
        assert fast.misses > BOUND * frames or ours.misses <= BOUND * frames + 5
        assert ours.net_nj <= 1.01 * fast.net_nj
