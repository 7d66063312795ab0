"""Options that say what a foreign power trace does not say of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from edge_infer.boards.errors import TraceError
from edge_infer.boards.traces.columns import FORM, SUPPLY_V, Column, parse_columns
from edge_infer.boards.units import UnitError, parse_duration_ns, parse_voltage_uv
from edge_infer.commands.options import option, options_as
from edge_infer.commands.quantities import Number, Power

FORMATS = ("edge-infer", "mlperf-tiny", "ppk2", "joulescope", "columns")


class Supply(click.ParamType[float]):
    """A supply voltage with its unit, as V: 3.3V, 1800mV."""

    name = "voltage"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return it in V."""
        if isinstance(value, float):
            return value
        try:
            volts = parse_voltage_uv(str(value)) / 1e6
        except UnitError as error:
            self.fail(str(error), param, ctx)
        if not SUPPLY_V[0] <= volts <= SUPPLY_V[1]:
            self.fail(
                f"{value!r} is no board's supply: {SUPPLY_V[0]:g}V to {SUPPLY_V[1]:g}V", param, ctx
            )
        return volts


class Columns(click.ParamType[tuple[Column, ...]]):
    """What stands in which column of a table: time_s=0,current_ma=2."""

    name = "columns"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Column, ...]:
        """Return the columns."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_columns(str(value))
        except TraceError as error:
            self.fail(str(error), param, ctx)


class Span(click.ParamType[tuple[float, float]]):
    """A stretch of a trace's own time, as s: 2s..60s."""

    name = "from..to"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Return its two ends in s."""
        if isinstance(value, tuple):
            return value
        try:
            begin, end = (parse_duration_ns(part) / 1e9 for part in str(value).split(".."))
        except ValueError:
            self.fail(f"{value!r} is no stretch of time; write it as 2s..60s", param, ctx)
        if end <= begin:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return begin, end


@dataclass(frozen=True, slots=True)
class TraceGiven:
    """How to read a trace."""

    format: str | None
    supply: float | None
    columns: tuple[Column, ...] | None
    measured: bool
    gain_error: float | None
    between: tuple[float, float] | None


trace_options: Callable[[Any], Any] = options_as(
    "given",
    TraceGiven,
    [
        option(
            "--format",
            type=click.Choice(FORMATS),
            help="Format of the file.  [default: by what it holds]",
        ),
        option("--supply", type=Supply(), help="The board's supply, where a file has currents "
               "alone: 3.3V."),
        option("--columns", type=Columns(), help=f"What stands in which column of any table, by "
               f"heading or number from 0, units in the key: {FORM.split(' ', 1)[1]}."),
        option("--measured", is_flag=True, help="An instrument took what --columns names; without, "
               "its origin is unknown."),
        option("--gain-error", type=Number(0, 100), help="Bound of the instrument's gain error in "
               "per cent, where the file does not state it."),
        option("--between", type=Span(), help="Read this stretch of the trace alone: 2s..60s of "
               "its own time."),
    ],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WindowsGiven:
    """What tells a trace's windows."""

    channel: str | None
    inferences: int | None
    windows: int | None
    idle: int | None
    idle_window: tuple[float, float] | None


window_options: Callable[[Any], Any] = options_as(
    "telling",
    WindowsGiven,
    [
        option("--channel", help="Digital channel that is high while an inference runs: "
               "D0; D0:low, or D0:falling for an edge at both ends."),
        option("--inferences", type=click.IntRange(1, 10**9), help="Inferences in each window."),
        option("--windows", type=click.IntRange(1, 10**9), help="How many windows there have to "
               "be; another number is refused."),
        option("--idle", type=Power(), help="Idle power, for net energies: 12mW."),
        option("--idle-window", type=Span(), help="Stretch of the trace to take the idle power "
               "from: 0s..2s."),
    ],
)  # fmt: skip
