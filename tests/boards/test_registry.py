import errno
from pathlib import Path

import pytest
from tests.fakes.kernel_power import HWMON_FILES, IIO_FILES, AnsweringFirmware, make_device
from tests.fakes.register_bus import TableBus

from edge_infer.boards import meters, registry
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BoardError, BusError, MeterError
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sampler import ThreadSampler
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer

PI_5 = load_profile("raspberry-pi-5")
NO_SYSFS = RealSysfs(Path("/nonexistent"))
COOL = LinuxThermometer(NO_SYSFS)


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
    monkeypatch.setattr(meters, "open_i2c_bus", lambda number: table)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return table


def test_a_meter_that_answers_is_used(bus: TableBus) -> None:
    def write(i2c_addr: int, register: int, value: int) -> None:
        bus.registers[register] = 0x399F if value == 0x0080 else value >> 8 | (value & 0xFF) << 8

    bus.write_word_data = write  # type: ignore[method-assign]
    assert isinstance(registry._meter(PI_5, NO_SYSFS, COOL), ThreadSampler)


def test_a_bus_without_a_chip_means_no_meter(bus: TableBus) -> None:
    bus.errors.extend([errno.EREMOTEIO] * 9)
    assert registry._meter(PI_5, NO_SYSFS, COOL) is None


def test_a_chip_that_a_driver_holds_is_an_error_and_not_silently_no_meter(bus: TableBus) -> None:
    bus.errors.append(errno.EBUSY)
    with pytest.raises(BusError, match="hwmon"):
        registry._meter(PI_5, NO_SYSFS, COOL)


def test_another_chip_at_the_address_is_an_error(bus: TableBus) -> None:
    with pytest.raises(MeterError, match="is no INA219"):
        registry._meter(PI_5, NO_SYSFS, COOL)


def test_no_bus_means_no_meter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "i2c_path", lambda number: str(tmp_path / "absent"))
    assert registry._meter(PI_5, NO_SYSFS, COOL) is None
    assert registry._meter(load_profile("host"), NO_SYSFS, COOL) is None


def test_a_chip_that_the_kernel_holds_is_read_through_the_kernel(
    bus: TableBus, tmp_path: Path
) -> None:
    make_device(tmp_path / "sys", "bus/iio/devices/iio:device0", IIO_FILES)
    bus.errors.append(errno.EBUSY)
    meter = registry._meter(PI_5, RealSysfs(tmp_path / "sys"), COOL)
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
    meter = registry._meter(PI_5, RealSysfs(tmp_path / "sys"), COOL)
    assert meter is not None and meter.gain_uncertainty_ppm == 7


@pytest.mark.parametrize(
    ("compatible", "name"),
    [
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "raspberry-pi-5"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "raspberry-pi-4b"),
        ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "raspberry-pi-zero-2-w"),
        ("raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "raspberry-pi-3b-plus"),
        ("google,imx8mq-phanbell\0fsl,imx8mq\0", "coral-dev-board"),
        ("some,board\0some,chip\0", "host"),
    ],
)
def test_a_board_is_detected_by_its_device_tree(tmp_path: Path, compatible: str, name: str) -> None:
    assert registry.detect_board(device_tree(tmp_path, compatible)) == name


def test_without_a_device_tree_this_is_the_host() -> None:
    assert registry.detect_board(NO_SYSFS) == "host"


def test_a_microcontroller_is_not_opened_here() -> None:
    with pytest.raises(BoardError, match="over a serial line: edge-infer device status"):
        registry.open_board("stm32l4r5")


def test_clocks_are_verified_by_the_firmware_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Firmware(AnsweringFirmware):
        def close(self) -> None:
            self.closed = True

    firmware = Firmware("frequency(0)=1500000000")
    monkeypatch.setattr(registry, "VideoCore", lambda: firmware)
    clock = CpufreqClock(SimulatedCpufreq((1_000_000, 1_500_000), lambda old, new: None))
    registry._drop_clocks_that_lie(clock, COOL)
    assert clock.supported_khz() == (1_500_000,)
    assert "clock of 1000 MHz dropped: the hardware runs 1500 MHz" in caplog.text
    assert firmware.closed
