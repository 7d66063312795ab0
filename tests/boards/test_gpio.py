import errno
import os
from pathlib import Path

import pytest
from tests.fakes.gpio_kernel import GpioKernel

from edge_infer.boards.errors import GpioError
from edge_infer.boards.gpio import GpioChip, GpioLine, chip_names, open_line

CHIPS = {"gpiochip0": ["ID_SDA", "", "GPIO2"], "gpiochip10": ["", "GPIO17"], "gpiochip2": []}


@pytest.fixture
def kernel(tmp_path: Path) -> GpioKernel:
    return GpioKernel(tmp_path, CHIPS)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def opened(kernel: GpioKernel, text: str) -> GpioLine:
    return open_line(text, kernel.devices, kernel.ioctl)


def test_a_line_is_low_until_raised_and_low_when_closed(kernel: GpioKernel) -> None:
    line = opened(kernel, "gpiochip0:2")
    assert kernel.taken == {("gpiochip0", 2): "edge-infer"}
    assert kernel.levels == [0]
    line.set_high()
    line.set_low()
    line.set_high()
    line.close()
    line.close()
    assert kernel.levels == [0, 1, 0, 1, 0]


def test_a_line_is_found_by_its_name_on_any_chip(kernel: GpioKernel) -> None:
    line = opened(kernel, "GPIO17")
    assert line.name == "gpiochip10:1"
    assert kernel.taken == {("gpiochip10", 1): "edge-infer"}
    line.close()


def test_chips_are_listed_by_number_with_what_they_say(kernel: GpioKernel) -> None:
    assert chip_names(kernel.devices) == ("gpiochip0", "gpiochip2", "gpiochip10")
    chip = GpioChip("gpiochip10", kernel.devices, kernel.ioctl)
    assert chip.info() == ("gpiochip10", "played", 2)
    assert list(chip.line_names()) == ["", "GPIO17"]
    chip.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpiochip7:1", "there is no such GPIO chip; there are: gpiochip0, gpiochip2, gpiochip10"),
        ("gpiochip0:3", "gpiochip0 has no line 3; there are 0 to 2"),
        ("GPIO99", "no GPIO line 'GPIO99': write gpiochip0:17"),
        ("", "no GPIO line ''"),
        ("gpiochip0:x", "no GPIO line 'gpiochip0:x'"),
    ],
)
def test_a_line_that_is_not_there_is_told(kernel: GpioKernel, text: str, message: str) -> None:
    before = open_descriptors()
    with pytest.raises(GpioError) as raised:
        opened(kernel, text)
    assert message in str(raised.value)
    assert open_descriptors() == before, "a descriptor was left open"


def test_a_line_that_somebody_drives_is_left_alone(kernel: GpioKernel) -> None:
    first = opened(kernel, "GPIO2")
    with pytest.raises(GpioError, match="another program or driver has it"):
        opened(kernel, "gpiochip0:2")
    first.close()


def test_no_permission_names_the_group(kernel: GpioKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(GpioError, match="group gpio"):
        opened(kernel, "gpiochip0:2")


def test_an_older_kernel_is_named(kernel: GpioKernel) -> None:
    kernel_codes = kernel.ioctl

    def version_1(descriptor: int, code: int, message: bytearray | bytes) -> int:
        return kernel_codes(descriptor, code if code >> 31 and code < 0xC0000000 else 0, message)

    with pytest.raises(GpioError, match=r"Linux 5\.10"):
        open_line("gpiochip0:1", kernel.devices, version_1)


def test_a_chip_that_was_pulled_out_is_told_and_closes(kernel: GpioKernel) -> None:
    line = opened(kernel, "gpiochip0:1")
    kernel.gone = True
    with pytest.raises(GpioError, match="still plugged in"):
        line.set_high()
    line.close()
