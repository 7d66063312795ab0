"""A power monitor that a kernel driver holds, read through hwmon or IIO.

Linux documentation: hwmon/ina2xx.rst and hwmon/sysfs-interface.rst (in1_input mV, curr1_input mA,
power1_input uW, update_interval ms); ABI/testing/sysfs-bus-iio (raw, scale, integration_time);
drivers/iio/adc/ina2xx-adc.c (voltage0 shunt, voltage1 bus, current3, power2, shunt_resistor ohm).
"""

from dataclasses import dataclass

from edge_infer.boards.calibration import Calibration, check_shunt_uohm
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.ina219 import BUS_ERROR_PPM, CURRENT_ERROR_PPM
from edge_infer.boards.polled_chip import Power
from edge_infer.boards.sysfs import Sysfs

HWMON = "class/hwmon"
IIO = "bus/iio/devices"
CHIPS = ("ina219", "ina220", "ina226", "ina230", "ina231")
SHUNT_TOLERANCE_PPM = 10_000
OFFSET_UV = 200
"""INA219 datasheet SBOS448G, 7.5: the greatest offset, at PGA /8, which both drivers select."""


@dataclass(frozen=True, slots=True)
class KernelDevice:
    """One device of the kernel that measures power."""

    folder: str
    """Below /sys."""
    chip: str
    iio: bool

    @property
    def name(self) -> str:
        """Its folder's own name: hwmon2 or iio:device0."""
        return self.folder.rsplit("/", 1)[-1]


def kernel_devices(sysfs: Sysfs) -> tuple[KernelDevice, ...]:
    """Return the kernel's power monitors of the INA219 family; IIO before hwmon.

    IIO gives the shunt voltage at its full resolution, hwmon whole mA and mV.
    """
    found = []
    for folder, iio in ((IIO, True), (HWMON, False)):
        for name in sysfs.names(folder):
            path = f"{folder}/{name}"
            chip = _text(sysfs, f"{path}/name")
            if chip in CHIPS:
                found.append(KernelDevice(path, chip, iio))
    return tuple(found)


class KernelGauge:
    """Fulfils `Gauge` over one device.

    Args:
        sysfs: the tree.
        device: the device.
        shunt_uohm: the real shunt, where the driver was told another; None to take the driver's.
    """

    def __init__(self, sysfs: Sysfs, device: KernelDevice, shunt_uohm: int | None = None) -> None:
        self._sysfs = sysfs
        self._device = device
        self._asked_uohm = shunt_uohm
        self._shunt_uohm = 0
        self._shunt_scale_mv = self._bus_scale_mv = 1.0
        self.bus_limit_mv = 32_000 if device.chip in ("ina219", "ina220") else 36_000
        self.interval_ns = 0
        self.resolution_uw = 0
        self.bounds = Calibration()

    def open(self) -> None:
        """Read scales, shunt and conversion time. Raises MeterError or BusError."""
        if self._device.iio:
            self._shunt_uohm = round(1e6 * self._number("in_shunt_resistor"))
            self._shunt_scale_mv = self._number("in_voltage0_scale")
            self._bus_scale_mv = self._number("in_voltage1_scale")
            self.interval_ns = round(1e9 * self._number_or("in_voltage0_integration_time", 0))
        else:
            self._shunt_uohm = round(self._number_or("shunt_resistor", 10_000))
            self.interval_ns = round(1e6 * self._number_or("update_interval", 0))
        try:
            check_shunt_uohm(self._shunt_uohm)
        except MeterError as error:
            raise MeterError(f"{self._where()} states {error}") from error
        bus_mv = max(1, self.read().bus_mv)
        shunt_uohm = self._asked_uohm or self._shunt_uohm
        step_uv = 1000 * self._shunt_scale_mv if self._device.iio else shunt_uohm / 1000
        self.resolution_uw = round(step_uv * bus_mv * 1000 / shunt_uohm / 2) + 1
        self.bounds = Calibration(
            gain_uncertainty_ppm=CURRENT_ERROR_PPM + BUS_ERROR_PPM + SHUNT_TOLERANCE_PPM,
            offset_uncertainty_uw=OFFSET_UV * bus_mv * 1000 // shunt_uohm,
        )

    def read(self) -> Power:
        """Return the power now. Raises BusError."""
        if self._device.iio:
            shunt_uv = 1000 * self._number("in_voltage0_raw") * self._shunt_scale_mv
            bus_mv = round(self._number("in_voltage1_raw") * self._bus_scale_mv)
            current_ua = round(shunt_uv * 1e6 / (self._asked_uohm or self._shunt_uohm))
        else:
            bus_mv = round(self._number("in1_input"))
            current_ua = round(1000 * self._number("curr1_input"))
            if self._asked_uohm:
                current_ua = current_ua * self._shunt_uohm // self._asked_uohm
        return Power(bus_mv, current_ua, current_ua * bus_mv // 1000)

    def _number(self, name: str) -> float:
        path = f"{self._device.folder}/{name}"
        try:
            return float(self._sysfs.read(path))
        except OSError as error:
            failure = BusError(f"{self._sysfs.where(path)}: {error.strerror}; see dmesg")
            failure.errno = error.errno
            raise failure from error
        except ValueError as error:
            raise MeterError(f"{self._sysfs.where(path)} is no number: {error}") from error

    def _number_or(self, name: str, default: float) -> float:
        try:
            return self._number(name)
        except BusError:
            return default

    def _where(self) -> str:
        return self._sysfs.where(self._device.folder)


def _text(sysfs: Sysfs, path: str) -> str:
    try:
        return sysfs.read(path)
    except OSError:
        return ""
