"""A survey of simulated boards whose true profile is hidden from it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from tests.lab.survey.hidden_boards import UNCALIBRATED, Hidden, hidden, hidden_profile
from tests.lab.survey.truth_check import covered, predictions, profile_of

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.simulated import DISTURBED, Disturbance, Hot, MeterFaults
from edge_infer.lab.survey.clocks import lying_clocks, real_clocks
from edge_infer.lab.survey.errors import HotError
from edge_infer.lab.survey.figures import figures_of
from edge_infer.lab.survey.opening import base_document
from edge_infer.lab.survey.outcomes import outcomes
from edge_infer.lab.survey.plan import STEPS
from edge_infer.lab.survey.results import write_results
from edge_infer.lab.survey.rig import Load
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.surveying import survey

LIMITS = {"idle": 0.02, "switch": 0.02, "rates": 0.05, "busy": 0.03}
"""How far off the issue lets each kind of figure be."""
LEAST_COVERED = 0.9
OHM_10 = Load("10ohm:0.1%", 10.0, tolerance=0.001)


def surveyed(of: Hidden, steps: Sequence[str] = (), skip: Sequence[str] = ()) -> SurveyState:
    """What a survey of some steps finds; of all but the last, which is long, by default."""
    state = SurveyState("unknown", True, "2026-11-29")
    kept = [step for step in STEPS if step.name in steps] if steps else STEPS
    survey(of.rig, state, None, kept, skip=skip or ("thermal",))
    return state


@pytest.fixture(scope="module")
def plain() -> tuple[Hidden, SurveyState]:
    """A small hidden board, and all that a survey finds."""
    of = hidden(3, clocks=3)
    return of, surveyed(of)


def test_every_step_passes_or_says_why_not(plain: tuple[Hidden, SurveyState]) -> None:
    _, state = plain
    told = {each.step: each for each in outcomes(state, figures_of(state))}
    assert {name for name, each in told.items() if each.word == "passed"} == {
        "identity", "idle", "clocks", "switches", "rates", "memory", "busy", "overhead",
        "meter-rate",
    }  # fmt: skip
    assert all(each.text for each in told.values())
    assert "gain is not checked" in told["meter"].text


def test_what_the_profile_predicts_is_near_the_truth(plain: tuple[Hidden, SurveyState]) -> None:
    of, state = plain
    for what, error in predictions(of, profile_of(state)):
        assert abs(error) <= LIMITS.get(what, 0.06), (what, error)


def test_the_clocks_are_found_exactly(plain: tuple[Hidden, SurveyState]) -> None:
    of, state = plain
    cpu, truth = profile_of(state).cpu, of.truth.cpu
    assert cpu is not None and truth is not None
    assert cpu.clocks_khz == truth.clocks_khz


def test_everything_is_put_back(plain: tuple[Hidden, SurveyState]) -> None:
    of, _ = plain
    of.board.close()
    sysfs = of.board.sysfs
    folder = "devices/system/cpu/cpufreq/policy0"
    assert sysfs.read(f"{folder}/scaling_governor") == "ondemand"


def test_figures_say_value_interval_method_date_and_firmware(
    plain: tuple[Hidden, SurveyState],
) -> None:
    figure = profile_of(plain[1]).figures["power.busy_core_uw"]
    assert figure.basis == "simulated"  # never measured on a simulated board
    assert figure.low is not None and figure.high is not None
    assert figure.method and figure.date == "2026-11-29" and "6.6" in figure.firmware


@pytest.mark.parametrize("lies", [{0: 2, 1: 2}, {4: 3}, {0: 1}, {5: 2, 4: 2, 3: 2}])
def test_clocks_that_lie_are_found(lies: dict[int, int]) -> None:
    of = hidden(5, clocks=6, lies=lies)
    state = surveyed(of, ("identity", "clocks"))
    assert lying_clocks(state.units("clocks")) == of.lies


def test_a_stuck_clock_is_found() -> None:
    of = hidden(6, clocks=4, lies={0: 2, 1: 2, 3: 2})
    state = surveyed(of, ("identity", "clocks"))
    assert real_clocks(state.units("clocks")).keys() == set(of.rig.clocks_khz)
    assert len(set(real_clocks(state.units("clocks")).values())) == 1
    assert "switches" in surveyed(of, ("identity", "clocks", "switches")).skipped


def test_a_cap_is_waited_for_and_no_lie() -> None:
    of = hidden(7, clocks=4)
    lowest = of.rig.clocks_khz[0]
    of.board.timebase.call_at(100_000_000, lambda: of.board.sysfs.cap(lowest))
    of.board.timebase.call_at(60_000_000_000, lambda: of.board.sysfs.cap(None))
    state = surveyed(of, ("identity", "clocks"))
    assert not lying_clocks(state.units("clocks")) and not state.failed


def test_a_board_that_throttles_after_two_minutes_is_caught() -> None:
    truth = hidden_profile(8, clocks=3).cpu
    assert truth is not None
    # Four cores warm the chip with a time constant of 100 s.
    warming = replace(DISTURBED, kelvin_per_watt=12.0)
    adds_w = CostModel(hidden_profile(8, clocks=3)).busy_cores_uw(4, truth.clocks_khz[-1]) / 1e6
    hot = Hot(54.7 + 0.7 * warming.kelvin_per_watt * adds_w, truth.clocks_khz[0])
    of = hidden(8, clocks=3, disturbance=Disturbance(hot=hot), truth_of=warming)
    state = surveyed(of, ("identity", "thermal"), skip=("serial",))
    told = {each.step: each for each in outcomes(state, figures_of(state))}
    assert told["thermal"].word == "found"
    assert "capped after" in told["thermal"].text
    rows = state.units("thermal")["ten minutes"]["rows"]
    first = next(row["after_s"] for row in rows if row["throttled"])
    assert 60 < first < 300


@pytest.mark.parametrize("gain_ppm", [80_000, -80_000])
def test_a_wrong_gain_is_found_with_a_known_load(gain_ppm: int) -> None:
    faults = MeterFaults(gain_ppm=gain_ppm)
    of = hidden(9, clocks=3, faults=faults, calibration=UNCALIBRATED, load=OHM_10)
    state = surveyed(of, ("identity", "idle", "meter"))
    figures = figures_of(state)
    idle = min(figures.idle_uw.items())[1]
    truth = of.truth.power
    assert truth is not None
    assert idle.low <= truth.idle_uw <= idle.high
    assert abs(idle.value / truth.idle_uw - 1) < 0.02
    assert "off against 10ohm" in figures.gain.words


def test_a_wrong_gain_without_a_known_load_is_said_to_be_unknown() -> None:
    of = hidden(9, clocks=3, faults=MeterFaults(gain_ppm=80_000), calibration=UNCALIBRATED)
    state = surveyed(of, ("identity", "idle", "meter"))
    assert "gain is not checked" in state.skipped["meter"]
    assert figures_of(state).gain.bound == pytest.approx(0.03, rel=0.05)


def test_a_meter_with_an_offset_and_lost_reads_keeps_to_its_interval() -> None:
    faults = MeterFaults(offset_uv=150, oscillator_ppm=60_000)
    of = hidden(10, clocks=3, faults=faults, calibration=UNCALIBRATED, lost_reads_ppm=50_000)
    state = surveyed(of, ("identity", "idle", "switches"))
    idle = min(figures_of(state).idle_uw.items())[1]
    truth = of.truth.power
    assert truth is not None and idle.low <= truth.idle_uw <= idle.high


def test_a_meter_that_fails_is_a_failed_step_and_not_the_end() -> None:
    of = hidden(11, clocks=3, bus_fails_at_ns=1_500_000_000)
    state = surveyed(of, ("identity", "idle", "memory"))
    told = {each.step: each for each in outcomes(state, figures_of(state))}
    assert told["idle"].word == "failed" and "EREMOTEIO" in told["idle"].text
    assert told["memory"].word == "passed"


def test_a_board_that_stays_capped_ends_the_survey_for_now() -> None:
    of = hidden(11, clocks=3)
    of.board.sysfs.cap(of.rig.clocks_khz[0])
    with pytest.raises(HotError, match="--resume"):
        surveyed(of, ("identity", "memory"))
    of.board.sysfs.cap(None)
    assert surveyed(of, ("identity", "memory")).units("memory")


def test_no_load_above_the_limit() -> None:
    """At 54.7 degC and a limit below, nothing is begun; the limit is in the message."""
    of = hidden(11, clocks=3)
    of.rig.stop_at_millicelsius = 50_000
    with pytest.raises(HotError, match="stays above 45 degC at rest"):
        surveyed(of, ("identity", "memory"))


def test_a_shunt_at_its_limit_ends_the_load() -> None:
    """The board draws more than 0.1 ohm and 40 mV can show."""
    of = hidden(11, clocks=3, shunt_range_mv=40, calibration=UNCALIBRATED)
    state = surveyed(of, ("identity", "idle"))
    told = {each.step: each for each in outcomes(state, figures_of(state))}
    assert told["idle"].word == "failed" and "end of its range" in told["idle"].text


def test_a_board_without_a_meter_gets_a_profile_without_power() -> None:
    of = hidden(12, clocks=3)
    of.board.meter = None
    state = surveyed(of, skip=("thermal", "memory"))
    profile = profile_of(state)
    assert profile.power is None and profile.kernels is not None
    assert "no power meter" in state.skipped["idle"] and "no power meter" in state.skipped["busy"]


@pytest.mark.slow
def test_fifty_hidden_boards() -> None:
    """Every figure within the issue's limits; intervals cover in at least 90 of 100."""
    held: dict[str, list[bool]] = defaultdict(list)
    worst: dict[str, float] = defaultdict(float)
    for seed in range(50):
        of = hidden(seed)
        profile = profile_of(surveyed(of))
        assert profile.cpu is not None and of.truth.cpu is not None
        assert profile.cpu.clocks_khz == of.truth.cpu.clocks_khz
        for what, error in predictions(of, profile):
            worst[what] = max(worst[what], abs(error))
        for key, inside in covered(of, profile).items():
            held[key].append(inside)
    assert {what: error for what, error in worst.items() if error > LIMITS.get(what, 0.06)} == {}
    shares = {key: sum(inside) / len(inside) for key, inside in held.items()}
    assert {key: share for key, share in shares.items() if share < LEAST_COVERED} == {}


