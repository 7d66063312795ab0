"""A replay against sums done by hand, and against the real engine on a simulated board."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.plan_tables import IDLE_UW, MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.lab.replay.costs import Disturbance, ReplayCosts, scaled_table
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import pad_to
from edge_infer.runtime.governors.governor import FixedGovernor, Governor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

SLOW, MIDDLE, FAST = (OperatingPoint(khz) for khz in (500_000, 1_000_000, 2_000_000))


class Scripted(Governor):
    """First stage at one point, the rest at another, waits at a third."""

    name = "scripted"

    def __init__(
        self, first: OperatingPoint, rest: OperatingPoint, idle: OperatingPoint | None = None
    ) -> None:
        self.first, self.rest, self.idle = first, rest, idle
        self.records: list[InferenceRecord] = []
        self.backlogs: list[int] = []

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        self.backlogs.append(backlog)
        return self.first

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        return self.rest

    def idle_point(self) -> OperatingPoint | None:
        return self.idle

    def learn(self, record: InferenceRecord) -> None:
        self.records.append(record)


def replay_of(
    exits: list[int],
    arrivals_ns: list[int] | None,
    deadline_ns: int | None = None,
    **options: object,
) -> Replay:
    costs = ReplayCosts(steep_table(), STAGES)
    traffic = Traffic(range(len(exits)), arrivals_ns, deadline_ns)
    return Replay(frames_leaving_at(exits), traffic, costs, **options)  # type: ignore[arg-type]


def test_one_frame_by_hand() -> None:
    governor = Scripted(SLOW, FAST)
    result = replay_of([2], [10 * MS]).run(governor, SLOW)
    table = steep_table()
    stages = [table.row("a", SLOW), table.row("b", FAST), table.row("c", FAST)]
    busy_ns = sum(row.time_ns for row in stages) + table.switch.time_ns
    assert result.latency_ns[0] == busy_ns
    assert result.wall_ns == 10 * MS + busy_ns
    assert result.switches == 1
    gross_nj = sum(r.energy_nj for r in stages) + table.switch.energy_nj + IDLE_UW * 10 * MS / 1e6
    assert result.gross_nj == pytest.approx(gross_nj)
    assert result.net_nj == pytest.approx(gross_nj - IDLE_UW * result.wall_ns / 1e6)
    assert result.exits == [0, 0, 1]
    assert result.correct == 1
    record = governor.records[0]
    assert [p.clock_khz for p in record.points] == [500_000, 2_000_000, 2_000_000]
    assert record.stage_start_ns[1] - record.stage_end_ns[0] == table.switch.time_ns


def test_residency_covers_the_whole_time() -> None:
    result = replay_of([0, 2, 1], [0, 30 * MS, 31 * MS]).run(Scripted(SLOW, FAST, MIDDLE), SLOW)
    assert sum(result.residency_ns.values()) == result.wall_ns
    assert set(result.residency_ns) == {500_000, 1_000_000, 2_000_000}


def test_waiting_at_another_clock_switches_within_the_wait() -> None:
    arrivals = [0, 30 * MS]
    stays = replay_of([0, 0], arrivals).run(Scripted(SLOW, SLOW), SLOW)
    waits = replay_of([0, 0], arrivals).run(Scripted(FAST, FAST, SLOW), FAST)
    assert stays.switches == 0
    assert waits.switches == 2
    fast_ns = steep_table().row("a", FAST).time_ns
    assert waits.latency_ns[1] == fast_ns + steep_table().switch.time_ns


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12 * MS)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.sampled_from(["run", "drop"]),
)
def test_every_frame_is_answered_or_counted_as_dropped(
    frames: list[tuple[int, int]], queue: int, late: str
) -> None:
    exits = [exit_ for exit_, _ in frames]
    arrivals, at_ns = [], 0
    for _, gap_ns in frames:
        at_ns += gap_ns
        arrivals.append(at_ns)
    governor = Scripted(SLOW, SLOW)
    result = replay_of(
        exits, arrivals, 6 * MS, queue_limit=queue, late=late
    ).run(governor, SLOW)  # fmt: skip
    assert result.answered + result.dropped == len(frames)
    assert sum(result.exits) == result.answered == len(governor.records)
    assert len(result.missed) == len(frames)
    assert sum(result.missed) == result.misses
    assert result.late == sum(record.missed for record in governor.records)
    assert max(governor.backlogs, default=0) < queue
    ends = [record.end_ns for record in governor.records]
    starts = [record.start_ns for record in governor.records]
    assert all(a <= b for a, b in zip(ends, starts[1:], strict=False))
    assert all(r.start_ns >= r.arrival_ns for r in governor.records)


def test_net_energy_does_not_depend_on_how_long_the_board_idles() -> None:
    short = replay_of([1, 1], [0, 20 * MS]).run(FixedGovernor("fixed", FAST), FAST)
    long = replay_of([1, 1], [0, 900 * MS]).run(FixedGovernor("fixed", FAST), FAST)
    assert long.net_nj == pytest.approx(short.net_nj)
    assert long.gross_nj > 10 * short.gross_nj
    before = short.net_nj
    pad_to(short, long.wall_ns, IDLE_UW)
    assert short.wall_ns == long.wall_ns
    assert short.net_nj == pytest.approx(before)


def test_back_to_back_frames_never_wait() -> None:
    result = replay_of([0, 0, 0], None, 10 * MS).run(FixedGovernor("fixed", FAST), FAST)
    assert result.wall_ns == 3 * steep_table().row("a", FAST).time_ns
    assert result.misses == 0


def test_a_slow_board_takes_longer_at_the_same_power_from_that_frame_on() -> None:
    slowed = replay_of([0, 0], [0, 50 * MS], disturbances=[Disturbance(1, slowdown=1.25)])
    result = slowed.run(FixedGovernor("fixed", FAST), FAST)
    first, second = result.latency_ns
    assert second == round(1.25 * first)
    plain = replay_of([0, 0], [0, 50 * MS]).run(FixedGovernor("fixed", FAST), FAST)
    assert result.net_nj == pytest.approx(plain.net_nj * (1 + 1.25) / 2)
    again = slowed.run(FixedGovernor("fixed", FAST), FAST)
    assert list(again.latency_ns) == [first, second]  # nothing of a run stays behind


def test_a_capped_clock_reads_back_as_the_cap() -> None:
    governor = Scripted(SLOW, FAST)
    capped = replay_of([1, 1], [0, 50 * MS], disturbances=[Disturbance(1, 1, 1_000_000)])
    result = capped.run(governor, SLOW)
    assert [r.points[1].clock_khz for r in governor.records] == [2_000_000, 1_000_000]
    assert result.switches == 3


def test_a_cap_holds_at_once_even_if_nobody_sets_the_clock() -> None:
    capped = replay_of([0, 0], [0, 50 * MS], disturbances=[Disturbance(1, 1, 1_000_000)])
    result = capped.run(FixedGovernor("fixed", FAST), FAST)
    assert result.latency_ns[1] == 2 * result.latency_ns[0] + steep_table().switch.time_ns


def test_a_governor_that_predicts_pays_for_its_plans() -> None:
    governor, thinking = Scripted(FAST, FAST), Scripted(FAST, FAST)
    thinking.predicts = True
    exits, arrivals = [0, 1], [0, 50 * MS]
    free = replay_of(exits, arrivals, plan_overheads=3.0).run(governor, FAST)
    paid = replay_of(exits, arrivals, plan_overheads=3.0).run(thinking, FAST)
    plan_ns = 3 * steep_table().row("a", FAST).overhead_ns
    assert paid.latency_ns[0] == free.latency_ns[0]  # left at the first exit: nothing to plan
    assert paid.latency_ns[1] == free.latency_ns[1] + plan_ns


@given(st.floats(0.5, 20))
def test_a_scaled_table_scales_the_invocations_alone(factor: float) -> None:
    table = steep_table()
    scaled = scaled_table(table, factor)
    for key, row in table.rows.items():
        found = scaled.rows[key]
        assert found.overhead_ns == row.overhead_ns
        expected_ns = row.overhead_ns + factor * (row.time_ns - row.overhead_ns)
        assert found.time_ns == pytest.approx(expected_ns, abs=1)
        assert found.power_uw == pytest.approx(row.power_uw, rel=1e-4)
    assert scaled.synthetic
