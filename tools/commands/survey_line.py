"""Tests of a serial line for a survey: a loopback plug, or a second board that answers SMP."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from edge_infer.lab.survey.errors import SurveyError

PATTERN = bytes(range(256)) * 16
PATIENCE_S = 5.0
LineTests = Mapping[str, Callable[[], dict[str, Any]]]


def line_tests(port: str | None, baud: int) -> LineTests:
    """Return the tests of a port by name; none without a port."""
    if port is None:
        return {}
    return {"loopback or echo": lambda: _echo(port, baud)}


def _echo(port: str, baud: int) -> dict[str, Any]:
    """Write a pattern and read it back. Raises SurveyError where nothing comes."""
    import serial

    try:
        with serial.Serial(port, baud, timeout=0.1, exclusive=True) as line:
            line.reset_input_buffer()
            begin_s = time.monotonic()
            line.write(PATTERN)
            came = bytearray()
            until_s = begin_s + len(PATTERN) * 10 / baud + PATIENCE_S
            while len(came) < len(PATTERN) and time.monotonic() < until_s:
                came += line.read(len(PATTERN) - len(came))
            passed_s = time.monotonic() - begin_s
    except (serial.SerialException, OSError) as error:
        raise SurveyError(f"{port}: {error}") from None
    if not came:
        raise SurveyError(f"{port}: nothing came back: is the loopback plug on it (TX to RX)?")
    wrong = sum(a != b for a, b in zip(came, PATTERN, strict=False)) + len(PATTERN) - len(came)
    found = {"bytes": len(came), "wrong": wrong, "bytes_per_s": len(came) / passed_s}
    return found | ({"odd": f"{wrong} of {len(PATTERN)} bytes wrong or lost"} if wrong else {})
