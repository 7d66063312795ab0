"""What a simulated board is off by: by default, by a seed, by a stated size, and not at all."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.errors import UnknownBoardError
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import DISTURBED, IDEAL, SimulatedBoard, Truth
from edge_infer.boards.simulated.stage_shape import StageShape
from edge_infer.boards.simulated.supply import Ripple, Supply
from edge_infer.boards.simulated.truth import Jitter, row_error

MS, S = 1_000_000, 1_000_000_000
POINT = OperatingPoint(2_400_000)
WORK = Work(
    "work",
    (
        OpWork("CONV_2D", 2_000_000, 10_000),
        OpWork("DEPTHWISE_CONV_2D", 100_000, 10_000),
        OpWork("ADD", 0, 10_000),
        OpWork("CONV_2D", 1_000_000, 10_000),
    ),
)


def board_of(truth: Truth = DISTURBED, seed: int = 0) -> SimulatedBoard:
    profile = load_profile("raspberry-pi-5")
    return SimulatedBoard(profile, truth=truth, seed=seed, keep_power_history=True)


def lived(board: SimulatedBoard) -> list[int]:
    """Work and wait for some seconds; return times and energies."""
    assert board.meter is not None
    board.meter.start()
    found = []
    for _ in range(300):
        board.spend(WORK, POINT)
        found.append(board.timebase.now_ns())
        board.timebase.sleep_until_ns(board.timebase.now_ns() + 10 * MS)
    end_ns = board.timebase.now_ns()
    samples = [sample.power_uw for sample in board.meter.drain(end_ns)]
    return [*found, board.energy_nj(0, end_ns), *samples]


def test_a_seed_gives_the_same_board_to_the_last_digit_and_another_another() -> None:
    assert lived(board_of(seed=3)) == lived(board_of(seed=3))
    assert lived(board_of(seed=3))[:10] != lived(board_of(seed=4))[:10]


def test_boards_by_name_are_disturbed_unless_they_are_to_be_ideal() -> None:
    def took_ns(ideal: bool) -> int:
        with open_board("sim:raspberry-pi-5", ideal=ideal) as board:
            before_ns = board.timebase.now_ns()
            board.spend(WORK, POINT)
            return board.timebase.now_ns() - before_ns

    with open_board("sim:raspberry-pi-5") as board:
        table = board.cost_table([WORK])
    assert table is not None
    row = table.row("work", POINT)
    assert took_ns(ideal=True) == row.time_ns != took_ns(ideal=False)
    assert took_ns(ideal=False) == pytest.approx(row.time_ns, rel=0.2)


def test_only_a_simulated_board_can_be_ideal() -> None:
    with pytest.raises(UnknownBoardError, match="host is no simulated board"):
        open_board("host", ideal=True)


def test_nothing_of_the_truth_is_left_in_an_ideal_board() -> None:
    board = board_of(IDEAL)
    table, idle_uw = board.cost_table([WORK]), board.profile.power
    assert idle_uw is not None
    for _ in range(20):
        start_ns = board.timebase.now_ns()
        board.spend(WORK, POINT)
        end_ns = board.timebase.now_ns()
        row = table.row("work", POINT)
        assert end_ns - start_ns == row.time_ns
        # The same power from the beginning to the end.
        middle_ns = (start_ns + end_ns) // 2
        assert board.trace.mean_uw(start_ns, middle_ns) == board.trace.mean_uw(middle_ns, end_ns)
        board.timebase.sleep_until_ns(end_ns + S)
        assert board.trace.mean_uw(end_ns, end_ns + S) == idle_uw.idle_uw


def test_power_differs_within_a_stage_and_its_mean_stays() -> None:
    shape = StageShape((100, 300, 50), (900, 500, 700))
    assert shape.time_ns == 450
    assert shape.until_fj(100, 450) == 90_000
    assert shape.until_fj(450, 450) == shape.energy_fj == 275_000
    # An invocation that takes twice as long draws the same power for twice as long.
    assert shape.until_fj(900, 900) == 2 * shape.energy_fj
    board = board_of()
    board.spend(WORK, POINT)
    end_ns = board.timebase.now_ns()
    tenths = [board.trace.mean_uw(end_ns * i // 10, end_ns * (i + 1) // 10) for i in range(10)]
    assert max(tenths) > 1.02 * min(tenths)


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 10**6)), min_size=1), st.data())
def test_parts_of_a_stage_add_up(pieces: list[tuple[int, int]], data: st.DataObject) -> None:
    shape = StageShape([ns for ns, _ in pieces], [uw for _, uw in pieces])
    length_ns = data.draw(st.integers(1, 10**6))
    cuts = sorted(data.draw(st.lists(st.integers(0, length_ns), max_size=10)))
    energies = [shape.until_fj(at_ns, length_ns) for at_ns in (0, *cuts, length_ns)]
    assert energies[0] == 0
    assert all(before <= after for before, after in pairwise(energies))
    assert energies[-1] == shape.energy_fj * length_ns // shape.time_ns


def test_most_invocations_are_within_a_percent_and_a_few_are_late() -> None:
    jitter = Jitter(DISTURBED, 5)
    times_ns = [jitter.time_ns(MS) for _ in range(20_000)]
    off = [abs(ns / MS - 1) for ns in times_ns]
    assert sum(part <= 0.01 for part in off) > 0.97 * len(off)
    assert 0.0005 < sum(part > 0.05 for part in off) / len(off) < 0.005
    assert max(times_ns) <= 1.5 * MS
    # A slice of the scheduler at most, however long a stage is.
    assert max(jitter.time_ns(S) for _ in range(20_000)) <= S + 12 * MS + DISTURBED.tail_most_ns


@given(st.integers(0, 10**6))
def test_rows_are_off_by_a_few_per_cent_at_most(seed: int) -> None:
    error = row_error(DISTURBED, seed, "stage", POINT)
    again = row_error(DISTURBED, seed, "stage", POINT)
    assert error == again
    assert 0.88 < error.time < 1.12
    assert 0.86 < error.power < 1.14
    ideal = row_error(IDEAL, seed, "stage", POINT)
    assert ideal.time == ideal.power == 1


def test_a_busy_board_warms_up_and_leaks_more_over_minutes() -> None:
    board = board_of(Truth(process_hz=0, ambient_k=0, jitter=0, tail=0))
    board.timebase.sleep_until_ns(MS)
    cool = board.thermometer.millicelsius()
    long = Work("long", (OpWork("CONV_2D", 20_000_000_000, 10),))
    board.spend(long, OperatingPoint(2_400_000, 4))
    minutes_ns = board.timebase.now_ns()
    for _ in range(round(180 * S / minutes_ns)):
        board.spend(long, OperatingPoint(2_400_000, 4))
    warm = board.thermometer.millicelsius()
    assert cool is not None and warm is not None
    assert 5_000 < warm - cool < 15_000
    end_ns = board.timebase.now_ns()
    board.timebase.sleep_until_ns(end_ns + S)
    leaks_uw = board.trace.mean_uw(end_ns, end_ns + S) - board.trace.mean_uw(0, MS)
    idle_uw = board.profile.power.idle_uw if board.profile.power else 0
    assert 0.003 * idle_uw < leaks_uw < 0.03 * idle_uw


def test_a_higher_clock_idles_at_a_little_more() -> None:
    board, found = board_of(Truth(process_hz=0, ambient_k=0)), []
    for khz in board.clock.supported_khz():
        board.clock.set_khz(khz)
        start_ns = board.timebase.now_ns()
        board.timebase.sleep_until_ns(start_ns + 10 * MS)
        found.append(board.trace.mean_uw(start_ns, start_ns + 10 * MS))
    assert all(low < high for low, high in pairwise(found))
    assert found[-1] < 1.03 * found[0]


def test_other_processes_draw_power_and_slow_work_down() -> None:
    busy = Truth(process_hz=200, process_ns=20 * MS, jitter=0, tail=0)
    quiet = Truth(process_hz=0, jitter=0, tail=0)
    slow, free = (lived(board_of(truth)) for truth in (busy, quiet))
    assert slow[299] > free[299]
    assert sum(slow[301:]) / len(slow[301:]) > sum(free[301:]) / len(free[301:]) + 100_000
    crowded = DISTURBED.slowdown(4, 4)
    assert crowded > DISTURBED.slowdown(1, 4) > 1


def test_a_supply_ripples_about_its_mean() -> None:
    supply = Supply(5000, Ripple(0.01, 0.01))
    assert supply.factor(0, S) == pytest.approx(1, abs=1e-4)
    # Slow ripple shows in a conversion, fast ripple is averaged out.
    halves = [supply.factor(i * 532_000, (i + 1) * 532_000) for i in range(40)]
    assert 1.005 < max(halves) < 1.012
    fast = Supply(5000, Ripple(fast=0.01))
    assert all(abs(fast.factor(i * 532_000, (i + 1) * 532_000) - 1) < 5e-4 for i in range(40))
    assert Supply(5000).factor(3, 7) == 1
