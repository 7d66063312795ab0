"""Opens the meter that a configuration names, or the one of a board."""

import errno
from collections.abc import Callable
from pathlib import Path

from edge_infer.boards.contract import Thermometer
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.i2c import I2cDevice, i2c_path, open_i2c_bus
from edge_infer.boards.ina219 import Ina219, Ina219Settings
from edge_infer.boards.ina226 import Ina226
from edge_infer.boards.kernel_gauge import KernelGauge, chosen_device, kernel_devices
from edge_infer.boards.meter_config import MeterConfig, meter_file, profile_meter, read_meter_file
from edge_infer.boards.polled_chip import PolledChip
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.power_csv import RecordedMeter, read_power_log
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.sampler import MeterChip, ThreadSampler
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.boards.videocore import PmicGauge, VideoCore

KERNEL_PERIOD_US = 5_000
"""Each question makes the driver read the chip twice over I2C."""
PMIC_PERIOD_US = 100_000
"""10 Hz, as ml-energy/zeus asks it."""


def open_meter(
    config: MeterConfig, sysfs: Sysfs, throttled: Callable[[], bool] = lambda: False
) -> PowerMeter:
    """Open a meter; it begins to sample when started.

    Args:
        config: which one.
        sysfs: the kernel's files.
        throttled: whether the board caps its clock now: such samples are flagged.

    Raises:
        MeterError: there is no such device, or the log cannot be read.
        BusError: the bus or the firmware cannot be opened.
    """
    if config.kind == "log":
        return RecordedMeter(read_power_log(Path(config.device)), MonotonicTimebase.now_ns)
    return ThreadSampler(open_chip(config, sysfs), throttled)


def board_meter(profile: BoardProfile, sysfs: Sysfs, thermometer: Thermometer) -> PowerMeter | None:
    """Open the meter file's meter, else the profile's; None when nothing answers to the profile's.

    Raises:
        BusError: the bus is there and cannot be used.
        MeterError: so is the meter.
    """
    file = meter_file()
    if file is not None:
        return accountable_meter(read_meter_file(file), sysfs, thermometer.throttled)
    if profile.meter is None or not Path(i2c_path(profile.meter.i2c_bus)).exists():
        return None
    chip = open_chip(profile_meter(profile.meter), sysfs)
    try:
        chip.start()
    except BusError as error:
        if error.errno in (errno.ENXIO, errno.EREMOTEIO):
            return None
        if error.errno == errno.EBUSY and kernel_devices(sysfs):
            return open_meter(MeterConfig("kernel"), sysfs, thermometer.throttled)
        raise
    return ThreadSampler(chip, thermometer.throttled)


def accountable_meter(
    config: MeterConfig, sysfs: Sysfs, throttled: Callable[[], bool]
) -> PowerMeter:
    """Open a meter that energy can be accounted from. Raises MeterError or BusError."""
    meter = open_meter(config, sysfs, throttled)
    if isinstance(meter, RecordedMeter) and not meter.bounds_stated:
        raise MeterError(
            f"{config.device} is a log of power stream, which does not say how far off its "
            "meter may be: no energy can be accounted from it; play one of power record"
        )
    return meter


def named_meter(sysfs: Sysfs) -> MeterConfig | None:
    """Return the meter that the meter file or a kernel driver names; None where neither does.

    Raises MeterError: the file is no meter file, or the kernel measures several supplies.
    """
    file = meter_file()
    if file is not None:
        return read_meter_file(file)
    devices = kernel_devices(sysfs)
    if len(devices) > 1:
        names = ", ".join(f"kernel:{d.name}" + f" ({d.label})" * bool(d.label) for d in devices)
        raise MeterError(
            f"the kernel measures several supplies: {names}; edge-infer power calibrate --meter "
            f"kernel:{devices[0].name} --known-load ... names the board's"
        )
    return MeterConfig("kernel", device=devices[0].name) if devices else None


def open_chip(config: MeterConfig, sysfs: Sysfs) -> MeterChip:
    """Open the chip of a meter that is polled. Raises MeterError or BusError."""
    if config.kind == "ina219":
        return _ina219(config)
    if config.kind == "ina226":
        return Ina226(
            _device(config),
            MonotonicTimebase(),
            shunt_uohm=config.shunt_uohm,
            shunt_tolerance_ppm=config.shunt_tolerance_ppm,
            calibration=config.calibration,
        )
    if config.kind == "kernel":
        gauge = KernelGauge(sysfs, chosen_device(config.device, sysfs))
        return _polled(gauge, config, KERNEL_PERIOD_US)
    if config.kind == "pmic":
        return _polled(PmicGauge(VideoCore()), config, PMIC_PERIOD_US)
    raise MeterError(f"the meter {config} cannot be polled")


def _polled(gauge: KernelGauge | PmicGauge, config: MeterConfig, period_us: int) -> PolledChip:
    period_ns = (config.period_us or period_us) * 1000
    return PolledChip(gauge, MonotonicTimebase(), period_ns, config.calibration)


def _ina219(config: MeterConfig) -> Ina219:
    settings = Ina219Settings(
        config.bus_range_v, config.shunt_range_mv, config.adc_bits, config.adc_samples
    )
    return Ina219(
        _device(config),
        MonotonicTimebase(),
        shunt_uohm=config.shunt_uohm,
        shunt_tolerance_ppm=config.shunt_tolerance_ppm,
        settings=settings,
        calibration=config.calibration,
    )


def _device(config: MeterConfig) -> I2cDevice:
    path = i2c_path(config.i2c_bus)
    return I2cDevice(open_i2c_bus(config.i2c_bus), config.address, path)
