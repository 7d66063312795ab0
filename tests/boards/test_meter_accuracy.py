"""The board's energy from the meter's samples against the simulator's truth."""

from itertools import pairwise

import pytest

from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.power import PowerSample
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import MeterFaults, SimulatedBoard

PI_5 = load_profile("raspberry-pi-5")
TOP = OperatingPoint(2_400_000)
SECOND_NS = 1_000_000_000
LOADS_US = {50: 137, 1_000: 2_311, 20_000: 33_333, 200_000: 333_333}
"""Busy time and period of the bursts."""
WORST = MeterFaults(shunt_ppm=10_000, gain_ppm=5_000, offset_uv=200, oscillator_ppm=50_000)
"""As bad as the datasheet's limits allow an uncalibrated chip on a 1 % shunt."""


def burst(busy_us: int) -> Work:
    """Return a work of about this length at 2400 MHz (40 cycles a kMAC)."""
    cycles = busy_us * 2_400 - 43_800  # without runtime, decision, invocation and one operator
    return Work("burst", (OpWork("CONV_2D", max(1, cycles * 25), 1),))


def run(
    busy_us: int, seed: int, faults: MeterFaults | None, retries: int = 2
) -> tuple[SimulatedBoard, list[PowerSample]]:
    board = SimulatedBoard(
        PI_5,
        seed=seed,
        meter_faults=faults,
        lost_reads_ppm=50_000,
        retries=retries,
        keep_power_history=True,
    )
    board.clock.set_khz(TOP.clock_khz)
    assert board.meter is not None
    board.meter.start()
    work, period_ns = burst(busy_us), LOADS_US[busy_us] * 1_000
    samples: list[PowerSample] = []
    while board.timebase.now_ns() < 10 * SECOND_NS:
        start_ns = board.timebase.now_ns()
        board.spend(work, TOP)
        board.timebase.sleep_until_ns(start_ns + period_ns)
        samples += board.meter.drain(board.timebase.now_ns())
    return board, samples


def trapezoid(samples: list[PowerSample]) -> tuple[float, int, int]:
    """Return the energy in nJ between the middles of the first and the last sample, and those."""
    middles = [(s.timestamp_ns - s.interval_ns // 2, s.power_uw) for s in samples]
    fj = sum((a + b) / 2 * (to - at) for (at, a), (to, b) in pairwise(middles))
    return fj / 1e6, middles[0][0], middles[-1][0]


@pytest.mark.parametrize("busy_us", LOADS_US)
@pytest.mark.parametrize(
    ("seed", "faults"), [(0, None), (1, None), (2, WORST)], ids=["chip 0", "chip 1", "worst"]
)
def test_the_supply_is_within_one_percent_and_within_its_stated_bound(
    busy_us: int, seed: int, faults: MeterFaults | None
) -> None:
    board, samples = run(busy_us, seed, faults)
    measured_nj, from_ns, to_ns = trapezoid(samples)
    true_nj = board.energy_nj(from_ns, to_ns)
    assert to_ns - from_ns > 9.9 * SECOND_NS
    assert measured_nj == pytest.approx(true_nj, rel=0.01)
    # Calibrated, with what noise of sampling 20 to 30,000 bursts for half the time leaves.
    assert measured_nj == pytest.approx(true_nj, rel=0.003)
    idle_nj = 3_680_000 * (to_ns - from_ns) / 1e6
    assert measured_nj - idle_nj == pytest.approx(true_nj - idle_nj, rel=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_constant_load_stays_within_what_calibration_states(seed: int) -> None:
    board = SimulatedBoard(PI_5, seed=seed, keep_power_history=True)
    meter = board.meter
    assert meter is not None
    meter.start()
    board.timebase.sleep_until_ns(SECOND_NS)
    samples = list(meter.drain(SECOND_NS))
    measured_nj, from_ns, to_ns = trapezoid(samples)
    true_nj = board.energy_nj(from_ns, to_ns)
    bound_uw = meter.offset_uncertainty_uw + meter.resolution_uw
    bound_nj = meter.gain_uncertainty_ppm * true_nj / 1e6 + bound_uw * (to_ns - from_ns) / 1e6
    assert abs(measured_nj - true_nj) <= bound_nj
    assert bound_nj < 0.002 * true_nj


def test_an_uncalibrated_chip_would_miss_by_more_than_calibration_leaves() -> None:
    from edge_infer.boards.calibration import Calibration

    board = SimulatedBoard(PI_5, meter_faults=WORST, calibration=Calibration())
    assert board.meter is not None
    board.meter.start()
    board.timebase.sleep_until_ns(SECOND_NS // 10)
    sample = board.meter.drain(board.timebase.now_ns())[0]
    assert sample.power_uw > 1.01 * 3_680_000


def test_lost_conversions_without_retries_cost_samples_and_not_accuracy() -> None:
    board, samples = run(1_000, 3, None, retries=0)
    measured_nj, from_ns, to_ns = trapezoid(samples)
    assert measured_nj == pytest.approx(board.energy_nj(from_ns, to_ns), rel=0.01)
    assert board.meter is not None
    assert board.meter.statistics().lost > 300
    assert len(samples) < 0.97 * 9_398


def test_at_least_900_pairs_a_second_of_a_typical_chip_despite_lost_reads() -> None:
    board, samples = run(1_000, 0, MeterFaults())
    assert len(samples) >= 900 * board.timebase.now_ns() // SECOND_NS
