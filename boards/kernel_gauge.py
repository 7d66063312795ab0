"""A power monitor that a kernel driver holds, read through hwmon or IIO.

Linux documentation: hwmon/ina2xx.rst, ina238.rst, ina3221.rst and sysfs-interface.rst (in1_input
mV, curr1_input mA, power1_input uW, update_interval ms); ABI/testing/sysfs-bus-iio (raw, scale,
integration_time); drivers/iio/adc/ina2xx-adc.c (voltage0 shunt, voltage1 bus, current3, power2,
shunt_resistor ohm). An INA3221 has three channels, without a power; an INA228's driver tells its
power in finer steps than current and voltage; an INA260 has its shunt inside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_infer.boards.calibration import Calibration, check_shunt_uohm
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.ina219 import BUS_ERROR_PPM, CURRENT_ERROR_PPM
from edge_infer.boards.polled_chip import Power
from edge_infer.boards.sysfs import Sysfs

HWMON = "class/hwmon"
IIO = "bus/iio/devices"
SHUNT_TOLERANCE_PPM = 10_000
DEFAULT_SHUNT_UOHM = 10_000
"""What the drivers assume where no device tree says another, and hwmon does not tell."""


@dataclass(frozen=True, slots=True)
class ChipFacts:
    """What the data sheet and the driver leave of a chip's reading.

    Args:
        bus_limit_mv: end of its bus voltage's range.
        gain_ppm: greatest gain error of the power, shunt left out.
        offset_uv: greatest offset, over the shunt.
        step_uv: step of the shunt voltage; the driver rounds the current to 1 mA besides.
        channels: supplies that it watches.
        tells_power: its power1_input has more digits than current and voltage.
        own_shunt_uohm: shunt inside, whose error is in `gain_ppm`; 0 for one outside.
    """

    bus_limit_mv: int
    gain_ppm: int = CURRENT_ERROR_PPM + BUS_ERROR_PPM
    offset_uv: int = 200
    step_uv: float = 0.0
    channels: int = 1
    tells_power: bool = False
    own_shunt_uohm: int = 0


CHIPS: Mapping[str, ChipFacts] = {
    # SBOS448G, 7.5: the greatest offset, at PGA /8, which both drivers select.
    "ina219": ChipFacts(32_000),
    "ina220": ChipFacts(32_000),
    "ina226": ChipFacts(36_000),
    "ina230": ChipFacts(36_000),
    "ina231": ChipFacts(36_000),
    # Power, offset: SLYS021A (INA228) 0.5 %, 1 uV; SBOSA20A (INA237) 1.6 %, 50 uV; SLYS025A
    # (INA238) 0.7 %, 5 uV.
    "ina228": ChipFacts(85_000, gain_ppm=5_000, offset_uv=1, tells_power=True),
    "ina237": ChipFacts(85_000, gain_ppm=16_000, offset_uv=50, tells_power=True),
    "ina238": ChipFacts(85_000, gain_ppm=7_000, offset_uv=5, tells_power=True),
    # SBOS656C, 6.5: current 0.5 %, bus 0.5 %, offset 5 mA, step 1.25 mA, shunt 2 mohm.
    "ina260": ChipFacts(36_000, gain_ppm=10_000, offset_uv=10, step_uv=2.5, own_shunt_uohm=2_000),
    # SBOS576B, 7.5: shunt 0.5 %, bus 0.5 %, offset 80 uV, step 40 uV.
    "ina3221": ChipFacts(26_000, gain_ppm=10_000, offset_uv=80, step_uv=40.0, channels=3),
}
POWER_STEP = 4_000_000
"""uW times uohm: step of power1_input over the shunt (ina238.c, gain 4)."""


@dataclass(frozen=True, slots=True)
class KernelDevice:
    """One supply that a device of the kernel measures."""

    folder: str
    """Below /sys."""
    chip: str
    iio: bool
    channel: int = 1
    label: str = ""
    """Of the channel, as the device tree names it."""

    @property
    def name(self) -> str:
        """Its folder's own name, hwmon2 or iio:device0; with the channel where there are more."""
        folder = self.folder.rsplit("/", 1)[-1]
        return folder if CHIPS[self.chip].channels == 1 else f"{folder}:{self.channel}"

    def answers_to(self, name: str) -> bool:
        """Return whether a name means it: its own, its folder's, or folder and label."""
        folder = self.folder.rsplit("/", 1)[-1]
        return name in ("", self.name, folder) or (
            bool(self.label) and name == f"{folder}:{self.label}"
        )


def kernel_devices(sysfs: Sysfs) -> tuple[KernelDevice, ...]:
    """Return what the kernel's power monitors of the INA family measure; IIO before hwmon.

    IIO gives the shunt voltage at its full resolution, hwmon whole mA and mV.
    """
    found: list[KernelDevice] = []
    for folder, iio in ((IIO, True), (HWMON, False)):
        for name in sysfs.names(folder):
            path = f"{folder}/{name}"
            chip = _text(sysfs, f"{path}/name")
            if chip in CHIPS:
                found += _channels(sysfs, path, chip, iio)
    return tuple(found)


