"""Quantities as people write them, a decimal number and its unit, read exactly into integers.

A bare number is refused, since nobody can tell its unit.
"""

import re
from collections.abc import Mapping

_FORM = re.compile(r"\s*([0-9]{1,15})(?:\.([0-9]{1,15}))?\s*([A-Za-z]+)\s*")
_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
_UW = {"uW": 1, "mW": 1_000, "W": 1_000_000}
_UV = {"mV": 1_000, "V": 1_000_000}
_MWH = {"mWh": 1, "Wh": 1_000}
_KHZ = {"kHz": 1, "MHz": 1_000, "GHz": 1_000_000}


class UnitError(ValueError):
    """A text is no quantity of its kind; the message shows how to write one."""


def parse_duration_ns(text: str) -> int:
    """Return a time in ns, as 500us, 20ms, 1.5s or 2min. Raises UnitError."""
    return _parse(text, _NS, "time", "500us, 20ms, 1.5s")


def parse_power_uw(text: str) -> int:
    """Return a power in uW, as 5W or 350mW. Raises UnitError."""
    return _parse(text, _UW, "power", "5W, 350mW")


def parse_voltage_uv(text: str) -> int:
    """Return a voltage in uV, as 3.3V or 1800mV. Raises UnitError."""
    return _parse(text, _UV, "voltage", "3.3V, 1800mV")


def parse_energy_mwh(text: str) -> int:
    """Return an energy in mWh, as 18.5Wh or 900mWh. Raises UnitError."""
    return _parse(text, _MWH, "energy", "18.5Wh")


def parse_clock_khz(text: str) -> int:
    """Return a clock in kHz, as 1500MHz or 1.5GHz. Raises UnitError."""
    return _parse(text, _KHZ, "clock", "1500MHz, 1.5GHz")


def _parse(text: str, units: Mapping[str, int], kind: str, examples: str) -> int:
    """Return the nearest integer of the unit that is worth 1; of two equally near the even one."""
    match = _FORM.fullmatch(text)
    if match is None or match[3] not in units:
        raise UnitError(f"{text!r} is no {kind}; write it with its unit: {examples}")
    decimals = match[2] or ""
    one: int = 10 ** len(decimals)
    value, rest = divmod(int(match[1] + decimals) * units[match[3]], one)
    up = 2 * rest > one or (2 * rest == one and value % 2 == 1)
    return value + int(up)
