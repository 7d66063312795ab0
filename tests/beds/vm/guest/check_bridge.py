"""A bus whose transfers fail, and GPIO lines: both through the kernel's driver of a USB bridge."""

import time

from tests.beds.vm.guest.bridge import ADDRESS, PluggedBridge, plugged
from tests.beds.vm.guest.child import as_guest
from tests.beds.vm.guest.cli import BUNDLE, edge_infer, meter_file, outcome, running
from tests.beds.vm.guest.machine import appears, load_clock, policy_settings, refusal

from edge_infer.boards.errors import BusError, GpioError
from edge_infer.boards.gpio import open_line
from edge_infer.boards.i2c import I2cDevice, i2c_path
from edge_infer.boards.ina219 import Ina219, Ina219Settings
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.sampler import ThreadSampler
from edge_infer.boards.simulated.ina219_chip import MeterFaults
from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.commands.doctor_board import gpio_findings, i2c_findings

POWER_UW = 5_000_000
SLOW = Ina219Settings(adc_samples=32)
"""34 ms a pair: a transfer over the played bridge takes several ms of an emulated computer."""
FOREVER = 1 << 40
LINE = 3


def driver(bridge: PluggedBridge, address: int = ADDRESS) -> Ina219:
    device = I2cDevice(bridge.open_bus(), address, i2c_path(bridge.bus))
    return Ina219(device, MonotonicTimebase(), settings=SLOW)


def pairs(chip: Ina219, count: int) -> list[PowerSample]:
    """Return samples, all of the right power."""
    seen: list[PowerSample] = []
    while len(seen) < count:
        sample = chip.poll()
        if sample is not None:
            assert sample.power_uw == POWER_UW, sample
            seen.append(sample)
    return seen


def check_conversions_of_a_real_register_model_over_a_real_bus() -> None:
    for on_bus_read in (False, True):  # the datasheet has it both ways
        with plugged(POWER_UW, MeterFaults(ready_clears_on_bus_read=on_bus_read)) as bridge:
            assert "0x40 ina219 or alike" in " ".join(f.text for f in i2c_findings())
            chip = driver(bridge)
            chip.start()
            began_ns = time.monotonic_ns()
            seen = pairs(chip, 20)
            passed = (time.monotonic_ns() - began_ns) / (2 * SLOW.conversion_ns)
            counts = chip.statistics()
            print(f"   {len(seen)} pairs, {counts.lost} lost, {counts.retries} transfers repeated")
            # No pair twice, none made up: what was seen and lost is what the time allows.
            assert len({s.seq for s in seen}) == 20
            assert 0.8 * passed - 2 < seen[-1].seq + 1 < 1.2 * passed + 2


def check_a_transfer_that_fails_is_repeated_and_counted() -> None:
    with plugged(POWER_UW) as bridge:
        chip = driver(bridge)
        chip.start()
        pairs(chip, 2)
        before = chip.statistics().retries
        bridge.knobs.failing = 2
        pairs(chip, 2)
        assert chip.statistics().retries >= before + 2
        assert bridge.knobs.failing == 0


def check_a_short_outage_is_a_gap_and_a_long_one_ends_the_meter() -> None:
    with plugged(POWER_UW) as bridge:
        meter = ThreadSampler(driver(bridge), lambda: False)
        meter.start()
        appears(lambda: meter.statistics().samples > 3)
        bridge.knobs.failing = FOREVER
        time.sleep(0.4)
        bridge.knobs.failing = 0
        got = meter.statistics().samples
        appears(lambda: meter.statistics().samples > got + 3)
        seen = meter.drain(time.monotonic_ns())
        assert any(sample.flags & SampleFlag.GAP for sample in seen)
        assert meter.statistics().lost > 0
        bridge.knobs.failing = FOREVER

        def failed() -> str | None:
            try:
                meter.drain(time.monotonic_ns())
            except BusError as error:
                return str(error)
            return None

        message = appears(failed)
        print(f"   {message}")
        assert "ETIMEDOUT" in message and "the bus hangs" in message
        meter.stop()


def check_nobody_at_an_address_and_a_chip_that_forgets_are_told() -> None:
    with plugged(POWER_UW) as bridge:
        message = refusal(driver(bridge, 0x41).start, BusError)
        assert "address 0x41: ETIMEDOUT" in message, message
        bridge.knobs.failing = 3  # the reset, in all its tries
        assert "address 0x40" in refusal(driver(bridge).start, BusError)
        driver(bridge).start()


