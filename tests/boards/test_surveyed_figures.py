"""What a survey puts into a profile, and what the boards that it is tested on can do."""

from dataclasses import replace

import pytest

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import load_profile, parse_profile
from edge_infer.boards.profile_sections import KernelSpeed
from edge_infer.boards.simulated import IDEAL, Disturbance, Hot, SimulatedBoard
from edge_infer.boards.toml_reader import Figure
from edge_infer.boards.uncertainty import with_figures

PROFILE = load_profile("raspberry-pi-5")
ADD = Work("add", (OpWork("ADD", 0, 100_000, 64, 1, 200_000),), first=False, decides=False)
TOP = OperatingPoint(2_400_000)
PERMILLE = "kernels.int8.ops_permille.ADD"


def with_ops(**permille: int) -> CostModel:
    kernels = PROFILE.kernels
    assert kernels is not None
    speed: KernelSpeed = replace(kernels.speeds["int8"], ops_permille=permille)
    changed = replace(kernels, speeds={**kernels.speeds, "int8": speed})
    return CostModel(replace(PROFILE, kernels=changed))


def test_an_operator_that_was_measured_slower_costs_more() -> None:
    plain, slower = with_ops(), with_ops(ADD=1500)
    ops = [model.op_cycles(ADD.ops[0], ADD).work for model in (plain, slower)]
    assert ops[1] == pytest.approx(1.5 * ops[0])


def test_its_range_can_be_drawn_from() -> None:
    profile = with_ops(ADD=1500).profile
    changed = with_figures(profile, {PERMILLE: 700}).kernels
    assert changed is not None and changed.speeds["int8"].ops_permille == {"ADD": 700}


def test_a_bare_invocation_has_none_of_our_code_around_it() -> None:
    model = CostModel(PROFILE)
    whole = replace(ADD, first=True, decides=True)
    bare, overhead = model.cycles(replace(whole, bare=True)), PROFILE.overhead
    assert overhead is not None and bare.overhead == 0
    around = overhead.runtime_cycles + overhead.stage_cycles + overhead.decision_cycles
    assert model.cycles(whole).overhead == around
    assert model.cycles(whole).kernel == bare.kernel


TOML = """
format_version = 2
title = "Board"
[overhead.invoke_cycles]
value = 100
low = 90
high = 110
source = "survey"
basis = "measured"
{more}
"""
REST = "".join(
    f'[overhead.{part}_cycles]\nvalue = 1\nsource = "s"\n'
    for part in ("runtime", "stage", "decision")
)
SAID = 'method = "timed"\ndate = "2026-11-29"\nfirmware = "6.6"\n'


def test_a_measured_figure_says_method_date_and_firmware() -> None:
    profile = parse_profile(TOML.format(more=SAID) + REST, "board")
    figure = profile.figures["overhead.invoke_cycles"]
    assert figure == Figure("survey", "measured", 90, 110, "timed", "2026-11-29", "6.6")


@pytest.mark.parametrize("left_out", ["method", "date", "firmware"])
def test_one_that_does_not_is_refused(left_out: str) -> None:
    lines = [line for line in SAID.splitlines() if not line.startswith(left_out)]
    with pytest.raises(ProfileError, match=f"measured says its {left_out}"):
        parse_profile(TOML.format(more="\n".join(lines)) + REST, "board")


def test_a_published_figure_has_no_method() -> None:
    text = TOML.format(more=SAID).replace('"measured"', '"published"') + REST
    with pytest.raises(ProfileError, match="goes with basis measured or simulated"):
        parse_profile(text, "board")


def test_a_clock_that_lies_shows_in_the_time_alone() -> None:
    board = SimulatedBoard(
        PROFILE, truth=IDEAL, disturbance=Disturbance(lies={1_500_000: 2_400_000})
    )

    def time_ns(khz: int) -> int:
        assert board.clock.set_khz(khz) == khz == board.clock.running_khz()
        before_ns = board.timebase.now_ns()
        board.spend(ADD, TOP)
        return board.timebase.now_ns() - before_ns

    assert time_ns(1_500_000) == time_ns(2_400_000) < time_ns(1_600_000)


def test_a_hot_board_caps_its_clock_until_it_has_cooled() -> None:
    hot = Hot(celsius=56.0, khz=1_500_000)
    board = SimulatedBoard(PROFILE, disturbance=Disturbance(hot=hot))
    burning = replace(ADD, ops=ADD.ops * 5_000)
    while not board.thermometer.throttled():
        board.spend(burning, OperatingPoint(0, 4))
        assert board.timebase.now_ns() < 600_000_000_000
    assert board.sysfs.khz == 1_500_000
    board.timebase.sleep_until_ns(board.timebase.now_ns() + 300_000_000_000)
    assert not board.thermometer.throttled() and board.sysfs.khz == 2_400_000


def test_a_resistor_beside_the_board_draws_what_it_must() -> None:
    board = SimulatedBoard(PROFILE, truth=IDEAL)

    def energy_nj() -> int:
        begin_ns = board.timebase.now_ns()
        board.timebase.sleep_until_ns(begin_ns + 1_000_000_000)
        return board.energy_nj(begin_ns, begin_ns + 1_000_000_000)

    idle = energy_nj()
    board.attach(10.0)
    assert energy_nj() - idle == pytest.approx(1e6 * board.supply_mv**2 / 10 / 1000, rel=1e-6)
    board.attach(None)
    assert energy_nj() == idle
