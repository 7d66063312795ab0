"""What speaks against a survey before it begins, and what the computer says of itself."""

import os
from pathlib import Path

import pytest

from edge_infer.lab.survey.computer import battery, cpu_core, daemons, nominal_khz
from edge_infer.lab.survey.errors import SurveyError
from edge_infer.lab.survey.safety import alone, reasons_against


class Flags:
    """A thermometer with flags alone."""

    def __init__(self, flags: int | None) -> None:
        self._flags = flags

    def flags(self) -> int | None:
        return self._flags

    def throttled(self) -> bool:
        return False

    def millicelsius(self) -> int | None:
        return None


def process(proc: Path, number: int, name: str) -> None:
    (proc / str(number)).mkdir(parents=True)
    (proc / str(number) / "comm").write_text(f"{name}\n")


def supply(folder: Path, kind: str, status: str, percent: str) -> None:
    folder.mkdir(parents=True)
    for name, text in (("type", kind), ("status", status), ("capacity", percent)):
        (folder / name).write_text(f"{text}\n")


def test_nothing_speaks_against_a_quiet_computer(tmp_path: Path) -> None:
    process(tmp_path / "proc", 1, "systemd")
    assert reasons_against(Flags(0), tmp_path / "proc", tmp_path / "none") == []
    assert reasons_against(Flags(None), tmp_path / "proc", tmp_path / "none") == []


def test_another_governor_is_named_with_its_process(tmp_path: Path) -> None:
    process(tmp_path, 812, "power-profiles-")  # as the kernel cuts it
    process(tmp_path, 900, "tlp")
    process(tmp_path, 901, "tlp-not")
    assert daemons(tmp_path) == ["power-profiles-daemon (process 812)", "tlp (process 900)"]
    [reason] = reasons_against(Flags(0), tmp_path, tmp_path / "none")
    assert "sudo systemctl stop power-profiles-daemon tlp" in reason


@pytest.mark.parametrize(
    ("status", "percent", "refused"),
    [("Discharging", "19", True), ("Discharging", "20", False), ("Charging", "5", False),
     ("Discharging", "what", False)],
)  # fmt: skip
def test_a_low_battery(tmp_path: Path, status: str, percent: str, refused: bool) -> None:
    supply(tmp_path / "BAT0", "Battery", status, percent)
    supply(tmp_path / "AC", "Mains", "", "")
    reasons = reasons_against(Flags(0), tmp_path / "none", tmp_path)
    assert bool(reasons) == refused
    assert not refused or "battery BAT0 at 19 %" in reasons[0]


def test_no_battery(tmp_path: Path) -> None:
    assert battery(tmp_path / "none") is None


@pytest.mark.parametrize(("flags", "said"), [(0x1, "too low now"), (0x10000, "since boot")])
def test_a_weak_supply(tmp_path: Path, flags: int, said: str) -> None:
    [reason] = reasons_against(Flags(flags), tmp_path, tmp_path)
    assert said in reason


def test_the_core_and_the_clock_by_cpuinfo(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nprocessor\t: 1\n"
    )
    assert cpu_core(tmp_path) == "Cortex-A76" and nominal_khz(tmp_path) == 0
    (tmp_path / "cpuinfo").write_text("model name\t: Some CPU\ncpu MHz\t\t: 2596.144\n")
    assert cpu_core(tmp_path) == "Some CPU" and nominal_khz(tmp_path) == 2_596_144
    (tmp_path / "cpuinfo").write_text("CPU implementer\t: 0x41\nCPU part\t: 0xfff\n")
    assert cpu_core(tmp_path) == "Arm part 0xfff"
    assert cpu_core(tmp_path / "none") == ""


def test_a_lock_names_who_holds_it(tmp_path: Path) -> None:
    held = f"process {os.getpid()}"
    with alone(tmp_path, False), pytest.raises(SurveyError, match=held), alone(tmp_path, False):
        pass
    with alone(tmp_path, machine=False):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / ".survey.lock").symlink_to(target)
    with pytest.raises(OSError), alone(tmp_path, machine=False):
        pass
    assert target.read_text() == "kept"
