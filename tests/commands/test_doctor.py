import errno
import json
import os
from pathlib import Path

import fastjsonschema
import pytest
from tests.fakes.gpio_kernel import GpioKernel
from tests.fakes.kernel_power import IIO_FILES, make_device
from tests.fakes.sysfs_tree import make_tree

from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import THROTTLED
from edge_infer.commands import doctor_board, doctor_system
from edge_infer.commands.doctor_system import Finding
from edge_infer.commands.root import run_line
from edge_infer.firmware_bridge.host.ports import PortInfo

SCHEMA = Path(__file__).parents[2] / "tools/commands/schemas/doctor.schema.json"


def only(findings: list[Finding], check: str) -> Finding:
    found = [finding for finding in findings if finding.check == check]
    assert len(found) == 1, findings
    return found[0]


def test_every_finding_that_is_not_ok_says_what_mends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run_line(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    assert code == (1 if document["problems"] else 0)
    for finding in document["findings"]:
        assert finding["mend"] or finding["status"] == "ok", finding
    assert {"python", "backend litert", "package names", "memory", "disk"} <= {
        finding["check"] for finding in document["findings"]
    }


def test_backends_say_whether_int8_is_delegated() -> None:
    texts = {f.check: f.text for f in doctor_system.backend_findings() if f.status == "ok"}
    assert "int8 runs on XNNPACK" in texts["backend litert"]
    if "backend tflite-runtime" in texts:
        assert "built-in kernels" in texts["backend tflite-runtime"]


def test_a_package_of_another_distribution_is_a_clash() -> None:
    owners = {"edge_infer": ["edge-infer"]}
    assert [f.status for f in doctor_system.name_findings(owners)] == ["ok"]
    owners["edge_infer"] = ["edge-infer", "other-runtime"]
    clash = next(iter(doctor_system.name_findings(owners)))
    assert clash.status == "problem"
    assert "edge_infer also comes from other-runtime" in clash.text
    assert clash.mend.startswith("pip uninstall other-runtime")


def test_gpio_chips_are_named_as_the_marker_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = GpioKernel(tmp_path, {"gpiochip0": ["", "GPIO1"], "gpiochip4": [""]})
    found = list(doctor_board.gpio_findings(tmp_path, kernel.ioctl))
    assert [(f.check, f.status) for f in found] == [("gpiochip0", "ok"), ("gpiochip4", "ok")]
    assert found[0].text == "played, 2 lines: --marker gpiochip0:LINE"

    def refuse(path: object, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    refused = next(iter(doctor_board.gpio_findings(tmp_path)))
    assert "usermod -aG gpio" in refused.mend


def test_no_bus_names_the_command_that_enables_it(tmp_path: Path) -> None:
    finding = only(list(doctor_board.i2c_findings(tmp_path)), "i2c")
    assert "raspi-config nonint do_i2c 0" in finding.mend


def test_a_kernel_that_controls_no_clock_is_a_note(tmp_path: Path) -> None:
    finding = only(list(doctor_board.clock_findings(RealSysfs(tmp_path))), "clock")
    assert finding.status == "note" and "no policies" in finding.text


@pytest.mark.parametrize("governors", ["ondemand userspace", "ondemand performance"])
def test_clocks_and_governors_are_named(tmp_path: Path, governors: str) -> None:
    root = make_tree(tmp_path / "sys", governors=governors)
    finding = only(list(doctor_board.clock_findings(RealSysfs(root), tmp_path)), "clock")
    assert "600 to 1500 MHz, governor ondemand" in finding.text
    assert ("limits: there is no userspace" in finding.text) == ("userspace" not in governors)


def test_a_clock_left_by_a_killed_run_is_found(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "sys")
    (tmp_path / "clock.json").write_text("{}")
    findings = list(doctor_board.clock_findings(RealSysfs(root), tmp_path))
    assert findings[-1].mend == "edge-infer boards restore"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_a_clock_that_may_not_be_written_is_a_problem(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "sys")
    for file in (root / "devices/system/cpu/cpufreq/policy0").iterdir():
        file.chmod(0o444)
    finding = only(list(doctor_board.clock_findings(RealSysfs(root), tmp_path)), "clock")
    assert finding.status == "problem" and "install-service" in finding.mend


@pytest.mark.parametrize(
    ("bits", "texts"),
    [
        ("0", ["never since boot"]),
        ("50005", ["voltage is too low now", "throttled now", "too low since", "throttled since"]),
        ("20000", ["capped since boot"]),
    ],
)
def test_the_firmwares_throttle_bits_are_told(tmp_path: Path, bits: str, texts: list[str]) -> None:
    file = tmp_path / THROTTLED
    file.parent.mkdir(parents=True)
    file.write_text(bits)
    findings = list(doctor_board.throttle_findings(RealSysfs(tmp_path)))
    assert len(findings) == len(texts)
    for finding, text in zip(findings, texts, strict=True):
        assert text in finding.text
        assert (finding.status == "problem") == finding.text.endswith("now")


def test_a_kernel_driver_and_a_meter_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_device(tmp_path, "bus/iio/devices/iio:device0", IIO_FILES)
    monkeypatch.setenv("EDGE_INFER_METER_FILE", str(tmp_path / "meter.toml"))
    (tmp_path / "meter.toml").write_text('kind = "kernel"')
    found = list(doctor_board.meter_findings(RealSysfs(tmp_path)))
    assert "--meter kernel:iio:device0" in only(found, "meter").text
    assert "kernel, not calibrated" in only(found, "meter file").text
    (tmp_path / "meter.toml").write_text("kind = 3")
    broken = only(list(doctor_board.meter_findings(RealSysfs(tmp_path))), "meter file")
    assert broken.status == "problem" and "correct or remove" in broken.mend


def process(proc: Path, pid: int, name: str, *files: Path) -> None:
    folder = proc / str(pid) / "fd"
    folder.mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    for number, file in enumerate(files):
        (folder / str(number)).symlink_to(file)


def test_a_port_held_by_somebody_is_named_with_the_holder(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.write_text("")
    info, proc = PortInfo(str(port), "a board", "USB"), tmp_path / "proc"
    process(proc, 7, "sleep")
    assert [f.status for f in doctor_system.serial_findings([info], proc)] == ["ok"]
    process(proc, 8, "minicom", port)
    process(proc, 9, "ModemManager")
    held, modem = doctor_system.serial_findings([info], proc)
    assert held.status == "problem" and "held by minicom (process 8)" in held.text
    assert "ID_MM_DEVICE_IGNORE" in modem.mend


def test_little_memory_is_a_problem(tmp_path: Path) -> None:
    for free_kib, status in ((131_071, "problem"), (131_072, "ok")):
        (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {free_kib} kB\n")
        assert [f.status for f in doctor_system.memory_findings(tmp_path)] == [status]


def test_nothing_to_restore_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    if Path("/run/edge-infer/clock.json").exists():
        pytest.skip("a run holds this computer's clock")
    assert run_line(["boards", "restore"]) == 0
    assert capsys.readouterr().out == "nothing to put back\n"