def chosen_device(name: str, sysfs: Sysfs) -> KernelDevice:
    """Return the device that a name means, the first one if it is empty.

    Raises MeterError: there is none, or several channels of one chip answer to it.
    """
    devices = kernel_devices(sysfs)
    meant = [device for device in devices if device.answers_to(name)]
    channels = [device for device in meant if device.folder == meant[0].folder]
    there = ", ".join(
        f"{d.name} ({d.chip}{f', {d.label}' if d.label else ''})" for d in channels or devices
    )
    if len(channels) > 1:
        raise MeterError(f"{len(channels)} supplies are measured there; name the board's: {there}")
    if not meant:
        raise MeterError(
            f"no kernel power monitor {name or 'at all'}; there are: {there or 'none'}. On a "
            "Raspberry Pi: dtoverlay=i2c-sensor,ina219 in config.txt"
        )
    return meant[0]


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
        self._facts = CHIPS[device.chip]
        self._asked_uohm = shunt_uohm
        self._shunt_uohm = 0
        self._shunt_scale_mv = self._bus_scale_mv = 1.0
        self.bus_limit_mv = self._facts.bus_limit_mv
        self.interval_ns = 0
        self.resolution_uw = 0
        self.bounds = Calibration()

    def open(self) -> None:
        """Read scales, shunt and conversion time. Raises MeterError or BusError."""
        facts = self._facts
        if self._device.iio:
            self._shunt_uohm = round(1e6 * self._number("in_shunt_resistor"))
            self._shunt_scale_mv = self._number("in_voltage0_scale")
            self._bus_scale_mv = self._number("in_voltage1_scale")
            self.interval_ns = round(1e9 * self._number_or("in_voltage0_integration_time", 0))
        else:
            self._shunt_uohm = facts.own_shunt_uohm or self._hwmon_shunt_uohm()
            self.interval_ns = round(1e6 * self._number_or("update_interval", 0))
        try:
            check_shunt_uohm(self._shunt_uohm)
        except MeterError as error:
            raise MeterError(f"{self._where()} states {error}") from error
        bus_mv = max(1, self.read().bus_mv)
        shunt_uohm = self._asked_uohm or self._shunt_uohm
        self.resolution_uw = self._half_step_uw(bus_mv, shunt_uohm)
        tolerance_ppm = 0 if facts.own_shunt_uohm else SHUNT_TOLERANCE_PPM
        self.bounds = Calibration(
            gain_uncertainty_ppm=facts.gain_ppm + tolerance_ppm,
            offset_uncertainty_uw=facts.offset_uv * bus_mv * 1000 // shunt_uohm,
        )

    def _hwmon_shunt_uohm(self) -> int:
        number = self._device.channel
        name = "shunt_resistor" if self._facts.channels == 1 else f"shunt{number}_resistor"
        return round(self._number_or(name, DEFAULT_SHUNT_UOHM))

    def _half_step_uw(self, bus_mv: int, shunt_uohm: int) -> int:
        if self._facts.tells_power:
            return POWER_STEP // shunt_uohm // 2 + 1
        # hwmon rounds to 1 mA, whatever the shunt voltage's step is.
        whole_ma_uv = max(self._facts.step_uv, shunt_uohm / 1000)
        step_uv = 1000 * self._shunt_scale_mv if self._device.iio else whole_ma_uv
        return round(step_uv * bus_mv * 1000 / shunt_uohm / 2) + 1

    def read(self) -> Power:
        """Return the power now. Raises BusError."""
        if self._device.iio:
            shunt_uv = 1000 * self._number("in_voltage0_raw") * self._shunt_scale_mv
            bus_mv = round(self._number("in_voltage1_raw") * self._bus_scale_mv)
            current_ua = round(shunt_uv * 1e6 / (self._asked_uohm or self._shunt_uohm))
            return Power(bus_mv, current_ua, current_ua * bus_mv // 1000)
        bus_mv = round(self._number(f"in{self._device.channel}_input"))
        current_ua = round(1000 * self._number(f"curr{self._device.channel}_input"))
        power_uw = current_ua * bus_mv // 1000
        if self._facts.tells_power:
            power_uw = round(self._number("power1_input"))
            current_ua = power_uw * 1000 // bus_mv if bus_mv > 0 else current_ua
        if self._asked_uohm:
            power_uw = power_uw * self._shunt_uohm // self._asked_uohm
            current_ua = current_ua * self._shunt_uohm // self._asked_uohm
        return Power(bus_mv, current_ua, power_uw)

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


def _channels(sysfs: Sysfs, path: str, chip: str, iio: bool) -> Iterator[KernelDevice]:
    """Yield a device, or each of its channels that is not switched off."""
    if CHIPS[chip].channels == 1:
        yield KernelDevice(path, chip, iio)
        return
    for number in range(1, CHIPS[chip].channels + 1):
        if _text(sysfs, f"{path}/in{number}_enable") != "0":
            label = _text(sysfs, f"{path}/in{number}_label")
            yield KernelDevice(path, chip, iio, number, label)


def _text(sysfs: Sysfs, path: str) -> str:
    try:
        return sysfs.read(path)
    except OSError:
        return ""
