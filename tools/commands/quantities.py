"""Values with units on the command line: 20ms, 5W, 18.5Wh, 640x480; and figures for people."""

import re
from collections.abc import Callable
from typing import Any

import click

from edge_infer.boards.units import (
    UnitError,
    parse_duration_ns,
    parse_energy_mwh,
    parse_power_uw,
)


class _Quantity(click.ParamType[int]):
    """A number with its unit, as an integer; a bare number is refused."""

    parse: Callable[[str], int]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the value in the unit that the class names."""
        if isinstance(value, int):
            return value
        try:
            return self.parse(str(value))
        except UnitError as error:
            self.fail(str(error), param, ctx)


class Duration(_Quantity):
    """A time with its unit, as ns: 500us, 20ms, 1.5s, 2min."""

    name = "time"
    parse = staticmethod(parse_duration_ns)


class Power(_Quantity):
    """A power with its unit, as uW: 5W, 350mW."""

    name = "power"
    parse = staticmethod(parse_power_uw)


class BatteryCapacity(_Quantity):
    """The energy in a battery with its unit, as mWh: 18.5Wh, 900mWh."""

    name = "energy"
    parse = staticmethod(parse_energy_mwh)


class FrameSize(click.ParamType[tuple[int, int]]):
    """Width and height in pixels: 640x480."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (width, height)."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", str(value))
        if not match:
            self.fail(f"{value!r} is no size; write width x height: 640x480", param, ctx)
        return int(match[1]), int(match[2])


def time_text(us: float | None) -> str:
    """Return a time in us as a person reads it."""
    if us is None:
        return "-"
    for limit, unit, scale in ((1e3, "us", 1.0), (1e6, "ms", 1e3)):
        if us < limit:
            return f"{us / scale:.3g} {unit}" if us < 100 * scale else f"{us / scale:.0f} {unit}"
    return f"{us / 1e6:.3g} s"


def energy_text(uj: float | None) -> str:
    """Return an energy in uJ as a person reads it."""
    if uj is None:
        return "-"
    size = abs(uj)
    for limit, unit, scale in ((1e3, "uJ", 1.0), (1e6, "mJ", 1e3)):
        if size < limit:
            digits = 0 if size >= 100 * scale else 1 if size >= 10 * scale else 2
            return f"{uj / scale:.{digits}f} {unit}"
    return f"{uj / 1e6:.3g} J"


def share_text(share: float | None, digits: int = 1) -> str:
    """Return a share as per cent."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"
