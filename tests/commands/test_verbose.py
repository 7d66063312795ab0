"""-v says what is decided, -vv what goes over the line; nothing without them."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_infer.boards.i2c import I2cDevice, LoggedBus
from edge_infer.commands.logs import log_from
from edge_infer.commands.root import run_line
from edge_infer.firmware_bridge.port import OpenPort

RUN = ["run", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--frames", "20",
       "--policy", "planned", "--deadline", "20ms", "--rate", "100"]  # fmt: skip


@pytest.fixture(autouse=True)
def silent_again() -> Iterator[None]:
    yield
    logger = logging.getLogger("edge_infer")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("line", [["-v", *RUN], [*RUN, "-v"]])
def test_decisions_go_to_standard_error(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(line) == 0
    done = capsys.readouterr()
    assert re.search(r"^ *\d+\.\d{4} runtime\.policies\.policy: policy planned: ", done.err, re.M)
    assert "plans solved" in done.err and "plans solved, number" not in done.out


def test_nothing_is_said_without() -> None:
    command = [sys.executable, "-m", "edge_infer", *RUN]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "policy.policy" not in done.stderr and done.stdout


def test_a_warning_reads_as_one_without_module_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_from(logging.WARNING)
    logging.getLogger("edge_infer.runtime.frames").warning("%s: it is started again", "camera")
    assert capsys.readouterr().err == "warning: camera: it is started again\n"


def test_every_command_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["device", "status"], ["power", "stream"], ["bundle", "info"], ["doctor"]):
        assert run_line([*line, "--help"]) == 0
        assert "-v, --verbose" in capsys.readouterr().out


class Pipe:
    """Two ends of a pipe as one port."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)

    def fileno(self) -> int:
        return self.reading

    def close(self) -> None:
        os.close(self.reading)


def test_a_lines_bytes_are_told_in_hex(capsys: pytest.CaptureFixture[str]) -> None:
    log_from(logging.DEBUG)
    pipe = Pipe()
    port = OpenPort("line", pipe)
    os.write(pipe.writing, b"\x06\x09ab")
    assert port.read_ready() == b"\x06\x09ab"
    assert "firmware_bridge.port: line < 06 09 61 62" in capsys.readouterr().err
    port.close()
    os.close(pipe.writing)


def test_a_buss_transfers_are_told_with_their_direction(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_from(logging.DEBUG)

    class Bus:
        def read_word_data(self, i2c_addr: int, register: int) -> int:
            return 0x1234

        def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
            pass

        def close(self) -> None:
            pass

    chip = I2cDevice(LoggedBus(Bus(), "/dev/i2c-1"), 0x40)
    assert chip.read(2) == 0x3412
    chip.write(5, 0x0102)
    told = capsys.readouterr().err
    assert "/dev/i2c-1 0x40 < 02: 34 12" in told
    assert "/dev/i2c-1 0x40 > 05: 01 02" in told
