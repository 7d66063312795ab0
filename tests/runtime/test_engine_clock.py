"""A clock that cannot be set any more in mid-run: the run goes on, and says so."""

from collections.abc import Sequence

import pytest

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.errors import ClockError
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import marginal_exits, plan_problem
from edge_infer.runtime.records import ExitDecision, Frame, StageResult
from edge_infer.runtime.stage_costs import works_of

BUNDLE = open_bundle("digits-early-exit")


class StuckClock:
    """Passes everything on, until it is stuck."""

    def __init__(self, clock: object) -> None:
        self._clock = clock
        self.stuck = False

    def set_khz(self, khz: int) -> int:
        if self.stuck:
            raise ClockError("cannot write scaling_setspeed: Permission denied")
        return self._clock.set_khz(khz)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._clock, name)


class UpAndDown(Governor):
    """The lowest and the highest clock in turn."""

    name = "up and down"
    asks_between_stages = False

    def __init__(self, points: tuple[OperatingPoint, ...]) -> None:
        self._points, self._count = points, 0

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        self._count += 1
        return self._points[-(self._count % 2)]


def test_a_clock_that_is_stuck_in_mid_run_does_not_end_it() -> None:
    samples = BUNDLE.samples()
    assert samples is not None
    board = SimulatedBoard(load_profile("raspberry-pi-5"))
    table = board.cost_table(works_of(BUNDLE))
    single = tuple(point for point in table.points if point.threads == 1)
    clock = board.clock = StuckClock(board.clock)  # type: ignore[assignment]
    with Engine(BUNDLE, board, policy=UpAndDown(single)) as engine:
        records = []
        for number, image in enumerate(samples[0][:20]):
            clock.stuck = number >= 10
            records.append(engine.infer(Frame(number, image)))
    assert len({record.points[0].clock_khz for record in records[:10]}) == 2
    # From then on the records say the clock that was really in force.
    assert {record.points[0] for record in records[10:]} == {records[9].points[-1]}
    reasons = set(engine.refused_clocks.values())
    assert reasons == {"cannot write scaling_setspeed: Permission denied"}


def test_a_clock_that_can_never_be_set_is_an_error() -> None:
    board = SimulatedBoard(load_profile("raspberry-pi-5"))
    clock = board.clock = StuckClock(board.clock)  # type: ignore[assignment]
    clock.stuck = True
    with pytest.raises(ClockError, match="Permission denied"):
        Engine(BUNDLE, board, policy="powersave")


def test_the_planner_plans_with_the_clock_that_it_is_left_with() -> None:
    """Stuck at the lowest clock, the higher ones are taken as not given."""
    samples = BUNDLE.samples()
    assert samples is not None
    board = SimulatedBoard(load_profile("raspberry-pi-5"))
    table = board.cost_table(works_of(BUNDLE))
    names = [work.name for work in works_of(BUNDLE)]
    full_ns = sum(table.row(name, table.points[0]).time_ns for name in names)
    distribution = marginal_exits((0.5, 0.3, 0.2))
    deadline_ns = full_ns * 8 // 10  # in time at higher clocks alone
    problem = plan_problem(table, names, table.points, distribution, deadline_ns, (deadline_ns,))
    governor = PlannedGovernor("planned", problem, 0.008)
    clock = board.clock = StuckClock(board.clock)  # type: ignore[assignment]
    with Engine(BUNDLE, board, policy=governor) as engine:
        engine.governor = UpAndDown(table.points[:1])
        engine.infer(Frame(0, samples[0][0]))
        engine.governor = governor
        clock.stuck = True
        for number, image in enumerate(samples[0][:8]):
            now_ns = board.timebase.now_ns()
            engine.infer(Frame(number, image, now_ns, now_ns + deadline_ns))
    assert governor.cap.khz == table.points[0].clock_khz
    assert governor.plan.problem.clocks_khz == (table.points[0].clock_khz,)


class EachStageElsewhere(Governor):
    """Another clock, and perhaps other threads, for every stage."""

    name = "elsewhere"

    def __init__(self, points: Sequence[OperatingPoint], counts: tuple[int, ...]) -> None:
        self._points, self._counts, self._next = points, counts, 0

    @property
    def thread_counts(self) -> tuple[int, ...]:
        return self._counts

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        self._next += 1
        return self._points[self._next % len(self._points)]

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        return self.first_point(frame, 0, 0)


@pytest.mark.parametrize("threads", [(1,), (1, 2)])
def test_answers_do_not_depend_on_where_stages_run(threads: tuple[int, ...]) -> None:
    samples = BUNDLE.samples()
    assert samples is not None
    said = []
    for moves in (False, True):
        board = SimulatedBoard(load_profile("raspberry-pi-5"))
        points = [p for p in board.cost_table(works_of(BUNDLE)).points if p.threads in threads]
        governor = EachStageElsewhere(points if moves else points[:1], threads)
        with Engine(BUNDLE, board, policy=governor) as engine:
            records = [engine.infer(Frame(n, image)) for n, image in enumerate(samples[0][:80])]
        said.append([(record.exit, record.answer, record.confidence) for record in records])
        assert (engine.switches > 50) is moves
    assert said[0] == said[1]


def test_threads_that_were_not_stated_are_refused() -> None:
    board = SimulatedBoard(load_profile("raspberry-pi-5"))
    governor = EachStageElsewhere([OperatingPoint(1_500_000, 2), OperatingPoint(2_400_000)], (1,))
    with Engine(BUNDLE, board, policy=governor) as engine:
        engine.infer(BUNDLE.golden().frames[0])
        with pytest.raises(PolicyError, match="asks for 2 threads, its thread_counts are 1"):
            for _ in range(2):
                engine.infer(BUNDLE.golden().frames[0])
