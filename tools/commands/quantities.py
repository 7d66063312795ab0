"""Values with units on the command line: 20ms, 5W, 18.5Wh, 640x480; and figures for people."""

import math
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


class Number(click.FloatRange):
    """A finite number in a range: click's own lets nan pass every comparison."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; a usage error for one out of the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


RATE = Number(0.001, 1e6)
"""Frames per second."""
SEED = click.IntRange(0, 2**64 - 1)


class _Quantity(click.ParamType[int]):
    """A number with its unit, as an integer; a bare number is refused."""

    parse: Callable[[str], int]
    least = 0
    most: int
    most_text: str

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the value in the unit that the class names."""
        if isinstance(value, int):
            return value
        try:
            found = self.parse(str(value))
        except UnitError as error:
            self.fail(str(error), param, ctx)
        if found > self.most:
            self.fail(f"{value!r} is too much: at most {self.most_text}", param, ctx)
        if found < self.least:
            self.fail(f"{value!r} is too little: more than 0", param, ctx)
        return found


class Duration(_Quantity):
    """A time with its unit, as ns: 500us, 20ms, 1.5s, 2min."""

    name = "time"
    parse = staticmethod(parse_duration_ns)
    least = 1
    most, most_text = 10**18, "1000000000s"


class Power(_Quantity):
    """A power with its unit, as uW: 5W, 350mW."""

    name = "power"
    parse = staticmethod(parse_power_uw)
    most, most_text = 10**12, "1000000W"


class BatteryCapacity(_Quantity):
    """The energy in a battery with its unit, as mWh: 18.5Wh, 900mWh."""

    name = "energy"
    parse = staticmethod(parse_energy_mwh)
    least = 1
    most, most_text = 10**12, "1000000000Wh"


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
