"""`edge-infer boards survey` on the guest: the kernel's cpufreq and i2c-dev, a chip that is played.

The guest's P-states are settings without an effect: its clocks lie, and the survey must find that.
"""

import shutil
import signal
from pathlib import Path

from tests.beds.vm.guest.check_iio import write_chip
from tests.beds.vm.guest.child import GUEST_UID
from tests.beds.vm.guest.chip import ADDRESS, OTHER_CHIP, StubChip, load_stub, playing
from tests.beds.vm.guest.cli import Outcome, edge_infer, meter_file, no_meter_file, running
from tests.beds.vm.guest.iio import bound
from tests.beds.vm.guest.machine import appears, load_clock, policy_settings

from edge_infer.boards.profile import read_profile
from edge_infer.commands import boards_survey  # noqa: F401  (once, before the first fork)

METER = f'kind = "ina219"\ni2c_bus = 0\naddress = {ADDRESS:#x}\nadc_samples = 8\n'
PAIR_NS = 8_520_000
TRIES = 10
OUT = Path("/tmp/survey")
SKIPPED = ("rates", "busy", "overhead", "costs", "thermal", "meter-rate")
WORDS = ("boards", "survey", "--board", "linux", "-o", str(OUT), "--yes",
         *(word for name in SKIPPED for word in ("--skip", name)))  # fmt: skip


def to_its_end(*more: str) -> Outcome:
    """Return how a survey ended. A busy host may play a reset too late: then it goes on."""
    outcome = edge_infer(*WORDS, "--json", *more)
    for _ in range(TRIES):
        if outcome.code == 0:
            return outcome
        assert "after a reset" in outcome.out, outcome
        outcome = edge_infer(*WORDS, "--json", "--resume")
    raise AssertionError(outcome)


def check_a_survey_measures_finds_clocks_that_do_nothing_and_puts_all_back() -> None:
    load_stub()
    load_clock()
    meter_file(METER)
    found = policy_settings()
    with playing(10_000, 5_000, PAIR_NS):
        outcome = to_its_end()
    document = outcome.json()
    told = {step["step"]: step for step in document["steps"]}
    assert told["idle"]["outcome"] == "passed", told["idle"]
    assert told["restore"]["outcome"] == "passed", told["restore"]
    assert told["clocks"]["outcome"] == "found", told["clocks"]
    assert document["lying_clocks_khz"] and not document["simulated"]
    assert policy_settings() == found
    profile = read_profile(OUT / "profile.toml")
    assert "hardware" in profile.tested and profile.figures["cpu.clocks_khz"].basis == "measured"
    report = (OUT / "report.txt").read_text()
    assert "5000 mW" in report or "4999 mW" in report or "5001 mW" in report, report


def check_a_survey_that_is_killed_goes_on_and_puts_back_what_the_first_found() -> None:
    shutil.rmtree(OUT)
    found = policy_settings()
    with playing(10_000, 5_000, PAIR_NS):
        survey = running(*WORDS)
        appears(lambda: policy_settings() != found)
        assert survey.kill(signal.SIGKILL) == -signal.SIGKILL
        assert policy_settings() != found
        to_its_end("--resume")
    assert policy_settings() == found


def check_the_kernels_own_meter_driver_serves_as_well() -> None:
    out = "/tmp/survey-kernel"
    words = [out if word == str(OUT) else word for word in WORDS]
    no_meter_file()
    with bound():
        write_chip(1_000, 5_000)
        skipped = ("--skip", "clocks", "--skip", "switches", "--skip", "restore")
        outcome = edge_infer(*words, *skipped, "--meter", "kernel", "--json")
    assert outcome.code == 0, outcome
    told = {step["step"]: step for step in outcome.json()["steps"]}
    assert told["idle"]["outcome"] == "passed", told["idle"]
    assert "5000 mW" in Path(out, "report.txt").read_text()
    meter_file(METER)


def check_a_user_without_rights_gets_a_survey_that_says_so() -> None:
    out, found = "/tmp/survey-guest", policy_settings()
    words = [out if word == str(OUT) else word for word in WORDS]
    outcome = edge_infer(*words, "--json", uid=GUEST_UID)
    assert outcome.code == 0, outcome
    told = {step["step"]: step["text"] for step in outcome.json()["steps"]}
    assert "no permission to write" in told["clocks"], told
    assert "EACCES" in told["idle"] and "group i2c" in told["idle"], told
    assert policy_settings() == found


def check_an_unknown_chip_is_not_written_to() -> None:
    chip = StubChip(OTHER_CHIP)
    for register in range(6):
        chip.write(register, 0x1111 * register)
    outcome = edge_infer(*WORDS, "--meter", f"ina219:0:{OTHER_CHIP:#x}", "--resume")
    assert outcome.code == 1 and "nothing was written to it" in outcome.err, outcome
    assert [chip.read(register) for register in range(6)] == [0x1111 * r for r in range(6)]
    chip.close()