def test_results_can_be_written_wherever_a_survey_stopped(
    plain: tuple[Hidden, SurveyState], tmp_path: Path
) -> None:
    """Of each prefix of its units the profile is a profile, and the report a report."""
    state = plain[1]
    units = [(step, unit) for step, found in state.found.items() for unit in found]
    for end in range(0, len(units) + 1, 3):
        part = SurveyState("unknown", True, state.date)
        for step, unit in units[:end]:
            part.found.setdefault(step, {})[unit] = state.found[step][unit]
        results = write_results(part, tmp_path, {})
        assert results.profile.figures or end == 0
        assert "What was tested" in results.text
        assert results.profile.power is not None or any("power" in t for t in results.lacks)


def test_a_described_board_keeps_what_was_not_measured(
    plain: tuple[Hidden, SurveyState], tmp_path: Path
) -> None:
    state = plain[1]
    part = SurveyState("raspberry-pi-5", True, state.date)
    part.found = {"identity": state.found["identity"], "idle": state.found["idle"]}
    profile = write_results(part, tmp_path, base_document("raspberry-pi-5")).profile
    assert profile.figures["power.idle_uw"].basis == "simulated"
    assert profile.figures["power.busy_core_uw"].basis == "derived"
    assert profile.quirks and profile.compatible


@pytest.mark.slow
def test_fifty_boards_whose_clocks_lie() -> None:
    """Fewer than half of the clocks run as another: each is found, and no other is named."""
    for seed in range(200, 250):
        random = Random(seed)
        clocks = random.randint(3, 8)
        lying = random.sample(range(clocks), random.randint(0, (clocks - 1) // 2))
        honest = [number for number in range(clocks) if number not in lying]
        of = hidden(seed, clocks=clocks, lies={n: random.choice(honest) for n in lying})
        assert lying_clocks(surveyed(of, ("identity", "clocks")).units("clocks")) == of.lies
