"""`--board auto` of the commands, on a faked Raspberry Pi 5 and on a computer that is no board."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from tests.fakes.kernel_power import HWMON_FILES, make_device
from tests.fakes.sysfs_tree import make_tree, policy_files

from edge_infer.boards import auto_board, clock_lease, registry
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import THROTTLED
from edge_infer.commands import found_board, power_meter
from edge_infer.commands.root import run_line

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "run.schema.json"
DIGITS = "digits-early-exit"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sysfs of nothing, which every command sees; no settings, no meter file, no I2C."""
    root = tmp_path / "sys"
    root.mkdir()
    for module in (registry, found_board, power_meter):
        monkeypatch.setattr(module, "RealSysfs", lambda: RealSysfs(root))
    for place in (auto_board, clock_lease):
        monkeypatch.setattr(place, "ClockLease", lambda: ClockLease(tmp_path / "run"))
    monkeypatch.setattr(auto_board, "DEV", tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def pi_5(sysfs: Path) -> Path:
    """A Raspberry Pi 5."""
    make_tree(sysfs)
    for path, text in ((registry.DEVICE_TREE, "raspberrypi,5-model-b\0"), (THROTTLED, "0\n")):
        (sysfs / path).parent.mkdir(parents=True, exist_ok=True)
        (sysfs / path).write_text(text)
    return sysfs


def run(capsys: Capture, *arguments: str) -> dict[str, Any]:
    assert run_line(["run", DIGITS, "--frames", "3", "--json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    return document


def test_a_run_takes_the_board_that_is_there_and_leaves_its_clock(
    pi_5: Path, capsys: Capture
) -> None:
    found = policy_files(pi_5)
    document = run(capsys)
    assert (document["board"], document["policy"]) == ("raspberry-pi-5", "none")
    assert document["energy"] is None
    state = document["board_state"]
    assert state["kernel_governor"] == "ondemand" and state["warnings"] == []
    assert len(state["missing"]) == 1 and "do_i2c 0" in state["missing"][0]
    assert policy_files(pi_5) == found
    assert run_line(["run", DIGITS, "--frames", "3"]) == 0
    report = capsys.readouterr().out
    assert "left to the kernel (ondemand): 1500 MHz 100.0 %" in report
    assert "energies are not measured: I2C is off" in report


def test_a_policy_moves_its_clock_and_one_without_effect_is_told(
    pi_5: Path, capsys: Capture
) -> None:
    document = run(capsys, "--policy", "performance")
    assert document["policy"] == "performance" and document["board_state"]["warnings"] == []
    # Plain files: scaling_cur_freq stays at 1500 MHz, whatever is asked for.
    document = run(capsys, "--policy", "powersave")
    (warning,) = document["board_state"]["warnings"]
    assert "did not follow the policy" in warning and "1500 MHz for 600" in warning


def test_a_weak_supply_stands_in_the_summary(pi_5: Path, capsys: Capture) -> None:
    (pi_5 / THROTTLED).write_text("50005\n")
    assert run_line(["run", DIGITS, "--frames", "3"]) == 0
    report = capsys.readouterr().out
    assert "warning" in report and "the supply voltage was too low in 100 % of the run" in report


def test_a_meter_of_a_kernel_driver_gives_energies(pi_5: Path, capsys: Capture) -> None:
    make_device(pi_5, "class/hwmon/hwmon2", HWMON_FILES)
    document = run(capsys)
    assert document["energy"]["origin"] == "measured"
    assert document["board_state"]["missing"] == []


def test_another_computer_is_the_host_and_the_report_says_so(sysfs: Path, capsys: Capture) -> None:
    document = run(capsys)
    assert (document["board"], document["policy"]) == ("host", "none")
    assert run_line(["run", DIGITS, "--frames", "3"]) == 0
    out = capsys.readouterr().out
    assert "on host, policy none" in out and "--board sim:raspberry-pi-5 simulates one" in out


def test_a_policy_that_a_board_named_by_the_user_has_is_as_before(
    sysfs: Path, capsys: Capture
) -> None:
    document = run(capsys, "--board", "host")
    assert document["policy"] == "performance" and document["board_state"]["missing"] == []


def test_measure_goes_on_at_the_clock_that_is_found(
    pi_5: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pi_5 / "devices/system/cpu/cpufreq/policy0/scaling_available_frequencies").write_text("")
    for end in ("min", "max"):
        (pi_5 / f"devices/system/cpu/cpufreq/policy0/cpuinfo_{end}_freq").write_text("")
    assert run_line(["measure", DIGITS, "--threads", "1", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["board"] == "raspberry-pi-5"
    assert "board: raspberry-pi-5" in captured.err
    assert "measured at the clock that is found" in captured.err
    assert "energies are not measured" in captured.err


@pytest.mark.parametrize(
    ("board", "priced"),
    [("pi_5", "sim:raspberry-pi-5"), ("sysfs", "sim:raspberry-pi-5")],
)
def test_tune_takes_the_model_of_the_board_and_says_which(
    board: str, priced: str, request: pytest.FixtureRequest, capsys: Capture
) -> None:
    request.getfixturevalue(board)
    assert found_board.priced_board("auto", None) == priced
    said = capsys.readouterr().err
    assert ("no board that is known" in said) == (board == "sysfs")
    assert found_board.priced_board("host", None) == "host"


def test_a_cost_table_says_itself_which_board_it_is_of(sysfs: Path) -> None:
    assert run_line(["measure", DIGITS, "--threads", "1", "-o", "costs.json"]) == 0
    assert found_board.priced_board("auto", Path("costs.json")) == "host"
    for path, text in (("none.json", None), ("bad.json", "{"), ("odd.json", "[]")):
        if text is not None:
            Path(path).write_text(text)
        assert found_board.priced_board("auto", Path(path)) == "sim:raspberry-pi-5"


def test_an_ideal_board_is_simulated(sysfs: Path, capsys: Capture) -> None:
    assert run_line(["run", DIGITS, "--ideal"]) != 0
    assert "auto is no simulated board" in capsys.readouterr().err


def test_power_monitor_takes_the_kernels_meter_and_warns_of_a_guess(
    pi_5: Path, capsys: Capture
) -> None:
    make_device(pi_5, "class/hwmon/hwmon2", HWMON_FILES)
    assert str(power_meter.configured_meter(None)) == "kernel:hwmon2"
    (pi_5 / "class/hwmon/hwmon2/name").write_text("rpi_volt")
    assert str(power_meter.configured_meter(None)) == "ina219:1:0x40"
    assert "nobody named a meter" in capsys.readouterr().err
