from pathlib import Path

import pytest
from tests.fakes.kernel_power import HWMON_FILES, IIO_FILES, make_device

from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.kernel_gauge import KernelGauge, kernel_devices
from edge_infer.boards.sysfs import RealSysfs

HWMON, IIO = "class/hwmon/hwmon3", "bus/iio/devices/iio:device0"


def gauge(root: Path, folder: str, shunt_uohm: int | None = None) -> KernelGauge:
    sysfs = RealSysfs(root)
    device = next(d for d in kernel_devices(sysfs) if d.folder == folder)
    opened = KernelGauge(sysfs, device, shunt_uohm)
    opened.open()
    return opened


def test_both_routes_are_found_and_other_sensors_are_not(tmp_path: Path) -> None:
    make_device(tmp_path, "class/hwmon/hwmon0", {"name": "cpu_thermal"})
    make_device(tmp_path, "class/hwmon/hwmon1", {})
    make_device(tmp_path, HWMON, HWMON_FILES)
    make_device(tmp_path, IIO, IIO_FILES)
    found = kernel_devices(RealSysfs(tmp_path))
    assert [(d.name, d.chip) for d in found] == [("iio:device0", "ina219"), ("hwmon3", "ina219")]


@pytest.mark.parametrize(("folder", "files"), [(HWMON, HWMON_FILES), (IIO, IIO_FILES)])
def test_both_routes_give_the_same_power(
    tmp_path: Path, folder: str, files: dict[str, str]
) -> None:
    make_device(tmp_path, folder, files)
    assert gauge(tmp_path, folder).read() == (5_000, 500_000, 2_500_000)
    # The driver was told 0.1 ohm, the shunt is 0.01 ohm: ten times the current.
    assert gauge(tmp_path, folder, 10_000).read() == (5_000, 5_000_000, 25_000_000)


def test_resolution_is_half_a_step_of_each_route(tmp_path: Path) -> None:
    make_device(tmp_path, HWMON, HWMON_FILES)
    make_device(tmp_path, IIO, IIO_FILES)
    assert gauge(tmp_path, HWMON).resolution_uw == 2_501  # 1 mA at 5 V
    assert gauge(tmp_path, IIO).resolution_uw == 251  # 10 uV over 0.1 ohm at 5 V
    assert gauge(tmp_path, IIO).interval_ns == 532_000


def test_a_driver_that_goes_away_is_a_bus_error(tmp_path: Path) -> None:
    folder = make_device(tmp_path, IIO, IIO_FILES)
    opened = gauge(tmp_path, IIO)
    (folder / "in_voltage1_raw").unlink()
    with pytest.raises(BusError, match="in_voltage1_raw: No such file"):
        opened.read()


def test_nonsense_from_the_kernel_is_named(tmp_path: Path) -> None:
    make_device(tmp_path, HWMON, {**HWMON_FILES, "curr1_input": "much"})
    with pytest.raises(MeterError, match="curr1_input is no number"):
        gauge(tmp_path, HWMON)


def test_a_shunt_of_nothing_is_refused(tmp_path: Path) -> None:
    make_device(tmp_path, HWMON, {**HWMON_FILES, "shunt_resistor": "0"})
    with pytest.raises(MeterError, match="shunt of 0 uohm"):
        gauge(tmp_path, HWMON)
