""""""

import errno
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.fakes.register_bus import INA219_AT_RESET, TableBus

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.ina219 import CONFIGURATION_AT_RESET, Ina219, Ina219Settings
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus
from edge_infer.boards.simulated.ina219_chip import Ina219Chip, MeterFaults
from edge_infer.boards.simulated.meter import ConstantLoad
from edge_infer.boards.timebase import MonotonicTimebase

SECOND_NS = 1_000_000_000
EXACT = Calibration()


class Bench:
    """The driver on a simulated bus and chip."""

    def __init__(
        self,
        power_uw: int = 5_000_000,
        faults: MeterFaults | None = None,
        settings: Ina219Settings | None = None,
        calibration: Calibration | None = EXACT,
        retries: int = 2,
        **bus: Any,
    ) -> None:
        self.time = BusTime()
        self.chip = Ina219Chip(ConstantLoad(power_uw), 5_000, 100_000, faults)
        self.bus = SimulatedI2cBus(self.chip, 0x40, self.time, **bus)
        device = I2cDevice(self.bus, 0x40, "/dev/i2c-1", retries)
        self.driver = Ina219(device, self.time, settings=settings, calibration=calibration)
        self.driver.start()

    def sample_until(self, until_ns: int) -> list[PowerSample]:
        polls = iter(self.driver.poll, object())
        samples = []
        while self.time.now_ns() < until_ns:
            sample = next(polls)
            if isinstance(sample, PowerSample):
                samples.append(sample)
        return samples


def test_a_sample_is_computed_from_shunt_and_bus() -> None:
    sample = Bench(5_000_000).sample_until(10_000_000)[0]
    assert (sample.bus_mv, sample.current_ua, sample.power_uw) == (5_000, 1_000_000, 5_000_000)
    assert sample.flags == SampleFlag.NONE
    assert sample.seq == 0


@pytest.mark.parametrize("on_bus_read", [False, True])
def test_each_pair_is_read_once_whichever_read_clears_ready(on_bus_read: bool) -> None:
    bench = Bench(faults=MeterFaults(ready_clears_on_bus_read=on_bus_read))
    samples = bench.sample_until(SECOND_NS)
    assert [s.seq for s in samples] == list(range(len(samples)))
    began_ns = bench.chip.began_ns
    assert len(samples) == (bench.time.now_ns() - began_ns) // 1_064_000
    pairs = [round((s.timestamp_ns - began_ns - 532_000) / 1_064_000) for s in samples]
    assert pairs == list(range(len(samples)))
    assert bench.driver.statistics().lost == 0


