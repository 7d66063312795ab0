import pytest

from edge_infer.boards.ina219 import (
    BUS_VOLTAGE,
    CALIBRATION,
    CONFIGURATION,
    CURRENT,
    POWER,
    RESET,
    SHUNT_VOLTAGE,
    Ina219Settings,
)
from edge_infer.boards.simulated.ina219_chip import Ina219Chip, MeterFaults
from edge_infer.boards.simulated.meter import ConstantLoad
from edge_infer.boards.simulated.power_trace import PowerTrace

PAIR_NS = 2 * 532_000


def chip_at(power_uw: int, faults: MeterFaults | None = None, shunt_mohm: int = 100) -> Ina219Chip:
    chip = Ina219Chip(ConstantLoad(power_uw), 5_000, shunt_mohm * 1000, faults)
    chip.write(CONFIGURATION, Ina219Settings().word, 0)
    return chip


def test_the_example_of_the_datasheet() -> None:
    # SBOS448G, 9.2.2.1, table 8: 2 mohm, 10 A at 11.98 V, calibration 5000h.
    chip = Ina219Chip(ConstantLoad(119_800_000), 11_980, 2_000)
    chip.write(CONFIGURATION, 0x019F, 0)
    chip.write(CALIBRATION, 0x5000, 0)
    words = [chip.read(r, PAIR_NS) for r in (SHUNT_VOLTAGE, BUS_VOLTAGE, CURRENT, POWER)]
    assert words == [0x07D0, 0x5D98 | 0b10, 0x2710, 0x1766]


def test_a_reset_restores_the_configuration() -> None:
    chip = chip_at(1_000_000)
    chip.write(CALIBRATION, 0x1234, 0)
    chip.write(CONFIGURATION, RESET, 0)
    assert chip.read(CONFIGURATION, 1) == 0x399F
    assert chip.read(CALIBRATION, 1) == 0


@pytest.mark.parametrize("on_bus_read", [False, True])
def test_ready_is_set_by_a_pair_and_cleared_by_the_right_register(on_bus_read: bool) -> None:
    chip = chip_at(1_000_000, MeterFaults(ready_clears_on_bus_read=on_bus_read))

    def ready(at_ns: int) -> int:
        return chip.read(BUS_VOLTAGE, at_ns) >> 1 & 1

    assert ready(PAIR_NS - 1) == 0
    assert ready(PAIR_NS) == 1
    assert ready(PAIR_NS + 1) == (0 if on_bus_read else 1)
    chip.read(POWER, PAIR_NS + 2)
    assert ready(PAIR_NS + 3) == 0
    assert ready(2 * PAIR_NS) == 1


def test_the_shunt_register_is_the_mean_over_the_last_conversion() -> None:
    trace = PowerTrace(0, 0)
    # 5 W for a quarter of the first shunt conversion, then 2.5 W in all of the second.
    trace.set_level(100_000, 5_000_000)
    trace.set_level(233_000, 0)
    trace.set_level(PAIR_NS, 2_500_000)
    chip = Ina219Chip(trace, 5_000, 100_000)
    chip.write(CONFIGURATION, Ina219Settings().word, 0)
    assert chip.read(SHUNT_VOLTAGE, 532_000) == 2_500  # 1.25 W: 250 mA, 25 mV
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS + 531_999) == 2_500
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS + 532_000) == 5_000


@pytest.mark.parametrize(("range_mv", "limit"), [(40, 4_000), (80, 8_000), (320, 32_000)])
def test_the_shunt_code_stops_at_the_pga_range(range_mv: int, limit: int) -> None:
    chip = chip_at(25_000_000)
    chip.write(CONFIGURATION, Ina219Settings(shunt_range_mv=range_mv).word, 0)
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS) == limit


def test_overflow_concerns_the_chips_own_current_and_not_the_shunt_code() -> None:
    chip = chip_at(15_000_000)  # 3 A: code 30000, within the range
    chip.write(CALIBRATION, 0xFFFE, 0)
    assert chip.read(BUS_VOLTAGE, PAIR_NS) & 1 == 1
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS) == 30_000


def test_gain_shunt_and_offset_errors_move_the_code() -> None:
    # 1 A over 0.1 ohm is code 10000; +1 % and +0.5 % multiply, 30 uV adds three steps.
    faults = MeterFaults(shunt_ppm=10_000, gain_ppm=5_000, offset_uv=30)
    assert chip_at(5_000_000, faults).read(SHUNT_VOLTAGE, PAIR_NS) == round(10_000 * 1.01505 + 3)


def test_a_slow_oscillator_stretches_the_conversions() -> None:
    chip = chip_at(1_000_000, MeterFaults(oscillator_ppm=100_000))
    assert chip.read(BUS_VOLTAGE, 1_170_399) == 0
    assert chip.read(BUS_VOLTAGE, 1_170_400) >> 1 & 1 == 1


def test_fewer_bits_quantise_coarser() -> None:
    chip = chip_at(5_010_000)
    chip.write(CONFIGURATION, Ina219Settings(adc_bits=9).word, 0)
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS) % 8 == 0


def test_a_negative_current_is_twos_complement() -> None:
    chip = chip_at(0, MeterFaults(offset_uv=-50))
    assert chip.read(SHUNT_VOLTAGE, PAIR_NS) == 0x10000 - 5