def check_a_saturated_shunt_is_flagged_by_its_code() -> None:
    with plugged(20_000_000) as bridge:  # 4 A: 400 mV, the range ends at 320
        chip = driver(bridge)
        chip.start()
        sample = appears(chip.poll)
        assert sample.flags & SampleFlag.SATURATED
        assert sample.power_uw == 16_000_000
        assert chip.statistics().saturated == 1


def check_the_marker_is_high_once_an_inference_and_low_in_between() -> None:
    load_clock()
    found = policy_settings()
    with plugged(POWER_UW) as bridge:
        text = " ".join(f"{f.check} {f.text}" for f in gpio_findings())
        assert f"{bridge.chip} cp2112_gpio, 8 lines" in text, text
        meter_file(f'kind = "ina219"\ni2c_bus = {bridge.bus}\naddress = 0x40\nadc_samples = 32\n')
        ended = edge_infer(
            "run", BUNDLE, "--board", "linux", "--policy", "powersave", "--frames", "40",
            "--marker", f"{bridge.chip}:{LINE}", "--json",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        assert ended.json()["inferences"] == 40 == bridge.knobs.raised
        assert bridge.knobs.levels == 0
        assert bridge.knobs.outputs == 1 << LINE
        gross_uw = ended.json()["energy"]["gross_uj"] / ended.json()["energy"]["wall_us"] * 1e6
        assert 0.98 * POWER_UW < gross_uw < 1.02 * POWER_UW, gross_uw
    assert policy_settings() == found


def check_a_line_that_is_not_there_taken_or_not_permitted_is_told() -> None:
    with plugged(POWER_UW) as bridge:
        chip = bridge.chip
        assert "has no line 8; there are 0 to 7" in refusal(
            lambda: open_line(f"{chip}:8"), GpioError
        )
        assert f"chips: {chip}" in refusal(lambda: open_line("GPIO17"), GpioError)
        line = open_line(f"{chip}:0")
        line.set_high()
        assert bridge.knobs.levels == 1
        assert "another program" in refusal(lambda: open_line(f"{chip}:0"), GpioError)
        message = as_guest(lambda: refusal(lambda: open_line(f"{chip}:1"), GpioError))
        assert "group gpio" in message, message
        line.close()
        assert bridge.knobs.levels == 0


def check_a_meter_pulled_out_in_mid_run_ends_it_and_the_clock_comes_back() -> None:
    load_clock()
    found = policy_settings()
    with plugged(POWER_UW) as bridge:
        meter_file(f'kind = "ina219"\ni2c_bus = {bridge.bus}\naddress = 0x40\nadc_samples = 32\n')
        with running(
            "run", BUNDLE, "--board", "linux", "--policy", "powersave", "--duration", "300s",
            "--marker", f"{bridge.chip}:{LINE}", "--json",
        ) as run:  # fmt: skip
            appears(lambda: bridge.knobs.raised > 20)
            assert policy_settings() != found
            bridge.child.signal_kill()
            ended = outcome(run)
    print(f"   {ended.err.strip().splitlines()[-1]}")
    assert ended.code == 1 and "Traceback" not in ended.err, ended
    assert ended.json()["inferences"] >= 20
    assert policy_settings() == found


def check_a_marker_pulled_out_in_mid_run_ends_it_in_one_line() -> None:
    with plugged(POWER_UW) as bridge:
        marker = f"{bridge.chip}:{LINE}"
        with running(
            "run", BUNDLE, "--board", "host", "--duration", "300s", "--marker", marker, "--json"
        ) as run:
            appears(lambda: bridge.knobs.raised > 20)
            bridge.child.signal_kill()
            ended = outcome(run)
    assert ended.code == 1, ended
    assert f"{marker} cannot be set" in ended.err and "Traceback" not in ended.err, ended.err
    assert ended.json()["inferences"] >= 20


def check_a_meter_that_is_no_ina226_is_refused() -> None:
    with plugged(POWER_UW) as bridge:
        meter_file(f'kind = "ina226"\ni2c_bus = {bridge.bus}\naddress = 0x40\n')
        ended = edge_infer("power", "monitor", "--duration", "100ms")
        assert ended.code == 1 and "is no INA226" in ended.err, ended
