"""Feedback: estimates that follow, gains that cannot run away, and a governor that recovers."""

from concurrent.futures import Executor, Future
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.plan_tables import MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.lab.replay.costs import Disturbance, ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.runtime.governors.feedback import (
    LEAST_FACTOR,
    MOST_FACTOR,
    ArrivalRate,
    ClockCap,
    Reserve,
    Slowdown,
)
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import known_exits, plan_problem

POINT, OTHER = OperatingPoint(1_000_000), OperatingPoint(2_000_000)
SHARES = (0.6, 0.3, 0.1)


@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_no_ratio_makes_the_slowdown_run_away(ratios: list[float]) -> None:
    slowdown = Slowdown()
    for index, ratio in enumerate(ratios):
        slowdown.add(OTHER if index % 3 else POINT, ratio)
        assert LEAST_FACTOR <= slowdown.factor(POINT) <= MOST_FACTOR


def test_the_slowdown_tells_the_board_from_the_point() -> None:
    slowdown = Slowdown()
    for _ in range(300):
        slowdown.add(POINT, 1.2)
        slowdown.add(OTHER, 1.8)
    assert slowdown.factor(POINT) == pytest.approx(1.2, rel=0.05)
    assert slowdown.factor(OTHER) == pytest.approx(1.8, rel=0.05)


def test_a_stage_keeps_what_its_row_is_off_by() -> None:
    """So where frames leave does not move the board."""
    slowdown, draw = Slowdown(), np.random.default_rng(4)
    for _ in range(500):
        slowdown.add(POINT, 1.06, ("1.0", 0))
        if draw.random() < 0.5:
            slowdown.add(POINT, 0.94, ("1.0", 1))
    boards = []
    for _ in range(200):
        slowdown.add(POINT, 1.06, ("1.0", 0))
        boards.append(slowdown.board)
    assert max(boards) - min(boards) < 0.02
    assert slowdown.factor(POINT, ("1.0", 0)) == pytest.approx(1.06, rel=0.01)
    assert slowdown.factor(POINT, ("1.0", 1)) == pytest.approx(0.94, rel=0.02)


def test_one_stage_that_is_held_up_hardly_moves_the_slowdown_and_three_do() -> None:
    slowdown = Slowdown()
    for _ in range(50):
        slowdown.add(POINT, 1.0)
    slowdown.add(POINT, 1.5)
    assert slowdown.factor(POINT) < 1.03
    for _ in range(6):
        slowdown.add(POINT, 1.5)
    assert slowdown.factor(POINT) > 1.3


def test_what_a_point_differs_by_is_forgotten_by_two_percent_a_stage() -> None:
    slowdown = Slowdown(points={POINT: 1.0})
    slowdown.add(POINT, slowdown.factor(POINT))  # no surprise
    assert slowdown.points[POINT] == pytest.approx(0.98)


@given(st.lists(st.booleans(), max_size=500))
def test_the_reserve_stays_within_its_bounds(missed: list[bool]) -> None:
    reserve = Reserve(0.01)
    for miss in missed:
        reserve.add(miss)
        assert 0 <= reserve.level <= reserve.share + reserve.step / 2 + 1e-9
        assert reserve.share <= reserve.most + 1e-9


def test_a_share_about_a_step_does_not_go_to_and_fro() -> None:
    reserve, levels = Reserve(0.01), []
    for number in range(3000):
        reserve.add(number % 100 == 0 or reserve.share < 0.0199)
        levels.append(reserve.level)
    assert sum(before != after for before, after in pairwise(levels)) <= 2
    for _ in range(300):
        reserve.add(False)
    assert reserve.level == 0


def test_a_step_that_was_refused_is_never_reached_again() -> None:
    reserve = Reserve(0.01)
    while reserve.level < 0.06 - 1e-9:
        reserve.add(True)
    reserve.refuse()
    for _ in range(100):
        reserve.add(True)
    assert reserve.level == pytest.approx(0.04)


def test_the_reserve_rests_where_misses_are_at_the_bound() -> None:
    """A frame misses when its noise exceeds what is held back: the reserve finds the quantile."""
    draw = np.random.default_rng(1)
    reserve, misses = Reserve(0.05), []
    for _ in range(20_000):
        missed = bool(draw.exponential(0.02) > reserve.share)
        misses.append(missed)
        reserve.add(missed)
    assert np.mean(misses[2000:]) == pytest.approx(0.05, abs=0.01)


