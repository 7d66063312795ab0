import errno
from pathlib import Path

import pytest

from boards import registry
from boards.errors import BoardError, BusError, MeterError
from boards.profile import load_profile
from boards.sampler import ThreadSampler
from boards.sysfs import RealSysfs
from boards.thermal import LinuxThermometer
from tests.fakes.register_bus import TableBus

PI_5 = load_profile("raspberry-pi-5")
COOL = LinuxThermometer(RealSysfs(Path("/nonexistent")))


def device_tree(root: Path, text: str) -> RealSysfs:
    file = root / registry.DEVICE_TREE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return RealSysfs(root)


def test_a_board_is_known_by_its_device_tree(tmp_path: Path) -> None:
    sysfs = device_tree(tmp_path, "raspberrypi,5-model-b\0brcm,bcm2712\0")
    registry._check_compatible(PI_5, sysfs)
    with pytest.raises(BoardError, match="its device tree says raspberrypi,5-model-b, brcm"):
        registry._check_compatible(load_profile("raspberry-pi-4b"), sysfs)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TableBus:
    """A bus file that exists, and what opens from it."""
    (tmp_path / "i2c-1").write_text("")
    table = TableBus({})
    monkeypatch.setattr(registry, "i2c_path", lambda number: str(tmp_path / f"i2c-{number}"))
    monkeypatch.setattr(registry, "open_i2c_bus", lambda number: table)
    return table


def test_a_meter_that_answers_is_used(bus: TableBus) -> None:
    def write(i2c_addr: int, register: int, value: int) -> None:
        bus.registers[register] = 0x399F if value == 0x0080 else value >> 8 | (value & 0xFF) << 8

    bus.write_word_data = write  # type: ignore[method-assign]
    assert isinstance(registry._meter(PI_5, COOL), ThreadSampler)


def test_a_bus_without_a_chip_means_no_meter(bus: TableBus) -> None:
    bus.errors.extend([errno.EREMOTEIO] * 9)
    assert registry._meter(PI_5, COOL) is None


def test_a_chip_that_a_driver_holds_is_an_error_and_not_silently_no_meter(bus: TableBus) -> None:
    bus.errors.append(errno.EBUSY)
    with pytest.raises(BusError, match="hwmon"):
        registry._meter(PI_5, COOL)


def test_another_chip_at_the_address_is_an_error(bus: TableBus) -> None:
    with pytest.raises(MeterError, match="is no INA219"):
        registry._meter(PI_5, COOL)


def test_no_bus_means_no_meter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "i2c_path", lambda number: str(tmp_path / "absent"))
    assert registry._meter(PI_5, COOL) is None
    assert registry._meter(load_profile("host"), COOL) is None