def test_timestamps_follow_an_oscillator_that_is_ten_percent_slow() -> None:
    bench = Bench(faults=MeterFaults(oscillator_ppm=101_500))
    samples = bench.sample_until(SECOND_NS)[50:]
    pair_ns = 2 * round(532_000 * 1.1015)
    began_ns = bench.chip.began_ns
    for sample in samples:
        end_ns = sample.timestamp_ns - began_ns - pair_ns // 2
        off_ns = (end_ns + pair_ns // 2) % pair_ns - pair_ns // 2
        assert abs(off_ns) <= bench.bus.read_ns
        assert sample.interval_ns == pytest.approx(pair_ns / 2, rel=0.02)


def test_900_pairs_a_second_at_12_bit_on_a_400_khz_bus() -> None:
    assert len(Bench().sample_until(10 * SECOND_NS)) >= 9_000


def test_690_pairs_a_second_at_12_bit_on_a_100_khz_bus() -> None:
    # Three reads of 480 us a pair: the bus is the limit, and what it cannot carry is counted.
    bench = Bench(hz=100_000)
    samples = bench.sample_until(10 * SECOND_NS)
    assert 6_800 <= len(samples) <= 7_000
    converted = (bench.time.now_ns() - bench.chip.began_ns) // 1_064_000
    assert len(samples) + bench.driver.statistics().lost == pytest.approx(converted, abs=3)


def test_a_lost_pair_is_a_jump_of_seq_and_flagged() -> None:
    bench = Bench(retries=0, lost_ppm=50_000, seed=2)
    samples = bench.sample_until(10 * SECOND_NS)
    jumps = [b.seq - a.seq for a, b in pairwise(samples)]
    assert all(jump > 0 for jump in jumps)
    flagged = [bool(s.flags & SampleFlag.GAP) for s in samples[1:]]
    assert flagged == [jump > 1 for jump in jumps]
    statistics = bench.driver.statistics()
    assert statistics.samples == len(samples)
    # What is lost before the first and after the last sample has no jump.
    assert 0 <= statistics.lost - (sum(jumps) - len(jumps)) <= samples[0].seq + 2
    assert 0.02 < statistics.lost / 9_398 < 0.10


def test_retries_save_what_five_percent_lost_reads_would_cost() -> None:
    bench = Bench(lost_ppm=50_000, seed=2)
    samples = bench.sample_until(10 * SECOND_NS)
    statistics = bench.driver.statistics()
    assert len(samples) >= 9_000
    assert statistics.retries > 1_000
    assert statistics.lost <= 10


def test_saturation_is_flagged_and_not_raised() -> None:
    settings = Ina219Settings(shunt_range_mv=80)
    samples = Bench(5_000_000, settings=settings).sample_until(20_000_000)
    assert all(s.flags & SampleFlag.SATURATED for s in samples)
    assert samples[0].current_ua == 800_000
    within = Bench(3_990_000, settings=settings).sample_until(20_000_000)
    assert not any(s.flags & SampleFlag.SATURATED for s in within)


def test_the_calibration_corrects_the_power_and_the_current_with_it() -> None:
    calibration = Calibration(gain_ppm=10_000, offset_uw=2_000)
    sample = Bench(5_000_000, calibration=calibration).sample_until(10_000_000)[0]
    assert sample.power_uw == 5_052_000
    assert sample.current_ua == 5_052_000 // 5


def test_without_a_calibration_the_bounds_are_the_datasheets() -> None:
    bench = Bench(calibration=None)
    # 1 % current, 1 % bus voltage, 1 % shunt, and half a bus step of 4 mV at 5 V.
    assert bench.driver.gain_uncertainty_ppm == 30_000 + 400
    # 200 uV over 0.1 ohm at 5 V.
    assert bench.driver.offset_uncertainty_uw == 10_000
    assert bench.driver.resolution_uw == 251  # half of 10 uV over 0.1 ohm at 5 V, rounded up


def test_averaging_in_the_chip_slows_the_pairs_down() -> None:
    bench = Bench(settings=Ina219Settings(adc_samples=128))
    samples = bench.sample_until(SECOND_NS)
    assert len(samples) == SECOND_NS // (2 * 68_100_000)
    assert samples[0].interval_ns == pytest.approx(68_100_000, rel=0.02)


def test_a_bus_that_fails_for_good_is_given_up_after_a_second() -> None:
    bench = Bench(fails_at_ns=SECOND_NS)
    with pytest.raises(BusError, match="EREMOTEIO"):
        bench.sample_until(10 * SECOND_NS)
    assert SECOND_NS < bench.time.now_ns() - SECOND_NS < 1.1 * SECOND_NS


def driver_on(bus: TableBus) -> Ina219:
    return Ina219(I2cDevice(bus, 0x40, "/dev/i2c-1", retries=1), MonotonicTimebase())


def test_another_chip_at_the_address_is_no_ina219() -> None:
    class OtherChip(TableBus):
        def read_word_data(self, i2c_addr: int, register: int) -> int:
            return 0x1234

    with pytest.raises(MeterError, match=r"0x40 is no INA219: every .* reads 0x3412; nothing"):
        driver_on(OtherChip({})).start()


class SlowReset(TableBus):
    """Clears its reset bit after some reads, or never."""

    def __init__(self, reads: int) -> None:
        super().__init__(dict(INA219_AT_RESET))
        self.left = reads

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        if register == 0 and self.registers[register] == 0x8000:
            self.left -= 1
            if self.left <= 0:
                self.registers[register] = 0x399F
        return super().read_word_data(i2c_addr, register)


def test_a_reset_bit_that_takes_a_moment_is_waited_for() -> None:
    bus = SlowReset(5)
    driver_on(bus).start()
    assert bus.left == 0


def test_a_reset_bit_that_stays_is_not_waited_for_without_end() -> None:
    bus = SlowReset(1 << 60)
    device = I2cDevice(bus, 0x40)
    with pytest.raises(MeterError, match="0x8000, not 0x399f"):
        Ina219(device, SteppingTime()).start()


class SteppingTime(BusTime):
    """A millisecond passes whenever somebody looks."""

    def now_ns(self) -> int:
        self.at_ns += 1_000_000
        return self.at_ns


def test_a_chip_that_forgets_its_configuration_is_reported() -> None:
    class Forgetful(TableBus):
        def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
            """Take nothing."""

    with pytest.raises(MeterError, match="did not take its configuration"):
        driver_on(Forgetful(dict(INA219_AT_RESET))).start()


def test_nothing_at_the_address_is_a_bus_error() -> None:
    with pytest.raises(BusError, match="0x40: ENXIO"):
        driver_on(TableBus({}, (errno.ENXIO,) * 9)).start()


def test_a_fatal_error_in_mid_run_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.sample_until(SECOND_NS)

    def taken(i2c_addr: int, register: int) -> int:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(bench.bus, "read_word_data", taken)
    with pytest.raises(BusError, match="kernel driver"):
        bench.sample_until(SECOND_NS + 100_000_000)


def test_a_restart_counts_from_nothing() -> None:
    bench = Bench(faults=replace(MeterFaults(), offset_uv=20))
    bench.sample_until(SECOND_NS)
    bench.driver.start()
    assert bench.driver.statistics().samples == 0
    assert bench.sample_until(2 * SECOND_NS)[0].seq == 0


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        # Datasheet SBOS448G, tables 3 to 6, bit by bit.
        (Ina219Settings(32, 320, 12, 1), CONFIGURATION_AT_RESET),
        (Ina219Settings(16, 320, 12, 1), 0x199F),
        (Ina219Settings(16, 40, 12, 1), 0x019F),
        (Ina219Settings(16, 80, 9, 1), 0x0807),
        (Ina219Settings(32, 160, 10, 1), 0x308F),
        (Ina219Settings(16, 160, 11, 1), 0x1117),
        (Ina219Settings(16, 320, 12, 2), 0x1CCF),
        (Ina219Settings(32, 320, 12, 128), 0x3FFF),
    ],
)
def test_the_configuration_word(settings: Ina219Settings, word: int) -> None:
    assert settings.word == word


@pytest.mark.parametrize(
    ("bits", "samples", "conversion_us"),
    [(9, 1, 84), (10, 1, 148), (11, 1, 276), (12, 1, 532), (12, 2, 1060), (12, 128, 68_100)],
)
def test_the_conversion_time(bits: int, samples: int, conversion_us: int) -> None:
    settings = Ina219Settings(adc_bits=bits, adc_samples=samples)
    assert settings.conversion_ns == conversion_us * 1000


def test_the_shunt_code_ends_with_the_pga_range() -> None:
    assert Ina219Settings(shunt_range_mv=40).shunt_limit == 4_000
    assert Ina219Settings(shunt_range_mv=320).shunt_limit == 32_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"bus_range_v": 26},
        {"shunt_range_mv": 100},
        {"adc_bits": 8},
        {"adc_bits": 9, "adc_samples": 2},
    ],
)
def test_a_setting_the_chip_does_not_have_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(MeterError, match="INA219"):
        Ina219Settings(**wrong)