def test_the_arrival_rate_follows_what_is_significant_only() -> None:
    draw = np.random.default_rng(2)
    steady = ArrivalRate(10 * MS)
    at_ns, changes = 0, 0
    for _ in range(5000):
        at_ns += int(draw.exponential(10 * MS))
        changes += steady.add(at_ns)
    assert changes <= 1
    for _ in range(2000):
        at_ns += int(draw.exponential(5 * MS))
        steady.add(at_ns)
    assert steady.factor == pytest.approx(0.5, rel=0.25)


def test_a_cap_is_learnt_at_once_and_tried_again_more_and_more_rarely() -> None:
    cap = ClockCap(patience=3)
    assert not cap.add(1_000_000, 1_000_000)
    assert cap.add(2_000_000, 1_000_000)
    assert cap.khz == 1_000_000
    assert [cap.frame() for _ in range(3)] == [False, False, True]
    assert cap.khz is None
    cap.add(2_000_000, 1_000_000)
    assert [cap.frame() for _ in range(6)] == [False] * 5 + [True]


def test_a_cap_that_nobody_tells_of_is_inferred_within_three_frames() -> None:
    clocks = (500_000, 1_000_000, 1_500_000, 2_000_000)
    cap = ClockCap()
    assert not cap.infer({500_000: 1.25, 2_000_000: 1.25}, clocks)  # all slow: no cap
    capped = {500_000: 1.0, 2_000_000: 4 / 3}
    assert [cap.infer(capped, clocks) for _ in range(3)] == [False, False, True]
    assert cap.khz == 1_500_000


def test_a_stage_that_is_held_up_now_and_then_is_no_cap() -> None:
    cap, clocks = ClockCap(), (500_000, 2_000_000)
    for number in range(300):
        held_up = 1.5 if number % 3 else 1.0
        assert not cap.infer({500_000: 1.0, 2_000_000: held_up}, clocks)


class LaterExecutor(Executor):
    """Answers every task at the second time that somebody asks whether it is done."""

    def __init__(self) -> None:
        self.tasks = 0

    def submit(self, task, /, *args, **options):  # type: ignore[no-untyped-def]
        self.tasks += 1
        future: Future[object] = Future()
        asked = []

        def done() -> bool:
            asked.append(True)
            if len(asked) == 2:
                future.set_result(task(*args, **options))
            return len(asked) >= 2

        future.done = done  # type: ignore[method-assign]
        return future


def governed(
    feedback: bool,
    disturbances: list[Disturbance],
    frames: int = 2100,
    executor: Executor | None = None,
) -> ReplayResult:
    """A tight deadline on a board with clocks in 250 MHz steps; the exit is predicted perfectly."""
    clocks = tuple(range(500_000, 2_000_001, 250_000))
    table = steep_table((1, 1, 2), clocks)
    exits = np.random.default_rng(3).choice(3, frames, p=SHARES)
    deadline_ns = 7 * MS
    problem = plan_problem(
        table, STAGES, table.points, known_exits(SHARES), deadline_ns, (deadline_ns,)
    )
    governor = PlannedGovernor(
        "planned", problem, 0.008, lambda frame, scores: int(exits[frame.number]) - 1,
        feedback=feedback, executor=executor,
    )  # fmt: skip
    replay = Replay(
        frames_leaving_at(exits.tolist()),
        Traffic(range(frames), [i * deadline_ns for i in range(frames)], deadline_ns),
        ReplayCosts(table, STAGES),
        disturbances=disturbances,
    )
    return replay.run(governor, table.points[0])


def test_without_disturbance_feedback_changes_nothing() -> None:
    plain, corrected = governed(False, []), governed(True, [])
    assert plain.misses == corrected.misses <= 0.008 * plain.frames
    assert corrected.net_nj == pytest.approx(plain.net_nj)


@pytest.mark.parametrize(
    "disturbance", [Disturbance(100, slowdown=1.25), Disturbance(100, 1.0, 1_250_000)]
)
def test_a_slower_board_and_a_cap_are_recovered_from(disturbance: Disturbance) -> None:
    corrected = governed(True, [disturbance])
    assert sum(corrected.missed[100:150]) <= 5
    assert sum(corrected.missed[150:]) <= 0.01 * len(corrected.missed[150:])


def test_solving_beside_the_run_recovers_too_and_never_stops_the_frames() -> None:
    executor = LaterExecutor()
    corrected = governed(True, [Disturbance(100, slowdown=1.25)], executor=executor)
    assert executor.tasks >= 1
    assert corrected.answered == 2100
    assert sum(corrected.missed[150:]) <= 0.01 * len(corrected.missed[150:])


def test_without_feedback_a_slower_board_goes_on_missing() -> None:
    plain = governed(False, [Disturbance(100, slowdown=1.25)])
    assert sum(plain.missed[150:]) > 0.05 * len(plain.missed[150:])
