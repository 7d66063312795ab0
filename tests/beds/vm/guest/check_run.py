"""`edge-infer run` end to end on the guest: the real clock, the played meter, real answers."""

import signal

from tests.beds.vm.guest.chip import ADDRESS, load_stub, playing
from tests.beds.vm.guest.cli import BUNDLE, edge_infer, meter_file, running
from tests.beds.vm.guest.machine import appears, load_clock, policy_settings

METER = f'kind = "ina219"\ni2c_bus = 0\naddress = {ADDRESS:#x}\nadc_samples = 8\n'
PAIR_NS = 8_520_000


def check_run_on_the_real_clock_answers_as_the_simulated_board() -> None:
    load_stub()
    load_clock()
    meter_file(METER)
    found = policy_settings()
    with playing(10_000, 5_000, PAIR_NS):
        here = edge_infer(
            "run", BUNDLE, "--board", "linux", "--frames", "150", "--resolver", "reference",
            "--json",
        ).json()  # fmt: skip
    there = edge_infer(
        "run", BUNDLE, "--board", "sim:raspberry-pi-5", "--frames", "150", "--resolver",
        "reference", "--json",
    ).json()  # fmt: skip
    assert here["accuracy"] == there["accuracy"]
    assert here["exits"] == there["exits"]
    assert not here["simulated"] and here["energy"]["origin"] == "measured"
    assert policy_settings() == found


def check_a_run_that_is_killed_is_restored_by_boards_restore() -> None:
    found = policy_settings()
    with playing(10_000, 5_000, PAIR_NS):
        run = running("run", BUNDLE, "--board", "linux", "--policy", "powersave",
                      "--duration", "60s")  # fmt: skip
        appears(lambda: policy_settings() != found)
        assert run.kill(signal.SIGKILL) == -signal.SIGKILL
    assert policy_settings() != found
    outcome = edge_infer("boards", "restore")
    assert outcome.out == "the clock is put back\n", outcome
    assert policy_settings() == found


def check_a_meter_that_is_not_there_is_told_before_the_first_frame() -> None:
    meter_file(METER.replace(f"{ADDRESS:#x}", "0x4f"))
    found = policy_settings()
    outcome = edge_infer("run", BUNDLE, "--board", "linux", "--frames", "10")
    assert outcome.code == 1 and "address 0x4f: ENODEV" in outcome.err, outcome
    assert policy_settings() == found
    meter_file(METER)
