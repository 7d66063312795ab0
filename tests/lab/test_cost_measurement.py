"""Measuring on a simulated board gives back what the simulation is made of."""

import pytest

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import IDEAL, Disturbance, RowError, SimulatedBoard
from edge_infer.lab.costs.cost_measurement import CostMeasurement, Mean

SHORT = Work("short", (OpWork("CONV_2D", 200_000, 2_000),))
LONG = Work("long", (OpWork("CONV_2D", 40_000_000, 20_000),), decides=False)


def measured(board: SimulatedBoard, threads: tuple[int, ...] = (1,)) -> CostMeasurement:
    def spending(work: Work):  # type: ignore[no-untyped-def]
        return lambda point: board.spend(work, point)

    invokes = {(work.name, t): spending(work) for work in (SHORT, LONG) for t in threads}
    return CostMeasurement(board, invokes, lambda stage, point, time_ns: 0)


def test_rows_switch_and_idle_are_those_of_the_simulation() -> None:
    board = SimulatedBoard(load_profile("raspberry-pi-5"), truth=IDEAL)
    truth = board.cost_table((SHORT, LONG))
    found = measured(board, (1, 4)).run()
    for (stage, point), row in found.rows.items():
        expected = truth.row(stage, point)
        assert row.time_ns == pytest.approx(expected.time_ns, rel=0.002)
        assert row.power_uw == pytest.approx(expected.power_uw, rel=0.01)
        assert row.origin == "simulated"
    assert len(found.rows) == 2 * 2 * len(truth.idle_uw)
    assert found.switch.time_ns == truth.switch.time_ns
    assert found.switch.energy_nj == pytest.approx(truth.switch.energy_nj, rel=0.03)
    for khz, idle_uw in truth.idle_uw.items():
        assert found.idle_uw[khz] == pytest.approx(idle_uw, rel=0.01)


def test_a_board_that_is_not_its_table_is_measured_as_it_is() -> None:
    rows = {"long": RowError(time=1.2, power=0.9)}
    profile, disturbance = load_profile("raspberry-pi-5"), Disturbance(rows=rows)
    board = SimulatedBoard(profile, truth=IDEAL, disturbance=disturbance)
    truth = board.cost_table((SHORT, LONG))
    found = measured(board).run()
    point = OperatingPoint(2_000_000)
    long = found.row("long", point)
    assert long.time_ns == pytest.approx(1.2 * truth.row("long", point).time_ns, rel=0.002)
    net = long.power_uw - found.idle_reference_uw
    expected = truth.row("long", point).power_uw - truth.idle_reference_uw
    assert net == pytest.approx(0.9 * expected, rel=0.03)


def test_visits_while_throttled_are_thrown_away() -> None:
    start_ns, end_ns = 3_000_000_000, 5_000_000_000
    caps = ((start_ns, 1_500_000), (end_ns, None))
    board = SimulatedBoard(load_profile("raspberry-pi-5"), disturbance=Disturbance(caps=caps))
    truth = board.cost_table((SHORT, LONG))
    measurement = measured(board)
    found = measurement.run()
    assert measurement.discarded > 0
    top = OperatingPoint(2_400_000)
    # One visit may straddle the start of the cap or its end; nothing more may leak in.
    assert found.row("long", top).time_ns == pytest.approx(truth.row("long", top).time_ns, rel=0.1)


def test_a_board_without_meter_gives_times_and_says_so() -> None:
    with open_board("sim:generic-steep-voltage", ideal=True) as board:
        assert isinstance(board, SimulatedBoard)
        found = measured(board).run()
        truth = board.cost_table((SHORT, LONG))
    for key, row in found.rows.items():
        assert row.time_ns == pytest.approx(truth.rows[key].time_ns, rel=0.002)
        assert row.energy_nj == 0
    assert any("no meter" in note for note in found.notes)


def test_clocks_that_read_back_as_another_are_left_out() -> None:
    board = SimulatedBoard(load_profile("raspberry-pi-5"))
    honest = board.clock.set_khz

    def lying(khz: int) -> int:
        return honest(max(khz, 1_800_000))

    board.clock.set_khz = lying  # type: ignore[method-assign]
    measurement = measured(board)
    found = measurement.run()
    assert min(found.idle_uw) == 1_800_000
    assert measurement.skipped_khz == dict.fromkeys((1_500_000, 1_600_000, 1_700_000), 1_800_000)
    assert any("read back as another" in note for note in found.notes)


def test_a_mean_knows_when_it_is_tight() -> None:
    mean = Mean()
    for value in (100.0, 101.0) * 3:
        mean.add(value)
    assert mean.mean == pytest.approx(100.5)
    assert mean.spread == pytest.approx(0.5477, rel=1e-3)
    assert mean.tight
    mean.add(200.0)
    assert not mean.tight
