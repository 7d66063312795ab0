"""Options that several commands share, each declared once."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from models_tflite.backend import BACKEND_NAMES, RESOLVER_NAMES

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return a click option with its environment variable: --frame-size, EDGE_INFER_FRAME_SIZE."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "EDGE_INFER_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **attributes)


json_option = option("--json", "as_json", is_flag=True, help="Print one JSON document.")
backend_option = option(
    "--backend",
    type=click.Choice(BACKEND_NAMES),
    help="Interpreter package.  [default: litert; tflite-runtime on armv7l]",
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
