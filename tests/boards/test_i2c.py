import errno
from pathlib import Path

import pytest
from tests.fakes.register_bus import TableBus

from edge_infer.boards.errors import BoardError, BusError
from edge_infer.boards.i2c import I2cDevice, bus_error, i2c_path, open_i2c_bus


def test_words_go_high_byte_first() -> None:
    bus = TableBus({2: 0x5D98})
    device = I2cDevice(bus, 0x40)
    assert device.read(2) == 0x5D98
    device.write(0, 0x399F)
    assert bus.written == [(0x40, 0, 0x9F39)]


def test_a_passing_fault_is_retried_and_counted() -> None:
    bus = TableBus({1: 7}, (errno.EREMOTEIO, errno.EIO))
    device = I2cDevice(bus, 0x40, retries=2)
    assert device.read(1) == 7
    assert device.repeated == 2


def test_retries_are_bounded_and_the_error_says_where_and_what_to_try() -> None:
    device = I2cDevice(TableBus({1: 7}, (errno.EREMOTEIO,) * 3), 0x41, "/dev/i2c-1", retries=2)
    with pytest.raises(BusError) as caught:
        device.read(1)
    assert str(caught.value).startswith("/dev/i2c-1 address 0x41: EREMOTEIO; nothing answers")
    assert caught.value.errno == errno.EREMOTEIO
    assert isinstance(caught.value, BoardError)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("code", [errno.EBUSY, errno.ENODEV, errno.EACCES, errno.ENOENT])
def test_what_no_retry_mends_is_raised_at_once(code: int) -> None:
    bus = TableBus({1: 7}, (code, 0))
    with pytest.raises(BusError):
        I2cDevice(bus, 0x40).read(1)
    assert len(bus.errors) == 1


def test_a_write_is_retried_too() -> None:
    bus = TableBus({}, (errno.EIO, 0))
    I2cDevice(bus, 0x40).write(0, 1)
    assert bus.registers == {0: 1}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EBUSY, "kernel driver"),
        (errno.EACCES, "group i2c"),
        (errno.ENOENT, "raspi-config"),
        (errno.ENODEV, "adapter"),
        (errno.ENXIO, "i2cdetect"),
        (errno.EREMOTEIO, "i2cdetect"),
        (errno.ETIMEDOUT, "pull-ups"),
        (errno.EPROTO, "dmesg"),
    ],
)
def test_each_error_has_its_advice_on_one_line(code: int, advice: str) -> None:
    message = str(bus_error(OSError(code, "x"), "/dev/i2c-1"))
    assert message.startswith(f"/dev/i2c-1: {errno.errorcode[code]}; ")
    assert advice in message
    assert "\n" not in message


@pytest.mark.skipif(Path(i2c_path(250)).exists(), reason="this computer has a bus 250")
def test_a_bus_that_does_not_exist_is_a_bus_error() -> None:
    with pytest.raises(BusError, match=r"/dev/i2c-250: ENOENT; there is no such bus"):
        open_i2c_bus(250)
