"""A bus voltage that no supply has is told with every sample; a shunt that is none is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.kernel_power import HWMON_FILES, IIO_FILES, make_device
from tests.fakes.register_bus import TableBus

from edge_infer.boards.calibration import Calibration, KnownLoad, calibrate
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.ina219 import Ina219, Ina219Settings
from edge_infer.boards.ina226 import Ina226
from edge_infer.boards.kernel_gauge import KernelGauge, kernel_devices
from edge_infer.boards.polled_chip import PolledChip
from edge_infer.boards.power import SampleFlag, bus_flag
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated.meter import ConstantLoad, simulated_meter
from edge_infer.boards.simulated.supply import Supply
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.timebase import VirtualTimebase


@pytest.mark.parametrize(
    ("bus_mv", "flagged"),
    [(0, True), (4, True), (499, True), (500, False), (15_996, False), (16_000, True)],
)
def test_near_0_and_the_end_of_the_range_are_flagged(bus_mv: int, flagged: bool) -> None:
    assert bus_flag(bus_mv, Ina219Settings().bus_limit_mv) == (8 if flagged else 0)


@pytest.mark.parametrize(("supply_mv", "flag"), [(5_000, 0), (20_000, 8), (100, 8)])
def test_an_ina219_flags_it(supply_mv: int, flag: int) -> None:
    profile = load_profile("raspberry-pi-5").meter
    assert profile is not None
    now_ns = 0
    meter = simulated_meter(
        profile,
        Supply(supply_mv),
        ConstantLoad(200_000),
        lambda: now_ns,
        lambda: False,
        calibration=Calibration(),
    )
    meter.start()
    now_ns = 10**8
    samples = meter.drain(now_ns)
    assert {sample.flags & SampleFlag.BUS_RANGE for sample in samples} == {flag}
    assert meter.statistics().bus_out_of_range == (len(samples) if flag else 0)


def hwmon(root: Path, bus_mv: int) -> PolledChip:
    folder = make_device(root, "class/hwmon/hwmon0", HWMON_FILES)
    (folder / "in1_input").write_text(f"{bus_mv}\n")
    sysfs = RealSysfs(root)
    return PolledChip(KernelGauge(sysfs, kernel_devices(sysfs)[0]), VirtualTimebase(), 5_000_000)


@pytest.mark.parametrize(("bus_mv", "count"), [(5_000, 0), (3, 1), (32_760, 1)])
def test_a_kernels_meter_flags_and_counts_it(bus_mv: int, count: int, tmp_path: Path) -> None:
    chip = hwmon(tmp_path, bus_mv)
    chip.start()
    sample = chip.poll()
    assert sample is not None
    assert (SampleFlag.BUS_RANGE in sample.flags) == bool(count)
    assert chip.statistics().bus_out_of_range == count


def ina219(shunt_uohm: int) -> object:
    return Ina219(I2cDevice(TableBus({}), 0x40, "bus"), VirtualTimebase(), shunt_uohm=shunt_uohm)


def ina226(shunt_uohm: int) -> object:
    return Ina226(I2cDevice(TableBus({}), 0x40, "bus"), VirtualTimebase(), shunt_uohm=shunt_uohm)


@pytest.mark.parametrize("chip", [ina219, ina226])
@pytest.mark.parametrize("shunt_uohm", [0, -100_000, 100, 10**9])
def test_a_shunt_that_is_none_is_refused_by_every_chip(
    chip: Callable[[int], object], shunt_uohm: int
) -> None:
    with pytest.raises(MeterError, match=f"a shunt of {shunt_uohm} uohm"):
        chip(shunt_uohm)


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("class/hwmon/hwmon0", HWMON_FILES | {"shunt_resistor": "0"}),
        ("class/hwmon/hwmon0", HWMON_FILES | {"shunt_resistor": "-1"}),
        ("bus/iio/devices/iio:device0", IIO_FILES | {"in_shunt_resistor": "0.000000000"}),
    ],
)
def test_and_in_the_kernels_files(folder: str, files: dict[str, str], tmp_path: Path) -> None:
    make_device(tmp_path, folder, files)
    sysfs = RealSysfs(tmp_path)
    with pytest.raises(MeterError, match=f"{folder} states a shunt of"):
        KernelGauge(sysfs, kernel_devices(sysfs)[0]).open()


@pytest.mark.parametrize("unit", [1_000, 10, 0.01])
def test_loads_that_the_readings_are_far_from_calibrate_nothing(unit: float) -> None:
    """As an idle board that reads 2 mW: a load or a shunt in another unit."""
    readings = [[round(watts * 1e6 / unit)] * 20 for watts in (1, 4)]
    low, high = (KnownLoad(w * 10**6, r) for w, r in zip((1, 4), readings, strict=True))
    with pytest.raises(MeterError, match=r"is no calibration .*is the shunt's resistance right"):
        calibrate(low, high)
