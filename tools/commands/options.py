"""Options that several commands share, each declared once, and the types that they take."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from edge_infer.commands.quantities import Number
from edge_infer.models_tflite import edgetpu
from edge_infer.models_tflite.backend import BACKEND_NAMES, RESOLVER_NAMES
from edge_infer.models_tflite.errors import UnknownBackendError

Command = TypeVar("Command", bound=Callable[..., Any])
PREFIX = "EDGE_INFER_"
"""Of every option's environment variable."""


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return a click option with its environment variable: --frame-size, EDGE_INFER_FRAME_SIZE."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = PREFIX + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **attributes)


def options_as(
    name: str, record: type[Any], options: Sequence[Callable[[Any], Any]]
) -> Callable[[Command], Command]:
    """Return a decorator that adds options; the command gets them as one argument.

    Args:
        name: of the argument.
        record: dataclass whose fields are the options' parameters.
        options: in the order of the help.
    """

    def add_all(command: Command) -> Command:
        @wraps(command)
        def called(*arguments: Any, **named: Any) -> Any:
            given = {field.name: named.pop(field.name) for field in fields(record)}
            return command(*arguments, **{name: record(**given)}, **named)

        wrapped: Any = called
        for add in reversed(options):
            wrapped = add(wrapped)
        return cast(Command, wrapped)

    return add_all


class BackendName(click.Choice[str]):
    """A backend's name; the Edge TPU's may name a device and a clock level: edgetpu:usb:0@max."""

    name = "backend"

    def __init__(self) -> None:
        super().__init__(BACKEND_NAMES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; a usage error for one that is none."""
        if not str(value).startswith(edgetpu.NAME):
            return str(super().convert(value, param, ctx))
        try:
            edgetpu.delegate_options(value)
        except UnknownBackendError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what help shows."""
        return f"[{'|'.join(BACKEND_NAMES)}[:DEVICE][@LEVEL]]"


class Threads(click.ParamType[tuple[int, ...]]):
    """Thread counts with commas: 1,2,4."""

    name = "counts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the counts, ascending."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} are no thread counts; write them with commas: 1,2,4", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


json_option = option("--json", "as_json", is_flag=True, help="Print one JSON document.")
backend_option = option(
    "--backend",
    type=BackendName(),
    help="Interpreter package, or an Edge TPU by pycoral's device strings and clock level, as "
    "edgetpu:usb:0@max.  [default: litert; tflite-runtime on armv7l]",
)
resolver_option = option(
    "--resolver",
    type=click.Choice(RESOLVER_NAMES),
    default="auto",
    show_default=True,
    help="Kernels: the backend's choice, its own optimised ones, or the portable reference "
    "(bit-identical everywhere, slow).",
)
threads_option = option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Interpreter threads.",
)
queue_option = option(
    "--queue",
    type=click.IntRange(1, 10**6),
    default=4,
    show_default=True,
    help="Frames that may wait; the oldest is dropped for a newer one.",
)
load_option = option(
    "--load",
    type=Number(0.001, 10),
    default=0.6,
    show_default=True,
    help="Arrival rate as a share of what the classic net can do at the top clock.",
)
replayed_option = option(
    "--frames",
    type=click.IntRange(1, 10**9),
    default=20_000,
    show_default=True,
    help="Frames to replay.",
)
ideal_option = option(
    "--ideal",
    is_flag=True,
    help="A simulated board does exactly what its cost table says. By default the truth behind it "
    "is off by what such a table leaves out: temperature, other processes, jitter and more.",
)
operator_key_option = option(
    "--operator-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Private key of an operator, for a device that wants one before it changes something. "
    "Nothing is encrypted: across a network use ssh -L.",
)
static_option = option(
    "--static",
    multiple=True,
    help="A bundle whose nets are rivals that answer every frame alike, each at its best clock; "
    "may be repeated.  [default of reproduce: those that ship]",
)
sensitivity_option = option(
    "--sensitivity",
    is_flag=True,
    help="Also how far each figure hangs on figures of the board that nobody settled: the middle "
    "90 % over their ranges.",
)
confidence_option = option(
    "--confidence",
    type=Number(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="How sure that promise is to be.",
)
time_scale_option = option(
    "--time-scale",
    type=Number(0.01, 1000),
    default=1.0,
    show_default=True,
    help="Stage times and energies times this: synthetic.",
)


def refuse_others(used: Collection[str], why: str) -> None:
    """Refuse what was typed of options that mean nothing here. Raises click.UsageError."""
    for parameter in click.get_current_context().command.params:
        if parameter.name not in used and parameter.name and is_typed(parameter.name):
            raise click.UsageError(f"{why}: leave {parameter.opts[-1]} out")


def is_typed(name: str) -> bool:
    """Whether an option of the command that runs was typed."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def refuse_existing(out: Path, replace: bool) -> None:
    """Say that a folder stands in the way before minutes of work, not after."""
    if out.exists() and not replace:
        raise click.UsageError(f"{out} exists already: choose another place, or give --replace")
