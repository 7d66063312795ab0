"""The meter of a simulated board: the real driver over a simulated bus and chip."""

from collections.abc import Callable
from random import Random

from edge_infer.boards.calibration import Calibration, KnownLoad, calibrate
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.ina219 import BUS_STEP_MV, Ina219, Ina219Settings
from edge_infer.boards.profile_sections import MeterProfile
from edge_infer.boards.sampler import InlineSampler
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus
from edge_infer.boards.simulated.ina219_chip import Ina219Chip, Load, MeterFaults
from edge_infer.boards.simulated.supply import Supply
from edge_infer.boards.timebase import NEVER_NS

KNOWN_LOADS_UW = (1_000_000, 8_000_000)
"""What a simulated chip is calibrated with; the reference instrument is ideal."""
CALIBRATION_READINGS = 64
TYPICAL_GAIN_PPM, TYPICAL_OFFSET_UV, SHUNT_PPM, OSCILLATOR_PPM = 2_000, 40, 10_000, 20_000
"""INA219 datasheet SBOS448G, 7.5, typical errors at PGA /8; a 1 % shunt. The oscillator's spread
is not published; 2 % is assumed, its limit is 10 %."""


class ConstantLoad:
    """A load that never changes."""

    def __init__(self, power_uw: int) -> None:
        self._power_uw = power_uw

    def mean_uw(self, from_ns: int, to_ns: int) -> int:
        """Return the power."""
        return self._power_uw

    def read_from(self, at_ns: int | None) -> None:
        """Nothing is kept."""


def typical_faults(seed: int) -> MeterFaults:
    """Return the errors of some chip and shunt within the typical limits."""
    random = Random(f"meter {seed}")

    def within(limit: int) -> int:
        return random.randint(-limit, limit)

    return MeterFaults(
        shunt_ppm=within(SHUNT_PPM),
        gain_ppm=within(TYPICAL_GAIN_PPM),
        offset_uv=within(TYPICAL_OFFSET_UV),
        oscillator_ppm=within(OSCILLATOR_PPM),
    )


def simulated_meter(
    profile: MeterProfile,
    supply: Supply,
    load: Load,
    now_ns: Callable[[], int],
    throttled: Callable[[], bool],
    *,
    faults: MeterFaults | None = None,
    calibration: Calibration | None = None,
    bench_mv: tuple[int, int] | None = None,
    lost_reads_ppm: int = 0,
    retries: int = 2,
    fails_at_ns: int = NEVER_NS,
    seed: int = 0,
) -> InlineSampler:
    """Return a meter of `load`, calibrated with two known loads unless a calibration is given.

    Those stood on a bench at `bench_mv`, each at its own voltage; that of the supply by default.
    Raises MeterError for a chip that is not simulated.
    """
    if profile.chip != "ina219":
        raise MeterError(f"no simulated meter of the kind {profile.chip}; there is: ina219")
    faults = faults or typical_faults(seed)
    if calibration is None:
        calibration = calibrate_simulated(
            profile, bench_mv or (supply.mean_mv, supply.mean_mv), faults
        )
    time = BusTime()
    chip = Ina219Chip(load, supply, profile.shunt_uohm, faults)
    bus = SimulatedI2cBus(
        chip, profile.address, time, profile.i2c_hz, lost_reads_ppm, fails_at_ns, seed
    )
    driver = _driver(profile, bus, time, calibration, retries)
    longest_ns = driver.transactions * bus.read_ns
    return InlineSampler(driver, time, now_ns, longest_ns, "simulated", throttled)


def calibrate_simulated(
    profile: MeterProfile, bench_mv: tuple[int, int], faults: MeterFaults
) -> Calibration:
    """Return the calibration of a chip with these faults, as a person would make it."""
    low, high = (
        _known_load(profile, mv, faults, uw)
        for mv, uw in zip(bench_mv, KNOWN_LOADS_UW, strict=True)
    )
    return calibrate(low, high)


def _known_load(
    profile: MeterProfile, supply_mv: int, faults: MeterFaults, power_uw: int
) -> KnownLoad:
    time = BusTime()
    chip = Ina219Chip(ConstantLoad(power_uw), supply_mv, profile.shunt_uohm, faults)
    bus = SimulatedI2cBus(chip, profile.address, time, profile.i2c_hz)
    driver = _driver(profile, bus, time, Calibration(), 0)
    driver.start()
    readings: list[int] = []
    while len(readings) < CALIBRATION_READINGS:
        sample = driver.poll()
        if sample is not None:
            readings.append(sample.power_uw)
    # A constant load always reads the same code: up to half a step of shunt and bus off.
    bus_error_uw = power_uw * BUS_STEP_MV // (2 * supply_mv)
    return KnownLoad(power_uw, readings, driver.resolution_uw + bus_error_uw)


def _driver(
    profile: MeterProfile,
    bus: SimulatedI2cBus,
    time: BusTime,
    calibration: Calibration,
    retries: int,
) -> Ina219:
    settings = Ina219Settings(
        profile.bus_range_v, profile.shunt_range_mv, profile.adc_bits, profile.adc_samples
    )
    device = I2cDevice(bus, profile.address, f"simulated I2C bus {profile.i2c_bus}", retries)
    return Ina219(
        device,
        time,
        shunt_uohm=profile.shunt_uohm,
        settings=settings,
        calibration=calibration,
        sure=True,
    )
