"""The kernel's own INA219 driver (IIO ina2xx-adc) on the chip that the checks play."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.beds.vm.guest.chip import ADDRESS
from tests.beds.vm.guest.machine import modprobe

ADAPTER = Path("/sys/bus/i2c/devices/i2c-0")
DEVICES = Path("/sys/bus/iio/devices")


@contextmanager
def bound() -> Iterator[Path]:
    """Bind the kernel's driver; give the folder of its IIO device."""
    modprobe("ina2xx-adc")
    (ADAPTER / "new_device").write_text(f"ina219 {ADDRESS:#x}")
    try:
        for _ in range(100):
            found = list(DEVICES.glob("iio:device*"))
            if found:
                break
            time.sleep(0.01)
        yield found[0]
    finally:
        (ADAPTER / "delete_device").write_text(f"{ADDRESS:#x}")
