from pathlib import Path

import pytest

from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import TEMPERATURE, THROTTLED, LinuxThermometer


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_first_zone_is_read(tmp_path: Path) -> None:
    write(tmp_path, TEMPERATURE, "48312\n")
    assert LinuxThermometer(RealSysfs(tmp_path)).millicelsius() == 48_312


@pytest.mark.parametrize("text", ["", "hot"])
def test_a_zone_that_says_nothing_is_none(tmp_path: Path, text: str) -> None:
    write(tmp_path, TEMPERATURE, text)
    assert LinuxThermometer(RealSysfs(tmp_path)).millicelsius() is None


@pytest.mark.parametrize(
    ("flags", "throttled"),
    [
        ("0", False),
        ("1", True),  # under-voltage
        ("2", True),  # clock capped
        ("4", True),  # throttled
        ("8", True),  # soft temperature limit
        ("50005", True),
        ("f0000", False),  # all of the past only
    ],
)
def test_only_the_flags_of_now_count(tmp_path: Path, flags: str, throttled: bool) -> None:
    write(tmp_path, THROTTLED, flags + "\n")
    assert LinuxThermometer(RealSysfs(tmp_path)).throttled() is throttled


def test_a_computer_without_either_is_not_throttled(tmp_path: Path) -> None:
    thermometer = LinuxThermometer(RealSysfs(tmp_path))
    assert (thermometer.millicelsius(), thermometer.throttled()) == (None, False)
