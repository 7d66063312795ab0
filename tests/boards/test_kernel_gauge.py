from pathlib import Path

import pytest
from tests.fakes.kernel_power import (
    HWMON_FILES,
    IIO_FILES,
    INA228_FILES,
    INA260_FILES,
    INA3221_FILES,
    make_device,
)

from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.kernel_gauge import KernelGauge, chosen_device, kernel_devices
from edge_infer.boards.meter_config import parse_meter
from edge_infer.boards.meters import open_meter
from edge_infer.boards.power import PowerSample
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


def test_an_ina228_tells_its_power_itself_and_an_ina260_knows_its_shunt(tmp_path: Path) -> None:
    make_device(tmp_path, "class/hwmon/hwmon0", INA228_FILES)
    make_device(tmp_path, "class/hwmon/hwmon1", INA260_FILES)
    fine, whole = (gauge(tmp_path, f"class/hwmon/hwmon{n}") for n in (0, 1))
    assert fine.read() == (5_000, 500_080, 2_500_400)
    assert whole.read() == (5_000, 500_000, 2_500_000)
    assert fine.resolution_uw == 201  # 400 uW, as the driver steps over 10 mohm
    assert whole.resolution_uw == 3_126  # half of 1.25 mA at 5 V
    assert fine.bounds.gain_uncertainty_ppm == 5_000 + 10_000  # and the shunt outside
    assert whole.bounds.gain_uncertainty_ppm == 10_000
    assert whole.interval_ns == 35_000_000
    assert (fine.bus_limit_mv, whole.bus_limit_mv) == (85_000, 36_000)


def test_an_ina3221_has_three_supplies(tmp_path: Path) -> None:
    make_device(tmp_path, "class/hwmon/hwmon2", INA3221_FILES)
    sysfs = RealSysfs(tmp_path)
    devices = kernel_devices(sysfs)
    assert [(d.name, d.label) for d in devices] == [
        ("hwmon2:1", "VDD_IN"),
        ("hwmon2:2", "VDD_CPU_GPU_CV"),
        ("hwmon2:3", "VDD_SOC"),
    ]
    for name in ("", "hwmon2"):
        with pytest.raises(MeterError, match=r"3 supplies are measured there; .*hwmon2:1 .*VDD_IN"):
            chosen_device(name, sysfs)
    opened = KernelGauge(sysfs, chosen_device("hwmon2:VDD_CPU_GPU_CV", sysfs))
    opened.open()
    assert opened.read() == (4_980, 100_000, 498_000)
    assert opened.resolution_uw == 1 + 40 * 4_980 * 1000 // 5_000 // 2  # 40 uV over 5 mohm
    assert chosen_device("hwmon2:1", sysfs).label == "VDD_IN"
    with pytest.raises(MeterError, match="no kernel power monitor hwmon2:4; there are: hwmon2:1"):
        chosen_device("hwmon2:4", sysfs)


def test_a_supply_that_is_switched_off_is_none(tmp_path: Path) -> None:
    off = {"in2_enable": "0", "in3_enable": "0"}
    make_device(tmp_path, "class/hwmon/hwmon2", INA3221_FILES | off)
    assert chosen_device("", RealSysfs(tmp_path)).name == "hwmon2:1"


@pytest.mark.parametrize(
    ("files", "text", "power_uw"),
    [
        (INA228_FILES, "kernel", 2_500_400),
        (INA260_FILES, "kernel:hwmon0", 2_500_000),
        (INA3221_FILES, "kernel:hwmon0:1", 2_500_000),
    ],
)
def test_they_are_meters_like_the_others(
    tmp_path: Path, files: dict[str, str], text: str, power_uw: int
) -> None:
    make_device(tmp_path, "class/hwmon/hwmon0", files)
    meter = open_meter(parse_meter(text), RealSysfs(tmp_path))
    meter.start()
    try:
        samples: list[PowerSample] = []
        while not samples:
            samples = list(meter.drain(1 << 62))
    finally:
        meter.stop()
    assert samples[0].power_uw == power_uw
    assert meter.origin == "measured"


@pytest.mark.parametrize("gone", ["power1_input", "in1_input"])
def test_a_driver_without_what_it_should_tell_is_named(tmp_path: Path, gone: str) -> None:
    files = {name: text for name, text in INA228_FILES.items() if name != gone}
    make_device(tmp_path, HWMON, files)
    with pytest.raises(BusError, match=f"{gone}: No such file"):
        gauge(tmp_path, HWMON)
