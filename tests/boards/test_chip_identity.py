"""A chip is known before the first byte is written to it."""

from collections.abc import Callable
from random import Random

import pytest
from tests.fakes.ina226_chip import Ina226Chip
from tests.fakes.other_chips import OTHERS, OtherChip, words_of
from tests.fakes.register_bus import INA219_AT_RESET, TableBus

from edge_infer.boards.chip_identity import identify
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.i2c import I2cDevice, RegisterBus
from edge_infer.boards.i2c_scan import scan
from edge_infer.boards.ina219 import ADC_FIELDS, BUS_STEP_MV, Ina219, Ina219Settings
from edge_infer.boards.ina226 import Ina226
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus
from edge_infer.boards.simulated.ina219_chip import Ina219Chip, MeterFaults
from edge_infer.boards.simulated.meter import ConstantLoad
from edge_infer.boards.timebase import VirtualTimebase

DRIVERS: dict[str, Callable[[I2cDevice], Ina219 | Ina226]] = {
    "ina219": lambda device: Ina219(device, VirtualTimebase()),
    "ina226": lambda device: Ina226(device, VirtualTimebase()),
}


def chip_on(bus: RegisterBus) -> str:
    return identify(I2cDevice(bus, 0x40, "/dev/i2c-1")).chip


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_done_to_another_chip(name: str, driver: str) -> None:
    chip = OTHERS[name]()
    with pytest.raises((MeterError, BusError)) as caught:
        DRIVERS[driver](I2cDevice(chip, 0x40, "/dev/i2c-1", retries=1)).start()
    assert chip.harmed == []
    said = str(caught.value)
    assert "/dev/i2c-1 address 0x40" in said and "\n" not in said


@pytest.mark.parametrize("name", OTHERS)
def test_a_scan_does_nothing_to_another_chip_and_does_not_take_it_for_a_meter(name: str) -> None:
    chip = OTHERS[name]()
    answers = scan(1, [0x40], lambda bus: chip)
    assert {answer.chip for answer in answers} <= {"another chip"}
    assert chip.harmed == []


@pytest.mark.parametrize("bus_v", [16, 32])
@pytest.mark.parametrize("shunt_mv", [40, 80, 160, 320])
@pytest.mark.parametrize(("bits", "samples"), ADC_FIELDS)
def test_an_ina219_is_known_whatever_its_settings(
    bus_v: int, shunt_mv: int, bits: int, samples: int
) -> None:
    random = Random(f"{bus_v} {shunt_mv} {bits} {samples}")
    load = ConstantLoad(random.randint(0, 400_000 * shunt_mv // 40))
    chip = Ina219Chip(load, random.randint(1_000, 15_000), 100_000, MeterFaults(offset_uv=20))
    chip.write(0x00, Ina219Settings(bus_v, shunt_mv, bits, samples).word, 0)
    time = BusTime()
    time.sleep_until_ns(random.randint(160_000_000, 500_000_000))  # a pair at the slowest
    assert chip_on(SimulatedI2cBus(chip, 0x40, time)) == "ina219"


@pytest.mark.parametrize("calibration", [0, 0x1000, 0x2000, 0x5000, 0xFFFE])
def test_an_ina219_that_another_program_calibrated_is_known(calibration: int) -> None:
    chip = Ina219Chip(ConstantLoad(3_000_000), 5_000, 100_000, None)
    chip.write(0x05, calibration, 0)
    time = BusTime()
    time.sleep_until_ns(20_000_000)
    assert chip_on(SimulatedI2cBus(chip, 0x40, time)) == "ina219"


def test_an_ina219_that_was_put_to_sleep_is_known() -> None:
    assert chip_on(TableBus(INA219_AT_RESET | {0x00: 0x3998})) == "ina219"


def test_a_load_that_steps_between_two_reads_is_no_other_chip() -> None:
    readings = iter([1000, 4000, 1200])
    shunt = 0

    def word(register: int) -> int:
        nonlocal shunt
        if register == 0x01:
            word = shunt
            shunt = next(readings, shunt)
            return word
        return {0x04: shunt, 0x05: 0x1000}.get(register, INA219_AT_RESET[register])

    assert chip_on(OtherChip(word)) == "ina219"


@pytest.mark.parametrize(("die", "name"), [(0x2260, "ina226"), (0x2270, ""), (0x9999, "")])
def test_the_ina226_says_its_name(die: int, name: str) -> None:
    assert chip_on(SimulatedI2cBus(Ina226Chip(1_000, 5_000, die), 0x40, BusTime())) == name


@pytest.mark.parametrize(
    ("register", "word", "reason"),
    [
        (0x00, 0x3923, "configuration reads 0x3923"),  # an ADC code that nobody writes
        (0x00, 0xB99F, "configuration reads 0xb99f"),
        (0x00, 0x0000, "configuration reads 0x0000"),
        (0x01, 0x7FFF, "beyond its shunt range"),
        (0x02, 1250 << 3 | 4, "no bus voltage"),
        (0x02, 8191 << 3, "no bus voltage"),
        (0x04, 7, "does not follow from 01h and 05h"),
        (0x05, 0x0123, "bit 0 of register 05h"),
    ],
)
def test_one_register_that_an_ina219_cannot_hold_is_enough(
    register: int, word: int, reason: str
) -> None:
    found = identify(I2cDevice(OtherChip(words_of(INA219_AT_RESET | {register: word})), 0x40))
    assert not found.chip and reason in found.reason


def test_before_a_reset_the_power_has_to_fit_too() -> None:
    chip = OtherChip(words_of(INA219_AT_RESET | {0x03: 0x0C90}))
    device = I2cDevice(chip, 0x40)
    assert identify(device).chip == "ina219" and 0x03 not in chip.asked
    found = identify(device, before_reset=True)
    assert found.reason == "register 03h reads 3216, which does not follow from 02h and 04h"


def test_settings_that_move_by_themselves_are_none() -> None:
    reads = iter(range(100))
    noise = OtherChip(lambda n: 0x399F + (next(reads) << 7) if n == 0 else INA219_AT_RESET[n])
    assert identify(I2cDevice(noise, 0x40)).reason == "its settings read otherwise a moment later"


def test_registers_that_a_read_changes_are_not_asked() -> None:
    # 03h takes "conversion ready" from another program, 06h of an INA226 its alerts.
    chip = OtherChip(words_of(INA219_AT_RESET))
    identify(I2cDevice(chip, 0x40))
    assert set(chip.asked) == {0x00, 0x01, 0x02, 0x04, 0x05}
    assert BUS_STEP_MV * (INA219_AT_RESET[0x02] >> 3) == 5_000
