"""The kernel's governors by their published rules: loads one can do by hand."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes.plan_tables import MS, STAGES, steep_table
from tests.fakes.scored import frames_leaving_at

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.lab.baselines.kernel_governors import (
    ConservativeGovernor,
    OndemandGovernor,
    SchedutilGovernor,
    TickingGovernor,
)
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic

POINTS = tuple(OperatingPoint(khz) for khz in (600_000, 1_000_000, 1_500_000))
LATENCY = 355_000


def period(governor: TickingGovernor, start_ns: int, busy_ns: int, idle_ns: int) -> int:
    """One busy stretch with its ticks, then idle; return when it ended."""
    governor.busy_from(start_ns)
    end_ns = start_ns + busy_ns
    while governor.next_tick_ns < end_ns:
        governor.tick(governor.next_tick_ns)
    governor.idle_from(end_ns)
    return end_ns + idle_ns


def settle(governor: TickingGovernor, busy_ns: int, idle_ns: int, periods: int = 400) -> int:
    """Return the clock that a steady load ends at."""
    now_ns = 0
    for _ in range(periods):
        now_ns = period(governor, now_ns, busy_ns, idle_ns)
    return governor.khz[governor.index]


@pytest.mark.parametrize(
    ("busy_ms", "idle_ms", "khz"),
    [
        (20, 0, 1_500_000),  # above 95 %: the top clock
        (10, 10, 1_000_000),  # 50 %: 600 + 0.5 x 900 = 1050, the closest is 1000
        (2, 18, 600_000),  # 10 %: 690, the closest is 600
        (0.8, 0.2, 1_500_000),  # 80 %: 1320, the closest is 1500
    ],
)
def test_ondemand_is_proportional_below_its_threshold(
    busy_ms: float, idle_ms: float, khz: int
) -> None:
    governor = OndemandGovernor(POINTS, LATENCY)
    assert settle(governor, round(busy_ms * MS), round(idle_ms * MS)) == khz


def test_ondemand_goes_to_the_top_above_95_percent_alone() -> None:
    points = (*POINTS[:2], OperatingPoint(1_300_000), POINTS[2])
    # 85 %: 600 + 0.85 x 900 = 1365, the closest is 1300; `conservative` would go up at 80.
    assert settle(OndemandGovernor(points, LATENCY), 850_000, 150_000) == 1_300_000


def test_ondemand_samples_every_ten_milliseconds_on_a_slow_clock() -> None:
    assert OndemandGovernor(POINTS, LATENCY).sampling_ns == 10 * MS
    # A clock that changes in 5 us could be sampled every 5 ms, but not below two ticks.
    assert OndemandGovernor(POINTS, 5_000).sampling_ns == 8 * MS


def test_conservative_climbs_by_five_percent_of_the_top_clock_a_sample() -> None:
    governor = ConservativeGovernor(POINTS, LATENCY)
    settle(governor, 1 * MS, 19 * MS)
    assert governor.khz[governor.index] == 600_000
    now_ns, seen = 400 * 20 * MS, []
    for _ in range(40):
        now_ns = period(governor, now_ns, 20 * MS, 0)
        seen.append(governor.khz[governor.index])
    # Steps of 75 MHz from 600, one in 10 to 12 ms: 1000 MHz takes 6 samples, 1500 MHz 12.
    assert 60 <= 20 * (seen.index(1_000_000) + 1) <= 90
    assert 120 <= 20 * (seen.index(1_500_000) + 1) <= 170
    assert seen == sorted(seen)


def test_conservative_holds_between_its_thresholds() -> None:
    governor = ConservativeGovernor(POINTS, LATENCY)
    settle(governor, 1 * MS, 19 * MS)
    now_ns = 400 * 20 * MS
    for _ in range(8):
        now_ns = period(governor, now_ns, 20 * MS, 0)
    held = governor.index
    for _ in range(50):
        now_ns = period(governor, now_ns, 10 * MS, 10 * MS)
    assert governor.index == held


@pytest.mark.parametrize(("share", "khz"), [(0.2, 600_000), (0.5, 1_000_000), (0.85, 1_500_000)])
def test_schedutil_takes_the_clock_at_125_percent_of_utilisation(share: float, khz: int) -> None:
    """At the top clock the load is `share`: 1.25 x share x 1500 MHz, rounded up to a clock."""
    governor = SchedutilGovernor(POINTS, LATENCY)
    now_ns, work_ns = 0, round(share * 2 * MS)
    for _ in range(2000):
        busy_ns = work_ns * POINTS[-1].clock_khz // governor.khz[governor.index]
        now_ns = period(governor, now_ns, busy_ns, max(0, 2 * MS - busy_ns))
    assert governor.khz[governor.index] == khz


@given(st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(0, 200 * MS)), max_size=40))
@example([(30 * MS, 0)] * 40)
def test_seven_short_wakings_and_any_load_is_forgotten(stretches: list[tuple[int, int]]) -> None:
    """Utilisation and its estimate stay within their scale, so they fall and rise in time."""
    governor = SchedutilGovernor(POINTS, LATENCY)
    now_ns = 0
    for busy_ns, idle_ns in stretches:
        now_ns = period(governor, now_ns, busy_ns, idle_ns)
    for _ in range(7):  # the estimate falls by a quarter each, to 18 % of its scale at most
        now_ns = period(governor, now_ns + 39 * MS, 1 * MS, 0)
    assert governor.khz[governor.index] == 600_000
    now_ns = period(governor, now_ns, 250 * MS, 0)
    assert governor.khz[governor.index] == 1_500_000


@pytest.mark.parametrize("kind", [OndemandGovernor, SchedutilGovernor])
def test_a_tick_in_the_middle_of_a_stage_scales_what_is_left(
    kind: type[TickingGovernor],
) -> None:
    """200 ms of work under full load from the lowest clock: the governor must speed up inside."""
    table = steep_table((200.0, 1.0, 1.0))
    points = tuple(p for p in table.points)
    frames = frames_leaving_at([0, 0])
    governor = kind(points, table.switch.time_ns)
    governor.index = 0
    costs = ReplayCosts(table, STAGES)
    result = Replay(frames, Traffic([0, 1], None, None), costs).run(governor, points[0])
    slowest_ns, fastest_ns = (table.row("a", p).time_ns for p in (points[0], points[-1]))
    assert fastest_ns < result.latency_ns[0] < slowest_ns
    assert result.switches >= 1
    assert sum(result.residency_ns.values()) == result.wall_ns
    # Work is conserved: cycles at each clock add up to the two stages.
    stalls_ns = result.switches * table.switch.time_ns
    cycles = sum(khz * ns for khz, ns in result.residency_ns.items())
    work = 2 * fastest_ns * points[-1].clock_khz
    assert work <= cycles <= work + stalls_ns * points[-1].clock_khz * 1.001
