from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.ina226_chip import Ina226Chip

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.ina226 import AVERAGES, CONVERSION_US, Ina226, Ina226Settings
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus

SECOND_NS = 1_000_000_000


class Bench:
    def __init__(self, chip: Ina226Chip, settings: Ina226Settings | None = None, **bus: Any):
        self.time = BusTime()
        self.bus = SimulatedI2cBus(chip, 0x44, self.time, **bus)
        device = I2cDevice(self.bus, 0x44, "/dev/i2c-1")
        self.driver = Ina226(
            device, self.time, shunt_uohm=10_000, settings=settings, calibration=Calibration()
        )
        self.driver.start()
        self.began_ns = self.time.now_ns()

    def sample_until(self, until_ns: int) -> list[PowerSample]:
        samples = []
        while self.time.now_ns() < until_ns:
            sample = self.driver.poll()
            if sample is not None:
                samples.append(sample)
        return samples


def test_the_configuration_words_are_the_datasheets() -> None:
    assert Ina226Settings(1100, 1).word == 0x4127  # the power-on default, section 7.6.1
    assert Ina226Settings(588, 1).word == 0x40DF
    assert Ina226Settings(140, 1024).word == 0x4E07


@pytest.mark.parametrize("conversion_us", CONVERSION_US[:5])
@pytest.mark.parametrize("averages", AVERAGES[:3])
def test_every_pair_is_read_once(conversion_us: int, averages: int) -> None:
    chip = Ina226Chip(10_000, 5_000)
    bench = Bench(chip, Ina226Settings(conversion_us, averages))
    pair_ns = 2 * conversion_us * averages * 1000
    assert chip.pair_ns == pair_ns
    samples = bench.sample_until(max(40 * pair_ns, 20_000_000))
    # Three reads of 118 us at 400 kHz do not fit into the shortest pairs: then some are lost.
    lost, slow_bus = bench.driver.statistics().lost, pair_ns < 3 * bench.bus.read_ns
    assert lost == 0 or slow_bus
    converted = (bench.time.now_ns() - bench.began_ns) / pair_ns
    assert len(samples) + lost == pytest.approx(converted, abs=3, rel=0.1 if slow_bus else 0)
    assert {(s.bus_mv, s.current_ua, s.power_uw) for s in samples} == {
        (5_000, 1_000_000, 5_000_000)
    }


@given(code=st.integers(-0x7FFF, 0x7FFF), bus=st.integers(1, 0x7000))
def test_power_is_the_product_of_both_voltages(code: int, bus: int) -> None:
    bench = Bench(Ina226Chip(code * 2.5, bus * 1.25))
    sample = bench.sample_until(20_000_000)[0]
    exact_uw = code * 2.5e-6 / 0.01 * bus * 1.25e-3 * 1e6
    assert abs(sample.power_uw - exact_uw) <= 1
    assert bool(sample.flags & SampleFlag.SATURATED) == (abs(code) >= 0x7FFF)


def test_another_chip_is_no_ina226() -> None:
    with pytest.raises(MeterError, match=r"no INA226: .* 0x5449 0x2270; nothing was written"):
        Bench(Ina226Chip(0, 0, die=0x2270))


def test_lost_reads_are_counted_and_the_rest_is_right() -> None:
    bench = Bench(Ina226Chip(10_000, 5_000), lost_ppm=50_000, seed=3)
    samples = bench.sample_until(5 * SECOND_NS)
    assert {s.power_uw for s in samples} == {5_000_000}
    assert bench.driver.statistics().retries > 100
    assert bench.driver.statistics().lost <= 10


def test_settings_the_chip_does_not_have() -> None:
    with pytest.raises(MeterError, match="600 us"):
        Ina226Settings(600)
    with pytest.raises(MeterError, match="2 averages"):
        Ina226Settings(588, 2)


def test_the_bounds_are_the_datasheets() -> None:
    driver = Ina226(I2cDevice(SimulatedI2cBus(Ina226Chip(0, 0), 0x44, BusTime()), 0x44), BusTime())
    # 0.1 % each for shunt and bus, 50 ppm a degree each over 60 degrees, 1 % shunt, half a bit.
    assert driver.gain_uncertainty_ppm == 2_000 + 6_000 + 10_000 + 125
    assert driver.offset_uncertainty_uw == 500  # 10 uV over 0.1 ohm at 5 V
