"""The first frames of a planned run: answered at once at the fastest point."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
import pytest

from edge_infer.boards import open_board
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.policy import open_policy
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

GAP_NS = 800_000
POLICIES = ("planned", "planned-blind", "planned-leaving")


class HeldExecutor(Executor):
    """Does what it was given when it is told to."""

    def __init__(self) -> None:
        self._tasks: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, task, /, *args, **options):  # type: ignore[no-untyped-def]
        future: Future[Any] = Future()
        self._tasks.append((future, lambda: task(*args, **options)))
        return future

    def work(self) -> None:
        for future, task in self._tasks:
            future.set_result(task())
        self._tasks.clear()


def _governor(policy: str, executor: Executor | None) -> PlannedGovernor:
    settings = PolicySettings(deadline_ns=GAP_NS, arrivals=Periodic(1e9 / GAP_NS), loss_points=2.0)
    with open_board("sim:raspberry-pi-5") as board:
        context = PolicyContext(open_bundle("digits-early-exit"), board, settings)
        governor = open_policy(policy, context.altered(executor=executor))
    assert isinstance(governor, PlannedGovernor)
    return governor


def _answer(governor: PlannedGovernor, number: int) -> InferenceRecord:
    """Take a frame through all three stages, 50 us each."""
    now = number * GAP_NS
    frame = Frame(number, np.zeros(10, np.int8), now, now + GAP_NS)
    point = governor.first_point(frame, now, 0)
    starts, ends, points = [now], [now + 50_000], [point]
    for stage in range(2):
        result = StageResult(stage, np.arange(10, dtype=np.int8), ends[-1])
        stay = ExitDecision(False, 9, 0.0)
        if governor.may_leave:
            governor.leaves(frame, result, stay)
        points.append(governor.next_point(frame, result, stay))
        starts.append(ends[-1])
        ends.append(ends[-1] + 50_000)
    record = InferenceRecord(
        number, 9, 2, 0.0, now, now, ends[-1], tuple(starts), tuple(ends), tuple(points),
        deadline_ns=now + GAP_NS,
    )  # fmt: skip
    governor.learn(record)
    return record


@pytest.mark.parametrize("policy", POLICIES)
def test_frames_run_at_the_fastest_point_until_the_plan_is_solved(policy: str) -> None:
    executor = HeldExecutor()
    governor = _governor(policy, executor)
    early = [_answer(governor, number) for number in range(5)]
    khz = {point.clock_khz for record in early for point in record.points}
    assert khz == {max(governor.nominal.clocks_khz)}
    assert governor.state()["solutions"] == 0
    executor.work()
    _answer(governor, 5)
    assert governor.state()["solutions"] == 1
    late = _answer(governor, 6)
    assert {point.clock_khz for point in late.points} != khz


def test_a_loss_that_the_thresholds_use_up_is_refused_with_the_figures() -> None:
    settings = PolicySettings(loss_points=0.3)
    with open_board("sim:raspberry-pi-5") as board:
        context = PolicyContext(open_bundle("digits-early-exit"), board, settings)
        with pytest.raises(PolicyError, match=r"lose 0\.25 points .* up to 0\.66 .* 400 inputs"):
            open_policy("planned-leaving", context)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_plan_that_takes_over_is_the_one_that_is_solved_at_once(policy: str) -> None:
    executor = HeldExecutor()
    beside, at_once = _governor(policy, executor), _governor(policy, None)
    _answer(beside, 0)
    executor.work()
    _answer(beside, 1)
    assert beside.predicts == at_once.predicts
    assert beside.nominal.distribution == at_once.nominal.distribution
    assert beside.plans.feasible.net_nj_per_frame == at_once.plans.feasible.net_nj_per_frame
    assert all(
        (one == other).all()
        for one, other in zip(beside.plan.later, at_once.plan.later, strict=True)
    )
