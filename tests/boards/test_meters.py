import errno
from pathlib import Path

import pytest
from tests.fakes.kernel_power import HWMON_FILES, IIO_FILES, make_device
from tests.fakes.register_bus import INA219_AT_RESET, TableBus

from edge_infer.boards import meters
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sampler import ThreadSampler
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer

PI_5 = load_profile("raspberry-pi-5")
NO_SYSFS = RealSysfs(Path("/nonexistent"))
COOL = LinuxThermometer(NO_SYSFS)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TableBus:
    """A bus file that exists, and what opens from it."""
    (tmp_path / "i2c-1").write_text("")
    table = TableBus(dict(INA219_AT_RESET))
    monkeypatch.setattr(meters, "i2c_path", lambda number: str(tmp_path / f"i2c-{number}"))
    monkeypatch.setattr(meters, "open_i2c_bus", lambda number: table)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return table


def test_a_meter_that_answers_is_used(bus: TableBus) -> None:
    def write(i2c_addr: int, register: int, value: int) -> None:
        bus.registers[register] = 0x399F if value == 0x0080 else value >> 8 | (value & 0xFF) << 8

    bus.write_word_data = write  # type: ignore[method-assign]
    assert isinstance(meters.board_meter(PI_5, NO_SYSFS, COOL), ThreadSampler)


def test_a_bus_without_a_chip_means_no_meter(bus: TableBus) -> None:
    bus.errors.extend([errno.EREMOTEIO] * 9)
    assert meters.board_meter(PI_5, NO_SYSFS, COOL) is None


def test_a_chip_that_a_driver_holds_is_an_error_and_not_silently_no_meter(bus: TableBus) -> None:
    bus.errors.append(errno.EBUSY)
    with pytest.raises(BusError, match="hwmon"):
        meters.board_meter(PI_5, NO_SYSFS, COOL)


def test_another_chip_at_the_address_is_an_error(bus: TableBus) -> None:
    bus.registers = dict.fromkeys(range(256), 0x1111)
    with pytest.raises(MeterError, match="is no INA219"):
        meters.board_meter(PI_5, NO_SYSFS, COOL)


def test_no_bus_means_no_meter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(meters, "i2c_path", lambda number: str(tmp_path / "absent"))
    assert meters.board_meter(PI_5, NO_SYSFS, COOL) is None
    assert meters.board_meter(load_profile("host"), NO_SYSFS, COOL) is None


def test_a_chip_that_the_kernel_holds_is_read_through_the_kernel(
    bus: TableBus, tmp_path: Path
) -> None:
    make_device(tmp_path / "sys", "bus/iio/devices/iio:device0", IIO_FILES)
    bus.errors.append(errno.EBUSY)
    meter = meters.board_meter(PI_5, RealSysfs(tmp_path / "sys"), COOL)
    assert meter is not None
    meter.start()
    assert meter.resolution_uw == 251  # the kernel's scale and shunt: 10 uV over 0.1 ohm at 5 V
    meter.stop()


def test_the_users_meter_file_stands_over_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_device(tmp_path / "sys", "class/hwmon/hwmon0", HWMON_FILES)
    file = tmp_path / "meter.toml"
    file.write_text('kind = "kernel"\n[calibration]\ngain_uncertainty_ppm = 7\n')
    monkeypatch.setenv("EDGE_INFER_METER_FILE", str(file))
    meter = meters.board_meter(PI_5, RealSysfs(tmp_path / "sys"), COOL)
    assert meter is not None and meter.gain_uncertainty_ppm == 7
