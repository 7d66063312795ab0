"""A kernel without bus, clock or meter: everything that is missing is named."""

from tests.beds.vm.guest.cli import edge_infer


def check_doctor_names_what_is_missing_and_what_mends_it() -> None:
    outcome = edge_infer("doctor", "--json")
    findings = {finding["check"]: finding for finding in outcome.json()["findings"]}
    assert "modprobe i2c-dev" in findings["i2c"]["mend"]
    assert "has no policies" in findings["clock"]["text"]
    assert findings["backend litert"]["status"] == "ok", findings["backend litert"]
    print(f"   litert: {findings['backend litert']['text']}")
    assert outcome.code == 0


def check_a_board_without_clock_control_is_refused() -> None:
    outcome = edge_infer("run", "digits-early-exit", "--board", "linux")
    assert outcome.code == 1 and "does not control the clock" in outcome.err, outcome


def check_another_board_than_this_one_is_refused() -> None:
    outcome = edge_infer("run", "digits-early-exit", "--board", "raspberry-pi-5")
    assert outcome.code == 1 and "this computer is no Raspberry Pi 5" in outcome.err, outcome
