"""A power on the command line: 5W, 350mW."""

import re
from typing import Any

import click


class Power(click.ParamType[int]):
    """A power with its unit, as uW: 5W, 350mW."""

    name = "power"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the power in uW; a bare number is refused, since nobody can tell its unit."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(m?)W\s*", str(value))
        if not match:
            self.fail(f"{value!r} is no power; write it with its unit: 5W, 350mW", param, ctx)
        return round(float(match[1]) * (1_000 if match[2] else 1_000_000))
