"""Our INA219 driver through smbus2 and a real /dev/i2c-0."""

import errno
import time

from tests.beds.vm.guest.child import as_guest
from tests.beds.vm.guest.chip import ADDRESS, NOBODY, OTHER_CHIP, StubChip, load_stub, playing
from tests.beds.vm.guest.machine import appears, refusal

from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.i2c import I2cDevice, open_i2c_bus
from edge_infer.boards.ina219 import CONFIGURATION, Ina219, Ina219Settings
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.sampler import ThreadSampler
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus
from edge_infer.boards.simulated.ina219_chip import Ina219Chip
from edge_infer.boards.simulated.power_trace import PowerTrace
from edge_infer.boards.timebase import MonotonicTimebase

PAIR_NS = 1_064_000
SLOW = Ina219Settings(adc_samples=8)
"""8.52 ms a pair: slow enough for a chip that is played by a process of an emulated computer."""
SLOW_PAIR_NS = 2 * SLOW.conversion_ns
WATCHED_NS = 1_000_000_000


def driver(address: int = ADDRESS, settings: Ina219Settings | None = None) -> Ina219:
    device = I2cDevice(open_i2c_bus(0), address, "/dev/i2c-0")
    return Ina219(device, MonotonicTimebase(), settings=settings)


def started(settings: Ina219Settings | None = SLOW) -> Ina219:
    """Return a started driver; a busy host may play a reset too late for it."""

    def start() -> Ina219 | None:
        chip = driver(settings=settings)
        try:
            chip.start()
        except MeterError:
            return None
        return chip

    return appears(start)


def samples(chip: Ina219, duration_ns: int = WATCHED_NS) -> list[PowerSample]:
    end_ns, seen = time.monotonic_ns() + duration_ns, []
    while time.monotonic_ns() < end_ns:
        sample = chip.poll()
        if sample is not None:
            seen.append(sample)
    return seen


def check_no_bus_is_named_with_the_command_that_enables_it() -> None:
    message = refusal(lambda: open_i2c_bus(0), BusError)
    assert "/dev/i2c-0: ENOENT" in message and "raspi-config" in message, message


def check_the_kernel_gives_a_bus() -> None:
    load_stub()
    open_i2c_bus(0).close()


def check_no_permission_names_the_group() -> None:
    message = as_guest(lambda: refusal(lambda: open_i2c_bus(0), BusError))
    assert "EACCES" in message and "group i2c" in message, message


def check_an_absent_address_is_a_bus_error() -> None:
    message = refusal(driver(NOBODY).start, BusError)
    assert "address 0x42: ENODEV" in message, message


def check_another_chip_is_no_ina219() -> None:
    assert "is no INA219" in refusal(driver(OTHER_CHIP).start, MeterError)


def check_reset_and_configuration_reach_the_chip() -> None:
    with playing(0, 5_000, SLOW_PAIR_NS):
        started()
        assert StubChip().read(CONFIGURATION) == SLOW.word


def check_conversions_become_samples_with_the_right_power() -> None:
    with playing(10_000, 5_000, SLOW_PAIR_NS):  # 100 mV over 0.1 ohm: 1 A at 5 V
        chip = started()
        seen = samples(chip)
    assert {(s.bus_mv, s.current_ua, s.power_uw) for s in seen} == {(5_000, 1_000_000, 5_000_000)}
    played, counted = WATCHED_NS / SLOW_PAIR_NS, len(seen) + chip.statistics().lost
    print(f"   {len(seen)} samples and {counted - len(seen)} lost of {played:.0f} conversions")
    assert len(seen) > played / 4
    assert seen[-1].seq + 1 == counted
    assert 0.7 * played < counted < 1.3 * played


def check_a_current_that_flows_back_is_negative() -> None:
    with playing(-500, 5_000, SLOW_PAIR_NS):
        chip = started()
        assert {s.current_ua for s in samples(chip, 100_000_000)} == {-50_000}


def check_a_shunt_at_the_end_of_its_range_is_flagged() -> None:
    with playing(32_000, 5_000, SLOW_PAIR_NS):
        chip = started()
        seen = samples(chip, 100_000_000)
    assert seen and all(s.flags & SampleFlag.SATURATED for s in seen)


def check_a_chip_that_stands_still_gives_no_sample() -> None:
    with playing(10_000, 5_000, SLOW_PAIR_NS):
        chip = started()
    StubChip().write(0x02, 1250 << 3)
    assert samples(chip, 50_000_000) == []


def check_sampling_rate_and_its_share_of_a_processor() -> None:
    with playing(10_000, 5_000, PAIR_NS, always_ready=True):
        chip = started(Ina219Settings())
    began_ns, began_cpu_ns = time.monotonic_ns(), time.thread_time_ns()
    seen = samples(chip)
    wall_ns, cpu_ns = time.monotonic_ns() - began_ns, time.thread_time_ns() - began_cpu_ns
    busy = chip.statistics().busy_ns / wall_ns
    print(
        f"   {len(seen) * 1e9 / wall_ns:.0f} pairs/s at 12 bit, {cpu_ns / wall_ns:.0%} of a "
        f"processor, bus held {busy:.0%}, {cpu_ns / len(seen) / 1000:.0f} us a pair (emulated)"
    )
    assert len(seen) > 100


def check_pairs_a_second_in_the_chips_simulated_timing() -> None:
    for hz, least, most in ((400_000, 900, 940), (100_000, 680, 700)):
        bus_time = BusTime()
        chip = Ina219Chip(PowerTrace(0, 5_000_000), 5_000, 100_000)
        bus = SimulatedI2cBus(chip, ADDRESS, bus_time, hz=hz)
        subject = Ina219(I2cDevice(bus, ADDRESS), bus_time)
        subject.start()
        end_ns, count = bus_time.now_ns() + 1_000_000_000, 0
        while bus_time.now_ns() < end_ns:
            count += subject.poll() is not None
        print(f"   {count} pairs/s at 12 bit on a bus of {hz // 1000} kHz (simulated)")
        assert least <= count <= most


def check_the_thread_samples_while_the_program_does_something_else() -> None:
    with playing(10_000, 5_000, SLOW_PAIR_NS):
        meter = ThreadSampler(driver(settings=SLOW), lambda: False)
        meter.start()
        seen, end_ns = 0, time.monotonic_ns() + WATCHED_NS
        while seen < 10 and time.monotonic_ns() < end_ns:
            time.sleep(0.02)
            seen += len(meter.drain(time.monotonic_ns()))
        meter.stop()
        seen += len(meter.drain(time.monotonic_ns()))
    assert seen >= 10
    assert meter.statistics().samples == seen


def check_a_chip_that_the_kernel_holds_is_busy() -> None:
    from tests.beds.vm.guest.iio import bound

    with bound():
        error = None
        try:
            driver().start()
        except BusError as caught:
            error = caught
    assert error is not None and error.errno == errno.EBUSY
    assert "kernel driver holds the address" in str(error)
