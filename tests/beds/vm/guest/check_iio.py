"""The kernel's own driver bound to the chip, read by our kernel-route meter."""

import json

from tests.beds.vm.guest.chip import StubChip
from tests.beds.vm.guest.cli import edge_infer
from tests.beds.vm.guest.iio import ADAPTER, bound
from tests.beds.vm.guest.machine import refusal

from edge_infer.boards.errors import BusError
from edge_infer.boards.ina219 import (
    BUS_VOLTAGE,
    CONFIGURATION_AT_RESET,
    SHUNT_VOLTAGE,
)
from edge_infer.boards.kernel_gauge import KernelGauge, kernel_devices
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands.doctor_board import i2c_findings, meter_findings

DRIVERS_UOHM = 10_000
"""What ina2xx-adc believes in when nobody tells it the shunt."""


def write_chip(shunt_code: int, bus_mv: int) -> None:
    chip = StubChip()
    chip.write(SHUNT_VOLTAGE, shunt_code & 0xFFFF)
    chip.write(BUS_VOLTAGE, bus_mv // 4 << 3)
    chip.close()


def check_the_kernels_driver_and_ours_agree() -> None:
    with bound():
        sysfs = RealSysfs()
        device = kernel_devices(sysfs)[0]
        assert (device.chip, device.iio) == ("ina219", True)
        gauge = KernelGauge(sysfs, device)
        for code, bus_mv in ((1_000, 5_000), (-250, 12_000), (3_000, 3_300)):
            write_chip(code, bus_mv)
            gauge.open()
            current_ua = code * 10 * 1_000_000 // DRIVERS_UOHM
            assert gauge.read() == (bus_mv, current_ua, current_ua * bus_mv // 1000)
        assert gauge.interval_ns == 532_000
        assert gauge.resolution_uw == 10 * 3_300 * 1000 // DRIVERS_UOHM // 2 + 1


def check_power_monitor_reads_it() -> None:
    with bound():
        write_chip(1_000, 5_000)
        outcome = edge_infer(
            "power", "monitor", "--meter", "kernel", "--every", "200ms", "--duration", "400ms",
            "--json",
        )  # fmt: skip
        rows = [json.loads(line) for line in outcome.out.splitlines()]
        assert {row["power_uw"] for row in rows} == {5_000_000}, rows
        print(f"   {sum(row['samples'] for row in rows)} samples in 400 ms through the kernel")


def check_a_driver_that_goes_away_is_a_bus_error() -> None:
    with bound():
        sysfs = RealSysfs()
        gauge = KernelGauge(sysfs, kernel_devices(sysfs)[0])
        gauge.open()
    assert "No such file" in refusal(gauge.read, BusError)
    assert kernel_devices(RealSysfs()) == ()
    assert ADAPTER.exists()


def check_doctor_finds_chips_and_the_address_that_the_kernel_holds() -> None:
    # As after power-up, 5 V on the bus: the kernel's driver left its calibration there.
    for register, word in enumerate((CONFIGURATION_AT_RESET, 0, 5000 // 4 << 3, 0, 0, 0)):
        StubChip().write(register, word)
    assert "0x40 ina219" in next(i2c_findings()).text
    with bound():
        assert "0x40 kernel driver" in next(i2c_findings()).text
        assert "--meter kernel:iio:device0" in next(meter_findings(RealSysfs())).text
