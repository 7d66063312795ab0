from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile import examples

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.errors import BusError, MeterError, ProfileError
from edge_infer.boards.power import PowerSample
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import IDEAL, Disturbance, RowError, SimulatedBoard
from edge_infer.boards.simulated.board import SWITCH
from edge_infer.boards.simulated.power_trace import HISTORY
from edge_infer.lab.costs.networks import network

PI_4, PI_5 = load_profile("raspberry-pi-4b"), load_profile("raspberry-pi-5")
TOP, LOW = OperatingPoint(2_400_000), OperatingPoint(1_500_000)
WORK = network("resnet-8")
SMALL = Work("small", (OpWork("CONV_2D", 100_000, 100),))
IDLE_UW = 3_680_000


def board(**options: object) -> SimulatedBoard:
    return SimulatedBoard(PI_5, **{"truth": IDEAL} | options)  # type: ignore[arg-type]


def test_a_work_takes_what_its_cost_row_says() -> None:
    place = board()
    for khz in place.clock.supported_khz():
        point = OperatingPoint(khz)
        place.clock.set_khz(khz)
        row = place.cost_table([WORK]).row(WORK.name, point)
        start_ns = place.timebase.now_ns()
        place.spend(WORK, point)
        end_ns = place.timebase.now_ns()
        assert end_ns - start_ns == row.time_ns
        assert place.energy_nj(start_ns, end_ns) == pytest.approx(row.energy_nj, abs=2)


def test_threads_of_the_point_count() -> None:
    place = board()
    table = place.cost_table([WORK])
    for threads in (1, 2, 4):
        start_ns = place.timebase.now_ns()
        place.spend(WORK, OperatingPoint(2_400_000, threads))
        row = table.row(WORK.name, OperatingPoint(2_400_000, threads))
        assert place.timebase.now_ns() - start_ns == row.time_ns


def test_idle_draws_the_idle_power_at_every_clock() -> None:
    place = board()
    for khz in place.clock.supported_khz():
        place.clock.set_khz(khz)
        start_ns = place.timebase.now_ns()
        place.timebase.sleep_until_ns(start_ns + 1_000_000_000)
        assert place.energy_nj(start_ns, start_ns + 1_000_000_000) == IDLE_UW * 1000


def test_a_change_of_clock_takes_355_us_and_its_energy() -> None:
    place = board()
    start_ns = place.timebase.now_ns()
    assert place.clock.set_khz(1_500_000) == 1_500_000
    end_ns = place.timebase.now_ns()
    switch = place.cost_table([]).switch
    assert end_ns - start_ns == 355_000 == switch.time_ns
    assert place.energy_nj(start_ns, end_ns) == pytest.approx(switch.energy_nj, abs=1)
    place.clock.set_khz(1_500_000)
    assert place.timebase.now_ns() == end_ns
    assert place.activities()[SWITCH].count == 1


def test_the_clock_in_force_counts_and_not_the_points_claim() -> None:
    place = board()
    place.sysfs.cap(1_500_000)
    start_ns = place.timebase.now_ns()
    place.spend(WORK, TOP)
    low = CostModel(PI_5).row(WORK, LOW)
    assert place.timebase.now_ns() - start_ns == low.time_ns
    assert place.thermometer.throttled()


def test_a_cap_in_the_middle_of_a_work_slows_its_rest() -> None:
    model = CostModel(PI_5)
    high, low = model.row(WORK, TOP).time_ns, model.row(WORK, LOW).time_ns
    place = board(disturbance=Disturbance(caps=((high // 2, 1_500_000), (10**9, None))))
    place.spend(WORK, TOP)
    expected_ns = high // 2 + 355_000 + low / 2
    assert place.timebase.now_ns() == pytest.approx(expected_ns, abs=5)
    truth = place.activities()[WORK.name]
    assert truth.count == 1
    assert truth.time_ns == place.timebase.now_ns() - 355_000
    place.timebase.sleep_until_ns(2 * 10**9)
    assert not place.thermometer.throttled()
    assert place.sysfs.khz == 2_400_000


def test_events_in_the_middle_of_a_work_run_at_their_time() -> None:
    place, seen = board(), []
    row = CostModel(PI_5).row(WORK, TOP)
    for share in (4, 2):
        place.timebase.call_at(row.time_ns // share, lambda: seen.append(place.timebase.now_ns()))
    place.spend(WORK, TOP)
    assert seen == [row.time_ns // 4, row.time_ns // 2]
    assert place.timebase.now_ns() == pytest.approx(row.time_ns, abs=2)
    assert place.energy_nj(0, row.time_ns) == pytest.approx(row.energy_nj, rel=1e-5)


def test_a_slow_board_and_a_wrong_row_differ_from_the_table() -> None:
    disturbance = Disturbance(1.25, {SMALL.name: RowError(time=1.2, power=0.8)})
    place = board(disturbance=disturbance)
    table = place.cost_table([WORK, SMALL])
    for work, factor, power in ((WORK, 1.25, 1.0), (SMALL, 1.5, 0.8)):
        start_ns = place.timebase.now_ns()
        place.spend(work, TOP)
        took_ns = place.timebase.now_ns() - start_ns
        row = table.row(work.name, TOP)
        assert took_ns == pytest.approx(row.time_ns * factor, abs=1)
        above_uw = place.energy_nj(start_ns, start_ns + took_ns) * 1e6 / took_ns - IDLE_UW
        assert above_uw == pytest.approx((row.power_uw - IDLE_UW) * power, rel=1e-3)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), st.sampled_from([WORK, SMALL]), st.integers(1, 4)),
        st.tuples(st.just("sleep"), st.integers(0, 5_000_000), st.just(0)),
        st.tuples(st.just("set"), st.sampled_from([1_500_000, 1_900_000, 2_400_000]), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS, st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from([None, 1_500_000]))))
def test_activities_and_idle_add_up_to_the_supply(
    steps: list[tuple[str, Work | int, int]], caps: list[tuple[int, int | None]]
) -> None:
    place = board(disturbance=Disturbance(caps=tuple(caps)))
    for what, value, threads in steps:
        if what == "spend":
            assert isinstance(value, Work)
            place.spend(value, OperatingPoint(place.clock.current_khz(), threads))
        elif what == "sleep":
            assert isinstance(value, int)
            place.timebase.sleep_until_ns(place.timebase.now_ns() + value)
        else:
            assert isinstance(value, int)
            place.clock.set_khz(value)
    end_ns = place.timebase.now_ns()
    truths = place.activities().values()
    idle_ns = end_ns - sum(truth.time_ns for truth in truths)
    assert idle_ns >= 0
    total_nj = sum(truth.energy_nj for truth in truths) + IDLE_UW * idle_ns / 1e6
    assert place.energy_nj(0, end_ns) == pytest.approx(total_nj, abs=2 + len(steps))


def run(seed: int) -> list[PowerSample]:
    place = board(seed=seed, lost_reads_ppm=50_000, retries=0)
    assert place.meter is not None
    place.meter.start()
    for _ in range(300):
        place.spend(WORK, TOP)
        place.timebase.sleep_until_ns(place.timebase.now_ns() + 200_000)
    return list(place.meter.drain(place.timebase.now_ns()))


def test_a_seed_repeats_everything_and_another_does_not() -> None:
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_samples_come_up_to_now_and_never_twice() -> None:
    place = board()
    assert place.meter is not None
    place.meter.start()
    samples: list[PowerSample] = []
    for _ in range(50):
        place.spend(WORK, TOP)
        place.timebase.sleep_until_ns(place.timebase.now_ns() + 5_000_000)
        samples += place.meter.drain(place.timebase.now_ns())
    assert all(b.seq == a.seq + 1 for a, b in pairwise(samples))
    last_ns = samples[-1].timestamp_ns
    # The last pair may still be on its way: one pair and one poll.
    assert place.timebase.now_ns() - last_ns < 3 * 1_064_000


def test_a_meter_whose_bus_dies_says_so_after_its_last_samples() -> None:
    place = board(bus_fails_at_ns=1_000_000_000)
    assert place.meter is not None
    place.meter.start()
    place.timebase.sleep_until_ns(3_000_000_000)
    samples = place.meter.drain(3_000_000_000)
    assert samples[-1].timestamp_ns < 1_000_000_000
    assert len(samples) > 900
    with pytest.raises(BusError, match="EREMOTEIO"):
        place.meter.drain(3_000_000_000)


def test_closing_puts_the_governor_back_and_may_be_done_twice() -> None:
    governor = f"{POLICIES}/policy0/scaling_governor"
    with board() as place:
        found = place.sysfs.read(governor)
        place.clock.set_khz(1_500_000)
        assert place.sysfs.read(governor) == "userspace"
    assert place.sysfs.read(governor) == found
    place.close()


@settings(max_examples=examples(5))
@given(st.booleans())
def test_a_kernel_without_userspace_serves_too(userspace: bool) -> None:
    place = board(userspace=userspace)
    assert [place.clock.set_khz(khz) for khz in place.clock.supported_khz()] == list(
        place.clock.supported_khz()
    )


def test_a_long_run_keeps_little_of_its_past() -> None:
    place = board()
    assert place.meter is not None
    place.meter.start()
    times_ns = []
    for i in range(HISTORY):
        times_ns.append(place.timebase.now_ns())
        place.spend(SMALL, TOP)
        place.timebase.sleep_until_ns(place.timebase.now_ns() + 1_000)
        if i % 1_000 == 0:
            place.meter.drain(place.timebase.now_ns())
    end_ns = place.timebase.now_ns()
    truth = place.activities()[SMALL.name]
    idle_nj = IDLE_UW * (end_ns - truth.time_ns) / 1e6
    assert place.energy_nj(0, end_ns) == pytest.approx(truth.energy_nj + idle_nj, abs=3)
    # Of two levels for each spending, the last HISTORY are kept at most.
    for dropped_ns in (1_000, times_ns[HISTORY // 2 - 2]):
        with pytest.raises(MeterError, match="no longer kept"):
            place.energy_nj(dropped_ns, end_ns)


def test_a_profile_without_a_meter_has_none_and_another_chip_is_not_simulated() -> None:
    assert SimulatedBoard(replace(PI_5, meter=None)).meter is None
    assert PI_5.meter is not None
    with pytest.raises(MeterError, match="ina260"):
        SimulatedBoard(replace(PI_5, meter=replace(PI_5.meter, chip="ina260")))


def test_a_board_without_figures_cannot_be_simulated() -> None:
    with pytest.raises(ProfileError, match="states no cpu"):
        SimulatedBoard(load_profile("host"))


def test_a_pi_4_races_to_idle_and_a_pi_5_does_not() -> None:
    # Net energy of one frame in a fixed period, by clock: no less at a low clock on the Pi 4, whose
    # voltage stays; falling on the Pi 5.
    def net_nj(profile_name: str, khz: int) -> int:
        place = SimulatedBoard(load_profile(profile_name), truth=IDEAL)
        place.clock.set_khz(khz)
        start_ns, idle_uw = place.timebase.now_ns(), place.cost_table([]).idle_reference_uw
        place.spend(WORK, OperatingPoint(khz))
        place.timebase.sleep_until_ns(start_ns + 10_000_000)
        return place.energy_nj(start_ns, start_ns + 10_000_000) - idle_uw * 10

    assert net_nj(PI_4.name, 600_000) >= 0.999 * net_nj(PI_4.name, 1_500_000)
    assert net_nj(PI_5.name, 1_500_000) < 0.75 * net_nj(PI_5.name, 2_400_000)
